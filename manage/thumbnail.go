package manage

import (
	"context"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

// Options of thumbnails: of an image in a list, and of one that a page shows alone.
const (
	smallThumbnail = "w=240&h=180&fit=cover&anim=0"
	largeThumbnail = "w=800&h=800&anim=0"
)

var errNoThumbnails = notFound("This server delivers no images, so it can't show one.")

// Thumbnail returns a small picture of an image in a source, for pages that members see: also
// of a private one, which needs a signature anywhere else. It counts in no limit and in no plan.
// accept is the header of the client.
func (m *Manager) Thumbnail(ctx context.Context, who Caller, namespace, source, path string, large bool, accept string) (delivery.Picture, error) {
	if _, err := m.open(ctx, who, account.PreviewImages, namespace); err != nil {
		return delivery.Picture{}, err
	}
	if m.delivery == nil {
		return delivery.Picture{}, errNoThumbnails
	}
	options := smallThumbnail
	if large {
		options = largeThumbnail
	}
	picture, err := m.delivery.Thumbnail(ctx, namespace, source, path, options, accept)
	if err != nil && ctx.Err() == nil {
		err = fault.Of(err) // it is about an image, and not about the store
	}
	return picture, err
}

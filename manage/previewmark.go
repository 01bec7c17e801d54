package manage

import (
	"context"
	"fmt"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A MarkPreview says what shows a mark that isn't stored.
type MarkPreview struct {
	Picture string // the image that it lies on: source/path or a URL; empty shows the mark's own image
	Width   int    // of what is shown, in pixels, 1 to MaxPreviewWidth
	Accept  string // header of the client
}

// MaxPreviewWidth is the maximum width of a preview, in pixels.
const MaxPreviewWidth = 2000

var errNoPreview = notFound("This server delivers no images, so it can't show a mark.")

// PreviewMark shows a mark as it would be delivered after [Manager.PutMark]. It stores
// nothing. A mark that isn't bound to the image's source is shown as if the URL asked for it.
// A new mark may have no name yet.
func (m *Manager) PreviewMark(ctx context.Context, who Caller, namespace string, mark workspace.Mark, p MarkPreview) (delivery.Picture, error) {
	old, err := m.open(ctx, who, account.WriteMark, namespace)
	if err != nil {
		return delivery.Picture{}, err
	}
	// Images of private sources are for those who may sign URLs of them.
	if err := who.Allow(account.Sign, namespace); err != nil {
		return delivery.Picture{}, err
	}
	if m.delivery == nil {
		return delivery.Picture{}, errNoPreview
	}
	if p.Width < 1 || p.Width > MaxPreviewWidth {
		return delivery.Picture{}, invalid(fmt.Sprintf("width: must be 1 to %d pixels.", MaxPreviewWidth))
	}
	named := func(name string) int {
		return slices.IndexFunc(old.Marks, func(m workspace.Mark) bool { return m.Name == name })
	}
	for n := 1; mark.Name == ""; n++ {
		if name := fmt.Sprintf("preview%d", n); named(name) < 0 {
			mark.Name = name
		}
	}
	w, err := m.unsaved(ctx, who, old, func(w *workspace.Workspace) error {
		if i := named(mark.Name); i >= 0 {
			w.Marks[i] = mark
		} else {
			w.Marks = append(w.Marks, mark)
		}
		return nil
	})
	if err != nil {
		return delivery.Picture{}, err
	}
	show := delivery.Preview{Image: p.Picture, Mark: mark.Name, Width: p.Width, Accept: p.Accept}
	if p.Picture == "" {
		show.Image, show.Mark = mark.Image, ""
	}
	picture, err := m.delivery.Preview(ctx, w, show)
	if err != nil && ctx.Err() == nil {
		err = fault.Of(err) // it is about an image, and not about the store
	}
	return picture, err
}

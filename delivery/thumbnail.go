package delivery

import (
	"context"
	"net/url"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// Thumbnail makes a small picture of an original in a source, for the workspace's members, or
// gets it from the cache. options are as in a query. accept is the header of the client.
//
// The caller checks that the client may see every image of the workspace: Thumbnail asks for no
// signature and no preset. Blocks and bound marks are as for a request. It counts neither as a
// request nor as a transform, in no limit. Clients see its errors.
func (s *Service) Thumbnail(ctx context.Context, namespace, source, path, options, accept string) (Picture, error) {
	c, err := s.site(ctx, namespace)
	if err != nil {
		return Picture{}, err
	}
	a := ask{site: c, forMembers: true, options: transform.Defaults()}
	target := Target{Namespace: namespace, Rest: "/" + opTransform + "/" + url.PathEscape(source) + "/" + origin.EscapePath(path), RawQuery: options}
	if err := c.readInto(&a, target, nil); err != nil {
		return Picture{}, err
	}
	a.accept, a.client = s.accepted(&a, accept), limit.ClientIn(ctx)
	if err := a.checkBlocked(); err != nil {
		return Picture{}, err
	}
	found, err := s.loadMarked(ctx, &a, &timings{})
	switch {
	case err != nil:
		return Picture{}, err
	case found.entry.Code != "":
		return Picture{}, fault.New(fault.Code(found.entry.Code), found.entry.Message)
	case found.refused != nil:
		return Picture{}, found.refused
	}
	e := found.entry
	return Picture{Body: e.Body, ContentType: e.ContentType, Width: e.Width, Height: e.Height, ETag: e.ETag}, nil
}

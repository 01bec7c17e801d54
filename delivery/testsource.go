package delivery

import (
	"context"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestSource fetches an original as a request would if the workspace were stored as it is: by
// the same connections, within the same bounds, and from the source that the rules of
// overlapping sources choose. Its bytes are counted. Nothing is cached.
//
// w is as in [Service.Preview]. Errors of the fetch and of the image are those of requests,
// and hold no secret and no address.
func (s *Service) TestSource(ctx context.Context, w *workspace.Workspace, key, path string) (m Metadata, err error) {
	edited, _, err := s.unsaved(ctx, w)
	if err != nil {
		return m, err
	}
	r, err := edited.resolveName(key + "/" + path)
	if err != nil {
		return m, err
	}
	from, err := s.readOriginal(ctx, edited, opTransform, r, origin.Validators{})
	if err != nil {
		return m, err
	}
	defer from.Release()
	return metadataOf(from)
}

package delivery

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// A Preview asks for a picture of a workspace that isn't stored as it is.
type Preview struct {
	Image  string // the original: source/path, or a URL
	Mark   string // the configured mark that a URL would name; empty is none
	Width  int    // as the option w; 0 is the original's
	Accept string // header of the client
}

// A Picture is an image that a request would be answered with.
type Picture struct {
	Body          []byte
	ContentType   string
	Width, Height int      // pixels
	Marks         []string // of a preview: names of the marks on it, the lowest first
	ETag          string   // of a thumbnail
}

// Preview makes the image that a request would be answered with if the workspace were stored
// as it is. w is a workspace that exists, with settings that [Service.Check] accepts.
//
// The caller checks that the client may see every image of the workspace and may change it:
// Preview asks for no signature and no preset. All else is as for a request: allowlist,
// blocks, marks, and the limits of the workspace, where the image counts as a transform.
// Nothing is cached. An image that carries a bound mark as the workspace is stored carries
// the mark of this name in the preview too, or else the error is MARK_UNAVAILABLE.
func (s *Service) Preview(ctx context.Context, w *workspace.Workspace, p Preview) (Picture, error) {
	free := *w
	free.PresetsOnly = false // it is about URLs, and no URL names these options
	edited, stored, err := s.unsaved(ctx, &free)
	if err != nil {
		return Picture{}, err
	}
	q := url.Values{"src": {p.Image}}
	if p.Mark != "" {
		q.Set("mark", p.Mark)
	}
	if p.Width > 0 {
		q.Set("w", strconv.Itoa(p.Width))
	}
	a, err := edited.read(Target{Namespace: w.Namespace, Rest: "/" + opTransform, RawQuery: q.Encode()}, false, nil)
	if err != nil {
		return Picture{}, err
	}
	a.accept, a.client = s.accepted(&a, p.Accept), limit.ClientIn(ctx)
	picture := Picture{Marks: []string{}}
	for _, m := range a.marks.list {
		picture.Marks = append(picture.Marks, m.Name())
	}
	if err := stored.keepsMarks(p.Image, picture.Marks); err != nil {
		return Picture{}, err
	}
	if err := a.checkBlocked(); err != nil {
		return Picture{}, err
	}
	e, err := s.makeUncached(ctx, &a)
	if err != nil {
		return Picture{}, err
	}
	picture.Body, picture.ContentType, picture.Width, picture.Height = e.Body, e.ContentType, e.Width, e.Height
	return picture, nil
}

// unsaved compiles settings that aren't stored, for one use. Purges and blocks are no
// settings: they are those of the stored workspace, which it returns too.
func (s *Service) unsaved(ctx context.Context, w *workspace.Workspace) (edited, stored *site, err error) {
	if stored, err = s.site(ctx, w.Namespace); err != nil {
		return nil, nil, err
	}
	if edited, err = s.compile(w); err != nil {
		return nil, nil, fault.New(fault.Validation, "The workspace can't be served: "+err.Error()+".")
	}
	edited.purges, edited.blocked = stored.purges, edited.blocks(stored.Blocks)
	return edited, stored, nil
}

// keepsMarks returns an error unless the names have all marks that an image carries whatever
// a URL says.
func (c *site) keepsMarks(image string, names []string) error {
	r, err := c.resolveImage(image)
	if err != nil {
		return err
	}
	var lost []string
	for _, src := range r.sources() {
		for _, name := range src.marks {
			if !slices.Contains(names, name) && !slices.Contains(lost, name) {
				lost = append(lost, name)
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return fault.New(fault.MarkUnavailable, "this image carries "+strings.Join(lost, " and ")+" until the change is saved, and the preview would show it without: choose an image of another source")
}

// makeUncached makes a variant for one use.
func (s *Service) makeUncached(ctx context.Context, a *ask) (e *cache.Entry, err error) {
	for range 3 { // see loadMarked
		marked, err := s.findMarks(ctx, a)
		if err != nil {
			return nil, err
		}
		e, err = s.make(ctx, marked, nil, &timings{})
		if errors.Is(err, errMarkChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if e.Code != "" {
			return nil, fault.New(fault.Code(e.Code), e.Message)
		}
		return e, marked.judge(e).refused
	}
	return nil, errMarkChanged
}

package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// resolveImage finds the original that `source/path` or a URL names.
func (c *site) resolveImage(name string) (ref, error) {
	if hasScheme(name) {
		return c.resolveURL(name)
	}
	return c.resolveName(name)
}

// decidedMarks are the marks of a variant. Only decideMarks makes them, and withoutMarks for
// what shows no picture: the zero value is no decision, and nothing is made or cached under
// it.
type decidedMarks struct {
	decided bool
	list    []variantMark
}

// A variantMark is one mark of a variant.
type variantMark struct {
	marks.Applied
	ref   ref
	cell  int          // of a grid that it lies on, counted from 1; 0 is the whole output
	image *marks.Image // as it is now, once findMarks has been called
}

// decideMarks decides which marks a variant of shown carries. Where shown stands in for
// another original (default=), inPlaceOf is that one: marks that are bound to its sources
// count too.
func (c *site) decideMarks(asked transform.Mark, shown ref, inPlaceOf ...ref) (decidedMarks, error) {
	if asked.Name == "" && !shown.marked() && !slices.ContainsFunc(inPlaceOf, ref.marked) {
		return decidedMarks{decided: true}, nil
	}
	var sources []string
	for _, r := range append(inPlaceOf, shown) {
		for _, src := range r.sources() {
			sources = append(sources, src.Key)
		}
	}
	list, err := c.marks.Decide(sources, asked)
	if err != nil {
		return decidedMarks{}, err
	}
	decided := decidedMarks{decided: true}
	for _, m := range list {
		r, err := c.markRef(m)
		if err != nil {
			return decidedMarks{}, err
		}
		decided.list = append(decided.list, variantMark{Applied: m, ref: r})
	}
	return decided, nil
}

// withoutMarks decides that an answer carries no marks, since it doesn't show the picture:
// some thirty numbers of a hash are all that anybody gets of it, at any size. It is for
// info and placeholders only.
func withoutMarks() decidedMarks { return decidedMarks{decided: true} }

// markRef is where the image of a mark is. An image that the URL names is held to the
// rules of every original. In addition, an image that must carry marks itself can't be a
// mark, since it would be shown without them.
func (c *site) markRef(m marks.Applied) (ref, error) {
	if m.Configured != nil {
		r, err := c.resolveImage(m.Configured.Image)
		if err != nil {
			return ref{}, markUnavailable(m.Name(), err)
		}
		return r, nil
	}
	r, err := c.resolveImage(m.Image)
	if err != nil {
		e := fault.Of(err)
		code := e.Code
		if code == fault.InvalidSource || code == fault.InvalidPath || code == fault.SourceNotFound {
			code = fault.InvalidOption
		}
		return ref{}, &fault.Error{Code: code, Message: "mark: " + e.Message, Cause: err}
	}
	if src := r.first(func(s *source) bool { return s.marked }); src != nil {
		return ref{}, fault.New(fault.SourceNotAllowed, "mark: images of "+src.Key+" carry marks of their own, and can't be used as one")
	}
	return r, nil
}

// asked are the originals of marks that the URL names itself.
func (d decidedMarks) asked() (refs []ref) {
	for _, m := range d.list {
		if m.Configured == nil {
			refs = append(refs, m.ref)
		}
	}
	return refs
}

// errMarkChanged says that a mark's image is no longer the one that the variant was
// asked for with.
var errMarkChanged = &fault.Error{Code: fault.Overloaded, Message: "the mark's image is changing; try again in a second", RetryAfter: 1}

// errUndecided means that a caller forgot decideMarks.
var errUndecided = errors.New("nobody has decided which marks this variant carries")

// findMarks returns the ask with the current images of its marks, which are part of the
// variant key. It fetches only images that aren't known.
func (s *Service) findMarks(ctx context.Context, a *ask) (*ask, error) {
	if !a.marks.decided {
		return nil, errUndecided
	}
	if len(a.marks.list) == 0 {
		return a, nil
	}
	marked := *a
	marked.marks.list = make([]variantMark, len(a.marks.list))
	for i, m := range a.marks.list {
		image, err := s.markImage(ctx, a.site, m, false) // without its body
		if err != nil {
			return nil, err
		}
		m.image = image
		marked.marks.list[i] = m
	}
	return &marked, nil
}

// markImages returns the marks as the engine takes them. They are kept until release is
// called, and longer where the engine calls retain.
func (s *Service) markImages(ctx context.Context, a *ask) (images []transform.MarkImage, retain func() func(), release func(), err error) {
	if !a.marks.decided {
		return nil, nil, nil, errUndecided
	}
	var held []*marks.Image
	release = func() {
		for _, image := range held {
			image.Release()
		}
	}
	retain = func() func() {
		for _, image := range held {
			image.Retain()
		}
		return release
	}
	for _, m := range a.marks.list {
		image, err := s.markImage(ctx, a.site, m, true)
		if err != nil {
			release()
			return nil, nil, nil, err
		}
		held = append(held, image)
		if image.Hash != m.image.Hash {
			release()
			return nil, nil, nil, errMarkChanged
		}
		images = append(images, transform.MarkImage{Image: image.Body, Header: image.Header, Hash: image.Hash, Mark: m.Mark, OnPicture: m.Bound, Cell: m.cell})
	}
	return images, retain, release, nil
}

// markImage returns the image of a mark, and fetches it unless it is known. The caller
// must release an image that it asks for whole.
func (s *Service) markImage(ctx context.Context, c *site, m variantMark, whole bool) (*marks.Image, error) {
	return s.markImageAfter(ctx, c, m, whole, c.purgedMark(m))
}

// markImageAfter is markImage with the number of a purge that the fetch has to come after.
func (s *Service) markImageAfter(ctx context.Context, c *site, m variantMark, whole bool, purge int64) (*marks.Image, error) {
	key := originalKey{c.ID, m.ref.place(), m.ref.at().key, origin.Validators{}, purge, c.blocked.byHash()}
	image, err := s.marks.Get(ctx, key, whole, func(ctx context.Context, old *marks.Image) (*marks.Image, error) {
		var have origin.Validators
		if old != nil {
			have = old.Validators
		}
		fetched, err := s.readOriginal(ctx, c, opTransform, m.ref, have)
		if old != nil && errors.Is(err, origin.ErrNotModified) && !slices.Equal(origin.RedirectsOf(err), old.Redirects) {
			fetched, err = s.readOriginal(ctx, c, opTransform, m.ref, origin.Validators{}) // to note the redirects
		}
		if err != nil {
			return nil, err
		}
		image := &marks.Image{Header: fetched.header, Object: fetched.Object}
		err = fetched.Look(func(body []byte) error { image.Hash = sha256.Sum256(body); return nil })
		if err != nil {
			fetched.Release()
			return nil, err
		}
		return image, nil
	})
	if err != nil {
		return nil, markUnavailable(m.Name(), err)
	}
	later, err := c.checkMark(m.ref, image, purge)
	if err == nil && later == purge {
		return image, nil
	}
	if whole {
		image.Release()
	}
	if err != nil {
		return nil, markUnavailable(m.Name(), err)
	}
	return s.markImageAfter(ctx, c, m, whole, later) // what a redirect led to has been purged
}

// checkMark refuses the image of a mark if the workspace has changed since it was fetched:
// blocks, what redirects may lead to, allow_svg and allow_tiff. later is the number of a purge
// after the one that it was fetched after, of what its redirects led to. It equals purge where
// there is none.
func (c *site) checkMark(r ref, image *marks.Image, purge int64) (later int64, err error) {
	later = purge
	for _, u := range image.Redirects {
		u.Query = "" // as in the entries of variants
		to, err := c.checkRedirect(r.at().source, u)
		if err != nil {
			return 0, err
		}
		later = max(later, c.purgedOriginal(to))
	}
	switch {
	case later > purge:
		return later, nil
	case c.blocked.has(image.Hash):
		return purge, errBlocked()
	}
	return purge, c.takes(image.Header)
}

// markUnavailable makes err an error about the mark. Errors that aren't about the mark,
// such as a busy server, stay as they are.
func markUnavailable(name string, err error) error {
	e := fault.Of(err)
	if errors.Is(err, context.Canceled) || e.Code == fault.Overloaded || e.Code == fault.Internal || e.Code == fault.Blocked {
		return err
	}
	return &fault.Error{Code: fault.MarkUnavailable, Message: "the mark " + name + " can't be stamped, and nothing is shown without it: " + e.Message, Cause: err}
}

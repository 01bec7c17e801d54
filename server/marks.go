package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// A logo is where the image of a configured mark is.
type logo struct {
	ref ref
	err error // why it can't be anywhere
}

// findLogos finds the images of the configured marks. One that can't be found is the
// trouble of those who need it.
func (c *site) findLogos() {
	c.logos = make(map[*marks.Preset]logo, len(c.marks.All()))
	for _, p := range c.marks.All() {
		r, err := c.resolveImage(p.Image)
		c.logos[p] = logo{r, err}
	}
}

// resolveImage finds the original that `source/path` or a URL names.
func (c *site) resolveImage(name string) (ref, error) {
	if hasScheme(name) {
		return c.resolveURL(name)
	}
	return c.resolveName(name)
}

// stamps are the marks of a variant. Only decideMarks makes them: the zero value is
// no decision, and nothing is made or cached under it.
type stamps struct {
	decided bool
	list    []stamp
}

// A stamp is one mark of a variant.
type stamp struct {
	marks.Stamp
	ref   ref
	image *marks.Image // as it is now, once findMarks has been called
}

// decideMarks says which marks are stamped on a variant of the first of these
// originals. The others are those in whose place it is shown: what is bound to any
// of their sources counts.
func (c *site) decideMarks(asked transform.Mark, shown ref, inPlaceOf ...ref) (stamps, error) {
	if asked.Name == "" && !shown.marked() && !slices.ContainsFunc(inPlaceOf, ref.marked) {
		return stamps{decided: true}, nil
	}
	var sources []string
	for _, r := range append(inPlaceOf, shown) {
		for _, src := range r.sources() {
			sources = append(sources, src.Key)
		}
	}
	list, err := c.marks.Decide(sources, asked)
	if err != nil {
		return stamps{}, err
	}
	decided := stamps{decided: true}
	for _, m := range list {
		r, err := c.markRef(m)
		if err != nil {
			return stamps{}, err
		}
		decided.list = append(decided.list, stamp{Stamp: m, ref: r})
	}
	return decided, nil
}

// markRef is where the image of a mark is. One that a URL names itself is held to
// the rules of every original; and as a mark nothing is shown without its own marks.
func (c *site) markRef(m marks.Stamp) (ref, error) {
	if m.Preset != nil {
		logo := c.logos[m.Preset]
		if logo.err != nil {
			return ref{}, markUnavailable(m.Name(), logo.err)
		}
		return logo.ref, nil
	}
	r, err := c.resolveImage(m.Image)
	if err != nil {
		e := asError(err)
		code := e.Code
		if code == "INVALID_SOURCE" || code == "INVALID_PATH" || code == "SOURCE_NOT_FOUND" {
			code = "INVALID_OPTION"
		}
		return ref{}, &Error{Code: code, Message: "mark: " + e.Message, Cause: err}
	}
	if src := r.first(func(s *source) bool { return s.marked }); src != nil {
		return ref{}, fail("SOURCE_NOT_ALLOWED", "mark: images of "+src.Key+" carry marks of their own, and can't be used as one")
	}
	return r, nil
}

// asked are the originals of marks that the URL names itself.
func (s stamps) asked() (refs []ref) {
	for _, m := range s.list {
		if m.Preset == nil {
			refs = append(refs, m.ref)
		}
	}
	return refs
}

// errMarkChanged says that a mark's image is no longer the one that the variant was
// asked for with.
var errMarkChanged = &Error{Code: "OVERLOADED", Message: "the mark's image is changing; try again in a second", RetryAfter: 1}

// findMarks finds out what the images of the marks are now: they are part of the
// variant's key. Those that were fetched before take no origin.
func (s *Server) findMarks(ctx context.Context, a *ask) error {
	if !a.stamps.decided {
		return errors.New("nobody has decided which marks this variant carries")
	}
	found := make([]stamp, len(a.stamps.list))
	for i, m := range a.stamps.list {
		image, err := s.markImage(ctx, a.site, m, false) // without its body
		if err != nil {
			return err
		}
		m.image = image
		found[i] = m
	}
	a.stamps.list = found
	return nil
}

// markImages are the marks as the engine takes them, until release is called. retain
// keeps them longer.
func (s *Server) markImages(ctx context.Context, a ask) (images []transform.MarkImage, retain func() func(), release func(), err error) {
	if !a.stamps.decided {
		return nil, nil, nil, errors.New("nobody has decided which marks this variant carries")
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
	for _, m := range a.stamps.list {
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
		images = append(images, transform.MarkImage{Image: image.Body, Header: image.Header, Hash: image.Hash, Mark: m.Mark, OnPicture: m.Bound})
	}
	return images, retain, release, nil
}

// markImage is the image of a mark, fetched now unless it is known. Where it is wanted
// whole it must be released.
func (s *Server) markImage(ctx context.Context, c *site, m stamp, whole bool) (*marks.Image, error) {
	key := originalKey{c.ID, m.ref.place(), m.ref.at().key, origin.Validators{}, c.purgedMark(m)}
	image, err := s.marks.Get(ctx, key, whole, func(ctx context.Context, old *marks.Image) (*marks.Image, error) {
		var have origin.Validators
		if old != nil {
			have = old.Validators
		}
		fetched, err := s.readOriginal(ctx, c, m.ref, have)
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
	// What a workspace takes may have changed since the image was fetched.
	if err := c.takes(image.Header); err != nil {
		if whole {
			image.Release()
		}
		return nil, markUnavailable(m.Name(), err)
	}
	return image, nil
}

// markUnavailable says that it is the mark that can't be had. What is nobody's
// fault, and what is ours, stays what it is.
func markUnavailable(name string, err error) error {
	e := asError(err)
	if errors.Is(err, context.Canceled) || e.Code == "OVERLOADED" || e.Code == "INTERNAL_ERROR" {
		return err
	}
	return &Error{Code: "MARK_UNAVAILABLE", Message: "the mark " + name + " can't be stamped, and nothing is shown without it: " + e.Message, Cause: err}
}

// Package marks decides which marks a variant carries, and caches their images.
//
// For most uses, call [New] with a workspace's marks, [Set.Parse] to read the options of
// a request, and [Set.Decide] for the marks of the variant. Every variant must be decided
// there. [Images] caches the images of marks and their hashes. A hash is part of the
// variant key.
//
// Package transform computes where a mark lies, and the engine draws it. The caller finds
// and fetches the images, and checks that a request may use them.
package marks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A Configured mark is one of the workspace's settings.
type Configured struct {
	Name  string
	Image string // `source/path` or a URL
	mark  transform.Mark
	query transform.Query
	bound []string // keys of the sources whose every variant carries it
}

// A Set is the marks of a workspace. The zero Set has none. A Set never changes, and is
// safe for concurrent use.
type Set struct {
	configured []*Configured // in the owner's order
}

// New returns the Set of a workspace's marks. The error is about a mark that
// [workspace.Workspace.Validate] would refuse.
func New(list []workspace.Mark) (Set, error) {
	var s Set
	for _, m := range list {
		q := m.Query()
		o, err := transform.Parse(transform.Defaults(), q)
		if err != nil {
			return Set{}, fmt.Errorf("mark %s: %w", m.Name, err)
		}
		s.configured = append(s.configured, &Configured{
			Name: m.Name, Image: m.Image, mark: o.Mark, query: q, bound: slices.Clone(m.AutoApplySources),
		})
	}
	return s, nil
}

// All returns the marks in the owner's order. The caller must not change the list.
func (s Set) All() []*Configured { return s.configured }

// named returns the mark of that name, or nil.
func (s Set) named(name string) *Configured {
	for _, c := range s.configured {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// BoundTo returns the names of the marks that are bound to the source with that key.
func (s Set) BoundTo(source string) (names []string) {
	for _, c := range s.configured {
		if slices.Contains(c.bound, source) {
			names = append(names, c.Name)
		}
	}
	return names
}

// Parse returns the options of a request, and the errors of [transform.Parse]. Each query
// overrides those before it: the URL's is the last, a preset's comes before. All override
// the configured mark that the options name.
func (s Set) Parse(queries ...transform.Query) (transform.Options, error) {
	o, err := transform.Parse(transform.Defaults(), queries...)
	if err != nil || o.Mark.Name == "" {
		return o, err
	}
	if c := s.named(o.Mark.Name); c != nil {
		return transform.Parse(transform.Defaults(), append([]transform.Query{c.query}, queries...)...)
	}
	return o, nil
}

// An Applied mark is one mark of a variant.
type Applied struct {
	// Configured is the workspace's mark, or nil where the URL names an image itself.
	Configured *Configured
	// Image is where the mark's image is: `source/path` or a URL.
	Image string
	// Mark is the placement. Its Name is empty, since names change no pixel.
	Mark transform.Mark
	// Bound says that the mark is bound to a source, and not asked for by the options. It is
	// placed on the picture, so that padding can't move it off the picture.
	Bound bool
}

// Name returns the mark's name in messages.
func (a Applied) Name() string {
	if a.Configured != nil {
		return a.Configured.Name
	}
	return "of the URL"
}

// Fields returns the placement as canonical options, for the variant key. Bound is part
// of it.
func (a Applied) Fields() string {
	o := transform.Defaults()
	o.Mark = a.Mark
	o.Mark.Name = "asked"
	if a.Bound {
		o.Mark.Name = "bound"
	}
	return o.String()
}

// Decide returns the marks of a variant, the lowest first. sources are the keys of all
// sources that the original belongs to. Where the original stands in for another one
// (default=), the caller must add the sources of that one. asked is the mark that the
// options name.
//
// Bound marks always apply, and the options can't add another mark to them. Without a
// bound mark the options decide: they name a configured mark, or else an image. A name
// that is neither is an [*transform.OptionError].
func (s Set) Decide(sources []string, asked transform.Mark) ([]Applied, error) {
	var list []Applied
	for _, c := range s.configured {
		if slices.ContainsFunc(c.bound, func(key string) bool { return slices.Contains(sources, key) }) {
			bound := c.apply(c.mark)
			bound.Bound = true
			list = append(list, bound)
		}
	}
	switch {
	case len(list) > 0, asked.Name == "":
		return list, nil
	case strings.Contains(asked.Name, "/"):
		image := asked.Name
		asked.Name = ""
		return []Applied{{Image: image, Mark: asked}}, nil
	}
	c := s.named(asked.Name)
	if c == nil {
		return nil, &transform.OptionError{Name: "mark", Reason: "the workspace has no mark of this name; name one that it has, or an image as source/path or URL"}
	}
	return []Applied{c.apply(asked)}, nil
}

// apply returns the mark with a placement.
func (c *Configured) apply(m transform.Mark) Applied {
	m.Name = ""
	return Applied{Configured: c, Image: c.Image, Mark: m}
}

// Package marks decides which marks a variant carries, and keeps what is known of
// their images.
//
// [New] reads a workspace's marks. [Set.Parse] reads options under the fields of
// the mark they name, and [Set.Decide] is the one place where it is decided what is
// stamped on a variant: every way to make one asks it. [Images] keeps the images'
// hashes, which are part of what a variant is cached under, and the images
// themselves as long as there is room.
//
// Where a mark lies is package transform's to say, laying it there the engine's.
// Finding and fetching an image, and whether a request may have it, is left to the
// caller.
package marks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A Preset is a mark that the owner configured.
type Preset struct {
	Name  string
	Image string // `source/path` or a URL
	mark  transform.Mark
	query transform.Query
	bound []string // keys of the sources that it is applied to
}

// A Set is the marks of a workspace. It never changes, and is safe for concurrent
// use; the zero Set has none.
type Set struct {
	presets []*Preset // in the owner's order
}

// New reads marks that [workspace.Workspace.Validate] lets pass. Any other is an
// error.
func New(list []workspace.Mark) (Set, error) {
	var s Set
	for _, m := range list {
		q := m.Query()
		o, err := transform.Parse(transform.Defaults(), q)
		if err != nil {
			return Set{}, fmt.Errorf("mark %s: %w", m.Name, err)
		}
		s.presets = append(s.presets, &Preset{
			Name: m.Name, Image: m.Image, mark: o.Mark, query: q, bound: slices.Clone(m.AutoApplySources),
		})
	}
	return s, nil
}

// All are the marks in the owner's order.
func (s Set) All() []*Preset { return s.presets }

// named is the configured mark of that name, or nil.
func (s Set) named(name string) *Preset {
	for _, p := range s.presets {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Bound reports whether a mark is applied to everything of the source.
func (s Set) Bound(source string) bool {
	return slices.ContainsFunc(s.presets, func(p *Preset) bool { return slices.Contains(p.bound, source) })
}

// Parse reads options as [transform.Parse] does, a preset's first and then the
// URL's, both over the fields of the configured mark that they name.
func (s Set) Parse(preset, url transform.Query) (transform.Options, error) {
	o, err := transform.Parse(transform.Defaults(), preset, url)
	if err != nil || o.Mark.Name == "" {
		return o, err
	}
	if p := s.named(o.Mark.Name); p != nil {
		return transform.Parse(transform.Defaults(), p.query, preset, url)
	}
	return o, nil
}

// A Stamp is one mark to lay on a variant.
type Stamp struct {
	// Preset is the owner's mark; nil where the URL names an image itself.
	Preset *Preset
	// Image is where the mark's image is: `source/path` or a URL.
	Image string
	// Mark is its placement. Name is empty: it changes no pixel.
	Mark transform.Mark
	// Bound says that the source asks for it, not the options. It is placed on the
	// picture, where padding that the options add doesn't move it away.
	Bound bool
}

// Name is what messages call the mark.
func (s Stamp) Name() string {
	if s.Preset != nil {
		return s.Preset.Name
	}
	return "of the URL"
}

// Fields are the placement as the canonical options that say the same, for the
// variant key. Bound is there as well.
func (s Stamp) Fields() string {
	o := transform.Defaults()
	o.Mark = s.Mark
	o.Mark.Name = "asked"
	if s.Bound {
		o.Mark.Name = "bound"
	}
	return o.String()
}

// Decide says which marks a variant carries, the first one lowest. sources are the
// keys of all configured sources that what is shown belongs to, or that were asked
// for; asked is the mark that the options name.
//
// The marks that are bound to any of the sources are stamped always, and what the
// options name is ignored. Without one, the options decide: a configured mark by
// its name, else the image that they name. A name that is neither is an
// [*transform.OptionError].
func (s Set) Decide(sources []string, asked transform.Mark) ([]Stamp, error) {
	var stamps []Stamp
	for _, p := range s.presets {
		if slices.ContainsFunc(p.bound, func(key string) bool { return slices.Contains(sources, key) }) {
			bound := p.stamp(p.mark)
			bound.Bound = true
			stamps = append(stamps, bound)
		}
	}
	switch {
	case len(stamps) > 0, asked.Name == "":
		return stamps, nil
	case strings.Contains(asked.Name, "/"):
		image := asked.Name
		asked.Name = ""
		return []Stamp{{Image: image, Mark: asked}}, nil
	}
	p := s.named(asked.Name)
	if p == nil {
		return nil, &transform.OptionError{Name: "mark", Reason: "the workspace has no mark of this name; name one that it has, or an image as source/path or URL"}
	}
	return []Stamp{p.stamp(asked)}, nil
}

func (p *Preset) stamp(m transform.Mark) Stamp {
	m.Name = ""
	return Stamp{Preset: p, Image: p.Image, Mark: m}
}

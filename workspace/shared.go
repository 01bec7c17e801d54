package workspace

import (
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

// maxShared bounds the places that a source gets from others. Real workspaces have a few.
const maxShared = 1000

// SharedPlaces returns the places of private and marked sources that only other sources name,
// by the key of the source. If source a is at a place of source b, or inside it, the other
// places of b have the originals of a too, and so have places of sources that are there. The
// rules of a apply at these places, where the innermost source is b. The key of a source that
// has too many of them to be compared is in excess.
func (w *Workspace) SharedPlaces() (places map[string][]origin.URL, excess string) {
	strict := w.strict()
	r := newRuling(w)
	several := 0
	for _, spots := range r.spots {
		if len(spots) > 1 {
			several++
		}
	}
	if several == 0 {
		return nil, ""
	}
	places = map[string][]origin.URL{}
	for i := range w.Sources {
		src := &w.Sources[i]
		if !strict[src.Key] {
			continue
		}
		found, ok := r.shared(src, several)
		if !ok {
			return places, src.Key
		}
		if len(found) > 0 {
			places[src.Key] = found
		}
	}
	return places, ""
}

// strict returns the keys of sources that are private or marked.
func (w *Workspace) strict() map[string]bool {
	strict := map[string]bool{}
	for key := range w.marksBySource() {
		strict[key] = true
	}
	for i := range w.Sources {
		if w.Sources[i].Private {
			strict[w.Sources[i].Key] = true
		}
	}
	return strict
}

// shared is SharedPlaces of one source. A place is at most so many steps away from the
// source's own places.
func (r *ruling) shared(src *Source, steps int) (found []origin.URL, ok bool) {
	known := map[spot]bool{}
	for _, s := range r.spots[src] {
		known[s] = true
	}
	next := slices.Clone(r.spots[src])
	for range steps {
		var now []spot
		now, next = next, nil
		for _, s := range now {
			for at, more := s, true; more; at, more = at.parent() {
				rest := strings.Trim(strings.TrimPrefix(s.path, at.path), "/")
				for _, other := range r.at[at] {
					if other == src {
						continue
					}
					for _, place := range r.urls[other] {
						t := spotOf(place).below(rest)
						if known[t] || !r.reaches(other, t, known) {
							continue
						}
						if rest != "" {
							var err error
							if place, err = place.Below(origin.Key{Path: rest}); err != nil {
								continue // no request can name an original there
							}
						}
						if len(found) == maxShared {
							return found, false
						}
						known[t] = true
						found, next = append(found, place), append(next, t)
					}
				}
			}
		}
	}
	return found, true
}

// reaches reports whether the originals at a spot are those of a source, and the spot isn't
// in a known one with the same innermost source.
func (r *ruling) reaches(src *Source, s spot, known map[spot]bool) bool {
	for at, more := s, true; more; at, more = at.parent() {
		if list := r.at[at]; list != nil {
			return slices.Contains(list, src) && !r.inKnown(s, at, known)
		}
	}
	return false
}

// inKnown reports whether a known spot lies between s and the spot above it, or at one of
// the two.
func (r *ruling) inKnown(s, above spot, known map[spot]bool) bool {
	for at, more := s, true; more && len(at.path) >= len(above.path); at, more = at.parent() {
		if known[at] {
			return true
		}
	}
	return false
}

// parent returns the spot of the folder that s is in, and false at the root.
func (s spot) parent() (spot, bool) {
	if s.path == "" {
		return s, false
	}
	s.path = s.path[:max(0, strings.LastIndexByte(s.path, '/'))]
	return s, true
}

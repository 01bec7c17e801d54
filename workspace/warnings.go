package workspace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

// A placed is one place of a source.
type placed struct {
	source  *Source
	url     origin.URL
	reading origin.Reading
}

// Warn returns warnings about effects that the owner may not expect: sources that hide the
// URLs of another product, patterns that allow the hosts of a company's customers, and
// images of one source that the rules of another close or mark, because the two share a
// place. w is valid; Warn skips what isn't.
func (w *Workspace) Warn() []string {
	return slices.Concat(w.warnOfPrefixes(), w.warnOfSuffixes(), w.warnOfPlaces())
}

// warnOfSuffixes warns of patterns for all names under a company's suffix. Patterns for a
// registry's suffix are refused: see [Workspace.Validate].
func (w *Workspace) warnOfSuffixes() (warnings []string) {
	add := func(field, pattern, host string) {
		if companySuffix(host) {
			warnings = append(warnings, fmt.Sprintf("%s: %q allows the hosts of all customers under %s: name your own hosts if you can", field, cut(pattern), host))
		}
	}
	for _, pattern := range w.AllowedOrigins {
		if name, ok := strings.CutPrefix(pattern, "*."); ok {
			add("allowed_origins", pattern, DomainName(name))
		}
	}
	for _, pattern := range w.AllowedSources {
		if p, err := origin.ParsePattern(pattern); err == nil {
			add("allowed_sources", pattern, p.Below())
		}
	}
	return warnings
}

// byServer returns the places of all sources by the server that they are on.
func (w *Workspace) byServer() map[string][]placed {
	hosts := map[string][]placed{}
	for i := range w.Sources {
		s := &w.Sources[i]
		places, err := s.Places()
		if err != nil {
			continue
		}
		for _, u := range places {
			hosts[u.Server()] = append(hosts[u.Server()], placed{s, u, u.Reading()})
		}
	}
	return hosts
}

func (w *Workspace) warnOfPlaces() (warnings []string) {
	hosts := w.byServer()
	marksOf := w.marksBySource()
	shared, _ := w.SharedPlaces()
	// In the order of the sources, so that the same workspace always gets the same warnings.
	for i := range w.Sources {
		strict := &w.Sources[i]
		if !strict.Private && len(marksOf[strict.Key]) == 0 {
			continue
		}
		// The rules that strict adds to those of each other source. Often there are none, and
		// this saves comparing thousands of places.
		adds := map[*Source]rules{}
		for j := range w.Sources {
			if other := &w.Sources[j]; other != strict {
				if r := rulesBeside(strict, other, marksOf); r.closes || len(r.marks) > 0 {
					adds[other] = r
				}
			}
		}
		places, err := strict.Places()
		if err != nil {
			continue
		}
		for _, u := range slices.Concat(places, shared[strict.Key]) {
			p := placed{strict, u, u.Reading()}
			for _, other := range hosts[u.Server()] {
				r, any := adds[other.source]
				if !any {
					continue
				}
				if warning := r.warn(p, other); warning != "" {
					delete(adds, other.source) // one warning for each pair
					warnings = append(warnings, warning)
				}
			}
		}
	}
	return warnings
}

// marksBySource returns the names of the marks that are bound to each source.
func (w *Workspace) marksBySource() map[string][]string {
	names := map[string][]string{}
	for _, m := range w.Marks {
		for _, key := range m.AutoApplySources {
			names[key] = append(names[key], m.Name)
		}
	}
	return names
}

// rules are the rules of one source that another source doesn't have.
type rules struct {
	closes bool     // need a signature or an API key
	marks  []string // names
}

func rulesBeside(strict, other *Source, marksOf map[string][]string) rules {
	has := map[string]bool{}
	for _, name := range marksOf[other.Key] {
		has[name] = true
	}
	r := rules{closes: strict.Private && !other.Private}
	for _, name := range marksOf[strict.Key] {
		if !has[name] {
			r.marks = append(r.marks, name)
		}
	}
	return r
}

// warn returns a warning if the rules of a private or marked source apply to images of
// another source on the same server, or "".
func (r rules) warn(strict, other placed) string {
	closes, marks := r.closes, r.marks
	key, within := strict.url.Within(other.url)
	if !within {
		return r.warnOfReadings(strict, other)
	}
	odd := ""
	of, where := "all images of source "+other.source.Key, "has the place of source "+other.source.Key
	if key.Path != "" {
		of = fmt.Sprintf("images of source %s whose paths begin with %s", other.source.Key, key.Path)
		where = "lies in source " + other.source.Key
		if other.source.TakesReadings() {
			switch {
			case strict.reading.Covers(other.reading):
				return r.refusesAll(strict, other)
			case strict.reading.Wild() || strict.reading.Depth() < strings.Count(strings.Trim(strict.url.Path, "/"), "/")+1:
				odd = "; those that some servers may take for them are refused (INVALID_SOURCE)"
			}
		}
	}
	switch {
	case closes && len(marks) > 0:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key, and carry its marks (%s)", strict.source.Key, where, of, strings.Join(marks, ", ")) + odd
	case closes:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key", strict.source.Key, where, of) + odd
	}
	return fmt.Sprintf("source %s has marks and %s: %s carry them too (%s)", strict.source.Key, where, of, strings.Join(marks, ", ")) + odd
}

// warnOfReadings is warn for places that have no URL in common, but that a server may treat
// as the same.
func (r rules) warnOfReadings(strict, other placed) string {
	how := other.looksLike(strict)
	if how != likeSame && how != likeAbove {
		return ""
	}
	if how == likeSame {
		return r.refusesAll(strict, other)
	}
	return fmt.Sprintf("source %s %s, and some servers take its place for one in source %s: images of %[3]s that may lie there are refused (INVALID_SOURCE)", strict.source.Key, r.what(), other.source.Key)
}

// refusesAll is the warning where no image of other can be told from one of strict.
func (r rules) refusesAll(strict, other placed) string {
	return fmt.Sprintf("source %s %s, and some servers take its place for that of source %s: all images of source %[3]s are refused (INVALID_SOURCE)", strict.source.Key, r.what(), other.source.Key)
}

func (r rules) what() string {
	if r.closes {
		return "is private"
	}
	return "has marks"
}

// A likeness says how some servers may take one place for another, although neither lies in
// the other.
type likeness int

const (
	unlike     likeness = iota
	likeSame            // for the same place
	likeAbove           // for a place around the other
	likeInside          // for a place inside the other
)

// looksLike returns how p may be taken for strict.
func (p placed) looksLike(strict placed) likeness {
	if !p.source.TakesReadings() {
		return unlike
	}
	how, depth := unlike, strict.reading.Depth()
	switch d := p.reading.Depth(); {
	case p.reading.Leaves(), d == depth && p.reading.Within(strict.reading):
		how = likeSame
	case d < depth && strict.reading.Within(p.reading):
		how = likeAbove
	case d > depth && p.reading.Within(strict.reading):
		how = likeInside
	}
	if how == unlike {
		return unlike
	}
	_, out := strict.url.Within(p.url)
	_, in := p.url.Within(strict.url)
	if out || in { // other rules are about these
		return unlike
	}
	return how
}

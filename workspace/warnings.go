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
		found := map[*Source]overlap{}
		var order []*Source
		for _, u := range slices.Concat(places, shared[strict.Key]) {
			p := placed{strict, u, u.Reading()}
			for _, other := range hosts[u.Server()] {
				if _, any := adds[other.source]; !any {
					continue
				}
				o, known := found[other.source]
				if !o.add(p, other) {
					continue
				}
				if found[other.source] = o; !known {
					order = append(order, other.source)
				}
			}
		}
		for _, other := range order { // one warning for each pair
			warnings = append(warnings, adds[other].warn(strict, other, found[other]))
		}
	}
	return warnings
}

// An overlap is how the places of a source with rules lie in those of another source.
type overlap struct {
	all, alike bool     // all images of the other source are in it, or some servers take them for those in it
	paths      []string // what the object keys of those in it begin with
	odd        bool     // some servers take further images of the other source for those in it
}

// add compares two places, and reports whether they have anything in common.
func (o *overlap) add(strict, other placed) bool {
	key, within := strict.url.Within(other.url)
	switch {
	case !within:
		how := other.looksLike(strict)
		if how != likeSame && how != likeAbove {
			return false
		}
		if how == likeAbove {
			o.odd = true
			return true
		}
		o.alike = !o.all
	case key.Path == "":
		o.all = !o.alike
	default:
		if other.source.TakesReadings() {
			if strict.reading.Covers(other.reading) {
				o.alike = !o.all
				return true
			}
			if strict.reading.Wild() || strict.reading.Depth() < strings.Count(strings.Trim(strict.url.Path, "/"), "/")+1 {
				o.odd = true
			}
		}
		o.part(key.Path)
	}
	return true
}

// part adds the folder that object keys begin with, unless one around it is there.
func (o *overlap) part(folder string) {
	folder = strings.TrimSuffix(folder, "/") + "/"
	if slices.ContainsFunc(o.paths, func(p string) bool { return strings.HasPrefix(folder, p) }) {
		return
	}
	o.paths = append(slices.DeleteFunc(o.paths, func(p string) bool { return strings.HasPrefix(p, folder) }), folder)
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

// warn returns the warning that the rules of a private or marked source apply to images of
// another source on the same server.
func (r rules) warn(strict, other *Source, o overlap) string {
	of, where, odd := "images of source "+other.Key, "lies in source "+other.Key, ""
	switch {
	case o.alike:
		return fmt.Sprintf("source %s %s, and some servers take its place for that of source %s: all images of source %[3]s are refused (INVALID_SOURCE)", strict.Key, r.what(), other.Key)
	case o.all:
		of, where = "all "+of, "has the place of source "+other.Key
	case o.paths == nil:
		return fmt.Sprintf("source %s %s, and some servers take its place for one in source %s: images of %[3]s that may lie there are refused (INVALID_SOURCE)", strict.Key, r.what(), other.Key)
	default:
		of += " whose paths begin with " + strings.ReplaceAll(few(o.paths), ", ", " or ")
		if o.odd {
			odd = "; those that some servers may take for them are refused (INVALID_SOURCE)"
		}
	}
	switch {
	case r.closes && len(r.marks) > 0:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key, and carry its marks (%s)", strict.Key, where, of, strings.Join(r.marks, ", ")) + odd
	case r.closes:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key", strict.Key, where, of) + odd
	}
	return fmt.Sprintf("source %s has marks and %s: %s carry them too (%s)", strict.Key, where, of, strings.Join(r.marks, ", ")) + odd
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

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

// Warn says what w does that its owner may not expect: which images of one source the
// rules of another close or mark, because both share a place. w is valid; what isn't is
// passed over.
func (w *Workspace) Warn() (warnings []string) {
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
	// In the order of the sources, so that one workspace always has the same warnings.
	for i := range w.Sources {
		strict := &w.Sources[i]
		marks := w.marksOf(strict)
		if !strict.Private && len(marks) == 0 {
			continue
		}
		places, err := strict.Places()
		if err != nil {
			continue
		}
		told := map[*Source]bool{}
		for _, u := range places {
			p := placed{strict, u, u.Reading()}
			for _, other := range hosts[u.Server()] {
				if other.source == strict || told[other.source] {
					continue
				}
				if warning := w.warn(p, other, marks); warning != "" {
					told[other.source] = true
					warnings = append(warnings, warning)
				}
			}
		}
	}
	return warnings
}

// marksOf are the names of the marks that are bound to a source.
func (w *Workspace) marksOf(s *Source) (names []string) {
	for _, m := range w.Marks {
		if slices.Contains(m.AutoApplySources, s.Key) {
			names = append(names, m.Name)
		}
	}
	return names
}

// warn says what the rules of a private or marked source mean for another one's images.
func (w *Workspace) warn(strict, other placed, marks []string) string {
	key, within := strict.url.Within(other.url)
	marks = slices.DeleteFunc(slices.Clone(marks), func(name string) bool { return slices.Contains(w.marksOf(other.source), name) })
	closes := strict.source.Private && !other.source.Private
	if !closes && len(marks) == 0 {
		return ""
	}
	of := "all images of source " + other.source.Key
	where := "has the place of source " + other.source.Key
	if within && key.Path != "" {
		of = fmt.Sprintf("images of source %s whose paths begin with %s", other.source.Key, key.Path)
		where = "lies in source " + other.source.Key
	}
	switch {
	case within && closes && len(marks) > 0:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key, and carry its marks (%s)", strict.source.Key, where, of, strings.Join(marks, ", "))
	case within && closes:
		return fmt.Sprintf("source %s is private and %s: %s need a signature or an API key", strict.source.Key, where, of)
	case within:
		return fmt.Sprintf("source %s has marks and %s: %s carry them too (%s)", strict.source.Key, where, of, strings.Join(marks, ", "))
	}
	// No URL is in both, but a server may think so.
	rule := "has marks"
	if closes {
		rule = "is private"
	}
	_, inner := other.url.Within(strict.url)
	switch {
	case inner: // and keeps its own rules
		return ""
	case strict.reading.Depth() == other.reading.Depth() && other.reading.Within(strict.reading):
		return fmt.Sprintf("source %s %s, and some servers take its place for that of source %s: %s are refused (INVALID_SOURCE)", strict.source.Key, rule, other.source.Key, of)
	case strict.reading.Depth() > other.reading.Depth() && strict.reading.Within(other.reading):
		return fmt.Sprintf("source %s %s, and some servers take its place for one in source %s: images of %s that may lie there are refused (INVALID_SOURCE)", strict.source.Key, rule, other.source.Key, other.source.Key)
	}
	return ""
}

package workspace

import (
	"fmt"
	"strings"

	"github.com/tintype/tintype/origin"
)

// A lookAlike is two places on one server, neither of which lies in the other, that some
// servers may take for each other: one with rules, and one without them.
type lookAlike struct{ strict, other string } // as URLs

// alike says how two places look alike.
type alike struct {
	strict, other *Source
	rules         rules
	// inner: other looks like a place inside strict, and keeps its own rules. Otherwise its
	// images that may lie in strict are refused.
	inner bool
}

// opensLookAlikes returns warnings about images that a change from old to w shows although
// some server may take them for images of a source that is, or was, private or marked.
func (w *Workspace) opensLookAlikes(old *Workspace) (warnings []string) {
	was, is := old.lookAlikes(), w.lookAlikes()
	if len(was.order) == 0 && len(is.order) == 0 {
		return nil
	}
	marksOf := w.marksBySource()
	now := map[string]*Source{} // by place
	for i := range w.Sources {
		places, err := w.Sources[i].Places()
		if err != nil {
			continue
		}
		for _, u := range places {
			now[u.String()] = &w.Sources[i]
		}
	}
	said := map[string]bool{}
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !said[text] {
			said[text] = true
			warnings = append(warnings, text)
		}
	}
	for _, pair := range was.order {
		a := was.pairs[pair]
		shown := now[pair.other]
		if _, still := is.pairs[pair]; still || a.inner || shown == nil || w.RequireSignature {
			continue
		}
		if shown.Private || !a.rules.closes && len(marksOf[shown.Key]) > 0 {
			continue // rules of its own protect it
		}
		say("source %s: some servers take its place for that of source %s, which %s: images of %[1]s that were refused are shown from now on", shown.Key, a.strict.Key, a.had("was"))
	}
	for _, pair := range is.order {
		a := is.pairs[pair]
		before, known := was.pairs[pair]
		if !a.inner || known && before.inner || w.RequireSignature && a.rules.closes {
			continue
		}
		say("source %s: some servers take its place for one inside source %s, which %s: its images are shown by its own rules", a.other.Key, a.strict.Key, a.had("is"))
	}
	return warnings
}

// had says which rules the strict source has, or had.
func (a alike) had(verb string) string {
	if a.rules.closes {
		return verb + " private"
	}
	return map[string]string{"is": "has", "was": "had"}[verb] + " marks (" + strings.Join(a.rules.marks, ", ") + ")"
}

// A foundAlike is all places of a workspace that look alike, in the order of the sources.
type foundAlike struct {
	pairs map[lookAlike]alike
	order []lookAlike
}

// lookAlikes finds the places that look alike.
func (w *Workspace) lookAlikes() (found foundAlike) {
	found.pairs = map[lookAlike]alike{}
	marksOf := w.marksBySource()
	hosts := map[string][]placed{}
	for i := range w.Sources {
		s := &w.Sources[i]
		places, err := s.Places()
		if err != nil || !s.TakesReadings() {
			continue
		}
		for _, u := range places {
			hosts[u.Server()] = append(hosts[u.Server()], placed{s, u, u.Reading()})
		}
	}
	for i := range w.Sources {
		strict := &w.Sources[i]
		if !strict.Private && len(marksOf[strict.Key]) == 0 {
			continue
		}
		places, err := strict.Places()
		if err != nil {
			continue
		}
		for _, u := range places {
			reading := u.Reading()
			for _, other := range hosts[u.Server()] {
				if other.source == strict || !other.reading.Within(reading) && !reading.Within(other.reading) {
					continue
				}
				r := rulesBeside(strict, other.source, marksOf)
				if !r.closes && len(r.marks) == 0 || nested(u, other.url) {
					continue
				}
				inner := other.reading.Depth() > reading.Depth() && other.reading.Within(reading)
				same := other.reading.Depth() == reading.Depth() && other.reading.Within(reading)
				below := other.reading.Depth() < reading.Depth() && reading.Within(other.reading)
				if inner || same || below {
					pair := lookAlike{u.String(), other.url.String()}
					found.pairs[pair] = alike{strict, other.source, r, inner}
					found.order = append(found.order, pair)
				}
			}
		}
	}
	return found
}

// nested reports whether one place lies in the other, which other warnings are about.
func nested(a, b origin.URL) bool {
	_, in := a.Within(b)
	_, out := b.Within(a)
	return in || out
}

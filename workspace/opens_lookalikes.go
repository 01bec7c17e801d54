package workspace

import (
	"fmt"
	"slices"
	"strings"
)

// A placePair is the URLs of two places on one server.
type placePair struct{ strict, other string }

// An alike is two places, neither of which lies in the other, that some servers may take for
// each other. The source of the first has rules that the other one lacks.
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
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(warnings, text) {
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
		say("source %s: some servers take its place for that of source %s, which %s: images of %[1]s that were refused are shown from now on", shown.Key, a.strict.Key, a.rule("was"))
	}
	for _, pair := range is.order {
		a := is.pairs[pair]
		if _, known := was.pairs[pair]; known || !a.inner || w.RequireSignature && a.rules.closes {
			continue
		}
		say("source %s: some servers take its place for one inside source %s, which %s: its images are shown by its own rules", a.other.Key, a.strict.Key, a.rule("is"))
	}
	return warnings
}

// rule says that the strict source is, or was, private or marked.
func (a alike) rule(verb string) string {
	if a.rules.closes {
		return verb + " private"
	}
	return verb + " marked (" + strings.Join(a.rules.marks, ", ") + ")"
}

// An alikes is all places of a workspace that look alike, in the order of the sources.
type alikes struct {
	pairs map[placePair]alike
	order []placePair
}

// lookAlikes finds the places that look alike.
func (w *Workspace) lookAlikes() (found alikes) {
	found.pairs = map[placePair]alike{}
	marksOf, hosts := w.marksBySource(), w.byServer()
	shared, _ := w.SharedPlaces()
	for i := range w.Sources {
		source := &w.Sources[i]
		if !source.Private && len(marksOf[source.Key]) == 0 {
			continue
		}
		places, err := source.Places()
		if err != nil {
			continue
		}
		for _, u := range slices.Concat(places, shared[source.Key]) {
			strict := placed{source, u, u.Reading()}
			for _, other := range hosts[u.Server()] {
				how := other.looksLike(strict)
				if how == unlike || other.source == source {
					continue
				}
				r := rulesBeside(source, other.source, marksOf)
				if r.closes || len(r.marks) > 0 {
					pair := placePair{u.String(), other.url.String()}
					found.pairs[pair] = alike{source, other.source, r, how == likeInside}
					found.order = append(found.order, pair)
				}
			}
		}
	}
	return found
}

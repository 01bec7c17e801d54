package workspace_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
)

func purge(kind workspace.PurgeKind, source, value string) workspace.Purge {
	return workspace.Purge{Kind: kind, Source: source, Value: value}
}

func TestPurgeLogAdd(t *testing.T) {
	many := func(n int, at func(int) workspace.Purge) (list []workspace.Purge) {
		for i := range n {
			list = append(list, at(i))
		}
		return list
	}
	path := func(source string) func(int) workspace.Purge {
		return func(i int) workspace.Purge { return purge(workspace.PurgePath, source, fmt.Sprint(i)) }
	}
	for _, test := range []struct {
		name string
		add  []workspace.Purge
		want string // kind, source, value and sequence of each
	}{
		{"again", []workspace.Purge{purge("path", "a", "x"), purge("path", "a", "y"), purge("path", "a", "x")}, "path a y 2, path a x 3"},
		{"prefix", []workspace.Purge{purge("path", "a", "x/1"), purge("path", "b", "x/1"), purge("url", "a", "x/1"), purge("prefix", "a", "x/y"), purge("prefix", "a", "x/")},
			"path b x/1 2, url a x/1 3, prefix a x/ 5"},
		{"source", []workspace.Purge{purge("path", "a", "x"), purge("url", "a", "x"), purge("path", "b", "x"), purge("mark", "", "m"), purge("source", "a", "")},
			"path b x 3, mark  m 4, source a  5"},
		{"originals by full URL", []workspace.Purge{purge("path", "", "https://a.example/x"), purge("mark", "", "m"), purge("source", "", "")},
			"mark  m 2, source   3"},
		{"all", []workspace.Purge{purge("path", "a", "x"), purge("mark", "", "m"), purge("all", "", "")}, "all   3"},
		{"after all", []workspace.Purge{purge("all", "", ""), purge("path", "a", "x")}, "all   1, path a x 2"},
		{"too many of a source", slices.Concat(many(60, path("a")), []workspace.Purge{purge("path", "b", "x")}, many(100, path("a"))[60:], many(5, path("b"))),
			"path b x 61, source a  101, path b 0 102, path b 1 103, path b 2 104, path b 3 105, path b 4 106"},
		{"too many sources", many(101, func(i int) workspace.Purge { return purge("source", fmt.Sprint(i), "") }), "all   101"},
		{"too many marks", many(101, func(i int) workspace.Purge { return purge("mark", "", fmt.Sprint(i)) }), "all   101"},
		{"too much text", many(3, func(i int) workspace.Purge { return purge("path", "a", strings.Repeat(fmt.Sprint(i), 12<<10)) }), "source a  3"},
		{"too long a text", []workspace.Purge{purge("path", "a", strings.Repeat("x", 40<<10))}, "all   1"},
	} {
		var l workspace.PurgeLog
		for _, p := range test.add {
			l = l.Add(p)
		}
		var got []string
		for _, p := range l.Purges {
			got = append(got, fmt.Sprintf("%s %s %s %d", p.Kind, p.Source, p.Value, p.Sequence))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if l.Sequence != int64(len(test.add)) {
			t.Errorf("%s: sequence %d after %d purges", test.name, l.Sequence, len(test.add))
		}
	}
}

// hits reports whether p purges an original's variant that was made under the
// sequence `made`.
func hits(p workspace.Purge, source, key, mark string, made int64) bool {
	if p.Sequence <= made {
		return false
	}
	switch p.Kind {
	case workspace.PurgeAll:
		return true
	case workspace.PurgeSource:
		return p.Source == source
	case workspace.PurgePrefix:
		return p.Source == source && strings.HasPrefix(key, p.Value)
	case workspace.PurgePath, workspace.PurgeURL:
		return p.Source == source && p.Value == key
	case workspace.PurgeMark:
		return p.Value == mark
	}
	return false
}

// Whatever is purged, in whatever order: what a purge was aimed at stays purged, and
// the log stays bounded.
func TestPurgeLogForgetsNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	kinds := []workspace.PurgeKind{"path", "path", "path", "url", "prefix", "prefix", "mark", "source", "all"}
	for round := range 30 {
		var l workspace.PurgeLog
		var asked []workspace.Purge
		for range 400 {
			kind := kinds[random.IntN(len(kinds)-min(2, round%4))]
			p := workspace.Purge{Kind: kind, Value: fmt.Sprintf("%d/%d", random.IntN(9), random.IntN(30))}
			if kind != workspace.PurgeMark && kind != workspace.PurgeAll {
				p.Source = fmt.Sprint(random.IntN(1 + round))
			}
			if kind == workspace.PurgePrefix {
				p.Value = p.Value[:2+random.IntN(2)]
			}
			if kind == workspace.PurgeSource || kind == workspace.PurgeAll {
				p.Value = ""
			}
			before := l
			l = l.Add(p)
			p.Sequence = l.Sequence
			asked = append(asked, p)
			if len(l.Purges) > workspace.MaxPurges || l.Sequence != before.Sequence+1 {
				t.Fatalf("%d purges at sequence %d", len(l.Purges), l.Sequence)
			}
		}
		for _, p := range asked {
			aimed := func(q workspace.Purge) bool { return hits(q, p.Source, p.Value, p.Value, p.Sequence-1) }
			if !slices.ContainsFunc(l.Purges, aimed) {
				t.Fatalf("round %d: %+v is forgotten", round, p)
			}
		}
	}
}

package transform

import (
	"iter"
	"slices"
	"strings"
)

// Ignored are the names of parameters that are neither among those known, nor src, in their
// order. Without known names, options and presets are known. Those that
// campaigns, cache busters and signatures add are left out: see [Harmless]. It is nil where there is none.
func (q Query) Ignored(known ...string) (names []string) {
	for _, p := range q {
		if known == nil && takes(p.Name) || slices.Contains(known, p.Name) || p.Name == "src" || Harmless(p.Name) {
			continue
		}
		names = append(names, p.Name)
	}
	return names
}

// takes reports whether variants know a parameter.
func takes(name string) bool {
	_, known := positions[name]
	return known || name == "preset" || strings.HasPrefix(name, "p:")
}

// Harmless reports whether a parameter that nobody knows goes unnamed: those that
// campaigns, cache busters and signatures add to URLs of every kind.
func Harmless(name string) bool {
	switch name {
	case "gclid", "fbclid", "_", "cb", "ixlib", "sig", "exp", "s":
		return true
	}
	return strings.HasPrefix(name, "utm_")
}

// Suggest is the option that a misspelled name may mean, as the name or the alias that is
// nearest to it. It is empty where none is near.
func Suggest(name string) string {
	if lower := strings.ToLower(name); lower == "q-jpeg" || lower == "q-jpg" {
		return "q" // which is on the scale of JPEG
	}
	return Nearest(name, func(yield func(string) bool) {
		for _, opt := range vocabulary {
			if !yield(opt.name) {
				return
			}
			for _, alias := range opt.aliases {
				if !yield(alias) {
					return
				}
			}
		}
	})
}

// Nearest is the known name that a misspelled name may mean. It is empty where none is near.
func Nearest(name string, known iter.Seq[string]) string {
	lower := strings.ToLower(name)
	best, least := "", min(2, (len(name)-1)/2)+1
	for k := range known {
		if d := distance(lower, k, least); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters are inserted, left out, replaced or swapped with their
// neighbour to get from a to b, or most where it is no less.
func distance(a, b string, most int) int {
	if most <= 0 || len(a)-len(b) >= most || len(b)-len(a) >= most || len(b) > 32 {
		return most
	}
	var rows [3][33]int // the last two, and the one being made
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most)
}

package usage

import (
	"slices"

	"github.com/tintype/tintype/workspace"
)

// names are the countries and keys that a row has named today, so that it stays small: see
// [workspace.MostCountries].
type names struct {
	countries [26*26/64 + 1]uint64 // a bit for each pair of letters
	n         int                  // bits that are set
	keys      []string
}

// full has no room for a name.
var full = &names{n: workspace.MostCountries, keys: make([]string, workspace.MostKeys)}

// country returns the name under which a country counts.
func (n *names) country(code string) string {
	if len(code) != 2 {
		return workspace.OtherParts
	}
	a, b := code[0]-'A', code[1]-'A'
	if a >= 26 || b >= 26 {
		return workspace.OtherParts
	}
	bit := int(a)*26 + int(b)
	word, mask := &n.countries[bit/64], uint64(1)<<(bit%64)
	if *word&mask == 0 {
		if n.n >= workspace.MostCountries {
			return workspace.OtherParts
		}
		*word |= mask
		n.n++
	}
	return code
}

// key returns the name under which an API key counts.
func (n *names) key(id string) string {
	if slices.Contains(n.keys, id) {
		return id
	}
	if len(n.keys) >= workspace.MostKeys {
		return workspace.OtherParts
	}
	n.keys = append(n.keys, id)
	return id
}

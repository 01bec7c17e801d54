package workspace

import (
	"fmt"
	"reflect"
	"slices"
)

// PlaceOf returns the path of a source, mark or preset in the workspace's JSON, such as
// sources[2]. list is "sources", "marks" or "presets". For a name that isn't in the list it
// returns the path after the last element. The error is a *[ValidationError] if the list is
// full.
func (w *Workspace) PlaceOf(list, name string) (string, error) {
	t := reflect.TypeFor[Workspace]()
	i := slices.Index(jsonNames(t), list)
	if i < 0 || elementName[list] == "" {
		return "", fmt.Errorf("a workspace has no list %q of parts", list)
	}
	parts := reflect.ValueOf(*w).Field(i)
	for j := range parts.Len() {
		if parts.Index(j).Field(0).String() == name { // the first field is the key or the name
			return element(list, j), nil
		}
	}
	if most := bound(t.Field(i)); parts.Len() >= most {
		var p problems
		p.tooMany(list, parts.Len()+1, most)
		return "", p.err()
	}
	return element(list, parts.Len()), nil
}

package workspace

import (
	"fmt"
	"slices"
	"strings"
)

// unblocks returns a warning for each source whose blocked paths name other images than
// before, since it was removed or has another place.
func (w *Workspace) unblocks(old *Workspace) (warnings []string) {
	blocked := map[string][]string{} // paths by source
	for _, b := range w.Blocks {
		if source, _, ok := strings.Cut(b.Path, "/"); ok {
			blocked[source] = append(blocked[source], b.Path)
		}
	}
	for _, was := range old.Sources {
		paths := blocked[was.Key]
		i := slices.IndexFunc(w.Sources, func(s Source) bool { return s.Key == was.Key })
		if paths == nil || i >= 0 && samePlaces(was, w.Sources[i]) {
			continue
		}
		what := "has another place"
		if i < 0 {
			what = "is gone"
		}
		warnings = append(warnings, fmt.Sprintf("blocks: source %s %s: what is blocked as %s can be shown under other names from now on; block it by its sha256 too", was.Key, what, few(paths)))
	}
	return warnings
}

// samePlaces reports whether two sources have the same images, under the same names.
func samePlaces(a, b Source) bool {
	return a.Kind == b.Kind && a.URL == b.URL && slices.Equal(a.PublicURLs, b.PublicURLs) && a.Bucket == b.Bucket && a.Region == b.Region &&
		a.Prefix == b.Prefix && a.Endpoint == b.Endpoint && a.AccountID == b.AccountID
}

package delivery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// TestWatched: alerts are told of each request: what was made, what was found, and what failed.
func TestWatched(t *testing.T) {
	var seen []Watched
	b := newBench(t, func(c *setup) { c.Watch = func(w Watched) { seen = append(seen, w) } })
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.AllowedSources = []string{"https://cdn.example"}
		w.Sources = append(w.Sources, workspace.Source{Key: "down", Kind: "http", URL: "http://127.0.0.1:1/"})
	}))
	for _, target := range []string{"/acme/photos/cat.jpg?w=20", "/acme/photos/cat.jpg?w=20", "/acme/photos/none.jpg", "/acme/down/a.jpg", "/acme?src=https://evil.example/x.jpg", "/nobody/a.jpg"} {
		b.get(target)
	}
	of := func(source string, status int, code fault.Code) Watched {
		return Watched{WorkspaceID: "id-of-acme", Namespace: "acme", Source: source, Status: status, Code: code}
	}
	made := of("photos", 200, "")
	made.Made = true
	want := []Watched{made, of("photos", 200, ""), of("photos", 404, fault.NotFound), of("down", 502, fault.OriginError), of("", 403, fault.SourceNotAllowed)}
	for i := range seen {
		seen[i].Client = ""
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

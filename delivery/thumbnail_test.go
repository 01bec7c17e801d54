package delivery

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestThumbnail: members get small pictures of all originals, with the marks that everybody
// gets. They cost nothing of the workspace's limits, and others profit from the cache.
func TestThumbnail(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	stored := markedAcme(t, b, func(w *workspace.Workspace) {
		w.PresetsOnly, w.RequireSignature = true, true
		w.Limits.TransformsPerDay, w.Limits.RequestsPerMinute = 1, 1
	})
	stored.Blocks = []workspace.Block{{ID: "b", Path: "open/blocked.jpg"}}
	b.registry.Set(t, stored)
	for _, tt := range []struct{ source, path, want string }{
		{"open", "a.jpg", "plain"},
		{"vault", "a.jpg", "plain"},
		{"photos", "cat.jpg", "red"},
		{"photos", "cat.jpg", "red"}, // from the cache
		{"open", "blocked.jpg", "BLOCKED"},
		{"open", "none.jpg", "NOT_FOUND"},
		{"open", "none.jpg", "NOT_FOUND"}, // from the cache
		{"nothing", "a.jpg", "SOURCE_NOT_FOUND"},
		{"open/a.jpg?w=9&src=", "x", "INVALID_SOURCE"},
		{"open", "../vault/a.jpg", "INVALID_PATH"},
		{"open", "", "INVALID_PATH"},
	} {
		p, err := b.Thumbnail(limit.WithClient(t.Context(), "192.0.2.7"), "acme", tt.source, tt.path, "w=30", "")
		got := ""
		if err != nil {
			got = string(fault.Of(err).Code)
		} else if got = shows(t, p.shown()); p.Width != 30 || p.ETag == "" {
			t.Errorf("%s/%s: %d pixels, ETag %s", tt.source, tt.path, p.Width, p.ETag)
		}
		if got != tt.want {
			t.Errorf("%s/%s: %s %v, want %s", tt.source, tt.path, got, err, tt.want)
		}
	}
	for _, o := range b.engine.Owners() {
		if o.Client != "192.0.2.7" {
			t.Errorf("made for the client %q", o.Client)
		}
	}
	stored = stored.Clone()
	stored.PresetsOnly, stored.RequireSignature = false, false
	b.registry.Set(t, stored)
	if w := b.get("/acme/photos/cat.jpg?w=30"); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if err := recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := store.Usage(t.Context(), stored.ID, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	var all workspace.Usage
	for _, u := range rows {
		all.Add(u)
	}
	if all.Transforms != 0 || all.Requests != 1 || all.BytesIn == 0 {
		t.Errorf("%+v", all)
	}
}

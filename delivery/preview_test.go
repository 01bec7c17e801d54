package delivery

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// shown returns a picture as the answer of a request, for shows.
func (p Picture) shown() *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", p.ContentType)
	_, _ = w.Write(p.Body)
	return w
}

// TestPreview: a preview is what is delivered once the settings are stored, and takes no
// right that bound marks give away.
func TestPreview(t *testing.T) {
	bind := func(name string, sources ...string) func(*workspace.Workspace) {
		return func(w *workspace.Workspace) {
			i := slices.IndexFunc(w.Marks, func(m workspace.Mark) bool { return m.Name == name })
			w.Marks[i].AutoApplySources = append([]string{}, sources...)
		}
	}
	for _, tt := range []struct {
		name  string
		edit  func(*workspace.Workspace)
		image string
		mark  string
		want  string
		then  string // what a request for the picture is answered with once it is stored; empty asks none
	}{
		{"bound", bind("blue", "open"), "open/a.jpg", "blue", "blue", "/acme/open/a.jpg?w=30"},
		{"asked for", func(w *workspace.Workspace) { w.Marks[1].Pad = "9" }, "open/a.jpg", "blue", "blue", "/acme/open/a.jpg?w=30&mark=blue"},
		{"none asked for", func(*workspace.Workspace) {}, "open/a.jpg", "", "plain", "/acme/open/a.jpg?w=30"},
		{"by its URL", bind("blue", "open"), "URL/open/a.jpg", "blue", "blue", "/acme/open/a.jpg?w=30"},
		{"added to another", bind("blue", "photos"), "photos/cat.jpg", "blue", "red blue", "/acme/photos/cat.jpg?w=30"},
		{"another is bound", func(*workspace.Workspace) {}, "photos/cat.jpg", "blue", "red", "/acme/photos/cat.jpg?w=30"},
		{"unbound, but asked for", bind("red"), "photos/cat.jpg", "red", "red", ""},
		{"unbound", bind("red"), "photos/cat.jpg", "", "MARK_UNAVAILABLE", ""},
		{"another one in its place", func(w *workspace.Workspace) { bind("red")(w); bind("blue", "photos")(w) }, "photos/cat.jpg", "red", "MARK_UNAVAILABLE", ""},
		{"another image of the mark", func(w *workspace.Workspace) { w.Marks[0].Image = "media/blue.png" }, "photos/cat.jpg", "red", "blue", "/acme/photos/cat.jpg?w=30"},
		{"presets only", func(w *workspace.Workspace) { bind("blue", "open")(w); w.PresetsOnly = true }, "open/a.jpg", "blue", "blue", ""},
		{"private", bind("blue", "vault"), "vault/a.jpg", "blue", "blue", ""},
		{"blocked", bind("blue", "open"), "open/blocked.jpg", "blue", "BLOCKED", ""},
		{"missing", bind("blue", "open"), "open/none.jpg", "blue", "NOT_FOUND", ""},
		{"no image of the mark", func(w *workspace.Workspace) { w.Marks[1].Image = "media/none.png" }, "open/a.jpg", "blue", "MARK_UNAVAILABLE", ""},
		{"of no source", bind("blue", "open"), "nothing/a.jpg", "blue", "SOURCE_NOT_FOUND", ""},
		{"not allowed", bind("blue", "open"), "https://elsewhere.example/a.jpg", "blue", "SOURCE_NOT_ALLOWED", ""},
		{"no image", bind("blue", "open"), "", "blue", "INVALID_SOURCE", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			stored := markedAcme(t, b, func(w *workspace.Workspace) { w.AllowedSources = []string{"example.com"} })
			stored.Blocks = []workspace.Block{{ID: "b", Path: "open/blocked.jpg"}}
			b.registry.Set(t, stored)
			edited := stored.Clone()
			edited.Blocks = nil // as from forms
			tt.edit(edited)
			image := tt.image
			if rest, ok := strings.CutPrefix(image, "URL"); ok {
				image = b.upstream.URL + rest
			}
			p, err := b.Preview(t.Context(), edited, Preview{Image: image, Mark: tt.mark, Width: 30})
			if err != nil {
				if got := string(fault.Of(err).Code); got != tt.want {
					t.Fatalf("%s %v, want %s", got, err, tt.want)
				}
				return
			}
			if got := shows(t, p.shown()); got != tt.want || p.Width != 30 {
				t.Fatalf("%s, %d pixels, want %s", got, p.Width, tt.want)
			}
			if tt.then == "" {
				return
			}
			b.registry.Set(t, edited)
			w := b.get(tt.then)
			if w.Code != 200 || !bytes.Equal(w.Body.Bytes(), p.Body) {
				t.Errorf("%d: delivered are %d other bytes than the preview's %d", w.Code, w.Body.Len(), len(p.Body))
			}
			if got := w.Header().Get("Cache-Status"); got != "tintype; fwd=miss; stored" {
				t.Errorf("the preview was cached: %s", got)
			}
		})
	}
}

// TestPreviewAfterPurge: the image of a mark is the one after the last purge, though
// settings hold no purges.
func TestPreviewAfterPurge(t *testing.T) {
	b := newBench(t)
	stored := markedAcme(t, b)
	b.registry.Set(t, stored)
	preview := func() string {
		p, err := b.Preview(t.Context(), stored.Clone(), Preview{Image: "open/a.jpg", Mark: "blue", Width: 30})
		if err != nil {
			t.Fatal(err)
		}
		return shows(t, p.shown())
	}
	before := preview()
	b.upstream.Serve("/media/blue.png", deliverytest.Body(flat(t, markRed)))
	purged := stored.Clone()
	purged.Purges = workspace.PurgeLog{Sequence: 1, Purges: []workspace.Purge{{Kind: workspace.PurgeAll, Sequence: 1}}}
	b.registry.Put(purged)
	if after := preview(); before != "blue" || after != "red" {
		t.Errorf("%s before the purge, %s after", before, after)
	}
}

// TestPreviewCounts: a preview is a transform of the workspace, and no request.
func TestPreviewCounts(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	w := b.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerDay, w.Limits.RequestsPerMinute = 1, 1 })
	b.registry.Set(t, w)
	for i, want := range []fault.Code{"", fault.QuotaExceeded} {
		_, err := b.Preview(t.Context(), w.Clone(), Preview{Image: "photos/cat.jpg", Width: 30})
		if (err == nil) != (want == "") || err != nil && fault.Of(err).Code != want {
			t.Errorf("preview %d: %v, want %q", i, err, want)
		}
	}
	if got := code(t, b.get("/acme/photos/cat.jpg")); got != "QUOTA_EXCEEDED" { // and not RATE_LIMITED
		t.Error("the first request:", got)
	}
	if err := recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := store.Usage(t.Context(), w.ID, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	var all workspace.Usage
	for _, u := range rows {
		all.Add(u)
	}
	if all.Transforms != 1 || all.Requests != 1 {
		t.Errorf("%+v", all)
	}
}

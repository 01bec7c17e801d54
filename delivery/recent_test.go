package delivery

import (
	"fmt"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// TestWouldRefuse: a change of the settings says which URLs of the last hour it would refuse,
// for every kind of rule. What was refused already, and what has a key, doesn't count.
func TestWouldRefuse(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	for _, target := range []string{"/acme/photos/cat.jpg?w=10", "/acme/photos/cat.jpg?w=11", "/acme/photos/cat.jpg?w=10", "/acme/photos/cat.jpg?w=nonsense", "/acme/nobody/cat.jpg"} {
		b.get(target)
	}
	b.get("/acme/photos/cat.jpg?w=12", "Origin", "https://shop.example")
	cat := []string{"/photos/cat.jpg"}
	for _, tt := range []struct {
		name   string
		change func(*workspace.Workspace)
		want   Refusals
	}{
		{"nothing", func(*workspace.Workspace) {}, Refusals{Of: 3}},
		{"private", func(w *workspace.Workspace) { w.Sources[0].Private = true }, Refusals{3, 3, cat, "SIGNATURE_REQUIRED"}},
		{"signatures", func(w *workspace.Workspace) { w.RequireSignature = true }, Refusals{3, 3, cat, "SIGNATURE_REQUIRED"}},
		{"presets", func(w *workspace.Workspace) { w.PresetsOnly = true }, Refusals{3, 3, cat, "PRESET_REQUIRED"}},
		{"origins", func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://other.example"} }, Refusals{1, 3, cat, "ORIGIN_NOT_ALLOWED"}},
		{"source", func(w *workspace.Workspace) { w.Sources[0].Key = "pictures" }, Refusals{3, 3, cat, "SOURCE_NOT_FOUND"}},
	} {
		w := b.acme()
		tt.change(w)
		got, err := b.WouldRefuse(t.Context(), w)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	b.clock.Store(int64(2 * recentFor / time.Second))
	if got, err := b.WouldRefuse(t.Context(), b.acme()); err != nil || got.Of != 0 {
		t.Errorf("after two hours: %+v, %v", got, err)
	}
}

// TestWouldRefuseNamesOriginals: URLs whose query names the image are named by it, without their
// options and without a query of the original.
func TestWouldRefuseNamesOriginals(t *testing.T) {
	b := newBench(t)
	w := b.acme(func(w *workspace.Workspace) { w.AllowedSources = []string{"*"} })
	b.registry.Set(t, w)
	for _, path := range []string{"/photos/cat.jpg", "/photos/a b.jpg", "/else/c.jpg"} {
		b.upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	}
	for target, want := range map[string]string{
		"/acme?src=photos/cat.jpg&w=10":                                     "/?src=photos/cat.jpg",
		"/acme/?w=11&src=photos/a%20b.jpg":                                  "/?src=photos/a%20b.jpg",
		"/acme?src=" + url.QueryEscape(b.upstream.URL+"/photos/cat.jpg"):    "/?src=" + b.upstream.URL + "/photos/cat.jpg",
		"/acme?src=" + b.upstream.URL + "/else/c.jpg?token=s3cret":          "/?src=" + b.upstream.URL + "/else/c.jpg",
		"/acme?src=" + b.upstream.URL + "/else/c.jpg%3Ftoken=s3cret&w=9":    "/?src=" + b.upstream.URL + "/else/c.jpg",
		"/acme/info?src=photos/cat.jpg":                                     "/info?src=photos/cat.jpg",
		"/acme/grid?src=photos/cat.jpg&w=9&src=photos/cat.jpg&h=9":          "/grid?src=photos/cat.jpg&src=photos/cat.jpg",
		"/acme/_next/image?url=" + b.upstream.URL + "/else/c.jpg&w=16&q=75": "/_next/image?url=" + b.upstream.URL + "/else/c.jpg",
	} {
		b.recent = recent{}
		if got := b.get(target); got.Code != 200 {
			t.Fatalf("%s: %d %s", target, got.Code, got.Body)
		}
		signed := w.Clone()
		signed.RequireSignature = true
		got, err := b.WouldRefuse(t.Context(), signed)
		if err != nil || got.URLs != 1 || len(got.Paths) != 1 || got.Paths[0] != want {
			t.Errorf("%s: %+v, %v, want %s", target, got, err, want)
		}
	}
}

// TestRecentIsBounded: a URL has one place, which costs no allocation once it is known, and the
// URLs of a workspace have at most their share of all.
func TestRecentIsBounded(t *testing.T) {
	var r recent
	now := time.Unix(1e9, 0)
	for i := range 100_000 {
		r.note(Target{"acme", fmt.Sprint("/photos/", i), "w=1"}, "", now)
	}
	n := 0
	for i := range r {
		if r[i].Load() != nil {
			n++
		}
	}
	if n != recentWorkspace {
		t.Errorf("%d URLs of a workspace are kept", n)
	}
	known := Target{"acme", "/photos/1", "w=1"}
	if n := testing.AllocsPerRun(100, func() { r.note(known, "", now) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNoteRecent(b *testing.B) {
	var r recent
	now, target := time.Unix(1e9, 0), Target{"acme", "/photos/animals/cat.jpg", "w=400&h=300&fit=cover"}
	for b.Loop() {
		r.note(target, "https://shop.example", now)
	}
}

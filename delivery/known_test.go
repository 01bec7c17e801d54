package delivery

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestKnownURLs: what is known of a URL opens nothing, and survives no change. Each URL is asked
// until it is known, then something changes that decides about it.
func TestKnownURLs(t *testing.T) {
	const target = "/acme/photos/cat.jpg?w=20"
	key := signing.Key{ID: "k1", Secret: signing.NewSecret()}
	for name, test := range map[string]struct {
		before, after func(*workspace.Workspace)
		target        string
		headers       []string
		code          string // of the answer after the change
		misses        bool   // after the change
	}{
		"nothing":           {},
		"the source":        {after: func(w *workspace.Workspace) { w.Sources[0].Private = true }, code: "SIGNATURE_REQUIRED"},
		"require_signature": {after: func(w *workspace.Workspace) { w.RequireSignature = true }, code: "SIGNATURE_REQUIRED"},
		"allowed_origins": {
			after: func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://b.example"} }, headers: []string{"Origin", "https://a.example"}, code: "ORIGIN_NOT_ALLOWED",
		},
		"a block": {
			after: func(w *workspace.Workspace) { w.Blocks = []workspace.Block{{ID: "b", Path: "photos/cat.jpg"}} }, code: "BLOCKED",
		},
		"a purge of the image": {
			after: func(w *workspace.Workspace) {
				w.Purges, _ = w.Purges.Add(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"})
			}, misses: true,
		},
		"a purge of everything": {
			after: func(w *workspace.Workspace) {
				w.Purges, _ = w.Purges.Add(workspace.Purge{Kind: workspace.PurgeAll})
			}, misses: true,
		},
		"a purge of another image": {
			after: func(w *workspace.Workspace) {
				w.Purges, _ = w.Purges.Add(workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "dog.jpg"})
			},
		},
		"allow_svg": {after: func(w *workspace.Workspace) { w.AllowSVG = true }, misses: true},
		"a mark": {
			after: func(w *workspace.Workspace) {
				w.Marks = []workspace.Mark{{Name: "m", Image: "photos/logo.jpg", AutoApplySources: []string{"photos"}}}
			}, code: "MARK_UNAVAILABLE", // since there is no such image
		},
		"the limit of requests": {after: func(w *workspace.Workspace) { w.Limits.RequestsPerMinute = 1 }, code: "RATE_LIMITED"},
		"presets_only":          {after: func(w *workspace.Workspace) { w.PresetsOnly = true }, code: "PRESET_REQUIRED"},
		"a preset": {
			before: func(w *workspace.Workspace) { w.Presets = []workspace.Preset{{Name: "p", Options: "w=20"}} },
			after:  func(w *workspace.Workspace) { w.Presets = nil }, target: "/acme/photos/cat.jpg?preset=p", code: "INVALID_OPTION",
		},
		"the source is gone": {after: func(w *workspace.Workspace) { w.Sources = nil }, code: "SOURCE_NOT_FOUND"},
		"a signing key": {
			before: func(w *workspace.Workspace) { w.RequireSignature, w.SigningKeys = true, []signing.Key{key} },
			after:  func(w *workspace.Workspace) { w.SigningKeys = nil }, target: "signed", code: "SIGNATURE_INVALID",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			at := target
			if test.target != "" {
				at = test.target
			}
			if at == "signed" {
				at = signed(t, key, target)
			}
			w := b.acme()
			if test.before != nil {
				test.before(w)
			}
			b.registry.Set(t, w)
			ask := func() *httptest.ResponseRecorder { return b.get(at, test.headers...) }
			first := ask()
			ask()
			if a := ask(); a.Code != http.StatusOK || !b.isKnown(at) {
				t.Fatalf("%d, known: %t", a.Code, b.isKnown(at))
			} else {
				for _, changes := range []string{"X-Request-Id", "Cache-Status", "Server-Timing"} {
					first.Header().Del(changes)
					a.Header().Del(changes)
				}
				if diff := cmp.Diff(first.Header(), a.Header()); diff != "" {
					t.Errorf("headers of a URL that is known: %s", diff)
				}
			}
			if test.after != nil {
				w = b.acme()
				if test.before != nil {
					test.before(w)
				}
				test.after(w)
			}
			b.registry.Set(t, w)
			a := ask()
			if test.code == "RATE_LIMITED" { // the first one is within
				a = ask()
			}
			if miss := a.Code == http.StatusOK && strings.Contains(a.Header().Get("Cache-Status"), "fwd=miss"); miss != test.misses {
				t.Errorf("after the change: Cache-Status %s, want a miss: %t", a.Header().Get("Cache-Status"), test.misses)
			}
			if test.code == "" {
				if a.Code != http.StatusOK {
					t.Errorf("%d %s", a.Code, a.Body)
				}
			} else if got := code(t, a); got != test.code {
				t.Errorf("after the change: %d %s, want %s", a.Code, got, test.code)
			}
		})
	}
}

// TestKnownURLsAreJudgedAnew: time, the API key and the Accept header decide about each request,
// also of a URL that is known.
func TestKnownURLsAreJudgedAnew(t *testing.T) {
	b := newBench(t)
	key := signing.Key{ID: "k1", Secret: signing.NewSecret()}
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].Private, w.SigningKeys = true, []signing.Key{key} }))
	url := signed(t, key, "/acme/photos/cat.jpg?w=20&format=auto&exp="+strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	for _, accept := range []string{"image/webp", "image/jpeg", "image/avif", "image/webp"} {
		for range 3 {
			if a := b.get(url, "Accept", accept); a.Code != http.StatusOK || a.Header().Get("Content-Type") != accept {
				t.Errorf("%s: %d %s", accept, a.Code, a.Header().Get("Content-Type"))
			}
		}
	}
	if !b.isKnown(url) {
		t.Error("not known")
	}
	unsigned, _, _ := strings.Cut(url, "&sig=")
	if a := b.get(unsigned); code(t, a) != "SIGNATURE_REQUIRED" {
		t.Error(a.Code, a.Body)
	}
	if a := b.get(url + "x"); a.Code == http.StatusOK {
		t.Error("another signature opens it")
	}
	b.clock.Store(2 * 3600)
	if a := b.get(url); code(t, a) != "SIGNATURE_EXPIRED" {
		t.Error(a.Code, a.Body)
	}
}

// TestKnownURLsAreBounded: many and long URLs take no more memory than the bound allows, and
// URLs that were asked once aren't kept.
func TestKnownURLsAreBounded(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	for i := range 100 {
		b.get("/acme/photos/cat.jpg?w=20&v=" + strconv.Itoa(i))
	}
	if n := b.known.asks.Len(); n != 0 {
		t.Errorf("%d are known that were asked once", n)
	}
	long := "/acme/photos/cat.jpg?w=20&unknown=" + strings.Repeat("x", longestKnown)
	for range 3 {
		if a := b.get(long); a.Code != http.StatusOK {
			t.Fatal(a.Code, a.Body)
		}
		b.get("/acme/info/photos/cat.jpg")
	}
	if n := b.known.asks.Len(); n != 0 {
		t.Errorf("%d are known that are long, or of another endpoint", n)
	}
}

// TestKnownURLsOnDisk: a URL whose variant is on disk is known from its second hit, and the next
// one is answered alike.
func TestKnownURLsOnDisk(t *testing.T) {
	disk, err := cache.OpenDisk(cache.DiskConfig{Dir: t.TempDir(), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close(context.Background()) })
	b := newBench(t, func(c *setup) { c.Cache = disk })
	b.registry.Set(t, b.acme())
	const target = "/acme/photos/cat.jpg?w=20"
	made := b.get(target)
	if err := disk.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for hit, known := range []bool{false, true, true} {
		a := b.get(target)
		if told := a.Header().Get("Cache-Status"); told != "tintype; hit; detail=disk" || b.isKnown(target) != known {
			t.Errorf("hit %d: %q, known: %t, want %t", hit, told, b.isKnown(target), known)
		}
		if a.Body.String() != made.Body.String() || a.Header().Get("Etag") != made.Header().Get("Etag") {
			t.Errorf("hit %d has another body", hit)
		}
	}
}

func (b *bench) isKnown(target string) bool {
	path, query, err := SplitTarget(target)
	if err != nil {
		return false
	}
	t, ok := b.Target(context.Background(), "", path, query)
	return ok && b.known.asks.Contains(t)
}

func signed(t *testing.T, key signing.Key, target string) string {
	t.Helper()
	url, err := key.Secret.Sign(target)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

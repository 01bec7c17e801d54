package delivery

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// TestCachedRedirects: what was fetched through a redirect is served from the cache only as
// long as the workspace allows the redirect. No other entry is made anew.
func TestCachedRedirects(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *workspace.Workspace, foreign string)
		want   string // by source and by full URL
		mark   string
	}{
		"blocked": {func(w *workspace.Workspace, _ string) {
			w.Blocks = []workspace.Block{{ID: "1", Path: "photos/in/b.jpg"}}
		}, "BLOCKED", "BLOCKED"},
		"blocked in another spelling": {func(w *workspace.Workspace, _ string) {
			w.Blocks = []workspace.Block{{ID: "1", Path: "photos/IN/B.jpg"}}
		}, "BLOCKED", "BLOCKED"},
		"blocked elsewhere": {func(w *workspace.Workspace, _ string) {
			w.Blocks = []workspace.Block{{ID: "1", Path: "photos/in/c.jpg"}}
		}, "", ""},
		"private": {func(w *workspace.Workspace, _ string) {
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: w.Sources[0].URL + "in/", Private: true})
		}, "SOURCE_NOT_ALLOWED", "MARK_UNAVAILABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			foreign := deliverytest.NewUpstream(t)
			away := func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, b.upstream.URL+"/photos/in/b.jpg?token=secret", http.StatusFound)
			}
			foreign.Serve("/away.jpg", away)
			b.upstream.Serve("/photos/away.jpg", away)
			b.upstream.Serve("/photos/plain.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 21)))
			b.upstream.Serve("/photos/in/b.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 21)))
			targets := []string{
				"/acme/photos/away.jpg?w=20", "/acme?w=20&src=" + foreign.URL + "/away.jpg", "/acme/info/photos/away.jpg", "/acme/placeholder/blurhash/photos/away.jpg",
				"/acme/grid?src=photos/cat.jpg&src=photos/away.jpg&w=40&h=20",
				"/acme/photos/cat.jpg?w=20&mark=" + foreign.URL + "/away.jpg",
				"/acme/photos/plain.jpg?w=20",
			}
			check := func(when, want, mark string, wantHit bool) {
				t.Helper()
				for i, target := range targets {
					want := want
					switch {
					case i == len(targets)-2:
						want = mark
					case i == len(targets)-1:
						want = ""
					}
					w := b.get(target)
					if got := code(t, w); got != want || wantHit && want == "" && !hit(w) {
						t.Errorf("%s, %s: %d %q, want %q (%s)", when, target, w.Code, got, want, w.Header().Get("Cache-Status"))
					}
					if strings.Contains(w.Header().Get("Cache-Tag"), "secret") {
						t.Errorf("%s: %s", target, w.Header().Get("Cache-Tag"))
					}
				}
			}
			b.registry.Set(t, b.acme())
			check("before", "", "", false)
			for range 2 {
				b.registry.Set(t, b.acme(func(w *workspace.Workspace) { tt.change(w, foreign.URL) }))
				check(name, tt.want, tt.mark, true)
				check(name+" again", tt.want, tt.mark, true)
			}
			b.registry.Set(t, b.acme())
			check("after", "", "", true)
		})
	}
}

// TestCachedRedirectIsGone: the origin doesn't redirect to a blocked image any more. The image
// that it has instead is shown.
func TestCachedRedirectIsGone(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/away.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "b.jpg", http.StatusFound) })
	b.upstream.Serve("/photos/b.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 21)))
	b.registry.Set(t, b.acme())
	const target = "/acme/photos/away.jpg?w=20"
	if w := b.get(target); w.Code != 200 || !strings.HasSuffix(w.Header().Get("Cache-Tag"), "acme/photos/away.jpg,acme/photos/b.jpg") {
		t.Fatal(w.Code, w.Header())
	}
	b.upstream.Serve("/photos/away.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 22)))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Blocks = []workspace.Block{{ID: "1", Path: "photos/b.jpg"}} }))
	if w := b.get(target); w.Code != 200 || hit(w) || strings.Contains(w.Header().Get("Cache-Tag"), "b.jpg") {
		t.Error(w.Code, w.Header())
	}
	if w := b.get(target); w.Code != 200 || !hit(w) {
		t.Error(w.Code, w.Header())
	}
}

// TestRenewedThroughAnotherRedirect: an original that hasn't changed is now behind another
// redirect.
func TestRenewedThroughAnotherRedirect(t *testing.T) {
	b := newBench(t)
	to := "b.jpg"
	b.upstream.Serve("/photos/away.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	for _, name := range []string{"b.jpg", "c.jpg"} {
		picture := deliverytest.Body(deliverytest.Photo(t, 33, 21))
		b.upstream.Serve("/photos/"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			picture(w, r)
		})
	}
	set := func(blocks ...workspace.Block) {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].Revalidate, w.Blocks = 10, blocks }))
	}
	set()
	const target = "/acme/photos/away.jpg?w=20"
	b.get(target)
	to = "c.jpg"
	b.clock.Add(11)
	b.get(target) // renews it
	if err := b.loader.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if w := b.get(target); !hit(w) || !strings.HasSuffix(w.Header().Get("Cache-Tag"), "acme/photos/c.jpg") {
		t.Error(w.Code, w.Header())
	}
	set(workspace.Block{ID: "1", Path: "photos/c.jpg"})
	if w := b.get(target); code(t, w) != "BLOCKED" {
		t.Error(w.Code, w.Header())
	}
}

// TestUnawareEntries: an earlier version didn't note redirects. Where paths are blocked, its
// entries are made anew.
func TestUnawareEntries(t *testing.T) {
	b := newBench(t, func(c *setup) { c.Cache = unaware{c.Cache} })
	b.upstream.Serve("/photos/away.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "b.jpg", http.StatusFound) })
	b.upstream.Serve("/photos/b.jpg", deliverytest.Body(deliverytest.Photo(t, 33, 21)))
	b.registry.Set(t, b.acme())
	b.get("/acme/photos/away.jpg?w=20")
	if w := b.get("/acme/photos/away.jpg?w=20"); !hit(w) {
		t.Fatal(w.Code, w.Header())
	}
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Blocks = []workspace.Block{{ID: "1", Path: "photos/b.jpg"}} }))
	if w := b.get("/acme/photos/away.jpg?w=20"); code(t, w) != "BLOCKED" {
		t.Error(w.Code, w.Header())
	}
}

// unaware is a cache whose entries an earlier version made.
type unaware struct{ cache.Cache }

func (c unaware) Put(ctx context.Context, key cache.Key, e *cache.Entry) {
	old := *e
	old.Redirects, old.Unaware = nil, true
	c.Cache.Put(ctx, key, &old)
}

// TestBlockedSpellings: a path that some server may take for a blocked one is blocked.
func TestBlockedSpellings(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "all", Kind: "http", URL: b.upstream.URL + "/"},
			workspace.Source{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "AKIA", SecretAccessKey: "secret"})
		w.Blocks = []workspace.Block{{ID: "1", Path: "photos/2026/a.jpg"}, {ID: "2", Path: "photos/holiday-pictures/b~x.jpg"}, {ID: "3", Path: "media/a.jpg"}}
	}))
	for _, tt := range []struct {
		target  string
		blocked bool
	}{
		{"/acme/photos/2026/a.jpg", true},
		{"/acme/photos/2026/A.JPG", true},
		{"/acme/photos/2026/a.jpg%3Fx=1", true},
		{"/acme/photos/2026/a.jpg;v=1", true},
		{"/acme/photos/2026/a.jpg%20", true},
		{"/acme/photos/2026/a.jpg.", true},
		{"/acme/photos/2026;x/a.jpg", true},
		{"/acme/photos/2026/a.jpg::$DATA", true},
		{"/acme/photos/2026/a%252ejpg", true},
		{"/acme/photos/2026%252fa.jpg", true},
		{"/acme/photos/2026/%EF%BD%81.jpg", true},
		{"/acme/photos/x../a.jpg", true}, // it may lead anywhere
		{"/acme/photos/HOLIDA~1/b~x.jpg", true},
		{"/acme/photos/HOLIDAY-PICTURES/b~x.jpg", true},
		{"/acme/all/photos/2026/a.jpg", true},
		{"/acme/all/Photos/2026/a.jpg", true},
		{"/acme?src=" + b.upstream.URL + "/photos/2026/A.jpg", true},
		{"/acme?src=" + b.upstream.URL + "/photos/2026/a.jpg?x=1", true},
		{"/acme?src=" + b.upstream.URL + "/photos/2026/a.jpg%253Fx=1", true},
		{"/acme/placeholder/blurhash/photos/2026/A.jpg", true},
		{"/acme/photos/cat.jpg?mark=photos/2026/A.jpg", true},
		{"/acme/media/a.jpg", true},

		{"/acme/photos/2026/b.jpg", false},
		{"/acme/photos/2026/a.jpeg", false},
		{"/acme/photos/2026/a.jpg/b.jpg", false},
		{"/acme/photos/2026", false},
		{"/acme/photos/a.jpg", false},
		{"/acme/all/2026/a.jpg", false},
		{"/acme/photos/HOLIDA~1/c.jpg", false},
		{"/acme/media/A.jpg", false}, // keys of S3 are exact
	} {
		if got := code(t, b.get(tt.target)); (got == "BLOCKED") != tt.blocked {
			t.Errorf("%s: %q, blocked %v", tt.target, got, tt.blocked)
		}
	}
}

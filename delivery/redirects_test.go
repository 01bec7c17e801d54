package delivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// TestPurgeOfARedirectsTarget: a purge of an original reaches what was fetched through
// redirects to it, once, and nothing else.
func TestPurgeOfARedirectsTarget(t *testing.T) {
	for name, tt := range map[string]struct {
		path, source, prefix, url string
		elsewhere                 bool // the redirect leads out of all sources
	}{
		"path":                     {path: "x.png"},
		"prefix":                   {prefix: "x"},
		"source":                   {source: "inner"},
		"URL":                      {url: "/in/x.png"},
		"URL with a query":         {url: "/in/x.png?a=1"},
		"URL elsewhere":            {url: "/in/x.png", elsewhere: true},
		"URL elsewhere with query": {url: "/in/x.png?a=1", elsewhere: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			foreign := deliverytest.NewUpstream(t)
			host := b.upstream
			if tt.elsewhere {
				host = foreign
			}
			away := func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, host.URL+"/in/x.png?token=secret", http.StatusFound)
			}
			b.upstream.Serve("/photos/away.png", away)
			foreign.Serve("/away.png", away)
			host.Serve("/in/x.png", deliverytest.Body(flat(t, markRed)))
			w := b.acme(func(w *workspace.Workspace) {
				w.Sources = append(w.Sources, workspace.Source{Key: "inner", Kind: "http", URL: b.upstream.URL + "/in/"})
			})
			b.registry.Set(t, w)
			targets := []string{
				"/acme/photos/away.png?format=png", "/acme?format=png&src=" + foreign.URL + "/away.png", "/acme/info/photos/away.png",
				"/acme/placeholder/blurhash/photos/away.png", "/acme/grid?format=png&src=photos/cat.jpg&src=photos/away.png&w=40&h=20",
				"/acme/photos/cat.jpg?w=20&mark=" + foreign.URL + "/away.png",
			}
			old := map[string]string{}
			for _, target := range targets {
				old[target] = b.get(target).Body.String()
				if w := b.get(target); !hit(w) {
					t.Fatal(target, w.Code, w.Header())
				}
			}
			b.get("/acme/photos/cat.jpg?w=21")
			tag := ""
			purges := []workspace.Purge{{Kind: workspace.PurgePath, Source: "inner", Value: tt.path}}
			switch {
			case tt.source != "":
				purges[0] = workspace.Purge{Kind: workspace.PurgeSource, Source: tt.source}
			case tt.prefix != "":
				purges[0] = workspace.Purge{Kind: workspace.PurgePrefix, Source: "inner", Value: tt.prefix}
			case tt.url != "":
				var tags []string
				var err error
				if purges, tags, err = b.FindPurge(t.Context(), "acme", host.URL+tt.url); err != nil {
					t.Fatal(err)
				}
				tag = tags[len(tags)-1]
			}
			if tag == "" {
				tag = purges[0].Tag("acme")
			}
			host.Serve("/in/x.png", deliverytest.Body(flat(t, markBlue)))
			for _, p := range purges {
				w = b.purge(t, w, p)
			}
			for i, target := range targets {
				got := b.get(target)
				if got.Code != 200 || hit(got) || got.Body.String() == old[target] {
					t.Errorf("%s after the purge: %d, hit %v, as before %v", target, got.Code, hit(got), got.Body.String() == old[target])
				}
				if i < 5 && !slices.Contains(strings.Split(got.Header().Get("Cache-Tag"), ","), tag) {
					t.Errorf("%s has no tag %s: %s", target, tag, got.Header().Get("Cache-Tag"))
				}
				if !hit(b.get(target)) {
					t.Errorf("%s is made anew again", target)
				}
			}
			if !hit(b.get("/acme/photos/cat.jpg?w=21")) {
				t.Error("another image was purged too")
			}
			// What is made after the purge is made once.
			made := b.engine.Runs.Load()
			b.get("/acme/photos/away.png?format=png&w=9")
			if n := b.engine.Runs.Load() - made; n != 1 {
				t.Errorf("made %d times", n)
			}
			// A purge of something else changes nothing.
			b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "inner", Value: "y.png"})
			for _, target := range targets {
				if !hit(b.get(target)) {
					t.Errorf("%s was purged with another image", target)
				}
			}
		})
	}
}

// TestPurgesOfChangingTargets: the origin redirects to another image after each purge of the
// last one. However many there were, the request ends, with the present one.
func TestPurgesOfChangingTargets(t *testing.T) {
	b := newBench(t)
	n := 0
	b.upstream.Serve("/photos/away.png", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("v%d.png", n), http.StatusFound)
	})
	w := b.acme()
	b.registry.Set(t, w)
	const target = "/acme/photos/away.png?format=png"
	for n = range 8 {
		b.upstream.Serve(fmt.Sprintf("/photos/v%d.png", n), deliverytest.Body(deliverytest.Photo(t, 20+n, 20)))
		if n > 0 {
			w = b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("v%d.png", n-1)})
		}
		for _, wantHit := range []bool{false, true} {
			got := b.get(target)
			if size, want := imageSize(t, got.Body.Bytes()), fmt.Sprintf("%dx20", 20+n); size != want || hit(got) != wantHit {
				t.Errorf("after %d purges: %s, want %s, hit %v", n, size, want, hit(got))
			}
		}
	}
}

// TestPurgeOfARedirectsTargetDuringAFetch: who asks after the purge doesn't get what was
// fetched before it, neither at that moment nor later.
func TestPurgeOfARedirectsTargetDuringAFetch(t *testing.T) {
	b := newBench(t)
	w := b.acme()
	b.registry.Set(t, w)
	b.upstream.Serve("/photos/away.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "slow.jpg", http.StatusFound) })
	begun, proceed := make(chan struct{}), make(chan struct{})
	old, fresh := deliverytest.Body(deliverytest.Photo(t, 30, 20)), deliverytest.Body(deliverytest.Photo(t, 60, 40))
	var asked atomic.Bool
	b.upstream.Serve("/photos/slow.jpg", func(w http.ResponseWriter, r *http.Request) {
		answer := fresh
		if !asked.Swap(true) {
			answer = old
			close(begun)
			<-proceed
		}
		answer(w, r)
	})
	release := sync.OnceFunc(func() { close(proceed) })
	defer release()
	const target = "/acme/photos/away.jpg?format=png"
	answers := make(chan string, 2)
	ask := func() { answers <- imageSize(t, b.get(target).Body.Bytes()) }
	go ask()
	<-begun
	b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "slow.jpg"})
	release()
	if got := imageSize(t, b.get(target).Body.Bytes()); got != "60x40" {
		t.Errorf("asked after the purge, answered with the original of before: %s", got)
	}
	if got := <-answers; got != "30x20" {
		t.Errorf("who asked before the purge got %s", got)
	}
	if got := b.get(target); imageSize(t, got.Body.Bytes()) != "60x40" || !hit(got) {
		t.Errorf("afterwards: %s, %s", imageSize(t, got.Body.Bytes()), got.Header().Get("Cache-Status"))
	}
}

// TestRenewedAfterAPurge: the origin says that what a redirect leads to hasn't changed since
// before its purge. What was made before the purge stays purged.
func TestRenewedAfterAPurge(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/away.png", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "b.png", http.StatusFound) })
	serve := func(picture []byte) {
		body := deliverytest.Body(picture)
		b.upstream.Serve("/photos/b.png", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			if r.Header.Get("If-None-Match") == `"1"` {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			body(w, r)
		})
	}
	serve(flat(t, markRed))
	w := b.acme(func(w *workspace.Workspace) { w.Sources[0].Revalidate = 10 })
	b.registry.Set(t, w)
	const target = "/acme/photos/away.png?format=png"
	b.get(target)
	serve(flat(t, markBlue))
	b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "b.png"})
	b.clock.Add(11)
	b.get(target) // the old entry is stale, and the origin is asked for it
	if err := b.loader.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := shows(t, b.get(target)); got != "blue" {
		t.Error(got)
	}
}

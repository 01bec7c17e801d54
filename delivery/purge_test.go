package delivery

import (
	"context"
	"fmt"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// purge adds a purge to the workspace, as it reaches the server from the store.
func (b *bench) purge(t testing.TB, w *workspace.Workspace, p workspace.Purge) *workspace.Workspace {
	t.Helper()
	w = w.Clone()
	w.Purges, _ = w.Purges.Add(p)
	b.registry.Set(t, w)
	return w
}

// hit reports whether the answer came from a cache.
func hit(w *httptest.ResponseRecorder) bool {
	return strings.Contains(w.Header().Get("Cache-Status"), "; hit")
}

// TestPurge says which variants each kind of purge concerns.
func TestPurge(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	up := b.upstream.URL
	w := markedAcme(t, b, func(w *workspace.Workspace) {
		// The same originals under another name.
		w.Sources = append(w.Sources, workspace.Source{Key: "outer", Kind: "http", URL: up + "/"})
	})
	for _, path := range []string{"/open/a/1.jpg", "/open/a/2.jpg", "/open/ab.jpg", "/other/x.jpg"} {
		b.upstream.Serve(path, deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	}
	targets := []string{
		"/acme/photos/cat.jpg?w=20",
		"/acme/photos/cat.jpg?w=21",
		"/acme/photos/missing.jpg",
		"/acme/open/a.jpg?w=20",
		"/acme/open/a.jpg?w=20&format=png",
		"/acme/open/a/1.jpg",
		"/acme/open/a/2.jpg",
		"/acme/open/ab.jpg",
		"/acme/open/a.jpg?mark=blue",
		"/acme/open/a.jpg?mark=media/blue.png&mark-opacity=0.5",
		"/acme/other/x.jpg",
	}
	w.Sources[len(w.Sources)-1].Key = "other"
	w.Sources[len(w.Sources)-1].URL = up + "/other/"
	url := func(target string) workspace.Purge {
		t.Helper()
		b.registry.Set(t, w)
		found, _, err := b.FindPurge(t.Context(), "acme", target)
		if err != nil || len(found) != 1 {
			t.Fatal(target, found, err)
		}
		return found[0]
	}
	for _, tt := range []struct {
		name string
		p    workspace.Purge
		want []int // of targets
	}{
		{"all", workspace.Purge{Kind: workspace.PurgeAll}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"source", workspace.Purge{Kind: workspace.PurgeSource, Source: "photos"}, []int{0, 1, 2}},
		{"path", workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"}, []int{0, 1}},
		{"path of what isn't there", workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "missing.jpg"}, []int{2}},
		{"prefix", workspace.Purge{Kind: workspace.PurgePrefix, Source: "open", Value: "a/"}, []int{5, 6}},
		{"prefix in a name", workspace.Purge{Kind: workspace.PurgePrefix, Source: "open", Value: "a"}, []int{3, 4, 5, 6, 7, 8, 9}},
		{"bound mark", workspace.Purge{Kind: workspace.PurgeMark, Value: "red"}, []int{0, 1, 2}},
		{"mark by name", workspace.Purge{Kind: workspace.PurgeMark, Value: "blue"}, []int{8}},
		{"another workspace's words", workspace.Purge{Kind: workspace.PurgeSource, Source: "nobody"}, nil},
		{"URL in path form", url("/acme/open/a.jpg?w=20"), []int{3}},
		{"URL in other words", url("/acme?src=open/a.jpg&width=20&utm_source=x&sig=0"), []int{3}},
		{"URL in host form", url("https://acme.img.example.com/open/a.jpg?w=20"), []int{3}},
		{"URL of an original", url(up + "/open/a.jpg"), []int{3, 4, 8, 9}},
		{"later kind", workspace.Purge{Kind: "moon", Value: "x"}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.registry.Set(t, w)
			for _, target := range targets {
				b.get(target)
				if !hit(b.get(target)) {
					t.Fatalf("%s is not cached", target)
				}
			}
			w = b.purge(t, w, tt.p)
			for i, target := range targets {
				purged := false
				for _, n := range tt.want {
					purged = purged || n == i
				}
				if got := !hit(b.get(target)); got != purged {
					t.Errorf("%s: purged %v, want %v", target, got, purged)
				}
				if !hit(b.get(target)) {
					t.Errorf("%s: made anew twice", target)
				}
			}
		})
	}
}

// TestPurgeOfOneNamePurgesTheOthers: where a source lies in another, a path by
// either name is one original.
func TestPurgeOfOneNamePurgesTheOthers(t *testing.T) {
	for _, p := range []workspace.Purge{
		{Kind: workspace.PurgePath, Source: "outer", Value: "photos/cat.jpg"},
		{Kind: workspace.PurgePath, Source: "photos", Value: "cat.jpg"},
	} {
		b := newBench(t)
		w := b.acme(func(w *workspace.Workspace) {
			w.Sources[0].Private = false
			w.Sources = append(w.Sources, workspace.Source{Key: "outer", Kind: "http", URL: b.upstream.URL + "/"})
		})
		b.registry.Set(t, w)
		for _, target := range []string{"/acme/photos/cat.jpg", "/acme/outer/photos/cat.jpg"} {
			b.get(target)
		}
		w = b.purge(t, w, p)
		if hit(b.get("/acme/" + p.Source + "/" + p.Value)) {
			t.Errorf("%s/%s is not purged by its own name", p.Source, p.Value)
		}
		if p.Source == "outer" && hit(b.get("/acme/photos/cat.jpg")) {
			t.Error("purged by the outer name, and still there by the inner")
		}
		// The same once the log is summed up, where no names are left, by a server that has
		// cached nothing since.
		w = w.Clone()
		for base := w.Purges.Base; w.Purges.Base == base; {
			w.Purges, _ = w.Purges.Add(workspace.Purge{Kind: workspace.PurgePath, Source: "outer", Value: fmt.Sprint(w.Purges.Sequence)})
		}
		b.registry.Set(t, w)
		for _, target := range []string{"/acme/photos/cat.jpg", "/acme/outer/photos/cat.jpg"} {
			b.get(target)
			if !hit(b.get(target)) {
				t.Errorf("%s is made anew again and again", target)
			}
		}
		c, err := b.site(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"photos/cat.jpg", "outer/photos/cat.jpg"} {
			r, err := c.resolveName(name)
			if err != nil {
				t.Fatal(err)
			}
			if last := c.purgedOriginal(r); last != 1 {
				t.Errorf("%s, after a purge of %s/%s: %d", name, p.Source, p.Value, last)
			}
		}
	}
}

// A purge of one URL purges the variant under every name of its original.
func TestPurgeOfAURLPurgesOtherNames(t *testing.T) {
	for _, purged := range []string{"/acme/photos/cat.jpg?w=30", "/acme/outer/photos/cat.jpg?w=30", "/acme/twin/cat.jpg?w=30"} {
		b := newBench(t)
		w := b.acme(func(w *workspace.Workspace) {
			w.Sources = append(w.Sources,
				workspace.Source{Key: "outer", Kind: "http", URL: b.upstream.URL + "/"}, workspace.Source{Key: "twin", Kind: "http", URL: b.upstream.URL + "/photos/"})
		})
		b.registry.Set(t, w)
		targets := []string{"/acme/photos/cat.jpg?w=30", "/acme/outer/photos/cat.jpg?w=30", "/acme/twin/cat.jpg?w=30"}
		for _, target := range append(targets, "/acme/photos/cat.jpg?w=31") {
			b.get(target)
		}
		found, _, err := b.FindPurge(t.Context(), "acme", purged)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			w = b.purge(t, w, p)
		}
		for _, target := range targets {
			if hit(b.get(target)) {
				t.Errorf("%s is a hit after a purge of %s", target, purged)
			}
			if !hit(b.get(target)) {
				t.Errorf("%s is made anew again and again", target)
			}
		}
		if !hit(b.get("/acme/photos/cat.jpg?w=31")) {
			t.Errorf("another variant is purged with %s", purged)
		}
	}
}

// BenchmarkPurgedOriginal is what a request pays where the log of purges is full.
func BenchmarkPurgedOriginal(b *testing.B) {
	list := make([]workspace.Purge, 0, workspace.MaxPurgedPaths+workspace.MaxPurgedPrefixes)
	for i := range workspace.MaxPurgedPaths {
		list = append(list, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("2026/%d.jpg", i)})
		if i < workspace.MaxPurgedPrefixes {
			list = append(list, workspace.Purge{Kind: workspace.PurgePrefix, Source: "photos", Value: fmt.Sprintf("%d/", i)})
		}
	}
	log, _ := workspace.PurgeLog{}.Add(list...)
	x := workspace.NewPurgeIndex(log)
	others := make([]string, 1<<14) // so many that the processor's caches don't hold what they read
	for i := range others {
		others[i] = fmt.Sprintf("other/%d.jpg", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x.Original("photos", others[i%len(others)])
	}
}

// TestPurgeReachesEveryTier: what was made before a purge is in no tier that a server
// has, restarted or not, nor in one that it shares.
func TestPurgeReachesEveryTier(t *testing.T) {
	dir, shared := t.TempDir(), cache.NewMemory(1<<20)
	open := func() (*bench, func()) {
		disk, err := cache.OpenDisk(cache.DiskConfig{Dir: filepath.Join(dir, "cache"), MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, func(c *setup) { c.Cache = cache.NewTiered(cache.NewMemory(1<<20), disk, shared) })
		return b, func() {
			if err := disk.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
	}
	b, shut := open()
	const target = "/acme/photos/cat.jpg?w=20"
	w := b.acme()
	b.registry.Set(t, w)
	url := w.Sources[0].URL
	b.get(target)
	b.get("/acme/photos/missing.jpg")
	purged := b.purge(t, w, workspace.Purge{Kind: workspace.PurgeSource, Source: "photos"})
	for _, target := range []string{target, "/acme/photos/missing.jpg"} {
		if hit(b.get(target)) {
			t.Error(target + " is served from before the purge")
		}
		if !hit(b.get(target)) {
			t.Error(target + " is not kept after the purge")
		}
	}
	shut()

	again, shut := open()
	defer shut()
	purged.Sources[0].URL = url
	again.registry.Set(t, purged)
	if w := again.get(target); !strings.Contains(w.Header().Get("Cache-Status"), "hit; detail=disk") {
		t.Error("after a restart: " + w.Header().Get("Cache-Status"))
	}
	purged = again.purge(t, purged, workspace.Purge{Kind: workspace.PurgeAll})
	again.upstream.Close()
	b.upstream.Serve("/photos/cat.jpg", http.NotFound)
	if w := again.get(target); w.Code != http.StatusNotFound {
		t.Error("after a restart and a purge:", w.Code, w.Header())
	}
	// A workspace that takes the place of this one.
	purged.ID, purged.Purges = "another", workspace.PurgeLog{}
	again.registry.Set(t, purged)
	if hit(again.get(target)) {
		t.Error("a new workspace is served what the old one had")
	}
}

// TestPurgeDuringAFetch: who asks after a purge gets what was fetched after it, and
// so does everybody later, though the older fetch ends last.
func TestPurgeDuringAFetch(t *testing.T) {
	b := newBench(t)
	w := b.acme()
	b.registry.Set(t, w)
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
	const target = "/acme/photos/slow.jpg?format=png"
	earlier := make(chan *httptest.ResponseRecorder)
	go func() { earlier <- b.get(target) }()
	<-begun
	b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "slow.jpg"})
	if got := imageSize(t, b.get(target).Body.Bytes()); got != "60x40" {
		t.Errorf("asked after the purge, answered with the original of before: %s", got)
	}
	// Another variant shares no fetch with the older one either.
	if got := imageSize(t, b.get(target+"&q=50").Body.Bytes()); got != "60x40" {
		t.Errorf("another variant: %s", got)
	}
	release()
	if got := imageSize(t, (<-earlier).Body.Bytes()); got != "30x20" {
		t.Errorf("who asked before the purge got %s", got)
	}
	if w := b.get(target); imageSize(t, w.Body.Bytes()) != "60x40" || !hit(w) {
		t.Errorf("afterwards: %s, %s", imageSize(t, w.Body.Bytes()), w.Header().Get("Cache-Status"))
	}
}

// TestPurgeOfAMarksImage: the image is fetched again at once, though it would not
// have been looked at for minutes.
func TestPurgeOfAMarksImage(t *testing.T) {
	for _, p := range []workspace.Purge{
		{Kind: workspace.PurgePath, Source: "media", Value: "red.png"},
		{Kind: workspace.PurgeMark, Value: "red"},
		{Kind: workspace.PurgeSource, Source: "media"},
		{Kind: workspace.PurgeAll},
	} {
		b := newBench(t)
		w := markedAcme(t, b)
		b.registry.Set(t, w)
		if got := shows(t, b.get("/acme/photos/cat.jpg?format=png")); got != "red" {
			t.Fatal(got)
		}
		b.upstream.Serve("/media/red.png", deliverytest.Body(flat(t, markBlue)))
		if got := shows(t, b.get("/acme/photos/cat.jpg?format=png")); got != "red" {
			t.Fatalf("the image is looked at on every request: %s", got)
		}
		b.purge(t, w, p)
		if got := shows(t, b.get("/acme/photos/cat.jpg?format=png")); got != "blue" {
			t.Errorf("after a purge of %s %s%s: %s", p.Kind, p.Source, p.Value, got)
		}
	}
}

// TestPurgeOfAURLWithAMark: the image that a URL names as its mark is fetched again too.
func TestPurgeOfAURLWithAMark(t *testing.T) {
	b := newBench(t)
	w := b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "media", Kind: "http", URL: b.upstream.URL + "/media/"})
	})
	b.registry.Set(t, w)
	b.upstream.Serve("/media/x.png", deliverytest.Body(flat(t, markRed)))
	const target = "/acme/photos/cat.jpg?format=png&mark=media/x.png"
	if got := shows(t, b.get(target)); got != "red" {
		t.Fatal(got)
	}
	b.upstream.Serve("/media/x.png", deliverytest.Body(flat(t, markBlue)))
	found, tags, err := b.FindPurge(t.Context(), "acme", target)
	if err != nil || !slices.Contains(tags, "acme/media/x.png") {
		t.Fatal(found, tags, err)
	}
	for _, p := range found {
		w = b.purge(t, w, p)
	}
	if got := shows(t, b.get(target)); got != "blue" {
		t.Error(got)
	}
}

// TestPurgeOfAURLWithADefault: so is the image that a URL names to stand in.
func TestPurgeOfAURLWithADefault(t *testing.T) {
	b := newBench(t)
	w := b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "media", Kind: "http", URL: b.upstream.URL + "/media/"})
	})
	b.registry.Set(t, w)
	const target = "/acme/photos/none.png?format=png&default=media/x.png"
	for _, colour := range []color.NRGBA{markRed, markBlue} {
		b.upstream.Serve("/media/x.png", deliverytest.Body(flat(t, colour)))
		found, tags, err := b.FindPurge(t.Context(), "acme", target)
		if err != nil || !slices.Contains(tags, "acme/media/x.png") {
			t.Fatal(found, tags, err)
		}
		for _, p := range found {
			w = b.purge(t, w, p)
		}
		a := b.get(target)
		m, err := png.Decode(a.Body)
		if err != nil || a.Code != http.StatusNotFound {
			t.Fatal(a.Code, err)
		}
		if got := color.NRGBAModel.Convert(m.At(0, 0)); got != colour {
			t.Errorf("%v, want %v", got, colour)
		}
	}
}

// TestManyPurges: a workspace that purges 50,000 paths keeps its other images cached, and
// what one of these purges was aimed at is not served any more.
func TestManyPurges(t *testing.T) {
	b := newBench(t)
	w := b.acme()
	b.registry.Set(t, w)
	others := []string{"/acme/photos/cat.jpg?w=20", "/acme/photos/cat.jpg?w=21", "/acme/photos/missing.jpg"}
	const purged = "/acme/photos/dog.jpg"
	b.upstream.Serve("/photos/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.get(purged)
	w = b.purge(t, w, workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: "dog.jpg"})
	for _, target := range others {
		b.get(target)
	}
	many := make([]workspace.Purge, 50_000)
	for i := range many {
		many[i] = workspace.Purge{Kind: workspace.PurgePath, Source: "photos", Value: fmt.Sprintf("2026/%d.jpg", i)}
		if i%10 == 0 {
			many[i] = workspace.Purge{Kind: workspace.PurgeURL, Source: "photos", Value: fmt.Sprint(i)}
		}
	}
	w = w.Clone()
	var widened []workspace.Widened
	w.Purges, widened = w.Purges.Add(many...)
	b.registry.Set(t, w)
	if widened != nil {
		t.Errorf("widened: %+v", widened)
	}
	for _, target := range others {
		if !hit(b.get(target)) {
			t.Errorf("%s was purged by 50,000 others", target)
		}
	}
	if hit(b.get(purged)) {
		t.Error("the purge of one path was forgotten")
	}
	if !hit(b.get(purged)) {
		t.Error("its image is made anew again and again")
	}
}

func TestFindPurge(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	w := b.acme()
	b.registry.Set(t, w)
	up := b.upstream.URL
	for _, tt := range []struct{ url, want string }{
		{"/acme/photos/cat.jpg", "url photos acme/photos/cat.jpg"},
		{"/acme/photos/a,b%20c%C3%A9.jpg", "url photos acme/photos/a%2Cb%20c%C3%A9.jpg"},
		{"https://acme.img.example.com/photos/cat.jpg?w=9#x", "url photos acme/photos/cat.jpg"},
		{"https://img.example.com/acme/photos/cat.jpg", "url photos acme/photos/cat.jpg"},
		{up + "/photos/cat.jpg", "path photos acme/photos/cat.jpg"},
		{"https://cdn.example.net/pictures/1.jpg", "path  acme/url:…"},
		{"https://cdn.example.net/acme/photos/cat.jpg", "path  acme/url:…, url photos acme/photos/cat.jpg"},
		{"/globex/photos/cat.jpg", "error: must be an image's URL"},
		{"https://globex.img.example.com/photos/cat.jpg", "error: must be an image's URL"},
		{"photos/cat.jpg", "error: must be an image's URL"},
		{"", "error: must be an image's URL"},
		{"/acme/photos/cat.jpg?w=0", "error: w:"},
		{"/acme/nobody/cat.jpg", "error: workspace acme has no source nobody"},
		{"http://127.0.0.1:1/\\", "error: "},
	} {
		found, tags, err := b.FindPurge(t.Context(), "acme", tt.url)
		var got []string
		for i, p := range found {
			tag := tags[i]
			if strings.Contains(tag, "/url:") {
				tag = "acme/url:…"
			}
			got = append(got, fmt.Sprintf("%s %s %s", p.Kind, p.Source, tag))
		}
		line := strings.Join(got, ", ")
		if err != nil {
			line = "error: " + err.Error()
		}
		if line != tt.want && !(strings.HasPrefix(tt.want, "error: ") && strings.HasPrefix(line, tt.want)) {
			t.Errorf("%s\n got %s\nwant %s", tt.url, line, tt.want)
		}
	}
	if _, _, err := b.FindPurge(t.Context(), "globex", "/globex/photos/cat.jpg"); err == nil {
		t.Error("a workspace that doesn't exist has something to purge")
	}
}

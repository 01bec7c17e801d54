package delivery

import (
	"bytes"
	"image"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// gridURL is /acme/grid with these images and parameters.
func gridURL(more string, sources ...string) string {
	target := "/acme/grid?"
	for _, s := range sources {
		target += "src=" + url.QueryEscape(s) + "&"
	}
	return target + more
}

func TestGrid(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.Marks, w.Presets = nil, nil }))
	for _, tt := range []struct {
		more, format string
		w, h         int
	}{
		{"w=200&h=100&format=png", "image/png", 200, 100},
		{"size=60&format=nocompress", "image/png", 60, 60},
		{"width=200&height=100&dpr=2&format=jpg", "image/jpeg", 400, 200},
		{"w=200&h=100&type=row&gap=4&bg=fff", "image/jpeg", 200, 100},
		{"w=200&h=100&type=classic&cols=1&gap=4", "image/png", 200, 100}, // the gap is transparent
	} {
		w := b.get(gridURL(tt.more, "photos/cat.jpg", b.upstream.URL+"/open/a.jpg"), "Accept", "image/*")
		if w.Code != 200 || w.Header().Get("Content-Type") != tt.format || w.Header().Get("Cache-Control") != "public, max-age=31536000" {
			t.Errorf("%s: %d %v %s", tt.more, w.Code, w.Header(), w.Body)
			continue
		}
		c, _, err := image.DecodeConfig(bytes.NewReader(w.Body.Bytes()))
		if err != nil || c.Width != tt.w || c.Height != tt.h {
			t.Errorf("%s: %d×%d, %v; want %d×%d", tt.more, c.Width, c.Height, err, tt.w, tt.h)
		}
	}
	// What is the same grid is one entry, and the order of images is another one.
	same := gridURL("w=200&h=100&dpr=2&format=jpeg&cols=3&type=row&q=80", "open/a.jpg", "photos/cat.jpg")
	if w := b.get(same); w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Status"), "fwd=miss") {
		t.Errorf("the first: %d %v", w.Code, w.Header())
	}
	w := b.get(gridURL("q=80&h=200&w=400&format=jpeg&type=row", "open/a.jpg", "photos/cat.jpg"))
	if !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Errorf("the same in other words: %v", w.Header())
	}
	if w := b.get(same, "If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("with its ETag: %d", w.Code)
	}
	if w := b.get(gridURL("q=80&h=200&w=400&format=jpeg&type=row", "photos/cat.jpg", "open/a.jpg")); strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Error("another order of the images is the same grid")
	}
	// A purge of one of its originals empties it.
	b.purge(t, mustGet(t, b, "acme"), workspace.Purge{Kind: workspace.PurgePath, Source: "open", Value: "a.jpg"})
	if w := b.get(same); !strings.Contains(w.Header().Get("Cache-Status"), "fwd=miss") {
		t.Errorf("after a purge of one cell: %v", w.Header())
	}
	e, err := b.Explain(t.Context(), same, "", "")
	if err != nil || !e.Cached || e.Original != "open/a.jpg, photos/cat.jpg" {
		t.Errorf("explain: %+v, %v", e, err)
	}
}

func mustGet(t *testing.T, b *bench, namespace string) *workspace.Workspace {
	t.Helper()
	w, err := b.registry.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestGridRefuses(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) { w.AllowedSources = []string{} }))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.PresetsOnly = "strict", true
		w.Presets = []workspace.Preset{{Name: "small", Options: "w=20"}}
	}))
	b.upstream.Serve("/open/broken.jpg", deliverytest.Body([]byte("no image")))
	cat := "photos/cat.jpg"
	for target, want := range map[string]string{
		gridURL("w=9&h=9"):                                                 "400 INVALID_SOURCE src: a grid has 2 to 5 images, and this one 0",
		gridURL("w=9&h=9", cat):                                            "400 INVALID_SOURCE src: a grid has 2 to 5 images, and this one 1",
		gridURL("w=9&h=9", cat, cat, cat, cat, cat, cat):                   "400 INVALID_SOURCE src: a grid has 2 to 5 images, and this one 6",
		gridURL("w=9", cat, cat):                                           "400 INVALID_OPTION h: is missing",
		gridURL("h=9", cat, cat):                                           "400 INVALID_OPTION w: is missing",
		gridURL("w=50%25&h=9", cat, cat):                                   "400 INVALID_OPTION w: is in percent",
		gridURL("w=9&h=9&type=round", cat, cat):                            "400 INVALID_OPTION type:",
		gridURL("w=9&h=9&cols=6", cat, cat):                                "400 INVALID_OPTION cols:",
		gridURL("w=9&h=9&cols=0", cat, cat):                                "400 INVALID_OPTION cols:",
		gridURL("w=9&h=9&gap=-1", cat, cat):                                "400 INVALID_OPTION gap:",
		gridURL("w=9&h=9&gap=9999", cat, cat):                              "400 INVALID_OPTION gap:",
		gridURL("w=9&h=9&missing=maybe", cat, cat):                         "400 INVALID_OPTION missing:",
		gridURL("w=9&h=9&format=original", cat, cat):                       "400 INVALID_OPTION format:",
		gridURL("w=9&w=8&h=9", cat, cat):                                   "400 INVALID_OPTION w:",
		gridURL("w=8000&h=9&dpr=2", cat, cat):                              "400 INVALID_OPTION dpr:",
		gridURL("w=9&h=9&bg=nocolour", cat, cat):                           "400 INVALID_OPTION bg:",
		gridURL("w=1&h=1", cat, cat):                                       "",
		"/acme/grid/photos/cat.jpg?w=9&h=9":                                "400 INVALID_SOURCE src: a grid names its images",
		gridURL("w=9&h=9", cat, "nowhere/a.jpg"):                           "404 SOURCE_NOT_FOUND image 2 of the grid: ",
		gridURL("w=9&h=9", "https://a.test/b", cat):                        "403 SOURCE_NOT_ALLOWED image 1 of the grid: ",
		gridURL("w=9&h=9", cat, cat, "open/none.jpg"):                      "404 NOT_FOUND image 3 of the grid: ",
		gridURL("w=9&h=9", cat, "open/broken.jpg"):                         "415 UNSUPPORTED_FORMAT image 2 of the grid: ",
		gridURL("w=9&h=9", cat, "vault/a.jpg"):                             "401 SIGNATURE_REQUIRED",
		strings.Replace(gridURL("w=9&h=9", cat, cat), "acme", "strict", 1): "403 PRESET_REQUIRED",
	} {
		w := b.get(target)
		got := http.StatusText(w.Code)
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
			status, message := strings.Fields(w.Result().Status)[0], w.Body.String()
			got = status + " " + code(t, w) + " " + message
			if want != "" && strings.HasPrefix(got, strings.Join(strings.Fields(want)[:2], " ")) {
				rest := strings.TrimPrefix(want, strings.Join(strings.Fields(want)[:2], " "))
				if strings.Contains(message, strings.TrimSpace(rest)) {
					continue
				}
			}
		}
		if want != "" {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if w := b.send(http.MethodPost, "/acme/grid?w=9&h=9"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("a body for a grid: %d", w.Code)
	}
}

// missing=skip leaves out what can't be had while two images remain, and such a grid is kept
// for a minute only.
func TestGridSkips(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	b.upstream.Serve("/open/broken.jpg", deliverytest.Body([]byte("no image")))
	for target, status := range map[string]int{
		gridURL("w=90&h=30&missing=skip", "photos/cat.jpg", "open/none.jpg", "open/a.jpg"):   200,
		gridURL("w=90&h=31&missing=skip", "open/broken.jpg", "photos/cat.jpg", "open/a.jpg"): 200,
		gridURL("w=90&h=32&missing=skip", "photos/cat.jpg", "open/none.jpg"):                 404,
		gridURL("w=90&h=33&missing=error", "photos/cat.jpg", "open/none.jpg", "open/a.jpg"):  404,
		gridURL("w=90&h=34&missing=skip", "photos/cat.jpg", "vault/a.jpg", "open/a.jpg"):     401, // it can be had
		gridURL("w=90&h=35&missing=skip", "photos/cat.jpg", "nowhere/a.jpg", "open/a.jpg"):   404, // a slip of the URL
		gridURL("w=90&h=36&missing=skip", "photos/cat.jpg", "photos/cat.jpg", "open/a.jpg"):  200,
	} {
		w := b.get(target)
		if w.Code != status {
			t.Errorf("%s: %d %s, want %d", target, w.Code, w.Body, status)
		}
		if partial := strings.Contains(target, "none") || strings.Contains(target, "broken"); status == 200 && (w.Header().Get("Cache-Control") == "public, max-age=31536000") == partial {
			t.Errorf("%s: Cache-Control %s", target, w.Header().Get("Cache-Control"))
		}
	}
	// Once it is there, it is shown.
	target := gridURL("w=90&h=30&missing=skip", "photos/cat.jpg", "open/none.jpg", "open/a.jpg")
	b.upstream.Serve("/open/none.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	b.clock.Add(61)
	if w := b.get(target); w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=31536000" {
		t.Errorf("after a minute: %d %v", w.Code, w.Header())
	}
}

// TestGridSkipsOfShortSources: a grid with all its images says what others say, however short
// its entry is kept. One that lacks some is kept no longer than its sources allow.
func TestGridSkipsOfShortSources(t *testing.T) {
	b := newBench(t)
	for _, ttl := range []int{20, 60, 90} {
		b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) {
			for i := range w.Sources {
				w.Sources[i].TTL = ttl
			}
		}))
		size := "w=90&missing=skip&h=" + strconv.Itoa(ttl)
		whole, partial := gridURL(size, "photos/cat.jpg", "open/a.jpg"), gridURL(size, "photos/cat.jpg", "open/a.jpg", "open/none.jpg")
		for range 2 { // made, and kept until nearly the end of its time
			if got := b.get(whole).Header().Get("Cache-Control"); got != "public, max-age=31536000" {
				t.Errorf("ttl %d, whole: %s", ttl, got)
			}
			if got := maxAge(b.get(partial).Header().Get("Cache-Control")); got < 0 || got > min(ttl, 60) {
				t.Errorf("ttl %d, partial: %d seconds", ttl, got)
			}
			b.clock.Add(int64(ttl) - 10)
		}
	}
}

// Bound marks lie on their own cell, whatever the URL asks for, and a mark of the URL lies
// on grids without one.
func TestGridMarks(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	for target, want := range map[string]string{
		gridURL("w=200&h=50&type=row&format=png", "open/a.jpg", "open/a.jpg"):                                 "plain",
		gridURL("w=200&h=50&type=row&format=png&mark=blue", "open/a.jpg", "open/a.jpg"):                       "blue",
		gridURL("w=200&h=50&type=row&format=png", "photos/cat.jpg", "open/a.jpg"):                             "red plain",
		gridURL("w=200&h=50&type=row&format=png", "open/a.jpg", "photos/cat.jpg"):                             "plain red",
		gridURL("w=200&h=50&type=row&format=png&mark=blue", "open/a.jpg", "photos/cat.jpg"):                   "plain red",
		gridURL("w=200&h=50&type=row&format=png", "open/a.jpg", b.upstream.URL+"/photos/cat.jpg"):             "plain red",
		gridURL("w=200&h=50&type=row&format=png&mark=photos/cat.jpg", "open/a.jpg", "open/a.jpg"):             "SOURCE_NOT_ALLOWED",
		gridURL("w=200&h=50&type=row&format=png&mark=vault/logo.png", "open/a.jpg", "open/a.jpg"):             "SIGNATURE_REQUIRED",
		gridURL("w=200&h=50&type=row&format=png&missing=skip", "open/no.jpg", "open/a.jpg", "photos/cat.jpg"): "plain red",
	} {
		if got := shows(t, b.get(target)); got != want {
			t.Errorf("%s shows %s, want %s", target, got, want)
		}
	}
}

// A grid is as private as its most private original.
func TestGridPrivacy(t *testing.T) {
	b := newBench(t)
	secret := signing.NewSecret()
	b.registry.Set(t, markedAcme(t, b, func(w *workspace.Workspace) {
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
		w.Sources[1].CacheControl = "public, max-age=60"
	}))
	target := gridURL("w=200&h=50", "open/a.jpg", "vault/a.jpg")
	signed, err := secret.SignUntil(target, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	w := b.get(signed)
	if c := w.Header().Get("Cache-Control"); w.Code != 200 || !strings.HasPrefix(c, "private, max-age=") {
		t.Errorf("signed: %d, %s", w.Code, c)
	}
	if w := b.get(target); w.Code != 401 {
		t.Errorf("unsigned, once it is cached: %d", w.Code)
	}
	w = b.get(gridURL("w=200&h=50", "photos/cat.jpg", "open/a.jpg"))
	if c := w.Header().Get("Cache-Control"); c != "public, max-age=60" {
		t.Errorf("of two sources, one of which is kept for a minute: %s", c)
	}
}

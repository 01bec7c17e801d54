package delivery

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

const (
	aBlurHash  = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
	aThumbHash = "3OcRJYB4d3h/iIeHeEh3eIhw+j2w" // 32 × 23
	anyURL     = "/acme/placeholder/"
)

func blurhash(more string) string {
	return anyURL + "blurhash?blurhash=" + url.QueryEscape(aBlurHash) + more
}
func thumbhash(more string) string {
	return anyURL + "thumbhash?thumbhash=" + url.QueryEscape(aThumbHash) + more
}

// TestPlaceholders: sizes, formats and lifetimes. What is made of a hash reads nothing.
func TestPlaceholders(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.AllowedSources = []string{} }))
	b.upstream.Serve("/photos/wide.jpg", deliverytest.Body(deliverytest.Photo(t, 400, 100)))
	for _, tt := range []struct {
		target string
		w, h   int
	}{
		{blurhash("&w=64&h=48"), 64, 48},
		{blurhash("&width=64&height=48&fit=cover"), 64, 48},
		{blurhash("&w=64&h=48&dpr=2"), 128, 96},
		{blurhash("&w=64&h=48&dpr=0.5&punch=3"), 32, 24},
		{blurhash("&w=2048&h=1"), 2048, 1},
		{anyURL + "blurhash?w=4&h=3&blurhash=" + "00OZZ+", 4, 3}, // + as it stands
		{thumbhash(""), 32, 23},
		{thumbhash("&w=64"), 64, 46},
		{thumbhash("&h=46"), 64, 46},
		{thumbhash("&w=64&h=64"), 64, 46},
		{thumbhash("&w=64&h=64&fit=cover"), 64, 64},
		{anyURL + "thumbhash?thumbhash=3OcRJYB4d3h_iIeHeEh3eIhw-j2w", 32, 23},
		{anyURL + "thumbhash?thumbhash=3OcRJYB4d3h/iIeHeEh3eIhw+j2w", 32, 23}, // + as it stands
		{anyURL + "color?color=red", 1, 1},
		{anyURL + "color?color=%23f00&w=20", 20, 20},
		{anyURL + "color?color=ff000080&w=20&h=10", 20, 10},
		{anyURL + "color?color=rebeccapurple&h=7&fit=cover", 7, 7},
		{anyURL + "color/photos/wide.jpg", 32, 8},
		{anyURL + "color?src=photos/wide.jpg&w=100", 100, 25},
		{anyURL + "blurhash/photos/wide.jpg", 32, 8},
		{anyURL + "blurhash/photos/wide.jpg?w=100&h=100", 100, 25},
		{anyURL + "blurhash/photos/wide.jpg?w=100&h=100&fit=cover", 100, 100},
		{anyURL + "thumbhash/photos/wide.jpg?h=2048", 2048, 512},
	} {
		w := b.get(tt.target + "&format=png")
		if !strings.Contains(tt.target, "?") {
			w = b.get(tt.target + "?format=png")
		}
		if w.Code != 200 || w.Header().Get("Content-Type") != "image/png" || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || w.Header().Get("Vary") != "" {
			t.Errorf("%s: %d %v %s", tt.target, w.Code, w.Header(), w.Body)
			continue
		}
		c, err := png.DecodeConfig(w.Body)
		if err != nil || c.Width != tt.w || c.Height != tt.h {
			t.Errorf("%s: %d×%d, %v, want %d×%d", tt.target, c.Width, c.Height, err, tt.w, tt.h)
		}
	}
	if n := b.upstream.Count("/photos/wide.jpg"); n != 6 {
		t.Errorf("%d fetches", n)
	}
	w := b.get("/placeholder/color?color=red", "Host", "acme.img.example.com")
	if w.Code != 200 || !slices.Contains(w.Header().Values("Vary"), "Accept") || w.Header().Get("ETag") == "" {
		t.Errorf("in host form: %d %v", w.Code, w.Header())
	}
	if w := b.get("/acme/placeholder/color?color=%23F00F", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 || !hit(w) {
		t.Errorf("another spelling: %d, %s", w.Code, w.Header().Get("Cache-Status"))
	}
}

// TestPlaceholderColors: the pixels are those of the colour.
func TestPlaceholderColors(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.upstream.Serve("/photos/red.jpg", deliverytest.Body(red(t, 30, 20)))
	for target, want := range map[string][4]uint8{
		"?color=red":            {255, 0, 0, 255},
		"?color=f008":           {255, 0, 0, 136},
		"?color=transparent":    {0, 0, 0, 0},
		"?color=FFFFFF00":       {0, 0, 0, 0},
		"/photos/red.jpg":       {200, 30, 30, 255},
		"?color=red&format=png": {255, 0, 0, 255},
	} {
		sep := "?"
		if strings.Contains(target, "?") {
			sep = "&"
		}
		w := b.get(anyURL + "color" + target + sep + "v=1&fm=png")
		if strings.Contains(target, "format=png") {
			if code(t, w) != "INVALID_OPTION" {
				t.Errorf("%s with two formats: %d", target, w.Code)
			}
			continue
		}
		m, err := png.Decode(w.Body)
		if err != nil {
			t.Errorf("%s: %d %v", target, w.Code, err)
			continue
		}
		near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 3 }
		got := pixel(m)
		if !near(got[0], want[0]) || !near(got[1], want[1]) || !near(got[2], want[2]) || got[3] != want[3] {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
}

func pixel(m image.Image) [4]uint8 {
	n, ok := m.(*image.NRGBA)
	if !ok {
		n = image.NewNRGBA(image.Rect(0, 0, 1, 1))
		n.Set(0, 0, m.At(0, 0))
	}
	return [4]uint8(n.Pix[:4])
}

// TestDataURI: a data: URI is text, depends on no header, and holds what the URL says.
func TestDataURI(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	w := b.get(thumbhash("&format=datauri"), "Accept", "image/avif")
	text, ok := strings.CutPrefix(w.Body.String(), "data:image/webp;base64,")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/plain" || w.Header().Get("Vary") != "" || !ok ||
		w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Fatalf("%d %v %.60s", w.Code, w.Header(), w.Body)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := png.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width != 32 { // the tests' engine writes PNG
		t.Error(c, err)
	}
	if again := b.get(thumbhash("&fm=datauri")); !hit(again) || again.Body.String() != w.Body.String() {
		t.Error("the alias is another entry")
	}
	if image := b.get(thumbhash("&format=webp")); image.Header().Get("Content-Type") != "image/webp" {
		t.Errorf("the image has the entry of its data: URI: %v", image.Header())
	}
}

// TestPlaceholderRefuses: each mistake is a 400 that names the parameter.
func TestPlaceholderRefuses(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	for _, tt := range []struct {
		target, says string
	}{
		{anyURL + "blurhash", "blurhash: is missing"},
		{anyURL + "blurhash?w=1&h=1", "blurhash: is missing"},
		{anyURL + "thumbhash?blurhash=00OZZy", "blurhash: is not taken by /placeholder/thumbhash"},
		{anyURL + "color?color=red&src=photos/cat.jpg", "color: and an image"},
		{anyURL + "color/photos/cat.jpg?color=red", "color: and an image"},
		{anyURL + "color?color=red&thumbhash=x", "thumbhash: is not taken"},
		{anyURL + "color?color=red&color=blue", "color: is given more than once"},
		{anyURL + "color?color=reddish", "color: \\\"reddish\\\" is no colour"},
		{anyURL + "color?color=", "color: \\\"\\\" is no colour"},
		{anyURL + "color?color=%23%23fff", "color"},
		{anyURL + "blurhash?blurhash=LEHV6nWB2yk8&w=1&h=1", "blurhash: has 12 characters"},
		{anyURL + "blurhash?blurhash=%22LEHV6&w=1&h=1", "blurhash: holds a character"},
		{anyURL + "thumbhash?thumbhash=3OcRJYB4", "thumbhash: has 6 bytes"},
		{anyURL + "thumbhash?thumbhash=!", "thumbhash: is not base64"},
		{blurhash(""), "w: is missing"},
		{blurhash("&w=20"), "h: is missing"},
		{blurhash("&h=20"), "w: is missing"},
		{blurhash("&w=0&h=20"), "w: \\\"0\\\" is not allowed"},
		{blurhash("&w=2049&h=20"), "w: \\\"2049\\\" is not allowed; allowed: 1–2048"},
		{blurhash("&w=2.5&h=20"), "w: is not whole"},
		{blurhash("&w=-5&h=20"), "w"},
		{blurhash("&w=1e3&h=20"), "w"},
		{blurhash("&w=NaN&h=20"), "w"},
		{blurhash("&w=20&width=20&h=20"), "width: is given already, as w"},
		{blurhash("&w=1025&h=20&dpr=2"), "dpr: w × dpr is 2050 pixels; at most 2048"},
		{blurhash("&w=20&h=20&dpr=2.1"), "dpr"},
		{blurhash("&w=20&h=20&dpr=0"), "dpr"},
		{blurhash("&w=20&h=20&punch=11"), "punch"},
		{blurhash("&w=20&h=20&punch=0"), "punch"},
		{blurhash("&w=20&h=20&fit=fill"), "fit: \\\"fill\\\" is not allowed; allowed: contain, cover"},
		{blurhash("&w=20&h=20&q=0"), "q:"},
		{blurhash("&w=20&h=20&format=bmp"), "format:"},
		{blurhash("&w=20&h=20&format=original"), "format: original"},
		{blurhash("&w=20&h=20&format=datauri&fm=png"), "fm"},
	} {
		w := b.get(tt.target)
		if code(t, w) != "INVALID_OPTION" || w.Code != 400 || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s, want %s", tt.target, w.Code, w.Body, tt.says)
		}
	}
	for _, target := range []string{"/acme/placeholder", "/acme/placeholder/", "/acme/placeholder/photos/cat.jpg", "/acme/placeholder/gradient?src=photos/cat.jpg"} {
		if w := b.get(target); w.Code != 404 || !strings.Contains(w.Body.String(), "/placeholder/blurhash, /placeholder/thumbhash, /placeholder/color") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if n := b.engine.Runs.Load(); n != 0 {
		t.Errorf("%d jobs for what is refused", n)
	}
}

// TestPlaceholdersKeepApart: what draws another picture is another entry, and what draws
// the same is the same.
func TestPlaceholdersKeepApart(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	all := []string{
		blurhash("&w=20&h=20"), blurhash("&w=20&h=21"), blurhash("&w=20&h=20&punch=2"), blurhash("&w=20&h=20&q=50"), blurhash("&w=20&h=20&format=png"),
		blurhash("&w=20&h=20&v=2"), thumbhash("&w=20&h=20"), thumbhash("&w=20&h=20&fit=cover"), anyURL + "color?color=red&w=20&h=20", anyURL + "color?color=blue&w=20&h=20",
		anyURL + "color/photos/cat.jpg?w=20&h=20", anyURL + "blurhash/photos/cat.jpg?w=20&h=20", anyURL + "thumbhash/photos/cat.jpg?w=20&h=20", anyURL + "thumbhash/photos/cat.jpg?w=20&h=20&format=datauri",
	}
	for _, target := range all {
		if w := b.get(target); w.Code != 200 || hit(w) {
			t.Errorf("%s: %d, %s", target, w.Code, w.Header().Get("Cache-Status"))
		}
	}
	for _, target := range []string{
		blurhash("&dpr=2&h=10&w=10&fit=cover&punch=1"), blurhash("&h=20&w=20&utm_source=x"), anyURL + "color?color=0000ffff&w=20&h=20&fit=cover&punch=3", thumbhash("&w=20&h=20&fit=contain&q=80"),
	} {
		if w := b.get(target); w.Code != 200 || !hit(w) {
			t.Errorf("%s: %d, %s", target, w.Code, w.Header().Get("Cache-Status"))
		}
	}
}

// FuzzPlaceholder: no query makes a drawing that can't be drawn.
func FuzzPlaceholder(f *testing.F) {
	for _, target := range []string{blurhash("&w=64&h=48"), thumbhash("&w=2048&fit=cover&h=1"), anyURL + "color?color=red&w=9&dpr=0.1", anyURL + "thumbhash?src=photos/cat.jpg"} {
		path, query, _ := strings.Cut(strings.TrimPrefix(target, "/acme"), "?")
		f.Add(path, query)
	}
	b := newBench(f)
	b.registry.Set(f, b.acme())
	c, err := b.site(f.Context(), "acme")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		if !strings.HasPrefix(path, "/placeholder/") {
			return
		}
		a, err := c.read(Target{"acme", path, query}, false, nil)
		if err != nil {
			return
		}
		if len(a.refs) > 1 || a.drawing == nil || !a.marks.decided {
			t.Fatalf("%+v", a)
		}
		if len(a.refs) == 1 {
			return
		}
		d := a.drawing.drawing(nil)
		if d.Output.W < 1 || d.Output.H < 1 || max(d.Output.W, d.Output.H) > mostPlaceholder || d.Whole.W < d.Output.W || d.Whole.H < d.Output.H {
			t.Errorf("%v of %v", d.Output, d.Whole)
		}
	})
}

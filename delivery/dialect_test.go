package delivery

import (
	"encoding/base64"
	"image"
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/workspace"
)

// TestDialectURLs is the table of places that take URLs of other products.
func TestDialectURLs(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	b.registry.Set(t, b.acme())
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID, w.Dialect, w.DefaultSource = "whole", "", "imgix", "photos"
	}))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID, w.Dialect = "proxy", "", "imgproxy" }))
	hidden := b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID = "hidden", ""
		w.Sources = append(w.Sources, workspace.Source{Key: "imgix", Kind: "http", URL: b.upstream.URL + "/photos/"})
	})
	b.registry.Set(t, hidden)
	full := b.upstream.URL + "/photos/cat.jpg"
	for _, tt := range []struct {
		target, host string
		status       int
		code         string
		message      string // a part of it
	}{
		{"/acme/imgix/photos/cat.jpg?w=10", "", 200, "", ""},
		{"/acme/imgix/" + url.QueryEscape(full) + "?w=10", "", 200, "", ""},
		{"/acme/imgproxy/unsafe/rs:fit:10/plain/photos/cat.jpg", "", 200, "", ""},
		{"/acme/imgproxy/unsafe/rs:fit:10/plain/" + full, "", 200, "", ""},
		{"/acme/imgproxy/unsafe/rs:fit:10/" + base64.RawURLEncoding.EncodeToString([]byte(full)), "", 200, "", ""},
		{"/acme/thumbor/unsafe/10x0/" + url.QueryEscape(full), "", 200, "", ""},
		{"/acme/weserv/?url=" + url.QueryEscape(full) + "&w=10", "", 200, "", ""},
		{"/acme/weserv?url=" + url.QueryEscape(full) + "&w=10", "", 200, "", ""},
		{"/acme/_next/image?url=" + url.QueryEscape(full) + "&w=10&q=75", "", 200, "", ""},
		{"/acme/_next/image?url=%2Fphotos%2Fcat.jpg&w=10&q=75", "", 200, "", ""},
		{"/acme/.netlify/images?url=/photos/cat.jpg&w=10", "", 200, "", ""},
		{"/acme/_vercel/image?url=/photos/cat.jpg&w=10&q=75", "", 200, "", ""},
		{"/acme/cloudinary/demo/image/upload/w_10/photos/cat.jpg", "", 200, "", ""},
		{"/imgix/photos/cat.jpg?w=10", "acme.img.example.com", 200, "", ""},
		{"/_next/image?url=/photos/cat.jpg&w=10&q=75", "acme.img.example.com", 200, "", ""},
		// A workspace with the setting dialect.
		{"/whole/cat.jpg?w=10", "", 200, "", ""},
		{"/cat.jpg?w=10", "whole.img.example.com", 200, "", ""},
		{"/whole/photos/cat.jpg?w=10", "", 404, "NOT_FOUND", ""},
		{"/whole/transform/photos/cat.jpg?w=10", "", 200, "", ""},
		{"/whole/transform?src=photos/cat.jpg&w=10", "", 200, "", ""},
		{"/whole/imgproxy/unsafe/w:10/plain/cat.jpg", "", 200, "", ""},
		{"/whole/_next/image?url=/cat.jpg&w=10&q=75", "", 200, "", ""},
		{"/proxy/unsafe/w:10/plain/photos/cat.jpg", "", 200, "", ""},
		{"/proxy/imgix/photos/cat.jpg?w=10", "", 200, "", ""},
		// A source with the name of a prefix keeps its URLs.
		{"/hidden/imgix/cat.jpg?w=10", "", 200, "", ""},
		{"/hidden/imgproxy/unsafe/w:10/plain/imgix/cat.jpg", "", 200, "", ""},

		{"/acme/imgix", "", 400, "INVALID_PATH", ""},
		{"/acme/imgix/other/cat.jpg", "", 404, "SOURCE_NOT_FOUND", "has no source other"},
		{"/acme/imgix/photos/../cat.jpg", "", 400, "INVALID_PATH", ""},
		{"/acme/imgix/photos/%2e%2e/cat.jpg", "", 400, "INVALID_PATH", ""},
		{"/acme/imgix/photos/none.jpg", "", 404, "NOT_FOUND", ""},
		{"/acme/imgproxy/unsafe/w:x/plain/photos/cat.jpg", "", 400, "INVALID_OPTION", "w: must be a whole number"},
		{"/acme/imgproxy/unsafe/w:100000/plain/photos/cat.jpg", "", 400, "INVALID_OPTION", "width: "},
		{"/acme/imgproxy/unsafe/pr:none/plain/photos/cat.jpg", "", 400, "INVALID_OPTION", "pr: workspace acme has no preset"},
		{"/acme/_next/image?w=10&q=75", "", 400, "INVALID_SOURCE", "url: is required"},
		{"/acme/_next/image?url=http://[x&w=10&q=75", "", 400, "INVALID_SOURCE", ""},
		{"/acme/weserv/?url=ftp://x", "", 400, "INVALID_SOURCE", ""},
	} {
		h := []string{}
		if tt.host != "" {
			h = append(h, "Host", tt.host)
		}
		w := b.get(tt.target, h...)
		if got := code(t, w); w.Code != tt.status || got != tt.code || !strings.Contains(w.Body.String(), tt.message) {
			t.Errorf("%s %s: %d %s, want %d %s %q\n%.300s", tt.host, tt.target, w.Code, got, tt.status, tt.code, tt.message, w.Body)
		}
	}
}

// The rules of the workspace apply to URLs of other products.
func TestDialectRules(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.AllowedSources, w.HTTPSOnly = []string{"https://*.example.com"}, true
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=20&h=20&fit=cover&format=png"}}
	}))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID, w.PresetsOnly = "strict", "", true
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=20&h=20&fit=cover&format=png"}}
	}))
	key := apikey.New(false).Reveal()
	for _, tt := range []struct{ target, code string }{
		{"/acme/weserv/?url=http://a.example.com/x.jpg", "SOURCE_NOT_ALLOWED"},
		{"/acme/weserv/?url=https://a.example.org/x.jpg", "SOURCE_NOT_ALLOWED"},
		{"/acme/imgproxy/unsafe/pr:thumb/plain/photos/cat.jpg", ""},
		{"/strict/imgproxy/unsafe/pr:thumb/plain/photos/cat.jpg", ""},
		{"/strict/imgproxy/unsafe/pr:thumb/w:30/plain/photos/cat.jpg", "PRESET_REQUIRED"},
		{"/strict/imgproxy/unsafe/plain/photos/cat.jpg", "PRESET_REQUIRED"},
		{"/strict/imgix/photos/cat.jpg?w=10", "PRESET_REQUIRED"},
		{"/strict/cloudinary/demo/image/upload/t_thumb/photos/cat.jpg", ""},
	} {
		if got := code(t, b.get(tt.target)); got != tt.code {
			t.Errorf("%s: %s, want %s", tt.target, got, tt.code)
		}
	}
	// An API key in any part of a URL is refused.
	for _, target := range []string{"/imgix/photos/cat.jpg?x=" + key, "/imgproxy/unsafe/fn:" + key + "/plain/photos/cat.jpg", "/imgproxy/unsafe/" + base64.RawURLEncoding.EncodeToString([]byte("photos/"+key))} {
		if got := code(t, b.get("/acme"+target)); got != "UNAUTHORIZED" {
			t.Errorf("%s: %s", target, got)
		}
	}
	// A preset overrides the defaults of the product.
	w := b.get("/strict/imgproxy/unsafe/pr:thumb/plain/photos/cat.jpg")
	if at, _, err := image.DecodeConfig(w.Body); err != nil || at.Width != 20 || at.Height != 20 {
		t.Errorf("imgproxy with the preset: %d × %d, %v; want 20 × 20 as the preset says", at.Width, at.Height, err)
	}
}

// URLs of different products for the same variant share its key.
func TestDialectsShareKeys(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.DefaultSource = "photos" }))
	full := url.QueryEscape(b.upstream.URL + "/photos/cat.jpg")
	for native, others := range map[string][]string{
		"/acme/photos/cat.jpg?w=40&h=30&fit=cover&format=png": {
			"/acme/imgproxy/unsafe/rs:fill:40:30:1/kcr:0/plain/cat.jpg@png",
			"/acme/imgix/cat.jpg?w=40&h=30&fit=crop&fm=png&q=80",
		},
		"/acme/photos/cat.jpg?w=40&q=75&q-avif=55": {
			"/acme/_next/image?url=%2Fcat.jpg&w=40&q=75",
			"/acme/_next/image?q=75&w=40&url=" + full,
			"/acme/_vercel/image?url=%2Fcat.jpg&w=40",
		},
	} {
		if w := b.get(native); w.Code != 200 {
			t.Fatalf("%s: %d %s", native, w.Code, w.Body)
		}
		runs := b.engine.Runs.Load()
		for _, target := range others {
			w := b.get(target)
			if w.Code != 200 || b.engine.Runs.Load() != runs {
				e, _ := b.Explain(t.Context(), target, "", "")
				n, _ := b.Explain(t.Context(), native, "", "")
				t.Errorf("%s: %d, made again: %q, natively %q", target, w.Code, e.Options, n.Options)
				runs = b.engine.Runs.Load()
			}
			if got := w.Header().Get("Cache-Status"); !strings.Contains(got, "hit") {
				t.Errorf("%s: Cache-Status %q", target, got)
			}
		}
	}
}

// Explain, purge, tags and counts work for URLs of other products.
func TestDialectsAreKnown(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	const target = "/acme/imgproxy/unsafe/w:10/plain/photos/cat.jpg"
	e, err := b.Explain(t.Context(), target, "", "")
	if err != nil || e.Status != 200 || e.Source != "photos" || e.Original != "photos/cat.jpg" || !strings.Contains(e.Options, "w=10") {
		t.Errorf("explained as %+v, %v", e, err)
	}
	said := false
	for _, c := range e.Checks {
		said = said || strings.Contains(c.Detail, "read as one of imgproxy")
	}
	if !said {
		t.Errorf("no check names the dialect: %+v", e.Checks)
	}
	w := b.get(target)
	if tag := w.Header().Get("Cache-Tag"); !strings.Contains(tag, workspace.SourceTag("acme", "photos")) {
		t.Errorf("Cache-Tag %q", tag)
	}
	purges, _, err := b.FindPurge(t.Context(), "acme", target)
	if err != nil || len(purges) != 1 || purges[0].Kind != workspace.PurgeURL || purges[0].Source != "photos" {
		t.Errorf("to purge: %+v, %v", purges, err)
	}
	site, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"/imgproxy/unsafe/w:100000/plain/photos/none.jpg": "photos",
		"/imgix/photos/cat.jpg":                           "photos",
		"/imgix/other/cat.jpg":                            "",
		"/weserv/":                                        "",
	} {
		if got := site.named(Target{Namespace: "acme", Rest: target}); got != want {
			t.Errorf("%s names %q, want %q", target, got, want)
		}
	}
}

// No prefix hides an endpoint.
func TestDialectNames(t *testing.T) {
	for _, d := range dialect.All {
		for _, p := range d.Prefixes {
			if first, _, _ := strings.Cut(p, "/"); endpoints[first] != nil {
				t.Errorf("the prefix %s of %s hides an endpoint", p, d.Name)
			}
		}
	}
}

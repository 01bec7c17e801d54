package delivery

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/workspace"
)

// TestMalformedDialectURLs: what a grammar doesn't have is a 400 that names the parameter or
// the part of the URL, in every dialect. Nothing is fetched.
func TestMalformedDialectURLs(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	full := url.QueryEscape(b.upstream.URL + "/photos/cat.jpg")
	seen := map[string]bool{}
	for _, tt := range []struct{ dialect, target, code, says string }{
		{"next", "/_next/image?url=%2Fphotos%2Fcat.jpg&w=x&q=75", "INVALID_OPTION", "w: "},
		{"next", "/_next/image?url=%2Fphotos%2Fcat.jpg&w=40&q=0", "INVALID_OPTION", "q: "},
		{"next", "/_next/image?url=%2Fphotos%2Fcat.jpg&w=40&q=75&w=41", "INVALID_OPTION", "w: "},
		{"next", "/_next/image?url=%2F%2Fevil.example%2Fa.jpg&w=40&q=75", "INVALID_SOURCE", "url: "},
		{"next", "/_next/image?url=%2Fphotos%2Fa%250a.jpg&w=40&q=75", "INVALID_SOURCE", "url: "},
		{"next", "/_next/image?url=%2F_next%2Fimage%3Furl%3D%252Fphotos%252Fcat.jpg%26w%3D40%26q%3D75&w=40&q=75", "INVALID_SOURCE", "url: "},
		{"vercel", "/_vercel/image?url=%2Fphotos%2Fcat.jpg&w=40&q=x", "INVALID_OPTION", "q: "},
		{"vercel", "/_vercel/image?w=40", "INVALID_SOURCE", "url: "},
		{"netlify", "/.netlify/images?url=/photos/cat.jpg&w=1e3", "INVALID_OPTION", "w: "},
		{"netlify", "/.netlify/images?w=40", "INVALID_SOURCE", "url: "},
		{"cloudflare", "/cdn-cgi/image/width=x/photos/cat.jpg", "INVALID_OPTION", "width: "},
		{"cloudflare", "/cdn-cgi/image/width=%zz/photos/cat.jpg", "", ""},
		{"cloudflare", "/cdn-cgi/image/photos/cat.jpg", "INVALID_PATH", ""},
		{"cloudflare", "/cdn-cgi/image/width=40", "INVALID_PATH", ""},
		{"cloudflare", "/cdn-cgi/image/width=40/photos/a%0a.jpg", "INVALID_PATH", "control character"},
		{"ipx", "/_ipx/w_x/photos/cat.jpg", "INVALID_OPTION", "w: "},
		{"ipx", "/_ipx/s_40x/photos/cat.jpg", "INVALID_OPTION", "s: "},
		{"ipx", "/_ipx/w_40", "INVALID_PATH", ""},
		{"imgix", "/imgix/photos/cat.jpg?w=x", "INVALID_OPTION", "w: "},
		{"imgix", "/imgix/photos/cat.jpg?w64=!!", "INVALID_OPTION", "w64: "},
		{"imgix", "/imgix/photos/cat.jpg?txt64=" + b64("a\x00b") + "&bg64=" + b64("f\nf"), "INVALID_OPTION", "64: "},
		{"imgix", "/imgix/photos/cat.jpg?w=%zz", "INVALID_PATH", "parameter \\\"w\\\""},
		{"imgix", "/imgix/photos/%zz.jpg", "INVALID_PATH", "malformed escape"},
		{"imgproxy", "/imgproxy/unsafe/w:x/plain/photos/cat.jpg", "INVALID_OPTION", "w: "},
		{"imgproxy", "/imgproxy/unsafe/" + b64("photos/a\x07.jpg"), "INVALID_PATH", "base64"},
		{"imgproxy", "/imgproxy/unsafe/" + b64("photos/\xff.jpg"), "INVALID_PATH", "base64"},
		{"imgproxy", "/imgproxy/unsafe/!!!", "INVALID_PATH", "base64"},
		{"imgproxy", "/imgproxy/unsafe/wmu:" + b64("a\x00") + "/plain/photos/cat.jpg", "INVALID_OPTION", "wmu: "},
		{"imgproxy", "/imgproxy/unsafe/w:%zz/plain/photos/cat.jpg", "INVALID_OPTION", "w: "},
		{"imgproxy", "/imgproxy/unsafe/plain/photos/cat.jpg@png@webp", "INVALID_PATH", "two formats"},
		{"imgproxy", "/imgproxy/unsafe", "INVALID_PATH", ""},
		{"thumbor", "/thumbor/unsafe/filters:expire(x)/" + full, "INVALID_OPTION", "expire"},
		{"thumbor", "/thumbor/unsafe/filters:quality(/" + full, "", ""},
		{"thumbor", "/thumbor/unsafe/", "INVALID_PATH", ""},
		{"cloudinary", "/cloudinary/demo/image/upload/w_x/photos/cat.jpg", "INVALID_OPTION", "w: "},
		{"cloudinary", "/cloudinary/demo/image/upload/c_none,w_40/photos/cat.jpg", "INVALID_OPTION", "c: "},
		{"cloudinary", "/cloudinary/demo/photo/upload/w_40/photos/cat.jpg", "INVALID_PATH", ""},
		{"weserv", "/weserv/?url=" + full + "&w=x", "INVALID_OPTION", "w: "},
		{"weserv", "/weserv/", "INVALID_SOURCE", "url: "},
		{"weserv", "/weserv/?url=a%00b", "INVALID_PATH", "parameter \\\"url\\\""},
	} {
		seen[tt.dialect] = true
		w := b.get("/acme" + tt.target)
		got := code(t, w)
		if tt.code == "" && w.Code == 400 && strings.HasPrefix(got, "INVALID_") {
			continue
		}
		if w.Code != 400 || got != tt.code || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s, want 400 %s %q", tt.target, w.Code, w.Body, tt.code, tt.says)
		}
	}
	for _, d := range dialect.All {
		if !seen[d.Name] {
			t.Errorf("no malformed URL of %s is tried", d.Name)
		}
	}
	if n := b.upstream.Count("/photos/cat.jpg"); n != 0 {
		t.Errorf("%d fetches for what is refused", n)
	}
}

// TestLoops: an original that this server answers itself is not asked for in turn, whichever
// the route. Each request leads to one more at most.
func TestLoops(t *testing.T) {
	b := newBench(t)
	var nested atomic.Int64
	self := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nested.Add(1)
		b.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(self.Close)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "self", Kind: "http", URL: self.URL + "/acme/self/"},
			workspace.Source{Key: "round", Kind: "http", URL: self.URL + "/acme/imgix/round/"})
	}))
	inner := self.URL + "/acme"
	for _, image := range []string{"self/a.jpg", "round/a.jpg", inner + "/self/b.jpg", inner + "/photos/cat.jpg?w=9", inner + "/imgix/photos/cat.jpg", inner + "/_next/image?url=%2Fphotos%2Fcat.jpg&w=40&q=75", inner + "/imgproxy/unsafe/plain/" + inner + "/self/c.jpg"} {
		for _, r := range routes(t) {
			if !r.takes(image) || !r.reads || r.secret {
				continue
			}
			before := nested.Load()
			target := "/acme" + r.write(image)
			w := b.get(target)
			if got := code(t, w); got == "" || w.Code < 400 {
				t.Errorf("%s by %s: %d, though the server would ask itself", image, r.name, w.Code)
			}
			if n := nested.Load() - before; n > 1 {
				t.Errorf("%s by %s: %d requests to itself", image, r.name, n)
			}
		}
	}
	if n := nested.Load(); n == 0 {
		t.Error("the server was never asked by itself")
	}
}

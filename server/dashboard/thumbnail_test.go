package dashboard_test

import (
	"bytes"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// TestThumbnails: every member sees small pictures of private images, without a signature, in a
// workspace of presets only, and without a signing key. The URL is worth nothing to others.
func TestThumbnails(t *testing.T) {
	g := openGallery(t)
	if err := os.WriteFile(filepath.Join(g.folder, "a.jpg"), deliverytest.Photo(t, 2000, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	g.edit(t, func(w *workspace.Workspace) { w.RequireSignature, w.PresetsOnly = true, true })
	const small, large = "/app/acme/images/thumbnail?path=a.jpg&source=files", "/app/acme/images/thumbnail?path=a.jpg&size=large&source=files"
	list, page := g.ask("viewer", "GET", "/app/acme/images?source=files", nil), g.ask("viewer", "GET", "/app/acme/images/image?path=a.jpg&source=files", nil)
	for src, b := range map[string]string{small: list.Body.String(), large: page.Body.String()} {
		if !strings.Contains(b, `src="`+strings.ReplaceAll(src, "&", "&amp;")+`"`) || strings.Contains(b, "exp=") {
			t.Errorf("without %s:\n%s", src, b)
		}
	}
	if !strings.Contains(page.Body.String(), "A link for others is made by an editor or an owner") {
		t.Error("a viewer isn't told who makes links")
	}
	for _, role := range []string{"viewer", "editor", "owner", "operator"} {
		for target, size := range map[string][2]int{small: {240, 180}, large: {800, 400}, "/app/acme/images/thumbnail?path=a.jpg&source=vault": {240, 180}} {
			w := g.ask(role, "GET", target, nil)
			h := w.Header()
			if w.Code != 200 || h.Get("Content-Type") != "image/jpeg" || h.Get("Cache-Control") != "private, no-cache" || h.Get("Vary") != "Accept, Cookie" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
				h.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
				t.Errorf("%s as %s: %d %v", target, role, w.Code, h)
			} else if got, err := jpeg.DecodeConfig(w.Body); err != nil || got.Width != size[0] || got.Height != size[1] {
				t.Errorf("%s as %s: %d×%d pixels, %v, want %v", target, role, got.Width, got.Height, err, size)
			}
		}
	}
	if w := g.answer(t, "/acme/files/a.jpg?w=240&h=180&fit=cover&anim=0"); w.Code != http.StatusForbidden {
		t.Error("the image itself is open:", w.Code)
	}

	// A browser that has it asks whether it is still good, and whether it still may.
	r := httptest.NewRequest("GET", small, nil)
	r.Header.Set("If-None-Match", g.ask("viewer", "GET", small, nil).Header().Get("Etag"))
	r.AddCookie(&http.Cookie{Name: "__Host-tt", Value: g.tokens["viewer"]})
	w := httptest.NewRecorder()
	if g.handler.ServeHTTP(w, r); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Error(w.Code, w.Body)
	}
	for as, want := range map[string]int{"": 303, "stranger": 403} {
		if w := g.ask(as, "GET", small, nil); w.Code != want || bytes.HasPrefix(w.Body.Bytes(), []byte{0xff, 0xd8}) {
			t.Errorf("as %q: %d", as, w.Code)
		}
	}

	for query, want := range map[string]int{
		"source=files&path=none.jpg": 404, "source=none&path=a.jpg": 404, "source=files&path=../a.jpg": 400, "source=files&path=": 400, "": 400,
		"source=theirs&path=a.jpg": 404, // another workspace's
		"source=..&path=x":         400, "source=https:&path=/example.com/a.jpg": 400, "source=" + url.QueryEscape("files/a.jpg?w=9&") + "&path=x": 400,
	} {
		w := g.ask("viewer", "GET", "/app/acme/images/thumbnail?"+query, nil)
		if w.Code != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s", query, w.Code, w.Header(), w.Body)
		}
	}
	g.edit(t, func(w *workspace.Workspace) { w.Blocks = []workspace.Block{{ID: "b", Path: "files/a.jpg"}} })
	if w := g.ask("owner", "GET", small, nil); w.Code != 451 {
		t.Error("a blocked image is shown:", w.Code)
	}
}

// TestThumbnailLimit: nobody sees thumbnails without an end, since no plan counts them.
func TestThumbnailLimit(t *testing.T) {
	s := open(t)
	const target = "/app/acme/images/thumbnail?path=a.jpg&source=none"
	for range 1200 {
		s.ask("viewer", "GET", target, nil)
	}
	w := s.ask("viewer", "GET", target, nil)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Error(w.Code, w.Header())
	}
	if w := s.ask("editor", "GET", target, nil); w.Code != 404 {
		t.Error("somebody else:", w.Code)
	}
}

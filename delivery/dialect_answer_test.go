package delivery

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// URLs of other products can ask for a BlurHash or for sizes. They need the same rights as
// /info, and share its cache entries.
func TestDialectAnswers(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
		w.Presets = []workspace.Preset{{Name: "small", Options: "w=20"}}
	}))
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	var told struct{ BlurHash string }
	if err := json.Unmarshal(b.get("/acme/info/blurhash/photos/cat.jpg").Body.Bytes(), &told); err != nil || told.BlurHash == "" {
		t.Fatal(err, told)
	}
	runs := b.engine.Runs.Load()
	for _, tt := range []struct{ target, contentType, body string }{
		{"/acme/imgix/photos/cat.jpg?fm=blurhash&w=100", "text/plain", told.BlurHash},
		{"/acme/.netlify/images?url=/photos/cat.jpg&fm=blurhash", "text/plain", told.BlurHash},
		{"/acme/cloudflare/width=150,format=json/photos/cat.jpg", "application/json", `{"width":150,"height":100,"original":{"file_size":`},
		{"/acme/cdn-cgi/image/width=50,height=50,fit=cover,format=json/photos/cat.jpg", "application/json", `{"width":50,"height":50,"original":{"file_size":`},
	} {
		for range 2 {
			w := b.get(tt.target)
			if w.Code != 200 || w.Header().Get("Content-Type") != tt.contentType || !strings.HasPrefix(w.Body.String(), tt.body) || w.Header().Get("Tintype-Ignored") != "" {
				t.Errorf("%s: %d %v %s", tt.target, w.Code, w.Header(), w.Body)
			}
			if w := b.get(tt.target, "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
				t.Errorf("%s again: %d", tt.target, w.Code)
			}
		}
	}
	if n := b.engine.Runs.Load() - runs; n != 0 {
		t.Errorf("%d more decodes, want none", n)
	}
	for target, want := range map[string]string{
		"/acme/imgix/vault/a.jpg?fm=blurhash":                     "SIGNATURE_REQUIRED",
		"/acme/cloudflare/width=20,format=json/vault/a.jpg":       "SIGNATURE_REQUIRED",
		"/acme/cloudflare/width=20,format=json/photos/none.jpg":   "NOT_FOUND",
		"/acme/cloudflare/width=99999,format=json/photos/cat.jpg": "INVALID_OPTION",
		"/acme/imgix/https%3A%2F%2F10.0.0.1%2Fa.jpg?fm=blurhash":  "ADDRESS_NOT_ALLOWED",
	} {
		if got := code(t, b.get(target)); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

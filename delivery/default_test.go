package delivery

import (
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/workspace"
)

// TestDefaultImage: what can't be had is shown as another image, under the error's
// status.
func TestDefaultImage(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
	}))
	b.upstream.Serve("/photos/page.jpg", deliverytest.Body([]byte("<!doctype html>")))
	tests := []struct {
		target string
		status int
		shown  bool
		code   string
	}{
		{"/acme/photos/cat.jpg?w=30&default=photos/none.jpg", 200, true, ""},
		{"/acme/photos/none.jpg?w=30&default=photos/cat.jpg", 404, true, ""},
		{"/acme/photos/page.jpg?w=30&default=photos/cat.jpg", 415, true, ""},
		{"/acme/photos/none.jpg?w=30&default=photos/none2.jpg", 404, false, "NOT_FOUND"},
		{"/acme/photos/none.jpg?w=30&default=nowhere/cat.jpg", 400, false, "INVALID_OPTION"},
		{"/acme/photos/none.jpg?w=30&default=photos/../cat.jpg", 400, false, "INVALID_OPTION"},
		{"/acme/photos/none.jpg?w=30&default=vault/cat.jpg", 401, false, "SIGNATURE_REQUIRED"},
		{"/acme/photos/cat.jpg?w=30&default=vault/cat.jpg", 401, false, "SIGNATURE_REQUIRED"},
		{"/acme/vault/cat.jpg?w=30&default=photos/cat.jpg", 401, false, "SIGNATURE_REQUIRED"},
		{"/acme/photos/none.jpg?w=99999&default=photos/cat.jpg", 400, false, "INVALID_OPTION"},
	}
	for _, tt := range tests {
		for range 2 { // the second from the cache
			w := b.get(tt.target)
			if w.Code != tt.status {
				t.Errorf("%s: %d, want %d", tt.target, w.Code, tt.status)
			}
			if tt.shown {
				if got := sizeOf(t, w); got != "30x20" {
					t.Errorf("%s: shows %s", tt.target, got)
				}
				if tt.status != 200 && (w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") == cacheControlDefault) {
					t.Errorf("%s: %v", tt.target, w.Header())
				}
			} else if got := code(t, w); got != tt.code {
				t.Errorf("%s: %s, want %s", tt.target, got, tt.code)
			}
		}
	}
	// It is the same variant with and without a default.
	b.get("/acme/photos/cat.jpg?w=31")
	if w := b.get("/acme/photos/cat.jpg?w=31&default=photos/none.jpg"); w.Header().Get("Cache-Status") != "tintype; hit; detail=memory" {
		t.Errorf("Cache-Status %q", w.Header().Get("Cache-Status"))
	}
}

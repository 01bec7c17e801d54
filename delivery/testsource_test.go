package delivery

import (
	"net/http"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// TestUnsavedSource: an original of a source that isn't stored is fetched and judged like
// that of a stored one.
func TestUnsavedSource(t *testing.T) {
	b := newBench(t)
	stored := b.acme()
	b.registry.Set(t, stored)
	b.upstream.Serve("/new/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/new/page.jpg", deliverytest.Body([]byte("<html>no image</html>")))
	b.upstream.Serve("/new/moved.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/new/cat.jpg", http.StatusFound) })
	b.upstream.Serve("/new/inside.jpg", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/vault/cat.jpg", http.StatusFound) })
	b.upstream.Serve("/new/keyed.jpg", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write(deliverytest.Photo(t, 30, 20))
	})
	w := stored.Clone()
	w.Sources = append(w.Sources,
		workspace.Source{Key: "new", Kind: "http", URL: b.upstream.URL + "/new/", Headers: map[string]string{"X-Key": "secret"}},
		workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true},
		workspace.Source{Key: "lan", Kind: "http", URL: "http://10.0.0.1/"})
	for _, tt := range []struct {
		source, path string
		want         fault.Code
	}{
		{"new", "cat.jpg", ""},
		{"new", "moved.jpg", ""},
		{"new", "keyed.jpg", ""},
		{"new", "inside.jpg", fault.SourceNotAllowed},
		{"new", "none.jpg", fault.NotFound},
		{"new", "page.jpg", fault.UnsupportedFormat},
		{"new", "a/../b.jpg", fault.InvalidPath},
		{"other", "cat.jpg", fault.SourceNotFound},
		{"lan", "cat.jpg", fault.AddressNotAllowed},
	} {
		m, err := b.TestSource(t.Context(), w, tt.source, tt.path)
		if tt.want != "" {
			if err == nil || fault.Of(err).Code != tt.want {
				t.Errorf("%s/%s: %v, want %s", tt.source, tt.path, err, tt.want)
			}
			continue
		}
		if err != nil || m.Width != 30 || m.Height != 20 || m.Format != "jpeg" {
			t.Errorf("%s/%s: %+v, %v", tt.source, tt.path, m, err)
		}
	}
	if got := b.get("/acme/new/cat.jpg"); got.Code != http.StatusNotFound {
		t.Errorf("the source was stored: %d", got.Code)
	}
}

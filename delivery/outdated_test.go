package delivery

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestTookLong: a request that was under way for long, such as while the process was stopped, is
// answered by the settings that hold then, and not by those that held when it came.
func TestTookLong(t *testing.T) {
	secret := signing.NewSecret()
	settings := func(b *bench, change func(*workspace.Workspace)) *workspace.Workspace {
		w := b.acme(func(w *workspace.Workspace) {
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
			w.SigningKeys = []signing.Key{{ID: "one", Secret: secret}}
			w.AllowedSources = []string{b.upstream.URL + "/open/"}
			w.AllowedOrigins = []string{"https://example.com"}
		})
		if w.Revision = 1; change != nil {
			change(w)
			w.Revision = 2
		}
		return w
	}
	const vault, open = "/vault/cat.jpg", "/open/cat.jpg"
	for _, test := range []struct {
		name   string
		path   string
		took   int // seconds
		change func(*workspace.Workspace)
		purge  bool
		code   string
		asked  int
	}{
		{"nothing has changed", vault, 28, nil, false, "", 1},
		{"the signing key was removed", vault, 28, func(w *workspace.Workspace) { w.SigningKeys = nil }, false, "SIGNATURE_INVALID", 1},
		{"the host was taken off the allowlist", open, 28, func(w *workspace.Workspace) { w.AllowedSources = nil }, false, "SOURCE_NOT_ALLOWED", 1},
		{"the origin was taken off its list", open, 28, func(w *workspace.Workspace) { w.AllowedOrigins = []string{"https://example.org"} }, false, "ORIGIN_NOT_ALLOWED", 1},
		{"something else was changed", open, 28, func(w *workspace.Workspace) { w.Name = "other" }, false, "", 1},
		{"it was purged", open, 28, nil, true, "", 2},
		{"it didn't take long", open, 1, func(w *workspace.Workspace) { w.AllowedSources = nil }, false, "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			w := settings(b, nil)
			b.registry.Set(t, w)
			photo := deliverytest.Body(deliverytest.Photo(t, 40, 30))
			asked := 0
			b.upstream.Serve(test.path, func(out http.ResponseWriter, r *http.Request) {
				if asked++; asked == 1 {
					b.clock.Add(int64(test.took))
					if test.change != nil {
						b.registry.Set(t, settings(b, test.change))
					}
					if test.purge {
						b.purge(t, w, workspace.Purge{Kind: workspace.PurgeAll})
					}
				}
				photo(out, r)
			})
			target := "/acme/transform?w=9&src=" + b.upstream.URL + test.path
			if test.path == vault {
				var err error
				if target, err = secret.SignUntil("/acme"+vault+"?w=9", b.now().Add(10*time.Minute)); err != nil {
					t.Fatal(err)
				}
			}
			res := b.get(target, "Origin", "https://example.com", "Accept", "image/webp")
			if got := code(t, res); got != test.code || asked != test.asked {
				t.Errorf("%d %q, asked for %d times; want %q and %d\n%s", res.Code, got, asked, test.code, test.asked, res.Body)
			}
			if vary := res.Header().Values("Vary"); strings.Count(strings.Join(vary, ","), "Accept") > 1 {
				t.Errorf("Vary: %q", vary)
			}
			if res.Code == 200 && (res.Header().Get("Access-Control-Allow-Origin") == "" || res.Header().Get("X-Request-Id") == "") {
				t.Errorf("headers are missing: %v", res.Header())
			}
		})
	}
}

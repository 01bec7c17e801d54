package delivery

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestNamesAreTheURLs: of sources that share a place, logs, Cache-Tag, explain and usage
// name the one that the URL names, whichever has the stricter rules; and explain says
// which of them that is.
func TestNamesAreTheURLs(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	secret := signing.NewSecret()
	half := 0.5
	b.upstream.Serve("/photos/logo.png", deliverytest.Body(deliverytest.Photo(t, 20, 10)))
	b.upstream.Serve("/logos/logo.png", deliverytest.Body(deliverytest.Photo(t, 20, 10)))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources,
			workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/photos/", Private: true},
			workspace.Source{Key: "logos", Kind: "http", URL: b.upstream.URL + "/logos/"})
		w.Marks = []workspace.Mark{{Name: "m", Image: "logos/logo.png", Opacity: &half, AutoApplySources: []string{"photos"}}}
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
	}))
	id := "id-of-acme"
	for _, name := range []string{"photos", "vault"} {
		other := map[string]string{"photos": "vault", "vault": "photos"}[name]
		unsigned := "/acme/" + name + "/cat.jpg?w=20"
		e, err := b.Explain(t.Context(), unsigned, "", "")
		if err != nil {
			t.Fatal(err)
		}
		access := e.Checks[len(e.Checks)-1]
		if e.Source != name || e.Original != name+"/cat.jpg" || e.Code != "SIGNATURE_REQUIRED" || !strings.Contains(access.Detail, "the source vault is private") {
			t.Errorf("%s: %+v", name, e)
		}
		if named := strings.Contains(access.Detail, "photos/cat.jpg is one of its originals too"); named != (name == "photos") {
			t.Errorf("%s: %s", name, access.Detail)
		}
		if w := b.get(unsigned); w.Code != 401 {
			t.Errorf("%s: %d", unsigned, w.Code)
		}
		signed, err := secret.SignUntil(unsigned, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		w := b.get(signed)
		tags := strings.Split(w.Header().Get("Cache-Tag"), ",")
		if w.Code != 200 || len(tags) < 5 || tags[1] != workspace.SourceTag("acme", name) || tags[3] != workspace.SourceTag("acme", other) {
			t.Errorf("%s: %d %s", name, w.Code, tags)
		}
		if line := lastLogLine(b); !strings.Contains(line, `"original":"`+name+`/cat.jpg"`) {
			t.Error(line)
		}
		e, err = b.Explain(t.Context(), signed, "", "")
		if err != nil || e.Source != name || !e.Cached || !strings.Contains(e.Checks[3].Detail, "vault is private") {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if n := b.upstream.Count("/photos/cat.jpg"); n != 1 {
		t.Errorf("the original was fetched %d times: its names share what is cached", n)
	}
	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted := countedBySource(t, store, id)
	for _, name := range []string{"photos", "vault"} {
		if got := counted[name]; got.Requests != 2 || got.Errors != 1 {
			t.Errorf("%q: %+v", name, got)
		}
	}
}

// lastLogLine is the log's last line.
func lastLogLine(b *bench) string {
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	return lines[len(lines)-1]
}

// countedBySource is what was counted of a workspace.
func countedBySource(t *testing.T, store workspace.Counters, id string) map[string]workspace.Usage {
	t.Helper()
	all, err := store.Usage(t.Context(), id, "2000-01-01", "2100-01-01")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]workspace.Usage{}
	for _, u := range all {
		sum := found[u.Source]
		sum.Add(u)
		found[u.Source] = sum
	}
	return found
}

// TestRefusedCountUnderTheirSource: what is refused counts under the source that its URL
// names, however early that is.
func TestRefusedCountUnderTheirSource(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.AllowedOrigins = []string{"https://app.example.com"}
		w.AllowedSources = []string{}
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
	}))
	id := "id-of-acme"
	want := map[string]int64{}
	for target, source := range map[string]string{
		"/acme/photos/cat.jpg?w=no":                      "photos",
		"/acme/photos/cat.jpg?w=1&w=2":                   "photos",
		"/acme/photos/cat.jpg?;":                         "photos",
		"/acme/photos/%zz":                               "photos",
		"/acme/photos/../a.jpg":                          "photos",
		"/acme/photos/":                                  "photos",
		"/acme/photos/cat.jpg?src=vault/a.jpg":           "photos",
		"/acme/transform/photos/cat.jpg?w=no":            "photos",
		"/acme?src=photos/cat.jpg&w=no":                  "photos",
		"/acme/transform?w=no&src=photos%2Fcat.jpg":      "photos",
		"/acme/vault/a.jpg":                              "vault",
		"/acme?src=vault/a.jpg&exp=1&sig=00":             "vault",
		"/acme?src=" + b.upstream.URL + "/vault/a.jpg":   "vault",
		"/acme?w=no&src=" + b.upstream.URL + "/vault/a.": "vault",
		"/acme?src=https://example.com/a.jpg":            "",
		"/acme/nobody/cat.jpg":                           "",
		"/acme?src=nobody/cat.jpg":                       "",
		"/acme?w=9":                                      "",
		"/acme/grid/photos/cat.jpg":                      "photos",
		"/acme/info/photos/cat.jpg?select=no":            "photos",
		"/acme/info/metadata/photos/cat.jpg?select=":     "photos",
		"/acme/placeholder/color/photos/cat.jpg?w=0":     "photos",
	} {
		if w := b.get(target); w.Code < 400 {
			t.Errorf("%s: %d", target, w.Code)
		}
		want[source]++
	}
	for _, status := range []int{
		b.get("/acme/photos/cat.jpg", "Origin", "https://evil.example.com").Code, b.send(http.MethodPut, "/acme/photos/cat.jpg").Code,
	} {
		if status < 400 {
			t.Error(status)
		}
		want["photos"]++
	}
	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted := countedBySource(t, store, id)
	for source, n := range want {
		if got := counted[source]; got.Requests != n || got.Errors != n {
			t.Errorf("%q: %+v, want %d", source, got, n)
		}
	}
	if len(counted) != len(want) {
		t.Errorf("%+v", counted)
	}
}

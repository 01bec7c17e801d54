package delivery

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestExplain explains URLs, then sends them: what was said is what happens.
func TestExplain(t *testing.T) {
	b := newBench(t)
	secret := signing.NewSecret()
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	b.upstream.Serve("/logos/logo.png", deliverytest.Body(deliverytest.Photo(t, 20, 10)))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.AllowedOrigins = []string{"https://app.example.com"}
		w.AllowedSources = []string{"allowed.example.com", "169.254.169.254", "[64:ff9b::a9fe:a9fe]"}
		w.Sources = append(w.Sources,
			workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true},
			workspace.Source{Key: "logos", Kind: "http", URL: b.upstream.URL + "/logos/"})
		w.Sources = append(w.Sources, workspace.Source{Key: "inside", Kind: "http", URL: "http://10.0.0.1/"})
		w.Marks = []workspace.Mark{{Name: "brand", Image: "logos/logo.png", AutoApplySources: []string{"vault"}}, {Name: "lost", Image: "logos/none.png"}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=32&h=32"}}
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
	}))
	signed, err := secret.SignUntil("/acme/vault/a.jpg?w=9", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, target, accept, origin string
		code                         string
		checks                       string // names, with ! before one that fails
		source, options, format      string
		marks                        string
	}{
		{"a path", "/acme/photos/cat.jpg?w=20&utm_source=x", "", "", "", "workspace origin url access marks original", "photos", "w=20", "auto: jpeg png gif", ""},
		{"a preset", "/acme/photos/cat.jpg?preset=thumb&format=webp", "", "", "", "workspace origin url access marks original", "photos", "w=32&h=32&format=webp", "webp", ""},
		{"negotiated", "/acme/photos/cat.jpg?w=21", "image/avif,image/webp", "", "", "workspace origin url access marks original", "photos", "w=21", "auto: avif webp jpeg png", ""},
		{"an origin", "/acme/photos/cat.jpg?w=22", "", "https://app.example.com", "", "workspace origin url access marks original", "photos", "w=22", "auto: jpeg png gif", ""},
		{"another origin", "/acme/photos/cat.jpg?w=22", "", "https://evil.example.com", "ORIGIN_NOT_ALLOWED", "workspace !origin", "", "", "", ""},
		{"no workspace", "/nobody/photos/cat.jpg", "", "", "WORKSPACE_NOT_FOUND", "!workspace", "", "", "", ""},
		{"reserved", "/v1/photos/cat.jpg", "", "", "WORKSPACE_NOT_FOUND", "!workspace", "", "", "", ""},
		{"a bad option", "/acme/photos/cat.jpg?w=no", "", "", "INVALID_OPTION", "workspace origin !url", "", "", "", ""},
		{"a bad path", "/acme/photos/../cat.jpg", "", "", "INVALID_PATH", "workspace origin !url", "", "", "", ""},
		{"no source", "/acme/other/cat.jpg", "", "", "SOURCE_NOT_FOUND", "workspace origin !url", "", "", "", ""},
		{"a host that isn't allowed", "/acme?src=https://evil.example.com/a.jpg", "", "", "SOURCE_NOT_ALLOWED", "workspace origin !url", "", "", "", ""},
		{"unsigned", "/acme/vault/a.jpg?w=9", "", "", "SIGNATURE_REQUIRED", "workspace origin url !access", "vault", "w=9", "auto: jpeg png gif", ""},
		{"signed", signed, "", "", "", "workspace origin url access marks original", "vault", "w=9", "auto: jpeg png gif", "brand"},
		{"a private address", "/acme?src=http://169.254.169.254/latest", "", "", "ADDRESS_NOT_ALLOWED", "workspace origin url access marks !original", "", "", "auto: jpeg png gif", ""},
		{"one in disguise", "/acme?src=http://0xA9FEA9FE/latest", "", "", "ADDRESS_NOT_ALLOWED", "workspace origin url access marks !original", "", "", "auto: jpeg png gif", ""},
		{"one within another", "/acme?src=http://[64:ff9b::a9fe:a9fe]/latest", "", "", "ADDRESS_NOT_ALLOWED", "workspace origin url access marks !original", "", "", "auto: jpeg png gif", ""},
		{"a source at one", "/acme/inside/a.jpg", "", "", "ADDRESS_NOT_ALLOWED", "workspace origin url access marks !original", "inside", "", "auto: jpeg png gif", ""},
		{"a mark that is lost", "/acme/photos/cat.jpg?mark=lost", "", "", "MARK_UNAVAILABLE", "workspace origin url access !marks", "photos", "mark=lost", "auto: jpeg png gif", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := b.Explain(t.Context(), c.target, c.accept, c.origin)
			if err != nil {
				t.Fatal(err)
			}
			var checks []string
			for _, check := range e.Checks {
				if !check.Passed {
					check.Name = "!" + check.Name
				}
				checks = append(checks, check.Name)
				if check.Detail == "" {
					t.Errorf("%s has no detail", check.Name)
				}
			}
			if got := strings.Join(checks, " "); e.Code != c.code || got != c.checks {
				t.Errorf("%s %s, want %s %s: %s", e.Code, got, c.code, c.checks, e.Message)
			}
			if e.Source != c.source || c.options != "" && e.Options != c.options || e.Format != c.format || strings.Join(e.Marks, " ") != c.marks {
				t.Errorf("%+v", e)
			}
			if e.Cached {
				t.Error("it says that it is cached")
			}

			w := b.get(c.target, "Accept", c.accept)
			if c.origin != "" {
				w = b.get(c.target, "Accept", c.accept, "Origin", c.origin)
			}
			if w.Code != e.Status || code(t, w) != e.Code {
				t.Errorf("explained as %d %s, and it was %d %s", e.Status, e.Code, w.Code, code(t, w))
			}
			if e.Code != "" {
				return
			}
			if got := w.Header().Get("Cache-Control"); got != e.CacheControl && c.name != "signed" { // which counts down
				t.Errorf("Cache-Control explained as %q, and it was %q", e.CacheControl, got)
			}
			after, err := b.Explain(t.Context(), c.target, c.accept, c.origin)
			if err != nil {
				t.Fatal(err)
			}
			if key, err := hex.DecodeString(after.VariantKey); err != nil || len(key) != 32 || after.VariantKey != e.VariantKey {
				t.Errorf("variant key %q, before %q", after.VariantKey, e.VariantKey)
			}
			if !after.Cached || after.Tier != "memory" || after.ExpiresAt == nil || "image/"+after.Format != w.Header().Get("Content-Type") {
				t.Errorf("once it is cached: %+v", after)
			}
		})
	}

	// A remembered error is explained too.
	b.get("/acme/photos/none.jpg")
	if e, err := b.Explain(t.Context(), "/acme/photos/none.jpg", "", ""); err != nil || e.Code != "NOT_FOUND" || !e.Cached || e.Checks[len(e.Checks)-1].Passed {
		t.Errorf("a remembered error: %+v, %v", e, err)
	}
}

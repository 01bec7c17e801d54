package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestSignatures reads as the policy of private sources and signed workspaces.
func TestSignatures(t *testing.T) {
	b := newBench(t, func(c *setup) { c.BaseDomain = "img.example.com" })
	secret, other := signing.NewSecret(), signing.NewSecret()
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	private := func(ns string, s signing.Secret) *workspace.Workspace {
		return b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID = ns, ""
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
			w.SigningKeys = []signing.Key{{ID: "k", Secret: s}}
		})
	}
	b.registry.Set(t, private("acme", secret))
	b.registry.Set(t, private("other", other))
	whole := private("whole", secret)
	whole.RequireSignature = true
	b.registry.Set(t, whole)
	keyless := private("keyless", secret)
	keyless.SigningKeys = nil
	b.registry.Set(t, keyless)

	soon := time.Now().Add(10 * time.Minute)
	until := func(target string, exp time.Time) string {
		t.Helper()
		signed, err := secret.SignUntil(target, exp)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	forEver := func(target string) string {
		t.Helper()
		signed, err := secret.Sign(target)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	hostForm := func(signed string) string { return strings.TrimPrefix(signed, "/acme") }
	tests := []struct {
		name, target, host string
		code               string
	}{
		{"public source", "/acme/photos/cat.jpg?w=9", "", ""},
		{"private, unsigned", "/acme/vault/a.jpg", "", "SIGNATURE_REQUIRED"},
		{"private, signed", until("/acme/vault/a.jpg?w=9", soon), "", ""},
		{"private, signed in src", until("/acme?src=vault/a.jpg&w=9", soon), "", ""},
		{"private, signed, as a full URL", until("/acme?src="+b.upstream.URL+"/vault/a.jpg", soon), "", ""},
		{"private, unsigned, as a full URL", "/acme?src=" + b.upstream.URL + "/vault/a.jpg", "", "SIGNATURE_REQUIRED"},
		{"host form, the same signature", hostForm(until("/acme/vault/a.jpg?w=9", soon)), "acme.img.example.com", ""},
		{"host form, signed without the namespace", until("/vault/a.jpg?w=9", soon), "acme.img.example.com", "SIGNATURE_INVALID"},
		{"private, without exp", forEver("/acme/vault/a.jpg"), "", "SIGNATURE_INVALID"},
		{"private, expired", until("/acme/vault/a.jpg", time.Now().Add(-2*time.Minute)), "", "SIGNATURE_EXPIRED"},
		{"private, expired within the skew", until("/acme/vault/a.jpg", time.Now().Add(-30*time.Second)), "", ""},
		{"private, tampered", strings.Replace(until("/acme/vault/a.jpg?w=9", soon), "w=9", "w=8", 1), "", "SIGNATURE_INVALID"},
		{"another workspace's key", strings.Replace(until("/acme/vault/a.jpg", soon), "/acme", "/other", 1), "", "SIGNATURE_INVALID"},
		{"signed for another workspace, by its path", until("/other/vault/a.jpg", soon), "", "SIGNATURE_INVALID"},
		{"no key is active", until("/keyless/vault/a.jpg", soon), "", "SIGNATURE_INVALID"},
		{"a private default", "/acme/photos/cat.jpg?default=vault/a.jpg", "", "SIGNATURE_REQUIRED"},
		{"a private default, signed", until("/acme/photos/none.jpg?default=vault/a.jpg", soon), "", "NOT_FOUND but shown"},
		{"missing, signed", until("/acme/vault/none.jpg", soon), "", "NOT_FOUND"},
		{"signed workspace, unsigned", "/whole/photos/cat.jpg", "", "SIGNATURE_REQUIRED"},
		{"signed workspace, signed", forEver("/whole/photos/cat.jpg"), "", ""},
		{"signed workspace, private source, without exp", forEver("/whole/vault/a.jpg"), "", "SIGNATURE_INVALID"},
		{"an escaped sig is none", strings.Replace(until("/acme/vault/a.jpg", soon), "sig=", "s%69g=", 1), "", "SIGNATURE_REQUIRED"},
		{"a wrong signature on a public source is ignored", "/acme/photos/cat.jpg?w=9&sig=zz", "", ""},
	}
	for _, tt := range tests {
		for range 2 { // the second could come from the cache
			var h []string
			if tt.host != "" {
				h = []string{"Host", tt.host}
			}
			w := b.get(tt.target, h...)
			if tt.code == "NOT_FOUND but shown" {
				if w.Code != 404 || w.Header().Get("Content-Type") == "application/json" || w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %d %v", tt.name, w.Code, w.Header())
				}
				continue
			}
			if got := code(t, w); got != tt.code {
				t.Errorf("%s: %s %q, want %q", tt.name, tt.target, got, tt.code)
			}
			if w.Code >= 400 && w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control %q", tt.name, w.Header().Get("Cache-Control"))
			}
		}
	}
	// Nothing of a private source is fetched or served before the signature is good.
	if n := b.upstream.Count("/vault/none.jpg"); n != 1 {
		t.Errorf("%d fetches of the missing original", n)
	}

	maxAge := func(visibility, target string) int {
		t.Helper()
		w := b.get(target)
		var n int
		if _, err := fmt.Sscanf(w.Header().Get("Cache-Control"), visibility+", max-age=%d", &n); err != nil {
			t.Errorf("%s: Cache-Control %q", target, w.Header().Get("Cache-Control"))
		}
		return n
	}
	if n := maxAge("private", until("/acme/vault/a.jpg?w=9", soon)); n < 300 || n > 600 {
		t.Errorf("max-age %d of 10 minutes", n)
	}
	if n := maxAge("private", until("/acme/vault/a.jpg?w=9&v=3", time.Now().Add(-10*time.Second))); n != 0 {
		t.Errorf("max-age %d of an expired URL", n)
	}
	if n := maxAge("public", until("/whole/photos/cat.jpg?w=9", soon)); n < 300 || n > 600 {
		t.Errorf("signed workspace: max-age %d of 10 minutes", n)
	}
	if cc := b.get(forEver("/whole/photos/cat.jpg?w=9")).Header().Get("Cache-Control"); cc != cacheControlDefault {
		t.Errorf("signed workspace, without exp: %q", cc)
	}

	// A removed key is refused at once.
	good := until("/acme/vault/a.jpg?w=9", soon)
	rotated := private("acme", other)
	b.registry.Set(t, rotated)
	if w := b.get(good); w.Code != 403 {
		t.Errorf("after its key was removed: %d", w.Code)
	}
}

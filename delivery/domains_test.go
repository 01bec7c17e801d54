package delivery

import (
	"net/http"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestCustomDomains: which host is whose, and what is served there.
func TestCustomDomains(t *testing.T) {
	verified := time.Now()
	b := newBench(t, func(c *setup) {
		c.BaseDomain = "img.example.com"
		c.Domains = names{
			"img.shop.example":        {Namespace: "acme", VerifiedAt: verified},
			"unverified.shop.example": {Namespace: "acme"},
			"globex.img.example.com":  {Namespace: "acme", VerifiedAt: verified}, // below the base domain it doesn't count
			"img.example.com":         {Namespace: "acme", VerifiedAt: verified},
			"img.gone.example":        {Namespace: "gone", VerifiedAt: verified},
		}
		c.API = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	secret := signing.NewSecret()
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.SigningKeys = []signing.Key{{ID: "k", Secret: secret}}
		w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
	}))
	b.upstream.Serve("/vault/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	signed, err := secret.SignUntil("/acme/vault/cat.jpg?w=9", time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, target string
		status       int
	}{
		{"img.shop.example", "/photos/cat.jpg?w=9", 200},
		{"IMG.Shop.Example.:8443", "/photos/cat.jpg?w=9", 200},
		{"img.shop.example", "/transform/photos/cat.jpg?w=9", 200},
		{"img.shop.example", "/?src=photos/cat.jpg", 200},
		{"img.shop.example", "/acme/photos/cat.jpg", 404}, // acme is no source
		{"img.shop.example", "/globex/photos/cat.jpg", 404},
		{"img.shop.example", "/vault/cat.jpg?w=9", 401},
		{"img.shop.example", signed[len("/acme"):], 200},
		{"acme.img.example.com", signed[len("/acme"):], 200},
		{"img.example.com", signed, 200},
		{"img.shop.example", "/v1/workspaces", 404},
		{"img.shop.example", "/healthz", 400},
		{"img.shop.example", "/readyz", 400},
		{"img.shop.example", "/playground/acme", 404},
		{"img.shop.example", "/static/app.js", 404},
		{"img.shop.example", "/", 400},
		{"acme.img.example.com", "/v1/workspaces", 404},
		{"acme.img.example.com", "/healthz", 400},
		{"unverified.shop.example", "/photos/cat.jpg", 404},
		{"unverified.shop.example", "/acme/photos/cat.jpg", 200}, // as on every other host
		{"unverified.shop.example", "/healthz", 200},
		{"globex.img.example.com", "/photos/cat.jpg", 404},
		{"img.example.com", "/v1/workspaces", 418},
		{"img.example.com", "/acme/photos/cat.jpg", 200},
		{"img.gone.example", "/photos/cat.jpg", 404},
		{"x.y.img.example.com", "/acme/photos/cat.jpg", 200},
	} {
		if w := b.get(tt.target, "Host", tt.host); w.Code != tt.status {
			t.Errorf("%s on %s: %d, want %d: %.200s", tt.target, tt.host, w.Code, tt.status, w.Body)
		}
	}
	// One variant, whatever the host.
	b.get("/acme/photos/cat.jpg?w=33")
	if !hit(b.get("/photos/cat.jpg?w=33", "Host", "img.shop.example")) {
		t.Error("a custom domain has variants of its own")
	}
	found, _, err := b.FindPurge(t.Context(), "acme", "https://img.shop.example/photos/cat.jpg?w=33")
	if err != nil || len(found) != 1 || found[0].Kind != workspace.PurgeURL || found[0].Source != "photos" {
		t.Errorf("%+v, %v", found, err)
	}
}

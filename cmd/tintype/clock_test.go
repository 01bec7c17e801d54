//go:build cgo && linux

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/signing"
)

// TestClockOfTheStore: a server whose clock is an hour slow goes by the store's for the ends of
// signed URLs and for what is dated. Here it is the store that says it is an hour later.
func TestClockOfTheStore(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	store := initStore(t, dynamodblocal.Shared(t))
	at, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(at.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	const ahead = time.Hour
	late := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			return nil
		},
	})
	t.Cleanup(late.Close)
	q := at.Query()
	q.Set("endpoint", late.URL)
	at.RawQuery = q.Encode()
	p := serveShared(t, t.TempDir(), at.String(), "--dir", "acme/vault="+dir, "--dir-private", "acme/vault")

	var made struct{ Secret string }
	if err := json.Unmarshal(p.mustCall(t, 201, "POST", "/workspaces/acme/signing-keys", map[string]any{}), &made); err != nil {
		t.Fatal(err)
	}
	secret, err := signing.ParseSecret(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for left, want := range map[time.Duration]int{30 * time.Minute: 403, ahead + 30*time.Minute: 200} { // by this machine's clock
		signed, err := secret.SignUntil("/acme/vault/dusk.jpg?w=16", time.Now().Add(left))
		if err != nil {
			t.Fatal(err)
		}
		if status, err := p.image(t.Context(), signed, ""); status != want || err != nil {
			t.Errorf("a URL that ends in %v by this machine's clock: %d, %v; want %d", left, status, err, want)
		}
	}
	var key struct {
		Key       string
		CreatedAt time.Time `json:"created_at"`
	}
	body := map[string]any{"name": "reader", "scopes": []string{"read"}}
	if err := json.Unmarshal(p.mustCall(t, 201, "POST", "/workspaces/acme/api-keys", body), &key); err != nil {
		t.Fatal(err)
	}
	if off := time.Until(key.CreatedAt); off < ahead-time.Minute || off > ahead+time.Minute {
		t.Errorf("a key was made in %v by this machine's clock", off)
	}
	if status, answer, err := p.callWith(t.Context(), key.Key, "GET", "/workspaces/acme", nil); status != 200 || err != nil {
		t.Errorf("with the key: %d %s, %v", status, answer, err)
	}
	if !strings.Contains(p.log.String(), "this machine's clock is wrong") {
		t.Error("the log says nothing of the clock")
	}
}

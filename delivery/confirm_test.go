package delivery

import (
	"fmt"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestUnconfirmed: where the store has not been heard of for long, what takes a right is answered
// by what the store has now, and refused where it doesn't say. Public images go on.
func TestUnconfirmed(t *testing.T) {
	secret, removed := signing.NewSecret(), signing.NewSecret()
	b := newBench(t)
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	b.upstream.Serve("/open/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 40, 30)))
	open := workspace.Source{Key: "open", Kind: "http", URL: b.upstream.URL + "/open/"}
	set := func(keys ...signing.Key) *workspace.Workspace {
		w := b.acme(func(w *workspace.Workspace) {
			w.Sources[0].Private = true
			w.Sources = append(w.Sources, open)
			w.SigningKeys = keys
		})
		b.registry.Set(t, w)
		return w
	}
	newer := set(signing.Key{ID: "kept", Secret: secret})
	set(signing.Key{ID: "kept", Secret: secret}, signing.Key{ID: "removed", Secret: removed})
	sign := func(by signing.Secret) string {
		t.Helper()
		url, err := by.SignUntil("/acme/photos/cat.jpg?w=9", b.now().Add(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	asked := 0
	answer := func(w *workspace.Workspace, err error) func(string) (*workspace.Workspace, error) {
		return func(string) (*workspace.Workspace, error) { asked++; return w, err }
	}
	away := fmt.Errorf("%w: away", workspace.ErrUnavailable)
	for _, test := range []struct {
		name, target string
		ask          func(string) (*workspace.Workspace, error)
		code         string
		asks         int
	}{
		{"all is heard of", sign(removed), nil, "", 0},
		{"the key was removed", sign(removed), answer(newer, nil), "SIGNATURE_INVALID", 1},
		{"the other key is there", sign(secret), answer(newer, nil), "", 1},
		{"nobody says", sign(secret), answer(nil, away), "OVERLOADED", 1},
		{"a public image", "/acme/open/cat.jpg?w=9", answer(nil, away), "", 0},
		{"a URL that can't be read", "/acme/photos/cat.jpg?w=x", answer(nil, away), "INVALID_OPTION", 0},
	} {
		b.registry.Ask, asked = test.ask, 0
		if got := code(t, b.get(test.target)); got != test.code || asked != test.asks {
			t.Errorf("%s: %q, asked %d times; want %q and %d", test.name, got, asked, test.code, test.asks)
		}
	}
}

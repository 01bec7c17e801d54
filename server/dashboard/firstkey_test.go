package dashboard_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// signingKeys returns how many signing keys acme has.
func (s *site) signingKeys(t *testing.T) int {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return len(w.SigningKeys)
}

// TestKeyOffer: pages that show private images say that a signing key is missing, without words
// of the API. An owner makes it in place and gets back, and only once. Others read who makes it.
func TestKeyOffer(t *testing.T) {
	s := open(t)
	s.edit(t, func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{{Key: "vault", Kind: "http", URL: "https://o.example/", Private: true}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=200"}}
		w.Marks = []workspace.Mark{{Name: "logo", Image: "vault/logo.png"}}
	})
	for _, page := range []string{"/app/acme/marks?picture=vault/a.jpg", "/app/acme/presets?picture=vault/a.jpg", "/app/acme/playground?src=vault%2Fa.jpg&options=w%3D3", "/app/acme?source=vault&path=a.jpg"} {
		see := func(as string) string { t.Helper(); return s.ask(as, "GET", page, nil).Body.String() }
		have := see("owner")
		if !strings.Contains(have, "the workspace has no signing key yet") || !strings.Contains(have, `<form method="post" action="/app/acme/signing-keys"`) || strings.Contains(text(have), "POST") {
			t.Errorf("%s: %s", page, have)
		}
		if have := see("editor"); !strings.Contains(have, "Ask an owner of the workspace to make one.") || strings.Contains(have, `value="first"`) {
			t.Errorf("%s, an editor: %s", page, have)
		}
		if have := text(see("viewer")); !strings.Contains(have, "owner@acme.example (owner)") {
			t.Errorf("%s, a viewer: %s", page, have)
		}
		sent := s.ask("owner", "POST", "/app/acme/signing-keys", url.Values{"do": {"first"}, "back": {page}})
		to, err := url.Parse(sent.Header().Get("Location"))
		if err != nil || sent.Code != 303 || to.Path != strings.Split(page, "?")[0] || to.Query().Get("done") != "key" {
			t.Errorf("%s: %d to %s", page, sent.Code, to)
		}
		if have := s.ask("owner", "GET", to.String(), nil).Body.String(); !strings.Contains(have, "A signing key is made") || strings.Contains(have, "no signing key yet") || !strings.Contains(have, "/acme/vault/a.jpg?") {
			t.Errorf("%s: %s", to, have)
		}
		s.ask("owner", "POST", "/app/acme/signing-keys", url.Values{"do": {"first"}, "back": {page}})
		if n := s.signingKeys(t); n != 1 {
			t.Errorf("%s: %d signing keys", page, n)
		}
		s.edit(t, func(w *workspace.Workspace) { w.SigningKeys = nil })
	}
	for _, back := range []string{"", "https://evil.example/app/acme/marks", "//evil.example/app/acme/marks", "/app/acmes", "/app/other/marks", "javascript:alert(1)"} {
		sent := s.ask("owner", "POST", "/app/acme/signing-keys", url.Values{"do": {"first"}, "back": {back}})
		if to := sent.Header().Get("Location"); to != "/app/acme/signing-keys?done=key" {
			t.Errorf("%q leads to %q", back, to)
		}
	}
}

// TestReviewWithoutKey: a review says that nobody can sign yet what is closed, and offers an owner
// to make the key that is missing.
func TestReviewWithoutKey(t *testing.T) {
	s := open(t)
	const warning, offer = "No signing key: the workspace has none yet", `name="first_key" value="on" checked`
	signed := func() url.Values {
		return url.Values{"allowed_sources": {"*"}, "allowed_origins": {"*"}, "require_signature": {"on"}}
	}
	review := func(as string) string {
		t.Helper()
		return s.ask(as, "POST", "/app/acme/access", signed()).Body.String()
	}
	if have := review("editor"); !strings.Contains(have, warning) || strings.Contains(have, offer) || !strings.Contains(have, "Ask an owner of the workspace to make one.") {
		t.Error(have)
	}
	if have := review("owner"); !strings.Contains(have, warning) || !strings.Contains(have, offer) {
		t.Error(have)
	}
	fields := signed()
	fields.Set("first_key", "on")
	s.change(t, "owner", "/app/acme/access", fields)
	if n := s.signingKeys(t); n != 1 {
		t.Errorf("%d signing keys", n)
	}
	open := signed()
	open.Del("require_signature")
	s.change(t, "owner", "/app/acme/access", open)
	if have := review("owner"); strings.Contains(have, warning) || strings.Contains(have, offer) {
		t.Error(have)
	}
	// Where it isn't wanted, none is made.
	s.edit(t, func(w *workspace.Workspace) { w.SigningKeys = nil })
	s.change(t, "owner", "/app/acme/access", signed())
	if n := s.signingKeys(t); n != 0 {
		t.Errorf("%d signing keys", n)
	}
}

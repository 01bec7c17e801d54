package manage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

func person(id, email string, role account.Role) manage.Caller {
	return manage.Caller{
		Principal: apikey.Principal{Kind: apikey.Person, Email: email, Namespace: "acme", WorkspaceID: id}, Role: role,
	}
}

// TestEditorRaisesLimits: an editor changes settings, but not limits and domains.
func TestEditorRaisesLimits(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	editor, owner := person(w.ID, "ed@example.com", account.Editor), person(w.ID, "anna@example.com", account.Owner)
	for _, patch := range []string{`{"limits":{"requests_per_minute":999}}`, `{"domains":[]}`, `{"domains":["evil.test"],"name":"x"}`} {
		if _, err := m.PatchWorkspace(t.Context(), editor, "acme", []byte(patch), nil); err == nil || fault.OfManaging(err).Code != fault.Forbidden {
			t.Errorf("%s by an editor: %v", patch, err)
		}
	}
	if _, err := m.PatchWorkspace(t.Context(), editor, "acme", []byte(`{"name":"By the editor"}`), nil); err != nil {
		t.Error(err)
	}
	if _, err := m.PatchWorkspace(t.Context(), owner, "acme", []byte(`{"limits":{"requests_per_minute":999}}`), nil); err != nil {
		t.Error(err)
	}
}

// TestStrongerKey: a key makes only keys of its own scopes that end no later than it. What
// it makes belongs to who made it.
func TestStrongerKey(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	owner := person(w.ID, "anna@example.com", account.Owner)
	days := func(n int) *int { return &n }
	of := func(scopes []string, expires *int, test bool) manage.Caller {
		t.Helper()
		made, err := m.CreateAPIKey(t.Context(), owner, "acme", manage.NewAPIKey{Name: "maker", Scopes: scopes, ExpiresInDays: expires, Test: test})
		if err != nil {
			t.Fatal(err)
		}
		p := apikey.Principal{Kind: apikey.Key, KeyID: made.ID, WorkspaceID: w.ID, Namespace: "acme"}
		for _, s := range scopes {
			p.Scopes = append(p.Scopes, apikey.Scope(s))
		}
		return manage.Caller{Principal: p}
	}
	admin, ends, test := of([]string{"admin"}, nil, false), of([]string{"admin"}, days(10), false), of([]string{"admin"}, nil, true)
	writer := of([]string{"read", "write"}, nil, false)
	for _, tt := range []struct {
		what string
		who  manage.Caller
		req  manage.NewAPIKey
		ok   bool
	}{
		{"admin makes admin", admin, manage.NewAPIKey{Scopes: []string{"admin"}}, true},
		{"admin makes read", admin, manage.NewAPIKey{Scopes: []string{"read", "write"}}, true},
		{"one that ends makes one that ends sooner", ends, manage.NewAPIKey{Scopes: []string{"admin"}, ExpiresInDays: days(9)}, true},
		{"one that ends makes one that ends later", ends, manage.NewAPIKey{Scopes: []string{"read"}, ExpiresInDays: days(11)}, false},
		{"one that ends makes one that lasts", ends, manage.NewAPIKey{Scopes: []string{"read"}}, false},
		{"test makes test", test, manage.NewAPIKey{Scopes: []string{"read"}, Test: true}, true},
		{"test makes live", test, manage.NewAPIKey{Scopes: []string{"read"}}, false},
		{"write makes read", writer, manage.NewAPIKey{Scopes: []string{"read"}}, false},
		{"write makes admin", writer, manage.NewAPIKey{Scopes: []string{"admin"}}, false},
		{"editor makes read", person(w.ID, "ed@example.com", account.Editor), manage.NewAPIKey{Scopes: []string{"read"}}, false},
	} {
		tt.req.Name = tt.what
		made, err := m.CreateAPIKey(t.Context(), tt.who, "acme", tt.req)
		if tt.ok != (err == nil) || err != nil && fault.OfManaging(err).Code != fault.Forbidden {
			t.Errorf("%s: %v", tt.what, err)
		}
		if tt.ok && made.CreatedBy != "account:anna@example.com" {
			t.Errorf("%s: created by %q", tt.what, made.CreatedBy)
		}
	}
	// The server may still take a key that was revoked elsewhere. It makes no key.
	if err := db.RevokeAPIKey(t.Context(), w.ID, admin.KeyID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.CreateAPIKey(t.Context(), admin, "acme", manage.NewAPIKey{Name: "late", Scopes: []string{"read"}}); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked key makes a key: %v", err)
	}
}

// TestKeysOfWhoLeft: the keys of a removed member go, with those that were made with them.
// The keys of others stay.
func TestKeysOfWhoLeft(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	anna, ben := person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
	key := func(who manage.Caller, name string) manage.Caller {
		t.Helper()
		made, err := m.CreateAPIKey(t.Context(), who, "acme", manage.NewAPIKey{Name: name, Scopes: []string{"admin"}})
		if err != nil {
			t.Fatal(err)
		}
		return manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: made.ID, WorkspaceID: w.ID, Namespace: "acme", Scopes: []apikey.Scope{apikey.Admin}}}
	}
	hers := key(anna, "hers")
	key(key(hers, "made with it"), "and with that")
	key(ben, "his")
	key(manage.Operator, "the operator's")
	if n, err := m.RemoveMember(t.Context(), ben, "acme", annaID, true); n != 3 || err != nil {
		t.Errorf("%d keys were revoked, %v", n, err)
	}
	all, err := m.APIKeys(t.Context(), ben, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if gone := k.Name == "hers" || strings.Contains(k.Name, "with"); gone != (k.RevokedAt != nil) {
			t.Errorf("%s: %v", k.Name, k.RevokedAt)
		}
	}
	if _, err := m.CreateAPIKey(t.Context(), hers, "acme", manage.NewAPIKey{Name: "late", Scopes: []string{"read"}}); err == nil {
		t.Error("a revoked key makes a key")
	}
}

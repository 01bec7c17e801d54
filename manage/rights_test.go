package manage_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
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
	editor, owner := person(w.ID, "ed@example.com", account.Editor), person(w.ID, "anna@acme.test", account.Owner)
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
	owner := person(w.ID, "anna@acme.test", account.Owner)
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
		if tt.ok && made.CreatedBy != "account:anna@acme.test" {
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

// TestLesserRole: who gets a lesser role keeps only the keys that the role covers. Keys of
// others and of an operator stay, and so do all where the role covers them.
func TestLesserRole(t *testing.T) {
	for name, tt := range map[string]struct {
		role      account.Role
		operators []string
		revoked   string
	}{
		"viewer":                        {account.Viewer, nil, "admin readwrite made madewith"},
		"editor":                        {account.Editor, nil, "admin readwrite made madewith"},
		"owner as before":               {account.Owner, nil, ""},
		"an operator who is a viewer":   {account.Viewer, []string{"anna@acme.test"}, ""},
		"another person is an operator": {account.Viewer, []string{"ben@acme.test"}, "admin readwrite made madewith"},
	} {
		t.Run(name, func(t *testing.T) {
			m, db := start(t, func(c *manage.Config) {
				p := c.People.Config
				p.Operators = tt.operators
				c.People = account.NewPeople(p)
			})
			w, err := db.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			anna, ben := person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
			key := func(who manage.Caller, name string, scopes ...string) manage.Caller {
				t.Helper()
				made, err := m.CreateAPIKey(t.Context(), who, "acme", manage.NewAPIKey{Name: name, Scopes: scopes})
				if err != nil {
					t.Fatal(err)
				}
				return manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: made.ID, WorkspaceID: w.ID, Namespace: "acme", Scopes: []apikey.Scope{apikey.Admin}}}
			}
			admin := key(anna, "admin", "admin")
			key(anna, "readwrite", "read", "write")
			key(anna, "reader", "read")
			key(key(admin, "made", "admin"), "madewith", "write")
			key(admin, "madereader", "read")
			key(ben, "his", "admin")
			key(manage.Operator, "operators", "admin")
			if _, err := m.SetRole(t.Context(), ben, "acme", annaID, tt.role); err != nil {
				t.Fatal(err)
			}
			all, err := m.APIKeys(t.Context(), ben, "acme")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for _, name := range strings.Fields(tt.revoked) {
				want[name] = true
			}
			for _, k := range all {
				if want[k.Name] != (k.RevokedAt != nil) {
					t.Errorf("%s: revoked at %v", k.Name, k.RevokedAt)
				}
			}
			if n := countAudit(t, db, w.ID, "api_key.revoke", "account:ben@acme.test"); n != len(want) {
				t.Errorf("%d lines in the audit log for %d keys", n, len(want))
			}
		})
	}
}

// TestInvitationsOfWhoLeft: who is removed, leaves or may not invite any more leaves no
// invitations behind. Those that others made stay.
func TestInvitationsOfWhoLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(m *manage.Manager, who manage.Caller) error
		gone bool
	}{
		"removed": {func(m *manage.Manager, who manage.Caller) error {
			return discard(m.RemoveMember(t.Context(), who, "acme", annaID, false))
		}, true},
		"left": {func(m *manage.Manager, who manage.Caller) error {
			who.Email = "anna@acme.test"
			return discard(m.RemoveMember(t.Context(), who, "acme", annaID, true))
		}, true},
		"an editor now": {func(m *manage.Manager, who manage.Caller) error {
			return discard(m.SetRole(t.Context(), who, "acme", annaID, account.Editor))
		}, true},
		"an owner as before": {func(m *manage.Manager, who manage.Caller) error {
			return discard(m.SetRole(t.Context(), who, "acme", annaID, account.Owner))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m, db := start(t, nil)
			w, err := db.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			anna, ben := person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
			for address, who := range map[string]manage.Caller{"friend@x.example": anna, "second@x.example": anna, "his@x.example": ben, "operators@x.example": manage.Operator} {
				if _, err := m.Invite(t.Context(), who, "acme", address, account.Owner); err != nil {
					t.Fatal(err)
				}
			}
			if err := tt.do(m, ben); err != nil {
				t.Fatal(err)
			}
			all, err := m.Members(t.Context(), ben, "acme")
			if err != nil {
				t.Fatal(err)
			}
			left := map[string]bool{}
			for _, i := range all.Invitations {
				left[i.Email] = true
			}
			if left["friend@x.example"] == tt.gone || left["second@x.example"] == tt.gone || !left["his@x.example"] || !left["operators@x.example"] {
				t.Error(left)
			}
			by, lines := "account:ben@acme.test", 0
			if name == "left" {
				by = "account:anna@acme.test"
			}
			if tt.gone {
				lines = 2
			}
			if n := countAudit(t, db, w.ID, "member.uninvite", by); n != lines {
				t.Errorf("%d lines in the audit log, want %d", n, lines)
			}
		})
	}
}

// TestKeysWhileTheServerEnds: a server ends after any of the writes by which somebody loses a
// role. No key has more rights than its maker then.
func TestKeysWhileTheServerEnds(t *testing.T) {
	for name, do := range map[string]func(m *manage.Manager, who manage.Caller) error{
		"removed": func(m *manage.Manager, who manage.Caller) error {
			return discard(m.RemoveMember(t.Context(), who, "acme", annaID, true))
		},
		"less a role": func(m *manage.Manager, who manage.Caller) error {
			return discard(m.SetRole(t.Context(), who, "acme", annaID, account.Viewer))
		},
	} {
		for writes := 0; ; writes++ {
			left := -1 // writes until the server ends; -1 is never
			m, db := start(t, func(c *manage.Config) {
				p := c.People.Config
				p.Records = endingRecords{p.Records, &left}
				c.People, c.Records = account.NewPeople(p), endingKeys{c.Records, &left}
			})
			w, err := db.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			anna, ben := person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
			for _, scope := range []string{"admin", "write"} {
				if _, err := m.CreateAPIKey(t.Context(), anna, "acme", manage.NewAPIKey{Name: scope, Scopes: []string{scope}}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.Invite(t.Context(), anna, "acme", "friend@x.example", account.Owner); err != nil {
				t.Fatal(err)
			}
			left = writes
			err = do(m, ben)
			if err != nil && !errors.Is(err, errEnded) {
				t.Fatal(err)
			}
			all, err2 := m.Members(t.Context(), ben, "acme")
			keys, err3 := m.APIKeys(t.Context(), ben, "acme")
			if err := errors.Join(err2, err3); err != nil {
				t.Fatal(err)
			}
			owner := slices.ContainsFunc(all.Members, func(m account.Member) bool { return m.AccountID == annaID && m.Role == account.Owner })
			for _, k := range keys {
				if !owner && k.CreatedBy == "account:anna@acme.test" && k.RevokedAt == nil {
					t.Errorf("%s, ended after %d writes: the key %s lives", name, writes, k.Name)
				}
			}
			if err == nil {
				break // it has ended after them all
			}
		}
	}
}

var errEnded = errors.New("the server has ended")

// ended counts a write, and returns an error once the server has ended.
func ended(left *int) error {
	if *left == 0 {
		return errEnded
	}
	*left--
	return nil
}

type peopleStore = account.Records

type endingRecords struct {
	peopleStore
	left *int
}

func (r endingRecords) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	if err := ended(r.left); err != nil {
		return err
	}
	return r.peopleStore.WriteRecords(ctx, writes, audit...)
}

type endingKeys struct {
	manage.Records
	left *int
}

func (k endingKeys) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	if err := ended(k.left); err != nil {
		return err
	}
	return k.Records.RevokeAPIKey(ctx, workspaceID, id, at, audit...)
}

// TestKeyOfWhoLeavesMeanwhile: somebody is removed, and the person's keys are revoked, while
// the person makes another key. Nobody gets that key.
func TestKeyOfWhoLeavesMeanwhile(t *testing.T) {
	for _, with := range []string{"a session", "a key"} {
		var during func()
		m, db := start(t, func(c *manage.Config) { c.Records = slowKeys{c.Records, &during} })
		w, err := db.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		who, ben := person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
		if with == "a key" {
			made, err := m.CreateAPIKey(t.Context(), who, "acme", manage.NewAPIKey{Name: "hers", Scopes: []string{"admin"}})
			if err != nil {
				t.Fatal(err)
			}
			who = manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: made.ID, WorkspaceID: w.ID, Namespace: "acme", Scopes: []apikey.Scope{apikey.Admin}}}
		}
		during = func() {
			during = nil
			if _, err := m.RemoveMember(t.Context(), ben, "acme", annaID, true); err != nil {
				t.Error(err)
			}
		}
		if made, err := m.CreateAPIKey(t.Context(), who, "acme", manage.NewAPIKey{Name: "late", Scopes: []string{"admin"}}); err == nil || made.Key != "" {
			t.Errorf("with %s: the key is given out", with)
		}
		keys, err := m.APIKeys(t.Context(), ben, "acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.CreatedBy == "account:anna@acme.test" && k.RevokedAt == nil {
				t.Errorf("with %s: the key %s lives", with, k.Name)
			}
		}
	}
}

// slowKeys calls during before a key is stored.
type slowKeys struct {
	manage.Records
	during *func()
}

func (k slowKeys) CreateAPIKey(ctx context.Context, key *workspace.APIKey, audit ...workspace.AuditEntry) error {
	if *k.during != nil {
		(*k.during)()
	}
	return k.Records.CreateAPIKey(ctx, key, audit...)
}

// countAudit returns how many lines of the audit log have the action and the actor.
func countAudit(t *testing.T, db *workspacetest.Memory, workspaceID, action, actor string) (n int) {
	t.Helper()
	log, err := db.Audit(t.Context(), workspaceID, workspace.TrailChanges, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		if e.Action == action && e.Actor == actor {
			n++
		}
	}
	return n
}

// A spy is a manage.Delivery that tells which workspaces sources are tested of.
type spy struct {
	stub
	tested func(*workspace.Workspace)
}

func (s spy) TestSource(_ context.Context, w *workspace.Workspace, _, _ string) (delivery.Metadata, error) {
	s.tested(w)
	return delivery.Metadata{}, nil
}

// TestEditorReadsSecrets: nothing that an editor may do shows the secret of a source, or sends
// it to another place.
func TestEditorReadsSecrets(t *testing.T) {
	sent := ""
	m, db := start(t, func(c *manage.Config) {
		c.Delivery = spy{tested: func(w *workspace.Workspace) {
			for _, s := range w.Sources {
				if s.URL != "https://photos.test/" {
					sent += s.Headers["X-Token"]
				}
			}
		}}
	})
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	editor := person(w.ID, "eve@acme.test", account.Editor)
	moved := workspace.Source{Key: "photos", Kind: "http", URL: "https://evil.test/", Headers: map[string]string{"X-Token": workspace.Mask}}
	renamed := workspace.Source{Key: "mine", Kind: "http", URL: "https://photos.test/", Headers: map[string]string{"X-Token": workspace.Mask}}
	for _, s := range []workspace.Source{moved, renamed} {
		if _, err := m.PutSource(t.Context(), editor, "acme", s); err == nil {
			t.Errorf("%s at %s keeps the secret", s.Key, s.URL)
		}
		if _, err := m.TestSource(t.Context(), editor, "acme", s, "cat.jpg"); err == nil {
			t.Errorf("%s at %s is tested with the secret", s.Key, s.URL)
		}
		edit := func(w *workspace.Workspace) error {
			w.Sources = append(w.Sources[1:], s)
			return nil
		}
		if _, err := m.Review(t.Context(), editor, "acme", edit); err == nil {
			t.Errorf("%s at %s passes a review", s.Key, s.URL)
		}
		if _, err := m.ChangeWorkspace(t.Context(), editor, "acme", w.Revision, edit); err == nil {
			t.Errorf("%s at %s is saved", s.Key, s.URL)
		}
	}
	if sent != "" {
		t.Errorf("another server got %q", sent)
	}
	if _, err := m.PutSource(t.Context(), editor, "acme", workspace.Source{Key: "photos", Kind: "http", URL: "https://photos.test/", Headers: map[string]string{"X-Token": "another"}}); err != nil {
		t.Fatal(err)
	}
	seen, err := m.Workspace(t.Context(), editor, "acme")
	if err != nil {
		t.Fatal(err)
	}
	log, err := m.Audit(t.Context(), editor, "acme", "", workspace.TrailChanges, "", 99)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := m.SigningKeys(t.Context(), editor, "acme")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal([]any{seen, log, keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "another", w.SigningKeys[0].Secret.Reveal()} {
		if strings.Contains(string(text), secret) {
			t.Errorf("an editor reads %q in %s", secret, text)
		}
	}
}

// TestOwnersRemoveEachOther: of two owners who remove each other at once, or who leave at
// once, one stays and is an owner.
func TestOwnersRemoveEachOther(t *testing.T) {
	for name, whom := range map[string]map[string]string{
		"each other": {"anna@acme.test": benID, "ben@acme.test": annaID},
		"themselves": {"anna@acme.test": annaID, "ben@acme.test": benID},
	} {
		for range 20 {
			m, db := start(t, nil)
			w, err := db.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for who, id := range whom {
				all.Go(func() { _, _ = m.RemoveMember(t.Context(), person(w.ID, who, account.Owner), "acme", id, true) })
			}
			all.Wait()
			members, err := m.Members(t.Context(), manage.Operator, "acme")
			if err != nil {
				t.Fatal(err)
			}
			if len(members.Members) != 1 || members.Members[0].Role != account.Owner {
				t.Errorf("%s: %+v", name, members.Members)
			}
		}
	}
}

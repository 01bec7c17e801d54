package manage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A broken store takes some writes, and then none. create and revoke, if not nil, are called
// once before the next write of that kind.
type broken struct {
	*workspacetest.Memory
	takes          int // negative is all
	create, revoke func()
}

var errBroken = errors.New("the process was killed")

func (b *broken) write() error {
	if b.takes == 0 {
		return errBroken
	}
	b.takes--
	return nil
}

func (b *broken) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	if f := b.create; f != nil {
		b.create = nil
		f()
	}
	return b.Memory.CreateAPIKey(ctx, k, audit...)
}

func (b *broken) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	if f := b.revoke; f != nil {
		b.revoke = nil
		f()
	}
	if err := b.write(); err != nil {
		return err
	}
	return b.Memory.RevokeAPIKey(ctx, workspaceID, id, at, audit...)
}

func (b *broken) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	if err := b.write(); err != nil {
		return err
	}
	return b.Memory.WriteRecords(ctx, writes, audit...)
}

// startBroken is start with a store that can fail, and two owners, of whom the first made two
// keys and an invitation.
func startBroken(t *testing.T) (m *manage.Manager, db *broken, w *workspace.Workspace, anna, ben, key manage.Caller) {
	t.Helper()
	m, _ = start(t, func(c *manage.Config) {
		db = &broken{Memory: c.Store.(*workspacetest.Memory), takes: -1}
		p := c.People.Config
		p.Records = db
		c.Store, c.Records, c.People = db, db, account.NewPeople(p)
	})
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	anna, ben = person(w.ID, "anna@acme.test", account.Owner), person(w.ID, "ben@acme.test", account.Owner)
	for _, name := range []string{"first", "second"} {
		made, err := m.CreateAPIKey(t.Context(), anna, "acme", manage.NewAPIKey{Name: name, Scopes: []string{"admin"}})
		if err != nil {
			t.Fatal(err)
		}
		key = manage.Caller{Principal: apikey.Principal{Kind: apikey.Key, KeyID: made.ID, WorkspaceID: w.ID, Namespace: "acme", Scopes: []apikey.Scope{apikey.Admin}}}
	}
	if _, err := m.Invite(t.Context(), anna, "acme", "friend@x.example", account.Owner); err != nil {
		t.Fatal(err)
	}
	return m, db, w, anna, ben, key
}

// live returns how many API keys of Anna are live, and how many invitations she has open.
func live(t *testing.T, m *manage.Manager) (keys, invitations int) {
	t.Helper()
	all, err := m.APIKeys(t.Context(), manage.Operator, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.RevokedAt == nil && k.CreatedBy == "account:anna@acme.test" {
			keys++
		}
	}
	people, err := m.Members(t.Context(), manage.Operator, "acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range people.Invitations {
		if i.InvitedBy == "account:anna@acme.test" {
			invitations++
		}
	}
	return keys, invitations
}

// TestRemovalInterrupted: a removal that ends after any of its writes, as where the process is
// killed, leaves nothing of a member who is gone. The same call again finishes it.
func TestRemovalInterrupted(t *testing.T) {
	for takes, done := 0, false; !done; takes++ {
		m, db, w, _, ben, _ := startBroken(t)
		db.takes = takes
		_, err := m.RemoveMember(t.Context(), ben, "acme", annaID, true)
		db.takes = -1
		done = err == nil
		if takes > 9 || !done && !errors.Is(err, errBroken) {
			t.Fatalf("after %d writes: %v", takes, err)
		}
		members, err := m.Members(t.Context(), ben, "acme")
		if err != nil {
			t.Fatal(err)
		}
		role := account.Role("")
		for _, member := range members.Members {
			if member.AccountID == annaID {
				role = member.Role
			}
		}
		keys, _ := live(t, m)
		if role == "" && keys > 0 {
			t.Errorf("after %d writes, she is gone and has %d keys", takes, keys)
		}
		if !done && role != "" {
			if _, err := m.RemoveMember(t.Context(), ben, "acme", annaID, true); err != nil {
				t.Errorf("after %d writes, again: %v", takes, err)
			}
		}
		if keys, _ := live(t, m); keys > 0 {
			t.Errorf("after %d writes, and again: %d keys", takes, keys)
		}
		if n := countAudit(t, db.Memory, w.ID, "api_key.revoke", "account:ben@acme.test"); n != 2 {
			t.Errorf("after %d writes: %d keys in the audit log", takes, n)
		}
	}
}

// TestKeyMadeMeanwhile: a key that is made in the moment in which its maker loses the right to
// make it doesn't outlive that.
func TestKeyMadeMeanwhile(t *testing.T) {
	for name, lose := range map[string]func(m *manage.Manager, ben manage.Caller) error{
		"removed": func(m *manage.Manager, ben manage.Caller) error {
			return discard(m.RemoveMember(t.Context(), ben, "acme", annaID, true))
		},
		"an editor now": func(m *manage.Manager, ben manage.Caller) error {
			return discard(m.SetRole(t.Context(), ben, "acme", annaID, account.Editor))
		},
		"all keys revoked": func(m *manage.Manager, ben manage.Caller) error {
			return discard(m.RevokeAPIKeys(t.Context(), ben, "acme"))
		},
	} {
		for _, by := range []string{"anna", "her key"} {
			if name == "all keys revoked" && by == "anna" {
				continue // she may make another
			}
			m, db, _, anna, ben, key := startBroken(t)
			who := map[string]manage.Caller{"anna": anna, "her key": key}[by]
			make := func() error {
				return discard(m.CreateAPIKey(t.Context(), who, "acme", manage.NewAPIKey{Name: "late", Scopes: []string{"admin"}}))
			}

			// All of it happens while the key is written.
			db.create = func() {
				if err := lose(m, ben); err != nil {
					t.Error(err)
				}
			}
			err := make()
			if code := fault.OfManaging(err).Code; err == nil || code != fault.Forbidden && code != fault.Unauthorized {
				t.Errorf("%s, by %s: %v", name, by, err)
			}
			if keys, _ := live(t, m); keys > 0 {
				t.Errorf("%s, by %s: %d keys live on", name, by, keys)
			}

			// The key is made while the first of the others is revoked.
			m, db, _, anna, ben, key = startBroken(t)
			who = map[string]manage.Caller{"anna": anna, "her key": key}[by]
			db.revoke = func() { _ = make() }
			if err := lose(m, ben); err != nil {
				t.Error(err)
			}
			if keys, _ := live(t, m); keys > 0 {
				t.Errorf("%s, by %s, meanwhile: %d keys live on", name, by, keys)
			}
		}
	}
}

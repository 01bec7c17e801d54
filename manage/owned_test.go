package manage_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// newcomer is an account that is in no workspace.
var newcomer = account.Account{ID: "acc_NEW", Email: "new@x.test"}

// signedIn is the caller of a page that is of no workspace.
func signedIn(a account.Account) manage.Caller {
	return manage.Caller{Principal: apikey.Principal{Kind: apikey.Person, Email: a.Email}}
}

// TestCreateOwned: people make workspaces on the signup plan, own them, and make no more than
// the plan allows. A deleted one gives its place back.
func TestCreateOwned(t *testing.T) {
	m, db := start(t, nil)
	who := signedIn(newcomer)
	create := func(namespace string) error { return discard(m.CreateOwned(t.Context(), who, newcomer, namespace)) }
	for _, c := range []struct {
		namespace string
		code      fault.Code
	}{{"acme", fault.Conflict}, {"www", fault.Validation}, {"No", fault.Validation}, {"", fault.Validation}} {
		if err := create(c.namespace); err == nil || fault.OfManaging(err).Code != c.code {
			t.Errorf("%q: %v", c.namespace, err)
		}
	}
	if is, err := m.Making(t.Context(), who, newcomer); err != nil || !is.May || is.Owned != 0 || is.Plan.Name != "signup" {
		t.Errorf("%+v, %v", is, err)
	}
	for _, namespace := range []string{"shop", "blog"} {
		if err := create(namespace); err != nil {
			t.Fatal(err)
		}
	}
	w, err := db.Get(t.Context(), "shop")
	if err != nil || w.Plan != "signup" || len(w.AllowedSources) != 0 || len(w.AllowedOrigins) != 1 {
		t.Fatalf("%+v, %v", w, err)
	}
	log, err := db.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 9)
	said := ""
	for _, e := range log {
		said += e.Action + " by " + e.Actor + "; "
	}
	if err != nil || said != "member.join by account:new@x.test; workspace.create by account:new@x.test; " {
		t.Error(said, err)
	}
	owner := person(w.ID, newcomer.Email, account.Owner)
	owner.Namespace = "shop"
	if all, err := m.Members(t.Context(), owner, "shop"); err != nil || len(all.Members) != 1 || all.Members[0].Role != account.Owner {
		t.Errorf("%+v, %v", all, err)
	}
	if e := fault.OfManaging(create("third")); e.Code != fault.Conflict || !strings.HasPrefix(e.Message, "You own as many workspaces as the plan signup allows: 2. Delete one first") {
		t.Error(e)
	}
	if is, err := m.Making(t.Context(), who, newcomer); err != nil || is.May || is.Owned != 2 {
		t.Errorf("%+v, %v", is, err)
	}

	// One that is deleted gives its place back, and so does one that gets another plan.
	if err := m.DeleteWorkspace(t.Context(), owner, "shop", 0, nil); err != nil {
		t.Fatal(err)
	}
	if err := create("third"); err != nil {
		t.Error(err)
	}
	if _, err := m.PatchWorkspace(t.Context(), manage.Operator, "blog", []byte(`{"plan":"free"}`), nil); err != nil {
		t.Fatal(err)
	}
	if err := create("fourth"); err != nil {
		t.Error(err)
	}
	if err := create("fifth"); fault.OfManaging(err).Code != fault.Conflict {
		t.Error(err)
	}

	// Somebody else's account is no way round.
	if err := discard(m.CreateOwned(t.Context(), who, account.Account{ID: "acc_OTHER", Email: "other@x.test"}, "fifth")); fault.OfManaging(err).Code != fault.Forbidden {
		t.Error(err)
	}
	m, _ = start(t, func(c *manage.Config) { c.Plans = nil })
	if e := fault.OfManaging(discard(m.CreateOwned(t.Context(), who, newcomer, "shop"))); e.Code != fault.Forbidden || !strings.Contains(e.Message, "Only an operator of this server makes workspaces.") {
		t.Errorf("without a signup plan: %v", e)
	}
}

// TestCreateOwnedADay: who makes and deletes workspaces again and again is stopped for a day.
// Names that were taken don't count.
func TestCreateOwnedADay(t *testing.T) {
	now := time.Now()
	var people *account.People
	m, _ := start(t, func(c *manage.Config) {
		people = c.People
		people.Now = func() time.Time { return now }
	})
	who := signedIn(newcomer)
	for i := range 10 {
		namespace := fmt.Sprint("shop-", i)
		if err := discard(m.CreateOwned(t.Context(), who, newcomer, "acme")); !errors.Is(err, workspace.ErrExists) {
			t.Fatal(err)
		}
		w, err := m.CreateOwned(t.Context(), who, newcomer, namespace)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.DeleteWorkspace(t.Context(), manage.Operator, namespace, w.Revision, nil); err != nil {
			t.Fatal(err)
		}
	}
	if e := fault.OfManaging(discard(m.CreateOwned(t.Context(), who, newcomer, "one-more"))); e.Code != fault.RateLimited || e.Message != "You can make 10 workspaces a day. Try again tomorrow." {
		t.Error(e)
	}
	now = now.Add(24 * time.Hour)
	if err := discard(m.CreateOwned(t.Context(), who, newcomer, "one-more")); err != nil {
		t.Error(err)
	}
}

// TestCreateOwnedAtOnce: of requests at the same time, no more make a workspace than the plan
// allows, also on two servers.
func TestCreateOwnedAtOnce(t *testing.T) {
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tintype.db")
	var servers []*manage.Manager
	for range 2 {
		db, err := sqlite.Open(path, codec)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		m, _ := start(t, func(c *manage.Config) {
			people := account.NewPeople(account.Config{Records: db, Log: c.People.Log})
			c.Store, c.Records, c.People = db, db, people
		})
		servers = append(servers, m)
	}
	var wg sync.WaitGroup
	made := make(chan string, 12)
	for i := range 12 {
		wg.Go(func() {
			namespace := fmt.Sprint("shop-", i)
			_, err := servers[i%2].CreateOwned(t.Context(), signedIn(newcomer), newcomer, namespace)
			switch code := fault.Conflict; {
			case err == nil:
				made <- namespace
			case fault.OfManaging(err).Code != code:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) > 2 || len(made) == 0 {
		t.Errorf("%d workspaces were made", len(made))
	}
	page, _, err := servers[0].ListWorkspaces(t.Context(), manage.Operator, "", 20)
	if err != nil || len(page) != len(made) {
		t.Errorf("%d are there, %v", len(page), err)
	}
}

// A lonely store makes workspaces, and nobody their owner.
type lonely struct{ *workspacetest.Memory }

func (lonely) WriteRecords(_ context.Context, writes []account.Write, _ ...workspace.AuditEntry) error {
	if strings.HasPrefix(writes[0].Group, "making") {
		return nil
	}
	return workspace.ErrUnavailable
}

// TestCreateOwnedAlone: a workspace that its maker can't own is deleted again.
func TestCreateOwnedAlone(t *testing.T) {
	m, db := start(t, func(c *manage.Config) {
		c.People = account.NewPeople(account.Config{Records: lonely{c.Store.(*workspacetest.Memory)}, Log: c.People.Log})
	})
	if err := discard(m.CreateOwned(t.Context(), signedIn(newcomer), newcomer, "shop")); !errors.Is(err, workspace.ErrUnavailable) {
		t.Error(err)
	}
	if w, err := db.Get(t.Context(), "shop"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("%+v, %v", w, err)
	}
}

// TestFreeName: a name like one that is taken, which is free and not reserved.
func TestFreeName(t *testing.T) {
	m, db := start(t, nil)
	long := strings.Repeat("a", 63)
	for _, c := range []struct{ namespace, want string }{
		{"acme", "acme-photos"}, {"www", "www-photos"}, {long, long[:56] + "-photos"}, {"acme-", "acme-photos"},
	} {
		if got, err := m.FreeName(t.Context(), signedIn(newcomer), c.namespace); err != nil || got != c.want {
			t.Errorf("%q: %q, %v", c.namespace, got, err)
		}
	}
	for _, ending := range []string{"photos", "images", "media", "img"} {
		if err := db.Create(t.Context(), workspace.New("acme-"+ending)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := m.FreeName(t.Context(), signedIn(newcomer), "acme"); err != nil || got != "acme-2" {
		t.Errorf("%q, %v", got, err)
	}
}

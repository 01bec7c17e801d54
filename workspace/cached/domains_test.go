package cached_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// registrar is a store that counts look-ups of domains, and fails them on demand.
type registrar struct {
	workspacetest.Store
	asked atomic.Int64
	down  atomic.Bool
}

func (r *registrar) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	r.asked.Add(1)
	if r.down.Load() {
		return workspace.Domain{}, errDown
	}
	return r.Store.Domain(ctx, name)
}

// A name that one workspace claims, and another verifies on another server, is the other's
// here as soon as a name that was nobody's.
func TestDomainSquatted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		ours, others := cached.New(m, cached.Config{}), cached.New(m, cached.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go ours.Run(ctx)
		synctest.Wait()
		const name = "img.victim.example"
		squatter, owner := workspace.New("squatter"), workspace.New("owner")
		squatter.Domains, owner.Domains = []string{name}, []string{name}
		if err := errors.Join(ours.Create(ctx, squatter), others.Create(ctx, owner)); err != nil {
			t.Fatal(err)
		}
		is := func(namespace string, verified bool) {
			t.Helper()
			if d, err := ours.Domain(ctx, name); err != nil || d.Namespace != namespace || d.VerifiedAt.IsZero() == verified {
				t.Fatalf("%+v, %v; want %q, verified %v", d, err, namespace, verified)
			}
		}
		is("squatter", false)
		if err := others.VerifyDomain(ctx, name, "owner", time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		is("owner", true)
		squatter.Domains = []string{}
		if err := ours.Update(ctx, squatter); err != nil {
			t.Fatal(err)
		}
		is("owner", true)
	})
}

func TestDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		store := &registrar{Store: m}
		ours, others := cached.New(store, cached.Config{}), cached.New(m, cached.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go ours.Run(ctx)
		synctest.Wait()
		const name = "img.shop.example"
		is := func(namespace string, verified bool) {
			t.Helper()
			d, err := ours.Domain(ctx, name)
			switch {
			case namespace == "" && errors.Is(err, workspace.ErrDomainNotFound):
			case err != nil || d.Namespace != namespace || d.VerifiedAt.IsZero() == verified:
				t.Fatalf("%+v, %v; want %q, verified %v", d, err, namespace, verified)
			}
		}
		is("", false)
		is("", false)
		if n := store.asked.Load(); n != 1 {
			t.Errorf("%d look-ups of a name that is nobody's, want 1", n)
		}
		w := workspace.New("acme")
		w.Domains = []string{name}
		if err := ours.Create(ctx, w); err != nil {
			t.Fatal(err)
		}
		is("acme", false) // who writes sees it at once
		if err := others.VerifyDomain(ctx, name, "acme", time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		is("acme", true)
		before := store.asked.Load()
		for range 100 {
			is("acme", true)
		}
		if store.asked.Load() != before {
			t.Error("a known name is looked up again")
		}

		// A store that fails takes nothing down.
		store.down.Store(true)
		w.Name = "Acme"
		if err := others.Update(ctx, w); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for range 100 {
			is("acme", true)
		}
		if n := store.asked.Load() - before; n > 3 {
			t.Errorf("a store that is down was asked %d times", n)
		}
		if _, err := ours.Domain(ctx, "other.example"); !errors.Is(err, workspace.ErrUnavailable) {
			t.Error(err)
		}
		store.down.Store(false)

		// The name moves to another workspace.
		w.Domains = nil
		if err := others.Update(ctx, w); err != nil {
			t.Fatal(err)
		}
		globex := workspace.New("globex")
		globex.Domains = []string{name}
		if err := others.Create(ctx, globex); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		is("globex", false)

		before = store.asked.Load()
		for _, name := range []string{"localhost", "127.0.0.1", "a_b.example", "UPPER.example", "", "[::1]", "x..example"} {
			if _, err := ours.Domain(ctx, name); !errors.Is(err, workspace.ErrDomainNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
		if store.asked.Load() != before {
			t.Error("the store was asked for what can be no domain")
		}
	})
}

func TestChallenge(t *testing.T) {
	one := workspace.Challenge("img.shop.example", "id-1")
	if one == workspace.Challenge("img.shop.example", "id-2") || one == workspace.Challenge("cdn.shop.example", "id-1") {
		t.Error("two claims share a challenge")
	}
	if one != workspace.Challenge("img.shop.example", "id-1") {
		t.Error("a challenge changes")
	}
}

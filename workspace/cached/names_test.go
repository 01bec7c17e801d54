package cached_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// countedNames counts reads of the store, and fails them while down is set.
type countedNames struct {
	*workspacetest.Memory
	reads atomic.Int64
	down  atomic.Bool
}

func (c *countedNames) read() error {
	c.reads.Add(1)
	if c.down.Load() {
		return workspace.ErrUnavailable
	}
	return nil
}

func (c *countedNames) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	return c.Memory.Get(ctx, namespace)
}

func (c *countedNames) List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error) {
	if err := c.read(); err != nil {
		return nil, err
	}
	return c.Memory.List(ctx, after, limit)
}

// TestNames: all namespaces and verified domains are in memory, follow the feed, and outlive
// the store. Asking reads nothing.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &countedNames{Memory: workspacetest.NewMemory()}
		create := func(namespace string, domains ...string) *workspace.Workspace {
			w := workspace.New(namespace)
			w.Domains = domains
			if err := store.Create(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			return w
		}
		verify := func(domain, namespace string) {
			if err := store.VerifyDomain(t.Context(), domain, namespace, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 250 {
			create(fmt.Sprintf("many-%03d", i))
		}
		acme := create("acme", "img.shop.example", "pending.example")
		create("other", "img.shop.example", "pending.example")
		verify("img.shop.example", "acme")

		names := cached.NewNames(store, slog.New(slog.DiscardHandler))
		check := func(what string, namespaces map[string]bool, owners map[string]string) {
			t.Helper()
			synctest.Wait() // a try to read may be due at this very moment
			before := store.reads.Load()
			for namespace, want := range namespaces {
				if names.Has(namespace) != want {
					t.Errorf("%s: %s exists: %v", what, namespace, !want)
				}
			}
			for domain, want := range owners {
				if got := names.Owner(domain); got != want {
					t.Errorf("%s: %s is of %q, want %q", what, domain, got, want)
				}
			}
			if store.reads.Load() != before {
				t.Errorf("%s: the store was read", what)
			}
		}
		store.down.Store(true)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { names.Run(ctx) })
		defer running.Wait()
		defer stop()
		check("at first", map[string]bool{"acme": false}, map[string]string{"img.shop.example": ""})
		if names.Complete() {
			t.Error("complete, though the store doesn't answer")
		}
		store.down.Store(false)
		time.Sleep(6 * time.Second)
		check("read", map[string]bool{"acme": true, "many-249": true, "nobody": false}, map[string]string{"img.shop.example": "acme", "pending.example": "", "none.example": ""})
		if !names.Complete() {
			t.Error("not complete")
		}

		verify("pending.example", "other")
		acme.Domains = nil
		if err := store.Update(t.Context(), acme); err != nil {
			t.Fatal(err)
		}
		verify("img.shop.example", "other")
		names.Changed([]workspace.Change{{Kind: workspace.ChangedDomains, Namespace: "other"}, {Kind: workspace.ChangedWorkspace, Namespace: "acme"}, {Kind: workspace.ChangedPurges, Namespace: "many-000"}})
		check("it changed hands", map[string]bool{"acme": true}, map[string]string{"img.shop.example": "other", "pending.example": "other"})

		store.down.Store(true)
		if err := store.Delete(t.Context(), "other", 0); err != nil {
			t.Fatal(err)
		}
		names.Changed([]workspace.Change{{Kind: workspace.ChangedWorkspace, Namespace: "other"}})
		names.Changed(nil)
		time.Sleep(time.Minute)
		check("the store is away", map[string]bool{"other": true}, map[string]string{"img.shop.example": "other"})
		store.down.Store(false)
		time.Sleep(namesSettle)
		check("the store is back", map[string]bool{"other": false, "acme": true}, map[string]string{"img.shop.example": "", "pending.example": ""})
	})
}

// namesSettle is longer than the pause between two reads of the whole list.
const namesSettle = 31 * time.Second

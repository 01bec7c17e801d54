package apikey_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A store whose look-ups are counted, and fail or hang on demand.
type probe struct {
	*workspacetest.Memory
	lookups  atomic.Int64
	down     atomic.Bool
	hang     atomic.Bool
	afterGet atomic.Pointer[func()] // called when a look-up has its answer
}

func (p *probe) APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	p.lookups.Add(1)
	if p.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if p.down.Load() {
		return nil, workspace.ErrUnavailable
	}
	k, err := p.Memory.APIKey(ctx, hash)
	if hold := p.afterGet.Load(); hold != nil {
		(*hold)()
	}
	return k, err
}

// keep stores a new key and returns its text.
func (p *probe) keep(t *testing.T, k workspace.APIKey) string {
	t.Helper()
	secret := apikey.New(k.Test)
	k.Hash, k.CreatedAt = secret.Hash(), time.Now()
	if err := p.CreateAPIKey(t.Context(), &k); err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func (p *probe) revoke(t *testing.T, id string) {
	t.Helper()
	if err := p.RevokeAPIKey(t.Context(), "w1", id, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test of an Authenticator with a clock of its own.
func bubble(t *testing.T, test func(t *testing.T, p *probe, a *apikey.Authenticator)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &probe{Memory: workspacetest.NewMemory()}
		test(t, p, apikey.NewAuthenticator(apikey.AuthenticatorConfig{
			RootKeys: []string{"old root", "", "new root"}, Keys: p, Log: slog.New(slog.DiscardHandler),
		}))
	})
}

func want(t *testing.T, a *apikey.Authenticator, text string, want error) {
	t.Helper()
	p, err := a.Authenticate(t.Context(), text)
	if !errors.Is(err, want) || (err == nil) != (p.Kind != "") {
		t.Errorf("Authenticate: %+v, %v; want error %v", p, err, want)
	}
}

func TestWho(t *testing.T) {
	bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
		live := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme", Scopes: []string{"read", "write"}})
		test := p.keep(t, workspace.APIKey{ID: "k2", WorkspaceID: "w1", Namespace: "acme", Scopes: []string{"read"}, Test: true})
		brief := p.keep(t, workspace.APIKey{ID: "k3", WorkspaceID: "w1", Namespace: "acme", ExpiresAt: time.Now().Add(time.Hour)})
		for _, c := range []struct {
			text string
			want apikey.Principal
		}{
			{"old root", apikey.Principal{Kind: apikey.Root}},
			{"new root", apikey.Principal{Kind: apikey.Root}},
			{live, apikey.Principal{Kind: apikey.Key, KeyID: "k1", WorkspaceID: "w1", Namespace: "acme", Scopes: []apikey.Scope{apikey.Read, apikey.Write}}},
			{test, apikey.Principal{Kind: apikey.Key, KeyID: "k2", WorkspaceID: "w1", Namespace: "acme", Scopes: []apikey.Scope{apikey.Read}, Test: true}},
		} {
			got, err := a.Authenticate(t.Context(), c.text)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
		before := p.lookups.Load()
		want(t, a, "", apikey.ErrMalformed)
		want(t, a, "a root", apikey.ErrMalformed)
		want(t, a, live[:43]+string('a'+live[43]%2), apikey.ErrChecksum)
		if n := p.lookups.Load() - before; n != 0 {
			t.Errorf("%d look-ups for what is no key", n)
		}
		want(t, a, brief, nil)
		time.Sleep(time.Hour)
		want(t, a, brief, apikey.ErrExpired)
	})
}

// TestLookups counts the look-ups in the store.
func TestLookups(t *testing.T) {
	bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
		key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { want(t, a, key, nil) })
		}
		wg.Wait()
		if n := p.lookups.Load(); n != 1 {
			t.Errorf("%d look-ups for 100 requests at once, want 1", n)
		}
		for range 600 {
			time.Sleep(time.Second)
			want(t, a, key, nil)
		}
		if n := p.lookups.Load(); n > 42 {
			t.Errorf("%d look-ups in ten minutes of use, want about 40", n)
		}
		synctest.Wait() // for a look-up behind the last request
		ghost := apikey.New(false).Reveal()
		before := p.lookups.Load()
		for range 100 {
			want(t, a, ghost, apikey.ErrUnknown)
		}
		if n := p.lookups.Load() - before; n != 1 {
			t.Errorf("%d look-ups of a key that doesn't exist, want 1", n)
		}
	})
}

// TestRevoked: whichever way a node learns of a revocation, it refuses the key within Bound.
func TestRevoked(t *testing.T) {
	const promised = time.Minute
	for _, c := range []struct {
		name   string
		every  time.Duration // between the requests that use the key; 0 is none
		tell   bool          // the feed tells of it
		down   bool          // this node can't reach the store
		within time.Duration
		err    error
	}{
		{"the feed tells, in use", time.Second, true, false, 2 * time.Second, apikey.ErrRevoked},
		{"the feed tells, idle", 0, true, false, 0, apikey.ErrRevoked},
		{"the feed lags, in use", time.Second, false, false, 17 * time.Second, apikey.ErrRevoked},
		{"the feed lags, idle", 0, false, false, promised, apikey.ErrRevoked},
		{"cut off, in use", time.Second, false, true, promised, workspace.ErrUnavailable},
		{"cut off, idle", 0, false, true, promised, workspace.ErrUnavailable},
		{"the feed tells, then cut off", time.Second, true, true, promised, workspace.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
				key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
				want(t, a, key, nil)
				p.revoke(t, "k1")
				p.down.Store(c.down)
				if c.tell {
					a.Changed([]workspace.Change{{Kind: workspace.ChangedWorkspace, Namespace: "other"}, {Kind: workspace.ChangedKeys, Namespace: "acme"}})
				}
				begin := time.Now()
				for c.every > 0 && time.Since(begin) < c.within {
					_, _ = a.Authenticate(t.Context(), key)
					time.Sleep(c.every)
				}
				time.Sleep(c.within - time.Since(begin))
				want(t, a, key, c.err)
			})
		})
	}
}

// TestStoreDown: during an outage keys in use stay valid until Bound.
func TestStoreDown(t *testing.T) {
	for _, hang := range []bool{false, true} {
		bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
			key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
			other := p.keep(t, workspace.APIKey{ID: "k2", WorkspaceID: "w1", Namespace: "acme"})
			for range 30 {
				want(t, a, key, nil)
				time.Sleep(time.Second)
			}
			if hang {
				p.hang.Store(true)
			} else {
				p.down.Store(true)
			}
			began, before := time.Now(), p.lookups.Load()
			for time.Since(began) < 35*time.Second {
				start := time.Now()
				want(t, a, key, nil)
				if took := time.Since(start); took != 0 {
					t.Fatalf("a request waits %v for a store that is down", took)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := p.lookups.Load() - before; n > 20 {
				t.Errorf("%d look-ups in 35 s of an outage, want one every 2 s", n)
			}
			want(t, a, other, workspace.ErrUnavailable)
			want(t, a, "new root", nil)
			time.Sleep(time.Minute)
			want(t, a, key, workspace.ErrUnavailable)
			p.down.Store(false)
			p.hang.Store(false)
			want(t, a, key, nil)
			want(t, a, other, nil)
		})
	}
}

// TestRevokedDuringALookUp revokes a key between the store's answer and its use.
func TestRevokedDuringALookUp(t *testing.T) {
	bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
		key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
		revoke := func() {
			p.afterGet.Store(nil)
			p.revoke(t, "k1")
			a.Forget("acme")
		}
		p.afterGet.Store(&revoke)
		_, _ = a.Authenticate(t.Context(), key) // began before the revocation: either is right
		want(t, a, key, apikey.ErrRevoked)
	})
}

func TestForgetAll(t *testing.T) {
	bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
		key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
		want(t, a, key, nil)
		p.revoke(t, "k1")
		a.Changed(nil)
		want(t, a, key, apikey.ErrRevoked)
	})
}

func TestCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, p *probe, a *apikey.Authenticator) {
		key := p.keep(t, workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.Authenticate(ctx, key); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
		want(t, a, key, nil)
	})
}

func TestNoStore(t *testing.T) {
	a := apikey.NewAuthenticator(apikey.AuthenticatorConfig{})
	want(t, a, "", apikey.ErrMalformed)
	want(t, a, apikey.New(false).Reveal(), apikey.ErrUnknown)
	if a.HasRoot() {
		t.Error("there is a root key where none was given")
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	m := workspacetest.NewMemory()
	secret := apikey.New(false)
	k := &workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme", Hash: secret.Hash()}
	if err := m.CreateAPIKey(b.Context(), k); err != nil {
		b.Fatal(err)
	}
	a := apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{"root"}, Keys: m})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), secret.Reveal()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRootInURL is what the search for a root key costs the URL of a usual image.
func BenchmarkRootInURL(b *testing.B) {
	a := apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{strings.Repeat("k", 43)}})
	b.ReportAllocs()
	for b.Loop() {
		if a.RootInURL("/acme/photos/cat.jpg", "w=100&h=80&fit=cover&q=75") {
			b.Fatal("found")
		}
	}
}

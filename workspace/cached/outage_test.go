package cached_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A weather is how a store is doing.
type weather int32

const (
	fine weather = iota
	down         // every call fails at once
	slow         // no call is answered
	deaf         // the feed fails, the rest works
	far          // every call takes a tenth of a second
)

// A remote is a store at the other end of a network.
type remote struct {
	*workspacetest.Memory
	weather atomic.Int32
	reads   atomic.Int64
}

func (r *remote) set(w weather) { r.weather.Store(int32(w)) }

func (r *remote) reach(ctx context.Context) error {
	r.reads.Add(1)
	switch weather(r.weather.Load()) {
	case down:
		return errDown
	case far:
		time.Sleep(100 * time.Millisecond)
	case slow:
		giveUp := time.NewTimer(15 * time.Second)
		defer giveUp.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-giveUp.C:
			return errDown
		}
	}
	return nil
}

func (r *remote) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	return r.Memory.Get(ctx, namespace)
}

func (r *remote) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := r.reach(ctx); err != nil {
		return errors.Join(workspace.ErrUnavailable, err)
	}
	return r.Memory.Update(ctx, w, audit...)
}

func (r *remote) Changes(ctx context.Context, cursor string) ([]workspace.Change, string, error) {
	if weather(r.weather.Load()) == deaf {
		return nil, "", errDown
	}
	if err := r.reach(ctx); err != nil {
		return nil, "", err
	}
	return r.Memory.Changes(ctx, cursor)
}

func (r *remote) PurgeLog(ctx context.Context, id string, known workspace.PurgeLog) (workspace.PurgeLog, error) {
	if err := r.reach(ctx); err != nil {
		return workspace.PurgeLog{}, err
	}
	return r.Memory.PurgeLog(ctx, id, known)
}

func (r *remote) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	if err := r.reach(ctx); err != nil {
		return workspace.Domain{}, err
	}
	return r.Memory.Domain(ctx, name)
}

// A node is a server's view of a remote store.
type node struct {
	*cached.Store
	stop func()
}

// startNode starts a node with its copies in a file, in a bubble.
func startNode(t *testing.T, r *remote, file string) *node {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	copies, err := sqlite.OpenCopies(file, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	n := &node{Store: cached.New(r, cached.Config{Log: quiet, Copies: copies, Codec: codec, Strangers: cached.NewStrangers(addressOf, nil)})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := copies.Close(); err != nil {
			t.Errorf("closing copies: %v", err)
		}
	})
	synctest.Wait()
	return n
}

// inBubble runs a test with a remote store that has the workspaces acme and beta, acme
// with a secret and a purge.
func inBubble(t *testing.T, test func(t *testing.T, r *remote, file string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "copies.db")
	synctest.Test(t, func(t *testing.T) {
		r := &remote{Memory: workspacetest.NewMemory()}
		w := put(t, r.Memory, "acme", "A")
		put(t, r.Memory, "beta", "B")
		w = w.Clone()
		w.Sources = []workspace.Source{{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "hunter2"}}
		if err := r.Memory.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
			t.Fatal(err)
		}
		test(t, r, file)
	})
}

// wantAll tests that the node serves all that there is of acme, at once or within
// patience, and returns its workspace.
func wantAll(t *testing.T, n *node) *workspace.Workspace {
	t.Helper()
	began := time.Now()
	w, err := n.Get(t.Context(), "acme")
	if err != nil || len(w.Sources) != 1 || w.Sources[0].SecretAccessKey != "hunter2" || w.Purges.Sequence != 1 {
		t.Fatalf("Get: %+v, %v", w, err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	return w
}

// While the store is away, or answers nothing, a node goes on serving, for hours, and
// so does one that is started meanwhile; and writes are refused.
func TestOutage(t *testing.T) {
	for name, bad := range map[string]weather{"down": down, "slow": slow} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *remote, file string) {
				n := startNode(t, r, file)
				wantAll(t, n)
				time.Sleep(20 * time.Second)
				if f := n.Feed(); f.Age > 5*time.Second || f.Down || f.Waiting != 0 {
					t.Errorf("while all is well: %+v", f)
				}
				r.set(bad)
				for range 60 {
					time.Sleep(time.Minute)
					w := wantAll(t, n)
					if err := n.Update(t.Context(), w.Clone()); !errors.Is(err, workspace.ErrUnavailable) {
						t.Fatalf("Update: %v", err)
					}
				}
				if f := n.Feed(); f.Age < 59*time.Minute || !f.Down {
					t.Errorf("after an hour: %+v", f)
				}
				n.stop()
				n = startNode(t, r, file)
				defer func() { n.stop() }()
				wantAll(t, n)
				if f := n.Feed(); f.Age > time.Minute || f.Waiting != 1 {
					t.Errorf("after a restart: %+v", f)
				}
				wantGetErr(t, n, "beta", workspace.ErrUnavailable) // nobody had asked for it
				time.Sleep(time.Hour)
				wantAll(t, n)

				put(t, r.Memory, "acme", "A2")
				r.set(fine)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				wantName(t, n, "acme", "A2")
				wantName(t, n, "beta", "B")
				if f := n.Feed(); f.Age > 5*time.Second || f.Down || f.Waiting != 0 {
					t.Errorf("after the outage: %+v", f)
				}
			})
		})
	}
}

// What another server takes away is gone within 10 s, and within a minute where the
// feed fails and the rest of the store works. Where all of it fails, nothing can be
// known, and the last known serves.
func TestRevocationReachesEveryNode(t *testing.T) {
	for _, test := range []struct {
		name    string
		weather weather
		within  time.Duration
	}{
		{"the feed works", fine, 10 * time.Second},
		{"the feed fails", deaf, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, before := range []time.Duration{0, 4 * time.Second, 29 * time.Second, 31 * time.Second, 10 * time.Minute} { // from the failure to the change
				inBubble(t, func(t *testing.T, r *remote, file string) {
					n := startNode(t, r, file)
					defer n.stop()
					w := wantAll(t, n).Clone()
					time.Sleep(17 * time.Second)
					r.set(test.weather)
					time.Sleep(before)
					w.AllowedSources = []string{"only.example.com"}
					if err := r.Memory.Update(t.Context(), w); err != nil {
						t.Fatal(err)
					}
					if _, _, err := r.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(test.within)
					synctest.Wait()
					got, err := n.Get(t.Context(), "acme")
					if err != nil || len(got.AllowedSources) != 1 || got.AllowedSources[0] != "only.example.com" || got.Purges.Sequence != 2 {
						t.Errorf("%v after the failure: %+v, %v", before, got, err)
					}
				})
			}
		})
	}
}

// What was changed while a node was away is not served from its old copies, should
// the store fail after the node is back.
func TestCopiesOfAnotherTime(t *testing.T) {
	inBubble(t, func(t *testing.T, r *remote, file string) {
		n := startNode(t, r, file)
		w := wantAll(t, n).Clone()
		wantName(t, n, "beta", "B")
		time.Sleep(10 * time.Second)
		n.stop()
		w.Name = "A2"
		if err := r.Memory.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		n = startNode(t, r, file)
		time.Sleep(10 * time.Second)
		r.set(down)
		if got, err := n.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("what changed is served as it was: %+v, %v", got, err)
		}
		wantName(t, n, "beta", "B") // which didn't change
		n.stop()

		// The store has forgotten what changed since: no copy can be trusted.
		r.set(fine)
		r.ChangesKept = 1
		put(t, r.Memory, "beta", "B2")
		put(t, r.Memory, "acme", "A3")
		n = startNode(t, r, file)
		time.Sleep(10 * time.Second)
		r.set(down)
		wantGetErr(t, n, "beta", workspace.ErrUnavailable)
		n.stop()
	})
}

// While the store is away, a node that is started knows the custom domains that it
// served before, but those that were taken away meanwhile. It never keeps a request
// waiting for long because of a host that it has looked up before.
func TestDomainsInAnOutage(t *testing.T) {
	for name, bad := range map[string]weather{"down": down, "slow": slow} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *remote, file string) {
				const ours, unverified, moved, operators = "img.shop.example", "new.shop.example", "old.shop.example", "img.host.example"
				update := func(domains ...string) {
					t.Helper()
					w, err := r.Memory.Get(t.Context(), "acme")
					if err != nil {
						t.Fatal(err)
					}
					w = w.Clone()
					w.Domains = domains
					if err := r.Memory.Update(t.Context(), w); err != nil {
						t.Fatal(err)
					}
				}
				update(ours, unverified, moved)
				for _, name := range []string{ours, moved} {
					if err := r.Memory.VerifyDomain(t.Context(), name, "acme", time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				look := func(n *node, name string, within time.Duration) string {
					t.Helper()
					began := time.Now()
					d, err := n.Domain(t.Context(), name)
					if took := time.Since(began); took > within {
						t.Errorf("%s is looked up for %v", name, took)
					}
					switch {
					case errors.Is(err, workspace.ErrUnavailable):
						return "unavailable"
					case errors.Is(err, workspace.ErrDomainNotFound):
						return "nobody's"
					case err != nil:
						t.Fatal(err)
					case d.VerifiedAt.IsZero():
						return "unverified"
					}
					return d.Namespace
				}
				want := func(n *node, name, want string, within time.Duration) {
					t.Helper()
					if got := look(n, name, within); got != want {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
				n := startNode(t, r, file)
				wantAll(t, n)
				want(n, ours, "acme", 0)
				want(n, moved, "acme", 0)
				want(n, unverified, "unverified", 0)
				want(n, operators, "nobody's", 0)
				time.Sleep(10 * time.Second)
				synctest.Wait()

				r.set(bad)
				for range 10 { // others claim nothing meanwhile, as far as can be known
					time.Sleep(7 * time.Second)
					want(n, operators, "nobody's", 300*time.Millisecond)
					want(n, ours, "acme", 300*time.Millisecond)
				}
				n.stop()
				update(ours, unverified) // which no node can know yet
				n = startNode(t, r, file)
				want(n, ours, "acme", 300*time.Millisecond)
				want(n, moved, "acme", 300*time.Millisecond)
				want(n, unverified, "unavailable", 3*time.Second)
				want(n, operators, "unavailable", 3*time.Second)
				for range 10 {
					time.Sleep(7 * time.Second)
					want(n, ours, "acme", 0)
					want(n, operators, "unavailable", 0)
				}
				r.set(fine)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				wantAll(t, n)
				want(n, ours, "acme", 0)
				look(n, moved, 0) // what is asked for first may be told what was last known
				synctest.Wait()
				want(n, moved, "nobody's", 0)
				want(n, operators, "nobody's", 0)

				// What the node knows to be gone is not served from its disk.
				time.Sleep(10 * time.Second)
				n.stop()
				r.set(bad)
				n = startNode(t, r, file)
				want(n, moved, "unavailable", 3*time.Second)
				want(n, ours, "acme", 300*time.Millisecond) // one name that can't be looked up is no outage
				n.stop()
				time.Sleep(5 * time.Second) // look-ups that nobody waits for end
			})
		})
	}
}

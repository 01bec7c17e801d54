package cached_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func wantSequence(t *testing.T, s workspace.Store, namespace string, want int64) *workspace.Workspace {
	t.Helper()
	w, err := s.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	if w.Purges.Sequence != want {
		t.Fatalf("%s: purges up to %d, want %d", namespace, w.Purges.Sequence, want)
	}
	return w
}

// TestPurgeReachesEveryServer: the server that takes a purge has it when the call
// returns, all others within ChangeReach, one that misses a look at the store too.
func TestPurgeReachesEveryServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		w := put(t, m, "acme", "A")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		servers, probes := make([]*cached.Store, 3), make([]*probe, 3)
		for i := range servers {
			probes[i] = &probe{Store: m}
			servers[i] = cached.New(probes[i], cached.Config{Log: slog.New(slog.DiscardHandler)})
			running.Go(func() { servers[i].Run(ctx) })
		}
		synctest.Wait()
		for _, s := range servers {
			wantSequence(t, s, "acme", 0)
		}
		for n := range int64(5) {
			if _, _, err := servers[0].AddPurges(ctx, "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeSource, Source: "photos"}}); err != nil {
				t.Fatal(err)
			}
			wantSequence(t, servers[0], "acme", n+1)
			probes[2].down.Store(true)
			time.Sleep(cached.ChangeReach / 2)
			synctest.Wait()
			probes[2].down.Store(false)
			time.Sleep(cached.ChangeReach / 2)
			synctest.Wait()
			for _, s := range servers {
				wantSequence(t, s, "acme", n+1)
			}
		}
		cancel()
		running.Wait()
	})
}

// TestPurgesStayThroughWrites: a change of settings is based on a copy that knows
// nothing of purges, and takes none back.
func TestPurgesStayThroughWrites(t *testing.T) {
	for _, known := range []bool{true, false} {
		following(t, cached.Config{}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
			w := put(t, m, "acme", "A")
			if known {
				wantSequence(t, c, "acme", 0)
			}
			for n := range int64(3) {
				if _, _, err := c.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
					t.Fatal(err)
				}
				if known {
					wantSequence(t, c, "acme", n+1)
				}
				w.Name = string(rune('B' + n))
				if err := c.Update(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				wantName(t, c, "acme", w.Name)
				wantSequence(t, c, "acme", n+1)
			}
		})
	}
}

// TestPurgesOfANewWorkspace: one that takes the place of another has purged nothing.
func TestPurgesOfANewWorkspace(t *testing.T) {
	following(t, cached.Config{}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		w := put(t, c, "acme", "A")
		if _, _, err := c.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
			t.Fatal(err)
		}
		wantSequence(t, c, "acme", 1)
		if err := c.Delete(t.Context(), "acme", 0); err != nil {
			t.Fatal(err)
		}
		if again := put(t, c, "acme", "B"); again.ID == w.ID {
			t.Fatal("a new workspace has the ID of the old one")
		}
		wantSequence(t, c, "acme", 0)
	})
}

// TestPurgesUnknown: a workspace whose purges can't be read is not served from the
// store, since what it purged would be shown again.
func TestPurgesUnknown(t *testing.T) {
	m := workspacetest.NewMemory()
	w := put(t, m, "acme", "A")
	if _, _, err := m.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
		t.Fatal(err)
	}
	c := cached.New(noPurges{m}, cached.Config{Log: slog.New(slog.DiscardHandler)})
	if _, err := c.Get(t.Context(), "acme"); !errors.Is(err, workspace.ErrUnavailable) {
		t.Fatal(err)
	}
}

// noPurges is a store that can't read purges at the moment.
type noPurges struct{ workspacetest.Store }

func (noPurges) PurgeLog(context.Context, string, workspace.PurgeLog) (workspace.PurgeLog, error) {
	return workspace.PurgeLog{}, errDown
}

// A rereader counts what is read of logs that were known before.
type rereader struct {
	*workspacetest.Memory
	known []int64 // sequence of what was known at each purge
}

func (r *rereader) AddPurges(ctx context.Context, namespace, id string, known workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	r.known = append(r.known, known.Sequence)
	return r.Memory.AddPurges(ctx, namespace, id, known, purges, audit...)
}

// TestPurgesOfAServerWithoutImages: a server that takes a workspace's purges and none of its
// requests for images doesn't read its log again for each of them.
func TestPurgesOfAServerWithoutImages(t *testing.T) {
	r := &rereader{Memory: workspacetest.NewMemory()}
	w := put(t, r.Memory, "acme", "A")
	c := cached.New(r, cached.Config{Log: slog.New(slog.DiscardHandler)})
	for range 4 {
		if _, _, err := c.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3}, r.known); diff != "" {
		t.Errorf("what was known at each purge: %s", diff)
	}
}

package cached_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A probe is a store that counts reads, fails on demand and can be held up.
type probe struct {
	workspacetest.Store
	gets     atomic.Int64
	down     atomic.Bool
	afterGet atomic.Pointer[func()] // called when a read has its answer
}

var errDown = errors.New("connection refused")

func (p *probe) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	p.gets.Add(1)
	if p.down.Load() {
		return nil, errDown
	}
	w, err := p.Store.Get(ctx, namespace)
	if hold := p.afterGet.Load(); hold != nil {
		(*hold)()
	}
	return w, err
}

func (p *probe) Changes(ctx context.Context, cursor string) ([]workspace.Change, string, error) {
	if p.down.Load() {
		return nil, "", errDown
	}
	return p.Store.Changes(ctx, cursor)
}

// following runs a test in a bubble with a Store that follows its store.
func following(t *testing.T, cfg cached.Config, test func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		p := &probe{Store: m}
		if cfg.Log == nil {
			cfg.Log = slog.New(slog.DiscardHandler)
		}
		c := cached.New(p, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		synctest.Wait()
		test(t, c, p, m)
		cancel()
		running.Wait()
	})
}

func put(t *testing.T, s workspace.Store, namespace, name string) *workspace.Workspace {
	t.Helper()
	w, err := s.Get(t.Context(), namespace)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		w = workspace.New(namespace)
		w.Name = name
		err = s.Create(t.Context(), w)
	case err == nil:
		w = w.Clone()
		w.Name = name
		err = s.Update(t.Context(), w)
	}
	if err != nil {
		t.Fatalf("put %s: %v", namespace, err)
	}
	return w
}

func wantName(t *testing.T, s workspace.Store, namespace, want string) {
	t.Helper()
	w, err := s.Get(t.Context(), namespace)
	if err != nil {
		t.Fatalf("Get(%s): %v, want name %q", namespace, err, want)
	}
	if w.Name != want {
		t.Fatalf("Get(%s): name %q, want %q", namespace, w.Name, want)
	}
}

func wantGetErr(t *testing.T, s workspace.Store, namespace string, want error) {
	t.Helper()
	if w, err := s.Get(t.Context(), namespace); !errors.Is(err, want) || w != nil {
		t.Fatalf("Get(%s): %v, %v; want error %v", namespace, w, err, want)
	}
}

func TestHit(t *testing.T) {
	m := workspacetest.NewMemory()
	put(t, m, "acme", "A")
	p := &probe{Store: m}
	c := cached.New(p, cached.Config{})
	wantName(t, c, "acme", "A")
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "acme") }); n != 0 {
		t.Errorf("a hit costs %v allocations", n)
	}
	if n := p.gets.Load(); n != 1 {
		t.Errorf("%d reads of the store, want 1", n)
	}
}

func TestSharesReads(t *testing.T) {
	following(t, cached.Config{}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		gate := make(chan struct{})
		hold := func() { <-gate }
		p.afterGet.Store(&hold)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var first error
		wg.Go(func() { _, first = c.Get(ctx, "acme") }) // begins the read, and goes away
		synctest.Wait()
		for range 50 {
			wg.Go(func() { wantName(t, c, "acme", "A") })
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(first, context.Canceled) {
			t.Errorf("who went away got %v", first)
		}
		close(gate)
		wg.Wait()
		if n := p.gets.Load(); n != 1 {
			t.Errorf("%d reads of the store, want 1", n)
		}
	})
}

func TestUnknown(t *testing.T) {
	following(t, cached.Config{Poll: time.Hour}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		for range 3 {
			wantGetErr(t, c, "acme", workspace.ErrNotFound)
			wantGetErr(t, c, "No-Namespace", workspace.ErrNotFound)
		}
		if n := p.gets.Load(); n != 1 {
			t.Errorf("%d reads of the store, want 1", n)
		}
		put(t, m, "acme", "A")
		time.Sleep(6 * time.Second)
		wantName(t, c, "acme", "A")

		wantGetErr(t, c, "beta", workspace.ErrNotFound)
		put(t, c, "beta", "B") // our own creation is seen at once
		wantName(t, c, "beta", "B")
	})
}

func TestFollows(t *testing.T) {
	following(t, cached.Config{Poll: 2 * time.Second}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		put(t, m, "beta", "B")
		wantName(t, c, "acme", "A")
		wantName(t, c, "beta", "B")
		wantGetErr(t, c, "gamma", workspace.ErrNotFound)
		put(t, m, "acme", "A2")
		put(t, m, "gamma", "C")
		if err := m.Delete(t.Context(), "beta", 0); err != nil {
			t.Fatal(err)
		}
		wantName(t, c, "acme", "A")

		gate := make(chan struct{})
		hold := func() { <-gate }
		p.afterGet.Store(&hold)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantName(t, c, "acme", "A") // served while the new one is being read
		p.afterGet.Store(nil)
		close(gate)
		synctest.Wait()
		wantName(t, c, "acme", "A2")
		wantName(t, c, "gamma", "C")
		wantGetErr(t, c, "beta", workspace.ErrNotFound)

		// Deleted and made anew: revision 1 replaces revision 2.
		if err := m.Delete(t.Context(), "acme", 0); err != nil {
			t.Fatal(err)
		}
		put(t, m, "acme", "A3")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantName(t, c, "acme", "A3")

		before := p.gets.Load()
		time.Sleep(time.Hour)
		wantName(t, c, "acme", "A3")
		if n := p.gets.Load(); n != before {
			t.Errorf("%d reads of the store though nothing changed", n-before)
		}
	})
}

func TestSeesWhatChangedBeforeTheFirstPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		put(t, m, "acme", "A")
		c := cached.New(m, cached.Config{})
		wantName(t, c, "acme", "A")
		put(t, m, "acme", "A2")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		synctest.Wait()
		wantName(t, c, "acme", "A2")
		cancel()
		running.Wait()
	})
}

func TestCursorTooOld(t *testing.T) {
	following(t, cached.Config{}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		m.ChangesKept = 2
		for _, namespace := range []string{"acme", "beta", "gamma"} {
			put(t, m, namespace, "1")
			wantName(t, c, namespace, "1")
		}
		wantGetErr(t, c, "delta", workspace.ErrNotFound)
		for _, namespace := range []string{"acme", "beta", "gamma", "delta"} {
			put(t, m, namespace, "2")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, namespace := range []string{"acme", "beta", "gamma", "delta"} {
			wantName(t, c, namespace, "2")
		}
	})
}

func TestStoreDown(t *testing.T) {
	var logged bytes.Buffer
	cfg := cached.Config{Log: slog.New(slog.NewTextHandler(&logged, nil))}
	following(t, cfg, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		wantName(t, c, "acme", "A")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		p.down.Store(true)
		put(t, m, "acme", "A2")
		for range 170 {
			time.Sleep(time.Second)
			wantName(t, c, "acme", "A")
			wantGetErr(t, c, "beta", workspace.ErrUnavailable)
		}
		synctest.Wait()
		if n := strings.Count(logged.String(), "store fails"); n != 3 {
			t.Errorf("%d log lines in 170 s, want 3:\n%s", n, logged.String())
		}
		p.down.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantName(t, c, "acme", "A2")
		wantGetErr(t, c, "beta", workspace.ErrNotFound) // a failure is not remembered
	})
}

// A change whose reading fails is read when the store is back, though the feed tells
// of it only once.
func TestReloadFails(t *testing.T) {
	following(t, cached.Config{}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		wantName(t, c, "acme", "A")
		put(t, m, "acme", "A2")
		broken := &brokenReads{Store: m}
		down := cached.New(broken, cached.Config{Log: slog.New(slog.DiscardHandler)})
		wantName(t, down, "acme", "A2")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { down.Run(ctx) })
		synctest.Wait()
		broken.down.Store(true)
		put(t, m, "acme", "A3")
		time.Sleep(11 * time.Second)
		wantName(t, down, "acme", "A2")
		broken.down.Store(false)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantName(t, down, "acme", "A3")
		cancel()
		running.Wait()
	})
}

// brokenReads is a store whose feed works while its reads don't.
type brokenReads struct {
	workspace.Store
	down atomic.Bool
}

func (b *brokenReads) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if b.down.Load() {
		return nil, errDown
	}
	return b.Store.Get(ctx, namespace)
}

// A read that was under way when a write returned brings back nothing older, to
// nobody who asks after the write.
func TestReadRacesWrite(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(t *testing.T, c *cached.Store)
		check func(t *testing.T, c *cached.Store)
	}{
		{"update", func(t *testing.T, c *cached.Store) {
			list, err := c.List(t.Context(), "", 1) // which asks the store, and keeps nothing
			if err != nil {
				t.Error(err)
				return
			}
			w := list[0].Clone()
			w.Name = "A2"
			if err := c.Update(t.Context(), w); err != nil {
				t.Error(err)
			}
		}, func(t *testing.T, c *cached.Store) { wantName(t, c, "acme", "A2") }},
		{"delete", func(t *testing.T, c *cached.Store) {
			if err := c.Delete(t.Context(), "acme", 1); err != nil {
				t.Error(err)
			}
		}, func(t *testing.T, c *cached.Store) { wantGetErr(t, c, "acme", workspace.ErrNotFound) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			following(t, cached.Config{Poll: time.Hour}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
				put(t, m, "acme", "A")
				gate := make(chan struct{})
				hold := func() { <-gate }
				p.afterGet.Store(&hold)
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = c.Get(t.Context(), "acme") }) // has read "A" and is held up
				synctest.Wait()
				p.afterGet.Store(nil)
				test.write(t, c)
				test.check(t, c)
				close(gate)
				wg.Wait()
				synctest.Wait()
				test.check(t, c)
			})
		})
	}
	t.Run("create", func(t *testing.T) {
		following(t, cached.Config{Poll: time.Hour}, func(t *testing.T, c *cached.Store, p *probe, _ *workspacetest.Memory) {
			gate := make(chan struct{})
			hold := func() { <-gate }
			p.afterGet.Store(&hold)
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = c.Get(t.Context(), "acme") }) // has found nothing and is held up
			synctest.Wait()
			p.afterGet.Store(nil)
			if err := c.Create(t.Context(), workspace.New("acme")); err != nil {
				t.Fatal(err)
			}
			close(gate)
			wg.Wait()
			synctest.Wait()
			wantName(t, c, "acme", "")
		})
	})
}

// slowCreate is a store whose Create returns late.
type slowCreate struct {
	workspace.Store
	created func() // called before it returns
}

func (s slowCreate) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	err := s.Store.Create(ctx, w, audit...)
	s.created()
	return err
}

// TestCreateIsOvertaken: before Create returns, the new workspace is changed elsewhere, read
// here, and forgotten again for want of room. What Create has is older than that.
func TestCreateIsOvertaken(t *testing.T) {
	m := workspacetest.NewMemory()
	var c *cached.Store
	overtake := func() {
		w, err := m.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		w = w.Clone()
		w.Name = "newer"
		if err := m.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		wantName(t, c, "acme", "newer")
		wantName(t, c, "beta", "1")
	}
	put(t, m, "beta", "1")
	c = cached.New(slowCreate{m, overtake}, cached.Config{Memory: 1})
	if err := c.Create(t.Context(), workspace.New("acme")); err != nil {
		t.Fatal(err)
	}
	wantName(t, c, "acme", "newer")
}

// roomFor is the memory for so many workspaces without settings.
func roomFor(n int64) int64 { return n*cached.Footprint(workspace.New("epsilon")) + 400 }

func TestMemoryIsBounded(t *testing.T) {
	following(t, cached.Config{Memory: roomFor(2)}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		for _, namespace := range []string{"acme", "beta", "gamma"} {
			put(t, m, namespace, "1")
			wantName(t, c, namespace, "1")
		}
		before := p.gets.Load()
		wantName(t, c, "gamma", "1")
		wantName(t, c, "beta", "1")
		if n := p.gets.Load(); n != before {
			t.Error("one of the last two in use was forgotten")
		}
		wantName(t, c, "acme", "1")
		if n := p.gets.Load(); n != before+1 {
			t.Error("three are kept where two are allowed")
		}
	})
}

// Two nodes write, delete and make anew at random while others read. No reader sees
// a revision go back within one ID, every writer reads its own writes, and in the
// end both nodes agree with the store.
func TestStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := workspacetest.NewMemory()
		quiet := slog.New(slog.DiscardHandler)
		var nodes []*cached.Store
		ctx, cancel := context.WithCancel(t.Context())
		var running, wg sync.WaitGroup
		for range 2 {
			c := cached.New(m, cached.Config{Poll: time.Millisecond, Log: quiet, Memory: roomFor(4)})
			nodes = append(nodes, c)
			running.Go(func() { c.Run(ctx) })
		}
		namespaces := []string{"acme", "beta", "gamma", "delta", "epsilon"}
		for i := range 8 {
			c := nodes[i%2]
			namespace := namespaces[i/2] // with one writer on each node
			wg.Go(func() {
				for j := range 300 {
					time.Sleep(time.Duration((i*7+j*13)%5) * 100 * time.Microsecond)
					w, err := c.Get(ctx, namespace)
					switch {
					case errors.Is(err, workspace.ErrNotFound):
						err = c.Create(ctx, workspace.New(namespace))
					case err != nil:
					case (i+j)%17 == 0:
						err = c.Delete(ctx, namespace, w.Revision)
					default:
						w = w.Clone()
						w.Name = fmt.Sprintf("%d-%d", i, j)
						if err = c.Update(ctx, w); err == nil {
							got, err := c.Get(ctx, namespace)
							if err == nil && got.ID == w.ID && got.Revision < w.Revision {
								t.Errorf("wrote revision %d, read %d", w.Revision, got.Revision)
							}
						}
					}
					if err != nil && !errors.Is(err, workspace.ErrConflict) && !errors.Is(err, workspace.ErrExists) && !errors.Is(err, workspace.ErrNotFound) {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				var last *workspace.Workspace
				for j := range 1000 {
					if j%10 == 0 {
						time.Sleep(100 * time.Microsecond)
					}
					w, err := c.Get(ctx, namespace)
					if err != nil {
						continue
					}
					if last != nil && last.ID == w.ID && w.Revision < last.Revision {
						t.Errorf("%s went from revision %d back to %d", namespace, last.Revision, w.Revision)
					}
					last = w
				}
			})
		}
		wg.Wait()
		time.Sleep(10 * time.Second) // the feed has settled, and what was unknown is asked for again
		synctest.Wait()
		for _, namespace := range namespaces {
			want, wantErr := m.Get(ctx, namespace)
			for i, c := range nodes {
				got, err := c.Get(ctx, namespace)
				if !errors.Is(err, wantErr) || err == nil && (got.ID != want.ID || got.Revision != want.Revision) {
					t.Errorf("node %d has %+v, %v of %s; the store %+v, %v", i, got, err, namespace, want, wantErr)
				}
			}
		}
		cancel()
		running.Wait()
	})
}

func BenchmarkGet(b *testing.B) {
	m := workspacetest.NewMemory()
	c := cached.New(m, cached.Config{})
	ctx := context.Background()
	if err := c.Create(ctx, workspace.New("acme")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Get(ctx, "acme")
	}
}

// TestTells follows what OnChange is told.
func TestTells(t *testing.T) {
	var told [][]workspace.Change // by Run, which waits while the test looks
	cfg := cached.Config{OnChange: func(changes []workspace.Change) { told = append(told, changes) }}
	following(t, cfg, func(t *testing.T, _ *cached.Store, _ *probe, m *workspacetest.Memory) {
		if len(told) != 1 || told[0] != nil {
			t.Errorf("before the first change: %v, want one nil", told)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(told) != 1 {
			t.Errorf("without a change it is told %v", told)
		}
		w := put(t, m, "acme", "A")
		if err := m.CreateAPIKey(t.Context(), &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: "acme"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		want := []workspace.Change{{Kind: workspace.ChangedWorkspace, Namespace: "acme"}, {Kind: workspace.ChangedKeys, Namespace: "acme"}}
		if len(told) != 2 || !slices.Equal(told[1], want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// TestHolds: what others keep for a workspace counts in the bound of memory, they hear of each
// workspace that leaves it, and what they keep for one that has left doesn't count.
func TestHolds(t *testing.T) {
	following(t, cached.Config{Memory: 1 << 20}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		var gone []string
		c.OnDrop(func(w *workspace.Workspace) { gone = append(gone, w.Namespace+" "+w.Name) })
		get := func(namespace string) *workspace.Workspace {
			t.Helper()
			w, err := c.Get(t.Context(), namespace)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		wantGone := func(want ...string) {
			t.Helper()
			if !slices.Equal(gone, want) {
				t.Errorf("%q left memory, want %q", gone, want)
			}
			gone = nil
		}
		for _, namespace := range []string{"acme", "beta", "gamma"} {
			put(t, m, namespace, "1")
		}
		acme, beta := get("acme"), get("beta")
		for range 3 { // the last one counts
			if !c.Holds(acme, 400<<10) || !c.Holds(beta, 500<<10) {
				t.Error("a workspace in memory isn't held")
			}
		}
		wantGone()
		gamma := get("gamma")
		if !c.Holds(gamma, 300<<10) {
			t.Error("the last one used isn't held")
		}
		wantGone("acme 1")
		if c.Holds(acme, 1) {
			t.Error("a workspace that left memory is held")
		}
		if s := c.Stats(); s.Workspaces != 2 || s.Evicted != 1 || s.Bytes > s.Limit || s.Bytes < 800<<10 {
			t.Errorf("%+v", s)
		}
		put(t, c, "beta", "2") // a newer one in its place
		wantGone("beta 1")
		if c.Holds(beta, 1) {
			t.Error("an older revision is held")
		}
		if s := c.Stats(); s.Workspaces != 2 || s.Bytes > 310<<10 {
			t.Errorf("%+v", s)
		}
		if c.Holds(gamma, 2<<20) || !c.Holds(get("beta"), 2<<20) { // the longest unused makes room, the last one stays
			t.Error("larger than memory")
		}
		wantGone("gamma 1")
		if err := c.Delete(t.Context(), "beta", 0); err != nil {
			t.Fatal(err)
		}
		wantGone("beta 2")
		if s := c.Stats(); s.Workspaces != 0 || s.Bytes != 0 {
			t.Errorf("with nothing in memory: %+v", s)
		}
	})
}

package cached_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// A table is a store at the other end of a slow network. As in a table of DynamoDB, its feed
// has shards, and it reads many workspaces at once. It keeps revisions only.
type table struct {
	workspace.Store // what the test doesn't use

	delay    time.Duration // of each call
	throttle int           // of this many calls all but one are refused; 0 refuses none
	broken   int           // a shard that can't be read; -1 is none

	mu        sync.Mutex
	revisions map[string]int64
	feed      [4][]string
	calls     int
	refused   int // reads that asked for a workspace twice
}

func newTable(namespaces int) *table {
	t := &table{broken: -1, revisions: map[string]int64{}}
	for i := range namespaces {
		t.revisions["space"+strconv.Itoa(i)] = 1
	}
	return t
}

func (t *table) shard(namespace string) int { return int(namespace[len(namespace)-1]) % len(t.feed) }

func (t *table) call(ctx context.Context) error {
	t.mu.Lock()
	delay := t.delay
	t.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if t.throttle > 0 && t.calls%t.throttle != 0 {
		return workspace.ErrThrottled
	}
	return nil
}

func (t *table) made() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}

// at is a workspace as it is now. The caller holds t.mu.
func (t *table) at(namespace string) *workspace.Workspace {
	revision, ok := t.revisions[namespace]
	if !ok {
		return nil
	}
	return &workspace.Workspace{ID: "id-" + namespace, Namespace: namespace, Revision: revision}
}

func (t *table) patch(namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revisions[namespace]++
	shard := t.shard(namespace)
	t.feed[shard] = append(t.feed[shard], namespace)
}

func (t *table) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := t.call(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.at(namespace); w != nil {
		return w, nil
	}
	return nil, workspace.ErrNotFound
}

func (t *table) Reread(ctx context.Context, known []*workspace.Workspace, got func(int, *workspace.Workspace)) error {
	if err := t.call(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	list, asked := make([]*workspace.Workspace, len(known)), map[string]bool{}
	for i, w := range known {
		if asked[w.Namespace] {
			t.refused++
			t.mu.Unlock()
			return errors.New("a workspace is asked for twice") // as DynamoDB says
		}
		asked[w.Namespace], list[i] = true, t.at(w.Namespace)
	}
	t.mu.Unlock()
	for i, w := range list {
		got(i, w)
	}
	return nil
}

func (t *table) Changes(ctx context.Context, cursor string) (changes []workspace.Change, next string, err error) {
	if err := t.call(ctx); err != nil { // the heads
		return nil, "", err
	}
	t.mu.Lock()
	var heads [4]int
	for shard, list := range t.feed {
		heads[shard] = len(list)
	}
	t.mu.Unlock()
	if cursor == "" {
		return nil, fmt.Sprint(heads), nil
	}
	var seen [4]int
	for shard, field := range strings.Fields(strings.Trim(cursor, "[]")) {
		seen[shard], _ = strconv.Atoi(field)
	}
	t.mu.Lock()
	delay := t.delay
	t.mu.Unlock()
	time.Sleep(delay) // of the shards, which are read at the same time
	t.mu.Lock()
	defer t.mu.Unlock()
	for shard, list := range t.feed {
		if shard == t.broken {
			if heads[shard] > seen[shard] {
				err = workspace.ErrUnavailable
			}
			continue
		}
		for _, namespace := range list[seen[shard]:heads[shard]] {
			changes = append(changes, workspace.Change{Kind: workspace.ChangedWorkspace, Namespace: namespace})
		}
		seen[shard] = heads[shard]
	}
	return changes, fmt.Sprint(seen), err
}

// TestBoundsOfASlowStore: with many workspaces in use and twelve writes a second elsewhere, a
// change is on this server within ten seconds, however slowly the store answers, and within a
// minute where a part of the feed can't be read.
func TestBoundsOfASlowStore(t *testing.T) {
	const inUse = 1000
	for _, test := range []struct {
		name   string
		set    func(*table)
		within time.Duration
		broken time.Duration // of what the feed can't tell
	}{
		{"near", func(*table) {}, cached.ChangeReach, 0},
		{"in another region", func(t *table) { t.delay = 300 * time.Millisecond }, cached.ChangeReach, 0},
		{"a second a call", func(t *table) { t.delay = time.Second }, cached.ChangeReach, 0},
		{"two seconds a call", func(t *table) { t.delay = 2 * time.Second }, cached.ChangeReach, 0},
		{"half of all calls are refused", func(t *table) { t.delay, t.throttle = 20*time.Millisecond, 2 }, cached.ChangeReach, 0},
		{"a shard can't be read", func(t *table) { t.broken = 1 }, cached.ChangeReach, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newTable(inUse)
				c := cached.New(store, cached.Config{Log: slog.New(slog.DiscardHandler)})
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { c.Run(ctx) })
				defer running.Wait()
				defer stop()
				time.Sleep(time.Second) // the first look forgets all
				for i := range inUse {
					if _, err := c.Get(ctx, "space"+strconv.Itoa(i)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(7 * time.Second)
				store.mu.Lock()
				test.set(store)
				store.mu.Unlock()

				wrote := map[string]time.Time{} // the oldest write that this server may not know yet
				var longest, longestBroken time.Duration
				for tick := range 3 * 60 * 12 {
					namespace := "space" + strconv.Itoa(tick*7919%inUse)
					if _, ok := wrote[namespace]; !ok {
						wrote[namespace] = time.Now()
					}
					store.patch(namespace)
					time.Sleep(time.Second / 12)
					for namespace, at := range wrote {
						w, err := c.Get(ctx, namespace)
						if err != nil {
							t.Fatal(err)
						}
						store.mu.Lock()
						same := w.Revision == store.revisions[namespace]
						store.mu.Unlock()
						took := time.Since(at)
						if store.shard(namespace) == store.broken {
							longestBroken = max(longestBroken, took)
						} else {
							longest = max(longest, took)
						}
						if same {
							delete(wrote, namespace)
						}
					}
				}
				t.Logf("%v, of a broken shard %v; %d calls", longest, longestBroken, store.made())
				if longest > test.within || longestBroken > test.broken {
					t.Errorf("a change took %v, want %v; of a broken shard %v, want %v", longest, test.within, longestBroken, test.broken)
				}
			})
		})
	}
}

// TestConfirm: what a secret protects goes by nothing older than a minute, however the store
// does. What can't be confirmed is refused, and asked for at most once a second.
func TestConfirm(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*table)
		want  error
	}{
		{"the store is slow", func(t *table) { t.delay = 4 * time.Second }, nil},
		{"a shard can't be read", func(t *table) { t.broken = t.shard("space1") }, nil},
		{"the store is away", func(t *table) { t.throttle = 1 << 30 }, workspace.ErrUnavailable},
		{"the store answers nothing", func(t *table) { t.delay = time.Hour }, workspace.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newTable(3)
				c := cached.New(store, cached.Config{Log: slog.New(slog.DiscardHandler)})
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { c.Run(ctx) })
				defer running.Wait()
				defer stop()
				time.Sleep(time.Second)
				w, err := c.Get(ctx, "space1")
				if err != nil {
					t.Fatal(err)
				}
				for range 30 { // the feed confirms it, at no cost
					time.Sleep(10 * time.Second)
					if calls := store.made(); !c.Confirmed(w) || store.made() != calls {
						t.Fatalf("not confirmed, or with %d calls", store.made()-calls)
					}
				}
				store.mu.Lock()
				test.spoil(store)
				store.mu.Unlock()
				store.patch("space1")
				began := time.Now()
				for time.Since(began) < 5*time.Minute {
					time.Sleep(100 * time.Millisecond)
					asked := time.Since(began)
					got, err := c.Confirm(ctx, "space1")
					switch {
					case asked <= cached.RevocationReach-6*time.Second: // the last look at the feed may be that old
						if err != nil {
							t.Fatalf("after %v: %v", asked, err)
						}
					case asked <= cached.RevocationReach:
					case !errors.Is(err, test.want):
						t.Fatalf("after %v: %v, want %v", asked, err, test.want)
					case err == nil && got.Revision != 2:
						t.Fatalf("revision %d was confirmed %v after it was replaced", got.Revision, asked)
					}
				}
				if test.want == nil {
					return
				}
				if calls := store.made(); calls > 6000 {
					t.Errorf("%d calls in five minutes", calls)
				}
				store.mu.Lock()
				store.delay, store.throttle = 0, 0
				store.mu.Unlock()
				time.Sleep(2 * time.Second)
				if got, err := c.Confirm(ctx, "space1"); err != nil || got.Revision != 2 {
					t.Errorf("after the store is back: %v, %v", got, err)
				}
			})
		})
	}
}

// TestChangedTwice: a workspace that changes twice between two looks is read once.
func TestChangedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newTable(1)
		c := cached.New(store, cached.Config{Log: slog.New(slog.DiscardHandler)})
		if _, err := c.Get(t.Context(), "space0"); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		time.Sleep(20 * time.Second)
		store.patch("space0")
		store.patch("space0")
		time.Sleep(10 * time.Second)
		if w, err := c.Get(t.Context(), "space0"); err != nil || w.Revision != 3 || store.refused > 0 {
			t.Errorf("revision %d, want 3; %v; %d reads were refused", w.Revision, err, store.refused)
		}
		stop()
		running.Wait()
	})
}

// damaged is a table with workspaces that this version can't decode.
type damaged struct {
	*table
	from atomic.Int64 // of space0 and so on, those from this one on
}

func (d *damaged) Reread(ctx context.Context, known []*workspace.Workspace, got func(int, *workspace.Workspace)) error {
	var failed error
	err := d.table.Reread(ctx, known, func(i int, w *workspace.Workspace) {
		if n, _ := strconv.ParseInt(strings.TrimPrefix(w.Namespace, "space"), 10, 64); n >= d.from.Load() {
			failed = workspace.ErrUndecodable
			return
		}
		got(i, w)
	})
	return errors.Join(err, failed)
}

// TestUndecodable: a workspace that can't be decoded is asked for once after each look at the
// feed, not again and again, and is no hindrance to others.
func TestUndecodable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const namespaces, bad = 200, 5
		store := &damaged{table: newTable(namespaces)}
		store.from.Store(namespaces)
		c := cached.New(store, cached.Config{Log: slog.New(slog.DiscardHandler)})
		for i := range namespaces {
			if _, err := c.Get(t.Context(), "space"+strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		time.Sleep(20 * time.Second)
		store.from.Store(namespaces - bad)
		for i := range namespaces {
			store.patch("space" + strconv.Itoa(i))
		}
		time.Sleep(10 * time.Second)
		for i := range namespaces {
			w, err := c.Get(t.Context(), "space"+strconv.Itoa(i))
			if want := int64(2); err != nil || i < namespaces-bad && w.Revision != want {
				t.Fatalf("space%d: revision %d, %v", i, w.Revision, err)
			}
		}
		before := store.made()
		time.Sleep(time.Minute)
		if calls := store.made() - before; calls > 2*13 { // of the feed and for what can't be decoded
			t.Errorf("%d calls in a minute", calls)
		}
		stop()
		running.Wait()
	})
}

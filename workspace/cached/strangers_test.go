package cached_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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

// from is the context of a request from an address.
func from(ctx context.Context, addr string) context.Context {
	return context.WithValue(ctx, addressKey{}, addr)
}

type addressKey struct{}

func addressOf(ctx context.Context) string {
	addr, _ := ctx.Value(addressKey{}).(string)
	return addr
}

// A busy store takes time for each read, and counts how many there are at a time.
type busy struct {
	*workspacetest.Memory
	takes              time.Duration
	reads, now, atOnce atomic.Int64
}

func (b *busy) read(ctx context.Context) error {
	b.reads.Add(1)
	for n := b.now.Add(1); ; {
		most := b.atOnce.Load()
		if n <= most || b.atOnce.CompareAndSwap(most, n) {
			break
		}
	}
	defer b.now.Add(-1)
	select {
	case <-time.After(b.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *busy) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	return b.Memory.Get(ctx, namespace)
}

func (b *busy) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	if err := b.read(ctx); err != nil {
		return workspace.Domain{}, err
	}
	return b.Memory.Domain(ctx, name)
}

func newBusy(t *testing.T, takes time.Duration) (*busy, *cached.Store, *cached.Strangers) {
	b := &busy{Memory: workspacetest.NewMemory(), takes: takes}
	put(t, b.Memory, "acme", "A")
	gate := cached.NewStrangers(addressOf, nil)
	return b, cached.New(b, cached.Config{Log: slog.New(slog.DiscardHandler), Strangers: gate}), gate
}

// TestUnknownNamesAreBounded: whoever makes names up, namespaces and hosts, buys so many
// reads of the store and no more, and nobody else notices.
func TestUnknownNamesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, gate := newBusy(t, 5*time.Millisecond)
		if _, err := c.Get(from(t.Context(), "192.0.2.1"), "acme"); err != nil {
			t.Fatal(err)
		}
		const clients, seconds = 4, 30
		var asking sync.WaitGroup
		for client := range clients {
			// Each is a /64, and takes another address for every request.
			for n := range seconds * 100 {
				asking.Go(func() {
					time.Sleep(time.Duration(n) * 10 * time.Millisecond)
					ctx := from(t.Context(), fmt.Sprintf("2001:db8:0:%d::%x", client, n+1))
					var err error
					if n%2 == 0 {
						_, err = c.Get(ctx, fmt.Sprintf("random-%d-%d", client, n))
					} else {
						_, err = c.Domain(ctx, fmt.Sprintf("random-%d-%d.example", client, n))
					}
					if !errors.Is(err, workspace.ErrNotFound) && !errors.Is(err, workspace.ErrDomainNotFound) && !errors.Is(err, cached.ErrTooManyUnknown) {
						t.Errorf("a random name: %v", err)
					}
				})
			}
		}
		time.Sleep(20 * time.Second)
		before := time.Now()
		if _, err := c.Get(from(t.Context(), "2001:db8::1"), "acme"); err != nil || time.Since(before) != 0 {
			t.Errorf("a workspace in memory: %v after %v", err, time.Since(before))
		}
		if _, err := c.Get(from(t.Context(), "192.0.2.1"), "nobody"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("an unknown name of somebody else: %v", err)
		}
		asking.Wait()
		if n, most := b.reads.Load(), int64(clients*(100+seconds)+10); n > most || n < clients*100 {
			t.Errorf("%d reads of the store for %d random names, want %d at most", n, clients*seconds*100, most)
		}
		t.Logf("%d random names: %d reads of the store, %d refused", clients*seconds*100, b.reads.Load(), gate.Refused())
	})
}

// Names that exist cost no budget, so that a server may be asked for all of them by the
// one address of a CDN when it starts.
func TestKnownNamesCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, _ := newBusy(t, time.Millisecond)
		for i := range 500 {
			namespace := fmt.Sprintf("ws-%d", i)
			put(t, b.Memory, namespace, "A")
			if _, err := c.Get(from(t.Context(), "192.0.2.1"), namespace); err != nil {
				t.Fatal(err)
			}
		}
		// Nor does one unknown name, however often it is asked for within seconds.
		for range 1000 {
			if _, err := c.Get(from(t.Context(), "192.0.2.1"), "nobody"); !errors.Is(err, workspace.ErrNotFound) {
				t.Fatal(err)
			}
		}
	})
}

// TestStrangersAtATime: from ever so many addresses, so many reads of the store at a time.
func TestStrangersAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, _ := newBusy(t, 10*time.Millisecond)
		if _, err := c.Get(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		var answered, refused atomic.Int64
		for i := range 10_000 {
			asking.Go(func() {
				_, err := c.Get(from(t.Context(), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), fmt.Sprintf("random-%d", i))
				switch {
				case errors.Is(err, workspace.ErrNotFound):
					answered.Add(1)
				case errors.Is(err, workspace.ErrUnavailable):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if n := b.atOnce.Load(); n > 64 {
			t.Errorf("%d reads of the store at a time", n)
		}
		if answered.Load() < 1000 {
			t.Errorf("%d answered, %d refused", answered.Load(), refused.Load())
		}
	})
}

// unfollowing is startNode without Run.
func unfollowing(t *testing.T, r *remote, file string) *node {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	copies, err := sqlite.OpenCopies(file, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	c := cached.New(r, cached.Config{Log: slog.New(slog.DiscardHandler), Copies: copies, Codec: codec})
	return &node{c, func() { _ = copies.Close() }}
}

// TestOneTimeoutIsNoOutage: that the store doesn't answer for one name is no reason to
// serve others their old copies without asking.
func TestOneTimeoutIsNoOutage(t *testing.T) {
	for name, ask := range map[string]func(*node, context.Context) error{
		"namespace": func(n *node, ctx context.Context) error { _, err := n.Get(ctx, "random"); return err },
		"domain":    func(n *node, ctx context.Context) error { _, err := n.Domain(ctx, "random.example"); return err },
	} {
		inBubble(t, func(t *testing.T, r *remote, file string) {
			n := startNode(t, r, file)
			if _, err := n.Get(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			n.stop()
			n = unfollowing(t, r, file) // so that copies may be of any time
			defer n.stop()
			r.set(down)
			if err := ask(n, t.Context()); !errors.Is(err, workspace.ErrUnavailable) {
				t.Fatalf("%s: %v", name, err)
			}
			r.set(far)
			// The copy is of before; a server that asks the store has what is there now.
			w, err := r.Memory.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			w.Name = "New"
			if err := r.Memory.Update(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			if got, err := n.Get(t.Context(), "acme"); err != nil || got.Name != "New" {
				t.Errorf("%s: after one name that could not be looked up: %+v, %v", name, got, err)
			}
			time.Sleep(time.Second) // look-ups that nobody waits for end
		})
	}
}

// What a server has served before is served after a restart too, by an address whose
// budget somebody else uses up, such as that of a proxy that isn't trusted.
func TestServedBeforeIsNoStranger(t *testing.T) {
	inBubble(t, func(t *testing.T, r *remote, file string) {
		n := startNode(t, r, file)
		wantAll(t, n)
		time.Sleep(2 * time.Second)
		n.stop()
		n = startNode(t, r, file)
		defer n.stop()
		proxy := from(t.Context(), "192.0.2.1")
		for i := range 150 {
			if _, err := n.Get(proxy, fmt.Sprintf("random-%d", i)); i > 100 && !errors.Is(err, cached.ErrTooManyUnknown) {
				t.Fatalf("%d random names: %v", i, err)
			}
		}
		if w, err := n.Get(proxy, "acme"); err != nil || w.Name != "A" {
			t.Errorf("%+v, %v", w, err)
		}
		if _, err := n.Get(proxy, "beta"); !errors.Is(err, cached.ErrTooManyUnknown) { // nobody had asked for it
			t.Errorf("what was never served: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := n.Get(proxy, "beta"); err != nil {
			t.Errorf("some seconds later: %v", err)
		}
	})
}

// A workspace that was asked for before it was made is there within ChangeReach.
func TestNewWorkspaceAfterItsNameWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, _ := newBusy(t, time.Millisecond)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		for range 20 {
			_, _ = c.Get(from(t.Context(), "192.0.2.1"), "shop")
			time.Sleep(100 * time.Millisecond)
		}
		put(t, b.Memory, "shop", "A")
		began := time.Now()
		for {
			_, err := c.Get(from(t.Context(), "192.0.2.1"), "shop")
			if err == nil {
				break
			}
			if time.Since(began) > cached.ChangeReach {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		running.Wait()
	})
}

func TestStrangersTellsAddressesApart(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	gate := cached.NewStrangers(addressOf, func() time.Time { return now })
	spend := func(addr string) (n int) {
		for ; n < 1000; n++ {
			done, err := gate.Begin(from(t.Context(), addr))
			if err != nil {
				return n
			}
			done(false)
		}
		return n
	}
	for _, tt := range []struct {
		addr string
		want int
	}{
		{"192.0.2.1", 100}, {"192.0.2.1", 0}, {"192.0.2.2", 100}, {"::ffff:192.0.2.2", 0},
		{"2001:db8::1", 100}, {"2001:db8::ffff:1:2", 0}, {"2001:db8:0:1::1", 100}, {"fe80::1%eth0", 100}, {"fe80::2", 0},
		{"", 1000}, {"@", 1000}, // nobody's
	} {
		if got := spend(tt.addr); got != tt.want {
			t.Errorf("%s: %d names, want %d", tt.addr, got, tt.want)
		}
	}
	now = now.Add(10 * time.Second)
	if got := spend("192.0.2.1"); got != 10 {
		t.Errorf("10 seconds later: %d names", got)
	}
	now = now.Add(time.Hour)
	if got := spend("192.0.2.1"); got != 100 {
		t.Errorf("an hour later: %d names", got)
	}
}

// TestFloodOfNames: from many addresses come 50,000 names a second that nobody has, while the
// store hangs. Its reads are bounded, and so is what waits for them: the others are refused at
// once, and a name in memory is served.
func TestFloodOfNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, c, _ := newBusy(t, 0)
		if _, err := c.Get(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		b.takes = time.Hour
		b.reads.Store(0)
		before, most := runtime.NumGoroutine(), 0
		const seconds, each, step = 1, 50_000, 5
		var asking sync.WaitGroup
		for i := range seconds * step {
			for n := range each / step {
				name := fmt.Sprintf("made-up-%d-%d", i, n)
				ctx := from(t.Context(), fmt.Sprintf("198.%d.%d.%d", 18+n%2, i, n%250))
				asking.Go(func() {
					if _, err := c.Get(ctx, name); !errors.Is(err, workspace.ErrUnavailable) && !errors.Is(err, cached.ErrTooManyUnknown) {
						t.Error(err)
					}
				})
				asking.Go(func() {
					if _, err := c.Domain(ctx, name+".example"); !errors.Is(err, workspace.ErrUnavailable) && !errors.Is(err, cached.ErrTooManyUnknown) {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			most = max(most, runtime.NumGoroutine()-before)
			if w, err := c.Get(t.Context(), "acme"); err != nil || w.Name != "A" {
				t.Fatal(w, err)
			}
			time.Sleep(time.Second / step)
		}
		asking.Wait()
		reads := b.reads.Load()
		t.Logf("%d goroutines at most, %d reads of %d names", most, reads, 2*seconds*each)
		// 1,024 loads and as many look-ups of hosts, each with the request that waits for it.
		if most > 4*1024+100 || reads > 64*5 {
			t.Errorf("%d goroutines at most, %d reads", most, reads)
		}
	})
}

// TestStrangersOfOneNetwork: the holder of a /48 has 65,536 networks of the size of a client, and
// buys no more with them.
func TestStrangersOfOneNetwork(t *testing.T) {
	now := time.Now()
	gate := cached.NewStrangers(addressOf, func() time.Time { return now })
	begun := 0
	for i := range 400 {
		for range 5 {
			if _, err := gate.Begin(from(t.Context(), fmt.Sprintf("2001:db8:7:%x::1", i))); err == nil {
				begun++
			}
		}
	}
	if begun > 300 { // of 2,000: 16 networks and 4 of each /56 have come before they count together
		t.Errorf("%d look-ups of one network began", begun)
	}
	if _, err := gate.Begin(from(t.Context(), "2001:db8:8:1::1")); err != nil {
		t.Errorf("a neighbour: %v", err)
	}
}

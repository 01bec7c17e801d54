package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A bench is a store and a clock.
type bench struct {
	*testing.T
	store *workspacetest.Memory
	now   time.Time
}

func newBench(t *testing.T) *bench {
	return &bench{T: t, store: workspacetest.NewMemory(), now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
}

func (b *bench) server(off time.Duration) *lease.Lease {
	return lease.New(b.store, "work", time.Minute, func() time.Time { return b.now.Add(off) })
}

func (b *bench) take(l *lease.Lease, want bool, when string) {
	b.Helper()
	if mine, err := l.Take(b.Context()); err != nil || mine != want {
		b.Errorf("%s: %v, %v", when, mine, err)
	}
}

// TestTake: one server has the lease while it renews it. Another takes it over once it has seen
// no renewal for a minute, whatever the clocks say, and at once where it was released.
func TestTake(t *testing.T) {
	for _, off := range []time.Duration{0, time.Hour, -time.Hour} {
		b := newBench(t)
		one, two := b.server(0), b.server(off)
		for i := range 20 {
			when := fmt.Sprintf("clock %v off, after %d steps", off, i)
			b.take(one, true, when)
			b.take(two, false, when)
			b.now = b.now.Add(20 * time.Second)
		}
		b.take(one, true, "the last renewal")
		b.take(two, false, "just after the last renewal")
		b.now = b.now.Add(50 * time.Second)
		b.take(two, false, "before a minute is over")
		b.now = b.now.Add(10 * time.Second)
		b.take(two, true, "after a minute")
		b.take(one, false, "the first comes back")
		if err := errors.Join(one.Release(t.Context()), two.Release(t.Context())); err != nil {
			t.Fatal(err)
		}
		b.take(one, true, "released")
		b.take(two, false, "released and taken")
	}
}

// TestClockSetBack: a server whose clock is set back by an hour keeps its lease, and one that
// waits takes it over in time.
func TestClockSetBack(t *testing.T) {
	b := newBench(t)
	one, two := b.server(0), b.server(0)
	b.take(one, true, "first")
	b.take(two, false, "first")
	b.now = b.now.Add(-time.Hour)
	b.take(one, true, "set back")
	b.take(two, false, "set back")
	b.now = b.now.Add(time.Minute)
	b.take(two, true, "a minute later")
}

// inner is a store under a name that isn't that of its method.
type inner interface{ account.Records }

// A counter counts writes.
type counter struct {
	inner
	writes int
	fail   error
}

func (c *counter) WriteRecords(ctx context.Context, w []account.Write, audit ...workspace.AuditEntry) error {
	if c.writes++; c.fail != nil {
		return c.fail
	}
	return c.inner.WriteRecords(ctx, w, audit...)
}

// TestWrites: a renewal is written when half of the time is over. A write that fails gives no
// lease, and the next one does.
func TestWrites(t *testing.T) {
	b := newBench(t)
	c := &counter{inner: b.store}
	l := lease.New(c, "work", time.Minute, func() time.Time { return b.now })
	for range 60 {
		b.take(l, true, "alone")
		b.now = b.now.Add(10 * time.Second)
	}
	if c.writes != 20 {
		t.Errorf("%d writes in ten minutes", c.writes)
	}
	b.now = b.now.Add(time.Minute)
	c.fail = workspace.ErrFull
	if mine, err := l.Take(t.Context()); mine || !errors.Is(err, workspace.ErrFull) {
		t.Errorf("the store fails: %v, %v", mine, err)
	}
	c.fail = nil
	b.take(l, true, "the store works again")
}

// TestOneOfMany: of many servers that ask at once, one gets it.
func TestOneOfMany(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	have := 0
	var all sync.WaitGroup
	for range 20 {
		l := b.server(0)
		all.Go(func() {
			mine, err := l.Take(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if mine {
				have++
			}
		})
	}
	all.Wait()
	if have != 1 {
		t.Errorf("%d servers have it", have)
	}
}

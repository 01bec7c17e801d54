package limit_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// flaky is a store of leases that fails on demand and counts what it is asked.
type flaky struct {
	limit.Leases
	down  atomic.Bool
	asked atomic.Int64
}

func (f *flaky) Lease(ctx context.Context, r limit.Request) (limit.Grant, error) {
	f.asked.Add(1)
	if f.down.Load() {
		return limit.Grant{}, workspace.ErrUnavailable
	}
	return f.Leases.Lease(ctx, r)
}

func (f *flaky) Return(ctx context.Context, r limit.Request, g limit.Grant, unused int64) error {
	if f.down.Load() {
		return workspace.ErrUnavailable
	}
	return f.Leases.Return(ctx, r, g, unused)
}

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// servers returns limiters with one store. Their clocks are wrong by the given times.
func servers(store limit.Leases, wrong ...time.Duration) (all []*limit.Limiter) {
	for _, d := range wrong {
		all = append(all, limit.New(limit.Config{Leases: store, Log: silent, Now: func() time.Time { return time.Now().Add(d) }}))
	}
	return all
}

// through counts how many of n concurrent requests a limiter lets through.
func through(t *testing.T, n int, lim limit.Limit, on ...*limit.Limiter) (ok int64) {
	t.Helper()
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			d, err := on[i%len(on)].Take(t.Context(), lim)
			if err != nil {
				t.Error(err)
			}
			if d.OK {
				passed.Add(1)
			}
			if d.Reset <= 0 || d.Remaining < 0 || d.Limit != lim {
				t.Errorf("%+v", d)
			}
		})
	}
	wg.Wait()
	return passed.Load()
}

// TestExactOnOneServer has 100 clients race for a quota of 1,000.
func TestExactOnOneServer(t *testing.T) {
	for _, store := range []limit.Leases{nil, workspacetest.NewMemory()} {
		l := servers(store, 0)[0]
		quota := limit.Limit{Key: "acme/transforms", Window: limit.Month, Max: 1000}
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				for range 50 {
					d, err := l.Take(t.Context(), quota)
					if err != nil {
						t.Error(err)
					}
					if d.OK {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := passed.Load(); n != 1000 {
			t.Errorf("%d of 5,000 pass a quota of 1,000 (store %T)", n, store)
		}
	}
}

// TestThreeServers: together they never allow more than the limit. Unused tokens of one
// server come to the others after a while.
func TestThreeServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Leases: workspacetest.NewMemory()}
		all := servers(store, 0, time.Hour, -time.Hour) // clocks an hour wrong change nothing
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, l := range all {
			running.Go(func() { l.Run(ctx) })
		}
		quota := limit.Limit{Key: "acme/transforms", Window: limit.Day, Max: 1000}
		passed := through(t, 3000, quota, all...)
		if passed > 1000 || passed < 1000-2*1000/16 {
			t.Errorf("%d pass at once, want up to 1,000 and at least 875", passed)
		}
		if n := store.asked.Load(); n > 300 {
			t.Errorf("the store was asked %d times for 3,000 requests", n)
		}
		time.Sleep(15 * time.Second)
		if passed += through(t, 300, quota, all[0]); passed != 1000 {
			t.Errorf("%d pass in the end, want 1,000", passed)
		}
		time.Sleep(24 * time.Hour)
		if n := through(t, 1500, quota, all[1]); n != 1000 {
			t.Errorf("%d pass on the next day, want 1,000", n)
		}
		stop()
		running.Wait()
	})
}

// TestSpendingAndGivingBack: another server gets the tokens that an orderly stop gives back.
func TestSpendingAndGivingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		all := servers(store, 0, 0)
		quota := limit.Limit{Key: "k", Window: limit.Day, Max: 100}
		if n := through(t, 10, quota, all[0]); n != 10 {
			t.Fatal(n)
		}
		if err := all[0].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		g, err := store.Lease(t.Context(), limit.Request{Key: "k", Window: limit.Day, Max: 100})
		if err != nil || g.Used != 10 {
			t.Errorf("after 10 of 100 and an orderly stop, %d are used (%v)", g.Used, err)
		}
		if n := through(t, 200, quota, all[1]); n != 90 {
			t.Errorf("another server lets %d through, want 90", n)
		}
	})
}

// TestClockAnHourWrong: servers with wrong clocks count in the same minute, also when a
// clock is set right meanwhile.
func TestClockAnHourWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		var wrong atomic.Int64
		l := limit.New(limit.Config{Leases: store, Log: silent, Now: func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }})
		lim := limit.Limit{Key: "k", Window: limit.Minute, Max: 60}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute + 10*time.Second)))
		wrong.Store(int64(time.Hour + 17*time.Second))
		if n := through(t, 100, lim, l); n != 60 {
			t.Fatalf("%d pass, want 60", n)
		}
		for range 4 { // 10 s into the minute, to 50 s
			time.Sleep(10 * time.Second)
			if n := through(t, 100, lim, l); n != 0 {
				t.Fatalf("%d pass later in the same minute", n)
			}
		}
		d, err := l.Take(t.Context(), lim)
		if err != nil || d.OK || d.Reset != 10*time.Second {
			t.Errorf("%+v, %v, want a reset in 10 s", d, err)
		}
		time.Sleep(10 * time.Second)
		if n := through(t, 100, lim, l); n != 60 {
			t.Errorf("%d pass in the next minute, want 60", n)
		}
	})
}

// TestStoreDown: every server goes on with the tokens that were left at the last answer.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Leases: workspacetest.NewMemory()}
		all := servers(store, 0, 0, 0)
		quota := limit.Limit{Key: "acme/transforms", Window: limit.Day, Max: 900}
		passed := through(t, 300, quota, all...)
		if passed != 300 {
			t.Fatal(passed)
		}
		store.down.Store(true)
		during := through(t, 9000, quota, all...)
		// Each server knows at least of its own 100, and of no tokens that weren't spent.
		if during < 600 || during > 3*800 {
			t.Errorf("%d pass without the store, want each server's idea of what was left", during)
		}
		if n := through(t, 300, quota, all...); n != 0 {
			t.Errorf("%d more pass without the store", n)
		}
		if n := store.asked.Load(); n > 100 {
			t.Errorf("a store that is down was asked %d times", n)
		}
		// A new server knows nothing, and allows the whole limit at most.
		if n := through(t, 2000, quota, servers(store, 0)[0]); n != 900 {
			t.Errorf("a new server lets %d through without the store, want 900", n)
		}
		time.Sleep(10 * time.Second)
		store.down.Store(false)
		if n := through(t, 300, quota, all...); n != 0 {
			t.Errorf("%d pass once the store is back, though nothing is left", n)
		}
		g, err := store.Lease(t.Context(), limit.Request{Key: quota.Key, Window: quota.Window, Max: quota.Max})
		if err != nil || g.Used != 900 {
			t.Errorf("the store counts %d, want 900 (%v)", g.Used, err)
		}
		time.Sleep(24 * time.Hour)
		store.down.Store(true)
		if n := through(t, 2000, quota, all[0]); n != 900 {
			t.Errorf("%d pass in a window that nobody has heard of, want 900", n)
		}
	})
}

// TestStoreHangs: while the store doesn't answer, a few requests wait for a second, and most
// don't wait.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(limit.Config{Leases: hanging{}, Log: silent})
		start := time.Now()
		if n := through(t, 100, limit.Limit{Key: "k", Window: limit.Minute, Max: 50}, l); n != 50 {
			t.Errorf("%d pass, want 50", n)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("they waited for %v", took)
		}
		time.Sleep(6 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var waiting sync.WaitGroup
		defer waiting.Wait()
		waiting.Go(func() { _, _ = l.Take(t.Context(), limit.Limit{Key: "k2", Window: limit.Minute, Max: 50}) })
		synctest.Wait()
		if _, err := l.Take(ctx, limit.Limit{Key: "k2", Window: limit.Minute, Max: 50}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that doesn't wait gets %v", err)
		}
	})
}

type hanging struct{}

func (hanging) Lease(ctx context.Context, _ limit.Request) (limit.Grant, error) {
	<-ctx.Done()
	return limit.Grant{}, ctx.Err()
}

func (hanging) Return(ctx context.Context, _ limit.Request, _ limit.Grant, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestSeveralLimits: Take takes a token of all limits, or of none.
func TestSeveralLimits(t *testing.T) {
	for _, store := range []limit.Leases{nil, workspacetest.NewMemory()} {
		l := servers(store, 0)[0]
		wide, narrow := limit.Limit{Key: "wide", Window: limit.Month, Max: 100}, limit.Limit{Key: "narrow", Window: limit.Month, Max: 3}
		for i := range 10 {
			d, err := l.Take(t.Context(), wide, narrow)
			if err != nil || d.OK != (i < 3) || d.Limit != narrow {
				t.Fatalf("%d: %+v, %v", i, d, err)
			}
		}
		d, err := l.Take(t.Context(), wide)
		if err != nil || !d.OK || d.Remaining != 96 {
			t.Errorf("what the narrow limit refused counts in the wide one: %+v, %v", d, err)
		}
		d.Undo()
		if d, err = l.Take(t.Context(), wide); err != nil || d.Remaining != 96 {
			t.Errorf("what was undone counts: %+v, %v", d, err)
		}
	}
	if d, err := servers(nil, 0)[0].Take(t.Context()); err != nil || !d.OK {
		t.Errorf("no limits: %+v, %v", d, err)
	}
}

// TestWarn: there is one warning in a window, from any of the servers.
func TestWarn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		var mu sync.Mutex
		var told []int64
		var all []*limit.Limiter
		for range 3 {
			all = append(all, limit.New(limit.Config{Leases: store, Log: silent, Warn: func(_ limit.Limit, used int64) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, used)
			}}))
		}
		quota := limit.Limit{Key: "k", Window: limit.Day, Max: 1000, Warn: 800}
		through(t, 600, quota, all...)
		if len(told) != 0 {
			t.Errorf("warned of 600 of 1,000: %v", told)
		}
		through(t, 400, quota, all...)
		if len(told) != 1 || told[0] < 800 {
			t.Errorf("told %v, want once", told)
		}
		time.Sleep(24 * time.Hour)
		through(t, 2000, quota, all...)
		if len(told) != 2 {
			t.Errorf("told %v, want twice on two days", told)
		}
	})
}

// TestChangedLimit: a limit that an owner changes counts from the next request.
func TestChangedLimit(t *testing.T) {
	l := servers(workspacetest.NewMemory(), 0)[0]
	lim := limit.Limit{Key: "k", Window: limit.Month, Max: 100}
	if n := through(t, 50, lim, l); n != 50 {
		t.Fatal(n)
	}
	lim.Max = 20
	if n := through(t, 50, lim, l); n != 0 {
		t.Errorf("%d pass a limit of 20 after 50", n)
	}
	lim.Max = 200
	if n := through(t, 500, lim, l); n < 140 || n > 150 {
		t.Errorf("%d pass a limit of 200 after 50, want 150 but for what lay with the server when it was 20", n)
	}
}

// TestPeek: what is left is told without taking anything, and without the store. Of a window
// that the server hasn't used, only who counts alone knows it.
func TestPeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Leases: workspacetest.NewMemory()}
		day := limit.Limit{Key: "acme/day", Window: limit.Day, Max: 40}
		shared, alone := limit.New(limit.Config{Leases: store, Log: silent}), limit.New(limit.Config{})
		left := func(l *limit.Limiter) int64 {
			list := l.Peek(day)
			if len(list) == 0 {
				return -1
			}
			if d := list[0]; d.OK != (d.Remaining > 0) || d.Reset <= 0 || d.Reset > 24*time.Hour || d.Limit != day {
				t.Errorf("%+v", d)
			}
			return list[0].Remaining
		}
		if a, b := left(shared), left(alone); a != -1 || b != 40 {
			t.Errorf("at first: %d and %d", a, b)
		}
		for _, l := range []*limit.Limiter{shared, alone} {
			for range 3 {
				if d, err := l.Take(t.Context(), day); err != nil || !d.OK {
					t.Fatal(d, err)
				}
			}
		}
		asked := store.asked.Load()
		for range 3 {
			if a, b := left(shared), left(alone); a != 37 || b != 37 {
				t.Errorf("after three: %d and %d", a, b)
			}
		}
		if n := store.asked.Load(); n != asked {
			t.Errorf("the store was asked %d times", n-asked)
		}
		day.Max = 2 // lower than what was taken
		if a, b := left(shared), left(alone); a != 0 || b != 0 {
			t.Errorf("with a lower limit: %d and %d", a, b)
		}
		day.Max = 40
		time.Sleep(24 * time.Hour)
		if a, b := left(shared), left(alone); a != -1 || b != 40 {
			t.Errorf("the next day: %d and %d", a, b)
		}
	})
}

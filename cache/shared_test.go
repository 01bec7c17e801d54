package cache_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/cache"
)

func TestSharedRunsOnceForAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared cache.Shared[string, *int]
		var runs, joined atomic.Int32
		fn := func(context.Context) (*int, error) {
			time.Sleep(time.Second)
			n := int(runs.Add(1))
			return &n, nil
		}
		for range 1000 {
			go func() {
				h, err := shared.Do(t.Context(), "key", fn)
				if err != nil || *h.Value != 1 {
					t.Errorf("%v, %v", h, err)
					return
				}
				if h.Joined {
					joined.Add(1)
				}
				h.Release()
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if runs.Load() != 1 || joined.Load() != 999 {
			t.Errorf("%d runs, %d callers joined; want 1 and 999", runs.Load(), joined.Load())
		}
		h, err := shared.Do(t.Context(), "key", fn)
		if err != nil || *h.Value != 2 || h.Joined {
			t.Errorf("after all have released: %+v, %v; want a new run", h, err)
		}
		h.Release()
	})
}

func TestSharedKeysAreApart(t *testing.T) {
	var shared cache.Shared[int, int]
	for key := range 10 {
		h, err := shared.Do(t.Context(), key, func(context.Context) (int, error) { return key * key, nil })
		if err != nil || h.Value != key*key {
			t.Fatalf("key %d: %v, %v", key, h, err)
		}
		defer h.Release()
	}
}

// The value can be joined until the last holder has released it, in any order.
func TestSharedReleaseOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		var shared cache.Shared[string, int]
		runs := 0
		do := func() *cache.Hold[int] {
			h, err := shared.Do(t.Context(), "key", func(context.Context) (int, error) { runs++; return runs, nil })
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		holds := []*cache.Hold[int]{do(), do(), do()}
		for i, n := range order {
			if h := do(); h.Value != 1 || !h.Joined {
				t.Errorf("order %v: while %d hold it: value %d, joined %v", order, 3-i, h.Value, h.Joined)
			} else {
				h.Release()
				h.Release() // counts once
			}
			holds[n].Release()
		}
		if h := do(); h.Value != 2 || h.Joined {
			t.Errorf("order %v: after the last release: value %d, joined %v", order, h.Value, h.Joined)
		}
	}
}

func TestSharedDropsTheValue(t *testing.T) {
	var shared cache.Shared[string, *[1 << 20]byte]
	collected := make(chan struct{})
	func() {
		h, err := shared.Do(t.Context(), "key", func(context.Context) (*[1 << 20]byte, error) {
			v := new([1 << 20]byte)
			runtime.AddCleanup(v, func(struct{}) { close(collected) }, struct{}{})
			return v, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(&shared)
			return
		case <-ctx.Done():
			t.Fatal("the value is still referenced after its last release")
		default:
		}
	}
}

type contextKey struct{}

// The end of one caller doesn't end the run. The end of the last caller does, and a caller
// that comes after that begins a new run.
func TestSharedCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared cache.Shared[string, int]
		var runs atomic.Int32
		wound := make(chan struct{}) // lets the first run end
		var firstErr error
		fn := func(ctx context.Context) (int, error) {
			n := int(runs.Add(1))
			if v := ctx.Value(contextKey{}); v != n {
				t.Errorf("run %d has the context value %v", n, v)
			}
			if _, ok := ctx.Deadline(); ok {
				t.Errorf("run %d has a caller's deadline", n)
			}
			if n == 1 {
				<-ctx.Done()
				firstErr = ctx.Err()
				<-wound
				return 0, ctx.Err()
			}
			time.Sleep(time.Second)
			return n, ctx.Err()
		}
		caller := func(ctx context.Context, n int) (cancel func(), result <-chan error) {
			ctx, stop := context.WithTimeout(context.WithValue(ctx, contextKey{}, n), time.Hour)
			c := make(chan error, 1)
			go func() {
				h, err := shared.Do(ctx, "key", fn)
				if err == nil {
					if h.Value != n {
						t.Errorf("value %d, want %d", h.Value, n)
					}
					h.Release()
				}
				c <- err
			}()
			synctest.Wait()
			return stop, c
		}

		cancelA, resultA := caller(t.Context(), 1)
		cancelB, resultB := caller(t.Context(), 1)
		start := time.Now()
		cancelA()
		if err := <-resultA; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who was cancelled: %v", err)
		}
		synctest.Wait()
		if firstErr != nil {
			t.Error("the run was cancelled while one waits")
		}
		cancelB()
		if err := <-resultB; !errors.Is(err, context.Canceled) {
			t.Errorf("the last caller: %v", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("cancelled callers waited %v", d)
		}
		synctest.Wait()
		if !errors.Is(firstErr, context.Canceled) {
			t.Errorf("nobody waits, and the run's context says %v", firstErr)
		}

		cancelC, resultC := caller(t.Context(), 2)
		defer cancelC()
		close(wound) // the first run's end must not disturb the second
		synctest.Wait()
		cancelD, resultD := caller(t.Context(), 2)
		defer cancelD()
		for _, result := range []<-chan error{resultC, resultD} {
			if err := <-result; err != nil {
				t.Errorf("a caller of the second run: %v", err)
			}
		}
		if n := runs.Load(); n != 2 {
			t.Errorf("%d runs, want 2", n)
		}
	})
}

func TestSharedWithEndedContext(t *testing.T) {
	var shared cache.Shared[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := shared.Do(ctx, "key", func(context.Context) (int, error) {
		t.Error("ran for nobody")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSharedErrorsReachAllAndAreNotKept(t *testing.T) {
	failure := errors.New("no luck")
	for _, test := range []struct {
		name string
		fail func() error
		want func(error) bool
	}{
		{"error", func() error { return failure }, func(err error) bool { return err == failure }},
		{"panic", func() error { panic("broken") }, func(err error) bool {
			p, ok := errors.AsType[*cache.PanicError](err)
			return ok && p.Value == "broken" && len(p.Stack) > 0 && p.Error() == "internal fault"
		}},
		{"Goexit", func() error { runtime.Goexit(); return nil }, func(err error) bool { return err != nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var shared cache.Shared[string, int]
				var runs atomic.Int32
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						_, err := shared.Do(t.Context(), "key", func(context.Context) (int, error) {
							runs.Add(1)
							time.Sleep(time.Second)
							return 0, test.fail()
						})
						if !test.want(err) {
							t.Errorf("error %v", err)
						}
					})
				}
				wg.Wait()
				if n := runs.Load(); n != 1 {
					t.Errorf("%d runs", n)
				}
				h, err := shared.Do(t.Context(), "key", func(context.Context) (int, error) { return 7, nil })
				if err != nil || h.Value != 7 {
					t.Errorf("afterwards: %v, %v", h, err)
				}
			})
		})
	}
}

// Many keys, callers and cancellations at the same time, for the race detector. A value must
// always be that of its key, and no run may be left over.
func TestSharedUnderStress(t *testing.T) {
	var shared cache.Shared[int, int]
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 500 {
				key := (g + i) % 5
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					go cancel()
				}
				h, err := shared.Do(ctx, key, func(ctx context.Context) (int, error) {
					runtime.Gosched()
					return key, ctx.Err()
				})
				switch {
				case err == nil:
					if h.Value != key {
						t.Errorf("key %d: value %d", key, h.Value)
					}
					h.Release()
				case i%3 != 0:
					t.Errorf("a caller that was not cancelled: %v", err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for key := range 5 {
		h, err := shared.Do(t.Context(), key, func(context.Context) (int, error) { return -1, nil })
		if err != nil || h.Value != -1 {
			t.Errorf("key %d is left over: %v, %v", key, h, err)
		}
	}
}

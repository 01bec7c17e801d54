package cache_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/cache"
)

// version is an entry that is stale after a minute and expires after an hour.
func version(text string) *cache.Entry {
	now := time.Now()
	return &cache.Entry{
		Body: []byte(text), StoredAt: now,
		RevalidateAt: now.Add(time.Minute), ExpiresAt: now.Add(time.Hour),
	}
}

// load fails the test unless the loader answers text with the outcome.
func load(t *testing.T, l *cache.Loader, fill cache.Fill, text string, want cache.Outcome) {
	t.Helper()
	e, outcome, err := l.Load(t.Context(), numbered(1), fill)
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Body) != text || outcome != want {
		t.Fatalf("Load: %q, %+v; want %q, %+v", e.Body, outcome, text, want)
	}
}

var (
	miss     = cache.Outcome{}
	hit      = cache.Outcome{Tier: "memory"}
	staleHit = cache.Outcome{Tier: "memory", Stale: true}
)

func newLoader() *cache.Loader {
	return &cache.Loader{Cache: cache.NewTiered(cache.NewMemory(1 << 20))}
}

func returns(e *cache.Entry, err error) cache.Fill {
	return func(context.Context, *cache.Entry) (*cache.Entry, error) { return e, err }
}

func TestLoaderMissHitStaleExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		load(t, l, returns(version("one"), nil), "one", miss)
		load(t, l, nil, "one", hit)
		time.Sleep(time.Minute)

		var olds []string
		refill := func(_ context.Context, old *cache.Entry) (*cache.Entry, error) {
			olds = append(olds, string(old.Body))
			time.Sleep(time.Second)
			return version("two"), nil
		}
		load(t, l, refill, "one", staleHit)
		load(t, l, refill, "one", staleHit)
		time.Sleep(2 * time.Second)
		load(t, l, nil, "two", hit)
		if len(olds) != 1 || olds[0] != "one" {
			t.Errorf("filled in the background with %q, want once, with the old entry", olds)
		}

		time.Sleep(time.Hour)
		load(t, l, func(_ context.Context, old *cache.Entry) (*cache.Entry, error) {
			if old != nil {
				t.Error("an expired entry was given to be revalidated")
			}
			return version("three"), nil
		}, "three", miss)
	})
}

// The origin says that nothing has changed: the same body, with later times.
func TestLoaderRevalidatedUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		load(t, l, returns(version("one"), nil), "one", miss)
		for range 3 {
			time.Sleep(time.Minute)
			load(t, l, func(_ context.Context, old *cache.Entry) (*cache.Entry, error) {
				e := *old
				e.RevalidateAt, e.ExpiresAt = time.Now().Add(time.Minute), time.Now().Add(time.Hour)
				return &e, nil
			}, "one", staleHit)
			synctest.Wait()
			load(t, l, nil, "one", hit)
		}
	})
}

func TestLoaderFillsOnceForAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		var fills, shared atomic.Int32
		for range 1000 {
			go func() {
				_, outcome, err := l.Load(t.Context(), numbered(1), func(context.Context, *cache.Entry) (*cache.Entry, error) {
					fills.Add(1)
					time.Sleep(time.Second)
					return version("one"), nil
				})
				if err != nil {
					t.Error(err)
				}
				if outcome.Shared {
					shared.Add(1)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if fills.Load() != 1 || shared.Load() != 999 {
			t.Errorf("%d fills, %d shared; want 1 and 999", fills.Load(), shared.Load())
		}
	})
}

// lateCache calls after, once, when a Get has missed and has not returned yet.
type lateCache struct {
	cache.Cache
	after func()
}

func (c *lateCache) Get(ctx context.Context, key cache.Key) (*cache.Entry, string) {
	e, tier := c.Cache.Get(ctx, key)
	if after := c.after; after != nil {
		c.after = nil
		after()
	}
	return e, tier
}

// A request that missed just before another request's fill ended must not fill again. It has a
// hit: one request in all is the miss.
func TestLoaderLooksAgain(t *testing.T) {
	late := &lateCache{Cache: cache.NewMemory(1 << 20)}
	l := &cache.Loader{Cache: late}
	late.after = func() { load(t, l, returns(version("one"), nil), "one", miss) }
	load(t, l, func(context.Context, *cache.Entry) (*cache.Entry, error) {
		t.Error("filled a second time")
		return version("two"), nil
	}, "one", hit)
}

func TestLoaderErrors(t *testing.T) {
	l := newLoader()
	failure := errors.New("no luck")
	for _, test := range []struct {
		name string
		fill cache.Fill
		want func(error) bool
	}{
		{"of fill", returns(nil, failure), func(err error) bool { return err == failure }},
		{"no entry", returns(nil, nil), func(err error) bool { return err != nil }},
		{"panic", func(context.Context, *cache.Entry) (*cache.Entry, error) { panic("broken") },
			func(err error) bool { p, ok := errors.AsType[*cache.PanicError](err); return ok && p.Value == "broken" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if e, _, err := l.Load(t.Context(), numbered(1), test.fill); e != nil || !test.want(err) {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
	load(t, l, returns(version("one"), nil), "one", miss)
}

func TestLoaderRemembersErrorEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		gone := &cache.Entry{Code: "NOT_FOUND", ExpiresAt: time.Now().Add(time.Minute)}
		for i, want := range []cache.Outcome{miss, hit, hit} {
			e, outcome, err := l.Load(t.Context(), numbered(1), returns(gone, nil))
			if err != nil || e.Code != "NOT_FOUND" || outcome != want {
				t.Errorf("%d: %+v, %+v, %v", i, e, outcome, err)
			}
		}
		time.Sleep(time.Minute)
		load(t, l, returns(version("back"), nil), "back", miss)
	})
}

func TestLoaderDoesNotStoreWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		for range 2 {
			e := version("once")
			e.ExpiresAt = time.Now()
			load(t, l, returns(e, nil), "once", miss)
		}
	})
}

// After any failure in the background, the stale entry is served until it expires, and the
// origin isn't asked again for a while.
func TestLoaderRevalidationFails(t *testing.T) {
	for _, test := range []struct {
		name string
		fill func(ctx context.Context) (*cache.Entry, error)
		log  string
	}{
		{"error", func(context.Context) (*cache.Entry, error) { return nil, errors.New("no luck") }, "no luck"},
		{"panic", func(context.Context) (*cache.Entry, error) { panic("broken") }, "broken"},
		{"deadline", func(ctx context.Context) (*cache.Entry, error) { <-ctx.Done(); return nil, ctx.Err() }, "deadline exceeded"},
		{"not to be stored", func(context.Context) (*cache.Entry, error) {
			e := version("bad")
			e.ExpiresAt = time.Now()
			return e, nil
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				l := newLoader()
				l.Log = slog.New(slog.NewTextHandler(&log, nil))
				l.RevalidationTimeout = time.Second
				load(t, l, returns(version("one"), nil), "one", miss)
				time.Sleep(time.Minute)

				var fills atomic.Int32
				fill := func(ctx context.Context, _ *cache.Entry) (*cache.Entry, error) {
					fills.Add(1)
					return test.fill(ctx)
				}
				for range 60 { // seconds
					for range 10 {
						load(t, l, fill, "one", staleHit)
						synctest.Wait()
					}
					time.Sleep(time.Second)
				}
				if n := fills.Load(); n < 9 || n > 13 {
					t.Errorf("%d attempts in a minute, want one every 5 s", n)
				}
				if !strings.Contains(log.String(), test.log) || (test.log == "") != (log.Len() == 0) {
					t.Errorf("log: %q, want %q in it", log.String(), test.log)
				}
				time.Sleep(time.Hour)
				load(t, l, returns(version("two"), nil), "two", miss)
			})
		})
	}
}

func TestLoaderRevalidationIsDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		load(t, l, returns(version("one"), nil), "one", miss)
		time.Sleep(time.Minute)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
		_, outcome, err := l.Load(ctx, numbered(1), func(ctx context.Context, _ *cache.Entry) (*cache.Entry, error) {
			time.Sleep(time.Second)
			if ctx.Value(contextKey{}) != "value" {
				t.Error("the request's values are gone")
			}
			return version("two"), ctx.Err()
		})
		if outcome != staleHit || err != nil {
			t.Fatalf("%+v, %v", outcome, err)
		}
		cancel()
		time.Sleep(2 * time.Second)
		load(t, l, nil, "two", hit)
	})
}

func TestLoaderBoundsRevalidations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		l.MaxRevalidations = 3
		for i := range 10 {
			l.Cache.Put(t.Context(), numbered(i), version("one"))
		}
		time.Sleep(time.Minute)
		var running, most atomic.Int32
		fill := func(context.Context, *cache.Entry) (*cache.Entry, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(time.Second)
			return version("two"), nil
		}
		for range 10 {
			for i := range 10 {
				if _, _, err := l.Load(t.Context(), numbered(i), fill); err != nil {
					t.Error(err)
				}
				synctest.Wait()
			}
			time.Sleep(time.Second)
		}
		if most.Load() != 3 {
			t.Errorf("%d ran at a time, want 3", most.Load())
		}
		for i := range 10 {
			if e, outcome, err := l.Peek(t.Context(), numbered(i)); err != nil || e == nil || outcome.Stale {
				t.Errorf("key %d has not had its turn", i)
			}
		}
	})
}

func TestLoaderPeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		if e, outcome, err := l.Peek(t.Context(), numbered(1)); err != nil || e != nil || outcome != miss {
			t.Errorf("%v, %+v of an empty cache", e, outcome)
		}
		load(t, l, returns(version("one"), nil), "one", miss)
		for _, want := range []cache.Outcome{hit, staleHit} {
			if e, outcome, err := l.Peek(t.Context(), numbered(1)); err != nil || e == nil || outcome != want {
				t.Errorf("%v, %+v, want %+v", e, outcome, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestLoaderClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader()
		if err := l.Close(t.Context()); err != nil {
			t.Errorf("with nothing under way: %v", err)
		}

		l = newLoader()
		load(t, l, returns(version("one"), nil), "one", miss)
		time.Sleep(time.Minute)
		load(t, l, func(context.Context, *cache.Entry) (*cache.Entry, error) {
			time.Sleep(time.Second)
			return version("two"), nil
		}, "one", staleHit)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := l.Close(t.Context()); err != nil {
					t.Errorf("Close: %v", err)
				}
				if e, _, _ := l.Peek(t.Context(), numbered(1)); string(e.Body) != "two" {
					t.Error("closed before the revalidation had ended")
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		load(t, l, func(context.Context, *cache.Entry) (*cache.Entry, error) {
			t.Error("a revalidation after Close")
			return version("three"), nil
		}, "two", staleHit)

		l = newLoader()
		load(t, l, returns(version("one"), nil), "one", miss)
		time.Sleep(time.Minute)
		ended := false
		load(t, l, func(ctx context.Context, _ *cache.Entry) (*cache.Entry, error) {
			<-ctx.Done()
			ended = true
			return nil, ctx.Err()
		}, "one", staleHit)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close before the revalidation has ended: %v", err)
		}
		synctest.Wait()
		if !ended {
			t.Error("Close has not cancelled what it did not wait for")
		}
	})
}

package cache_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/cache"
)

// numbered is a key for tests that need a few.
func numbered(n int) cache.Key { return benchmarkKey(n) }

// entryOf has a body of size bytes that begins with the text.
func entryOf(text string, size int) *cache.Entry {
	e := &cache.Entry{Body: make([]byte, size), ContentType: "image/png"}
	copy(e.Body, text)
	return e
}

func TestMemoryStaysWithinItsBytes(t *testing.T) {
	const bound = 1 << 20
	m := cache.NewMemory(bound)
	for i := range 1000 {
		m.Put(t.Context(), numbered(i), entryOf("", 100+i*37%20000))
		if s := m.Stats(); s.Bytes > bound || s.Bytes <= 0 {
			t.Fatalf("after %d entries: %d bytes, bound is %d", i+1, s.Bytes, bound)
		}
	}
	s := m.Stats()
	if s.Entries+int64(s.Evictions) != 1000 || s.Bytes < bound*8/10 {
		t.Errorf("%+v: not all of 1,000 entries are there or evicted, or the room isn't used", s)
	}
	for i := range 1000 {
		m.Delete(t.Context(), numbered(i))
	}
	if s := m.Stats(); s.Bytes != 0 || s.Entries != 0 {
		t.Errorf("after deleting all: %d bytes, %d entries", s.Bytes, s.Entries)
	}
}

func TestMemoryCountsTinyEntries(t *testing.T) {
	m := cache.NewMemory(1 << 20)
	for i := range 10000 {
		m.Put(t.Context(), numbered(i), &cache.Entry{})
	}
	if s := m.Stats(); s.Entries > 2048 {
		t.Errorf("%d entries without a body in 1 MiB: their own size isn't counted", s.Entries)
	}
}

func TestMemoryEvictsLeastRecentlyUsed(t *testing.T) {
	m := cache.NewMemory(10 << 10) // nine entries of 1 KiB
	for i := range 9 {
		m.Put(t.Context(), numbered(i), entryOf("", 500))
	}
	m.Get(t.Context(), numbered(0))
	m.Put(t.Context(), numbered(9), entryOf("", 500))
	m.Put(t.Context(), numbered(10), entryOf("", 500))
	if e, _ := m.Get(t.Context(), numbered(0)); e == nil {
		t.Error("the entry that was just used is gone")
	}
	if e, _ := m.Get(t.Context(), numbered(1)); e != nil {
		t.Error("the entry that was not used for longest is still there")
	}
}

func TestMemoryKeepsNoGiants(t *testing.T) {
	m := cache.NewMemory(80 << 10)
	m.Put(t.Context(), numbered(1), entryOf("old", 100))
	m.Put(t.Context(), numbered(1), entryOf("new", 10<<10))
	if e, _ := m.Get(t.Context(), numbered(1)); e != nil {
		t.Errorf("have %.3q: an entry over an eighth is kept, or the one it replaced", e.Body)
	}
	m.Put(t.Context(), numbered(2), entryOf("", 9<<10))
	if e, _ := m.Get(t.Context(), numbered(2)); e == nil {
		t.Error("an entry under an eighth is not kept")
	}
	none := cache.NewMemory(0)
	none.Put(t.Context(), numbered(1), &cache.Entry{})
	if e, _ := none.Get(t.Context(), numbered(1)); e != nil {
		t.Error("a cache of 0 bytes keeps an entry")
	}
}

func TestMemoryExpiryAndStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.NewMemory(1 << 20)
		e := entryOf("", 100)
		e.Code, e.ExpiresAt = "NOT_FOUND", time.Now().Add(time.Minute)
		m.Put(t.Context(), numbered(1), e)
		time.Sleep(time.Minute - time.Nanosecond)
		if got, tier := m.Get(t.Context(), numbered(1)); got == nil || got.Code != "NOT_FOUND" || tier != "memory" {
			t.Errorf("before it expires: %v, %q", got, tier)
		}
		time.Sleep(time.Nanosecond)
		if got, _ := m.Get(t.Context(), numbered(1)); got != nil {
			t.Error("found after it expired")
		}
		want := cache.Stats{Hits: 1, Misses: 1, Puts: 1}
		if diff := cmp.Diff(want, m.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

func TestHitsDoNotAllocate(t *testing.T) {
	memory := cache.NewMemory(1 << 20)
	tiered := cache.NewTiered(memory)
	e := entryOf("", 100)
	e.ExpiresAt = time.Now().Add(time.Hour)
	tiered.Put(t.Context(), numbered(1), e)
	loader := &cache.Loader{Cache: tiered}
	ctx := t.Context()
	for name, hit := range map[string]func() error{
		"memory": func() error {
			if e, _ := memory.Get(ctx, numbered(1)); e == nil {
				return fmt.Errorf("miss")
			}
			return nil
		},
		"tiered": func() error {
			if e, _ := tiered.Get(ctx, numbered(1)); e == nil {
				return fmt.Errorf("miss")
			}
			return nil
		},
		"loader": func() error { _, _, err := loader.Load(ctx, numbered(1), nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() {
				if err := hit(); err != nil {
					t.Error(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

package cache_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tintype/tintype/cache"
)

func TestTieredFillsAbove(t *testing.T) {
	upper, middle, lower := cache.NewMemory(1<<20), cache.NewMemory(1<<20), cache.NewMemory(1<<20)
	tiered := cache.NewTiered(upper, middle, lower)
	lower.Put(t.Context(), numbered(1), entryOf("a", 10))
	if e, _ := tiered.Get(t.Context(), numbered(1)); e == nil {
		t.Fatal("a miss")
	}
	for name, tier := range map[string]*cache.Memory{"upper": upper, "middle": middle} {
		if e, _ := tier.Get(t.Context(), numbered(1)); e == nil {
			t.Errorf("the %s tier was not filled", name)
		}
	}
	if n := lower.Stats().Puts; n != 1 {
		t.Errorf("%d puts into the tier that had the entry", n)
	}
	before := lower.Stats()
	if e, _ := tiered.Get(t.Context(), numbered(1)); e == nil {
		t.Fatal("a miss")
	}
	if lower.Stats() != before {
		t.Error("the lowest tier was asked although the first has the entry")
	}
}

func TestTieredWithoutTiers(t *testing.T) {
	tiered := cache.NewTiered()
	tiered.Put(t.Context(), numbered(1), entryOf("a", 10))
	if e, tier := tiered.Get(t.Context(), numbered(1)); e != nil || tier != "" {
		t.Errorf("an entry of tier %q from nowhere", tier)
	}
	tiered.Delete(t.Context(), numbered(1))
}

// hooked is a tier that lets a test step in between.
type hooked struct {
	*cache.Memory
	afterGet  func() // once, when a Get has its answer and has not returned it
	beforePut func()
}

func (c *hooked) Get(ctx context.Context, key cache.Key) (*cache.Entry, string) {
	e, tier := c.Memory.Get(ctx, key)
	if hook := c.afterGet; hook != nil {
		c.afterGet = nil
		hook()
	}
	return e, tier
}

func (c *hooked) Put(ctx context.Context, key cache.Key, e *cache.Entry) {
	if c.beforePut != nil {
		c.beforePut()
	}
	c.Memory.Put(ctx, key, e)
}

func TestTieredFillUndoesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		op   func(ctx context.Context, tiered *cache.Tiered)
		want string // empty for a miss
	}{
		{"put", func(ctx context.Context, tiered *cache.Tiered) {
			tiered.Put(ctx, numbered(1), entryOf("new", 10))
		}, "new"},
		{"delete", func(ctx context.Context, tiered *cache.Tiered) {
			tiered.Delete(ctx, numbered(1))
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			lower := &hooked{Memory: cache.NewMemory(1 << 20)}
			tiered := cache.NewTiered(cache.NewMemory(1<<20), lower)
			lower.Put(t.Context(), numbered(1), entryOf("old", 10))
			lower.afterGet = func() { test.op(t.Context(), tiered) }
			tiered.Get(t.Context(), numbered(1))

			e, _ := tiered.Get(t.Context(), numbered(1))
			switch {
			case e == nil && test.want != "":
				t.Errorf("a miss, want %q", test.want)
			case e != nil && (test.want == "" || string(e.Body[:3]) != test.want):
				t.Errorf("have %q, want %q", e.Body[:3], test.want)
			}
		})
	}
}

// The copy begins after the put, and would end before it.
func TestTieredFillDuringPut(t *testing.T) {
	upper := cache.NewMemory(1 << 20)
	lower := &hooked{Memory: cache.NewMemory(1 << 20)}
	tiered := cache.NewTiered(upper, lower)
	lower.Put(t.Context(), numbered(1), entryOf("old", 10))
	lower.beforePut = func() {
		// As if the upper tier had evicted the entry that the put has just stored there.
		upper.Delete(t.Context(), numbered(1))
		if e, _ := tiered.Get(t.Context(), numbered(1)); string(e.Body[:3]) != "old" {
			t.Fatalf("have %q from the lower tier, which is not written yet", e.Body[:3])
		}
	}
	tiered.Put(t.Context(), numbered(1), entryOf("new", 10))
	if e, _ := tiered.Get(t.Context(), numbered(1)); string(e.Body[:3]) != "new" {
		t.Errorf("have %q after the put of new", e.Body[:3])
	}
}

// The look into the lower tier begins during a put, and ends after it.
func TestTieredFillAcrossPut(t *testing.T) {
	upper := cache.NewMemory(1 << 20)
	lower := &hooked{Memory: cache.NewMemory(1 << 20)}
	tiered := cache.NewTiered(upper, lower)
	lower.Put(t.Context(), numbered(1), entryOf("old", 10))

	looked, put, filled := make(chan struct{}), make(chan struct{}), make(chan struct{})
	lower.afterGet = func() { close(looked); <-put }
	lower.beforePut = func() {
		upper.Delete(t.Context(), numbered(1))
		go func() {
			defer close(filled)
			tiered.Get(t.Context(), numbered(1))
		}()
		<-looked
	}
	tiered.Put(t.Context(), numbered(1), entryOf("new", 10))
	close(put)
	<-filled
	if e, _ := tiered.Get(t.Context(), numbered(1)); string(e.Body[:3]) != "new" {
		t.Errorf("have %q after the put of new", e.Body[:3])
	}
}

// A second is a tier that keeps what is asked for again.
type second struct {
	*cache.Memory
	again   []string
	unready bool
}

func (c *second) Put(context.Context, cache.Key, *cache.Entry) {}

func (c *second) Again(_ cache.Key, e *cache.Entry) (settled bool) {
	if c.unready {
		return false
	}
	c.again = append(c.again, strings.TrimRight(string(e.Body), "\x00"))
	return true
}

func (c *second) Settled(cache.Key) bool { return false }

func TestTieredTellsOfSecondUse(t *testing.T) {
	middle, lower := cache.NewMemory(1<<20), &second{Memory: cache.NewMemory(1 << 20)}
	tiered := cache.NewTiered(cache.NewMemory(1<<20), middle, lower)
	told := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, lower.again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		lower.again = nil
	}
	tiered.Put(t.Context(), numbered(1), entryOf("a", 10))
	told("put")
	tiered.Get(t.Context(), numbered(1))
	told("first hit", "a")
	tiered.Get(t.Context(), numbered(1))
	told("second hit")
	tiered.Put(t.Context(), numbered(1), entryOf("b", 10))
	tiered.Get(t.Context(), numbered(1))
	told("first hit of another entry", "b")
	middle.Put(t.Context(), numbered(2), entryOf("c", 10))
	tiered.Get(t.Context(), numbered(2))
	told("hit in the middle", "c")
	lower.Memory.Put(t.Context(), numbered(3), entryOf("d", 10))
	tiered.Get(t.Context(), numbered(3))
	told("hit of the tier itself")
	lower.unready = true
	middle.Put(t.Context(), numbered(4), entryOf("e", 10))
	tiered.Get(t.Context(), numbered(4))
	tiered.Get(t.Context(), numbered(4))
	lower.unready = false
	tiered.Get(t.Context(), numbered(4))
	tiered.Get(t.Context(), numbered(4))
	told("hits before and after the tier was ready", "e")
}

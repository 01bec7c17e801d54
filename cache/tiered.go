package cache

import (
	"context"
	"sync"
)

// Tiered combines caches, the fastest first: memory, disk, bucket. Get asks them in this
// order, and copies the entry to the tiers above the one that had it. Put and Delete go to
// all tiers. Tiered is safe for concurrent use if the tiers are.
type Tiered struct {
	tiers   []Cache
	again   Again      // the last tier, where it wants to hear of hits above it
	memory  *Memory    // the first tier, where again is set
	stripes [64]stripe // by the key's first byte
}

// An Again is a tier that wants to hear of entries that a tier above it has, and that are asked for
// again: it may not have kept them at once. As the last one of [Tiered] below a [Memory], it hears of
// the first hit in memory, and of each one elsewhere, but for those that are lent. Where Again returns
// false, it also hears of the next hit in memory.
type Again interface {
	Again(key Key, e *Entry) (settled bool)
	// Settled reports whether it can do without hearing of hits of a key.
	Settled(key Key) bool
}

// A stripe counts changes of its keys. Get must not copy an entry upwards that a Put or a
// Delete has changed since it was read: the copy would undo the change.
type stripe struct {
	mu      sync.Mutex // guards both fields below, and is held while Get copies
	writing int        // Puts and Deletes that run
	edges   uint64     // beginnings and ends of Puts and Deletes so far
}

var _ Cache = (*Tiered)(nil)

// NewTiered returns the tiers as one cache. Without tiers every lookup misses.
func NewTiered(tiers ...Cache) *Tiered {
	t := &Tiered{tiers: tiers}
	if len(tiers) > 1 {
		t.memory, _ = tiers[0].(*Memory)
		if t.memory != nil {
			t.again, _ = tiers[len(tiers)-1].(Again)
		}
	}
	return t
}

// Get returns the entry and the name of the tier that had it, or nil.
func (t *Tiered) Get(ctx context.Context, key Key) (*Entry, string) {
	if len(t.tiers) == 0 {
		return nil, ""
	}
	if e, tier := t.first(ctx, key); e != nil {
		return e, tier
	}
	s := t.stripe(key)
	s.mu.Lock()
	edges := s.edges
	s.mu.Unlock()
	if t.again != nil && lendOf(ctx) != nil && !t.again.Settled(key) {
		ctx = WithLend(ctx, nil) // it may want the body
	}
	for i, below := range t.tiers[1:] {
		e, tier := below.Get(ctx, key)
		if e == nil {
			continue
		}
		if e == NoRoom || e.Part != nil || e.File != nil {
			return e, tier
		}
		s.mu.Lock()
		if s.writing == 0 && s.edges == edges {
			for _, above := range t.tiers[:i+1] {
				above.Put(ctx, key, e)
			}
			if t.again != nil && i < len(t.tiers)-2 {
				t.memory.noteHit(key, t.again.Again(key, e))
			}
		}
		s.mu.Unlock()
		return e, tier
	}
	return nil, ""
}

// first looks into the first tier.
func (t *Tiered) first(ctx context.Context, key Key) (*Entry, string) {
	if t.again == nil {
		return t.tiers[0].Get(ctx, key)
	}
	e, first := t.memory.get(key)
	if e == nil {
		return nil, ""
	}
	if first {
		s := t.stripe(key)
		s.mu.Lock()
		// A Put or a Delete may come after the entry. Then the next hit is told.
		settled := s.writing == 0 && t.memory.has(key, e) && t.again.Again(key, e)
		if !settled {
			t.memory.noteHit(key, false)
		}
		s.mu.Unlock()
	}
	return e, "memory"
}

// Put stores the entry in every tier that wants it.
func (t *Tiered) Put(ctx context.Context, key Key, e *Entry) {
	defer t.stripe(key).write()()
	for _, tier := range t.tiers {
		tier.Put(ctx, key, e)
	}
}

// Delete removes the entry from every tier.
func (t *Tiered) Delete(ctx context.Context, key Key) {
	defer t.stripe(key).write()()
	for _, tier := range t.tiers {
		tier.Delete(ctx, key)
	}
}

func (t *Tiered) stripe(key Key) *stripe {
	return &t.stripes[int(key[0])%len(t.stripes)]
}

// write records the beginning of a Put or Delete. The caller must call done at its end.
func (s *stripe) write() (done func()) {
	s.mu.Lock()
	s.writing++
	s.edges++
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.writing--
		s.edges++
		s.mu.Unlock()
	}
}

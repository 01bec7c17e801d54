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
	stripes [64]stripe // by the key's first byte
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
	return &Tiered{tiers: tiers}
}

// Get returns the entry and the name of the tier that had it, or nil.
func (t *Tiered) Get(ctx context.Context, key Key) (*Entry, string) {
	if len(t.tiers) == 0 {
		return nil, ""
	}
	if e, tier := t.tiers[0].Get(ctx, key); e != nil {
		return e, tier
	}
	s := t.stripe(key)
	s.mu.Lock()
	edges := s.edges
	s.mu.Unlock()
	for i, below := range t.tiers[1:] {
		e, tier := below.Get(ctx, key)
		if e == nil {
			continue
		}
		if e == NoRoom {
			return e, tier
		}
		s.mu.Lock()
		if s.writing == 0 && s.edges == edges {
			for _, above := range t.tiers[:i+1] {
				above.Put(ctx, key, e)
			}
		}
		s.mu.Unlock()
		return e, tier
	}
	return nil, ""
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

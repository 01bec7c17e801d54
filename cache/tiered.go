package cache

import (
	"context"
	"sync"
)

// Tiered is several caches as one, the fastest first: memory, disk, bucket. Get
// asks them in order and fills those above the one that answers; Put and Delete
// go to all, and each keeps what it will. It is safe for concurrent use if they
// are.
type Tiered struct {
	tiers   []Cache
	stripes [64]stripe // by the key's first byte
}

// A stripe tells Get whether what it read from a lower tier may have been
// replaced or deleted in the meantime: filling the tiers above would undo that.
type stripe struct {
	mu      sync.Mutex // guards the two below, and is held while filling
	writing int        // Puts and Deletes under way
	edges   uint64     // their beginnings and ends so far
}

var _ Cache = (*Tiered)(nil)

// NewTiered returns the tiers as one cache. Without tiers everything is a miss.
func NewTiered(tiers ...Cache) *Tiered {
	return &Tiered{tiers: tiers}
}

// Get returns the entry and the name that its tier gives itself, or nil.
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

// Delete drops the entry from every tier.
func (t *Tiered) Delete(ctx context.Context, key Key) {
	defer t.stripe(key).write()()
	for _, tier := range t.tiers {
		tier.Delete(ctx, key)
	}
}

func (t *Tiered) stripe(key Key) *stripe {
	return &t.stripes[int(key[0])%len(t.stripes)]
}

// write marks a Put or Delete as begun, and returns what marks it as done.
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

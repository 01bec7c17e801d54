package cache

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entryOverhead is what an entry costs in memory beside its body and strings:
// the Entry, its place in the list and in the map, and what the allocator rounds
// up. Bytes.
const entryOverhead = 512

// Memory keeps the entries that were used last, in memory, within a bound. A hit
// allocates nothing. It is safe for concurrent use.
//
// One lock guards it all. Sixteen shards were no faster on two cores, where a hit
// takes some 125 ns either way, and each could only keep what fits in its own
// small bound.
type Memory struct {
	maxBytes int64

	mu      sync.Mutex // guards all below
	entries *simplelru.LRU[Key, *Entry]
	stats   Stats // Entries is taken from entries
}

var _ Cache = (*Memory)(nil)

// NewMemory returns a cache of up to maxBytes bytes: bodies, strings and a fixed
// overhead for each entry. An entry larger than an eighth of that is not kept.
// With maxBytes of 0 or less nothing is.
func NewMemory(maxBytes int64) *Memory {
	// The list's own bound is a number of entries, and ours is in bytes.
	entries, err := simplelru.NewLRU[Key, *Entry](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Memory{maxBytes: maxBytes, entries: entries}
}

// Get returns the entry and "memory", or nil.
func (m *Memory) Get(_ context.Context, key Key) (*Entry, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries.Get(key)
	if !ok {
		m.stats.Misses++
		return nil, ""
	}
	if e.Expired(time.Now()) {
		m.remove(key)
		m.stats.Misses++
		return nil, ""
	}
	m.stats.Hits++
	return e, "memory"
}

// Put stores the entry, errors too, and evicts what was not used for longest.
func (m *Memory) Put(_ context.Context, key Key, e *Entry) {
	// The caller may go on to fill in its own Entry; the body is shared.
	kept := *e
	size := memorySize(&kept)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
	if kept.Expired(time.Now()) {
		return
	}
	if size > m.maxBytes/8 {
		m.stats.Dropped++
		return
	}
	m.entries.Add(key, &kept)
	m.stats.Puts++
	m.stats.Bytes += size
	for m.stats.Bytes > m.maxBytes {
		_, oldest, _ := m.entries.RemoveOldest()
		m.stats.Bytes -= memorySize(oldest)
		m.stats.Evictions++
	}
}

// Delete drops the entry.
func (m *Memory) Delete(_ context.Context, key Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
}

// Stats returns the counts so far.
func (m *Memory) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Entries = int64(m.entries.Len())
	return s
}

// remove drops the entry under key, if there is one. The caller holds mu.
func (m *Memory) remove(key Key) {
	if e, ok := m.entries.Peek(key); ok {
		m.entries.Remove(key)
		m.stats.Bytes -= memorySize(e)
	}
}

// memorySize is what an entry keeps alive, in bytes. The body counts with its
// capacity, since all of the array stays.
func memorySize(e *Entry) int64 {
	return entryOverhead + int64(cap(e.Body)) + int64(len(e.ContentType)+len(e.ETag)+
		len(e.Code)+len(e.Message)+len(e.OriginETag)+len(e.OriginLastModified))
}

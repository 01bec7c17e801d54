package cache

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// entryOverhead is the memory of an entry beside its body and strings, in bytes: the Entry,
// its nodes in the list and the map, and the allocator's rounding.
const entryOverhead = 512

// Memory keeps the entries that were used last, within a bound. A hit allocates nothing.
// Memory is safe for concurrent use.
//
// It has one lock. Sixteen shards were no faster on two cores (about 125 ns a hit either
// way), and a shard could only keep entries that fit into its own small bound.
type Memory struct {
	maxBytes int64

	mu      sync.Mutex // guards all fields below
	entries *simplelru.LRU[Key, *inMemory]
	stats   Stats // without Entries, which entries has
}

var _ Cache = (*Memory)(nil)

type inMemory struct {
	Entry
	hit bool // since it was put, as far as a lower tier must know
}

// NewMemory returns a cache of up to maxBytes bytes. They are the bodies, the strings and a
// fixed overhead for each entry. Entries larger than an eighth of maxBytes aren't kept. With
// maxBytes of 0 or less the cache keeps nothing.
func NewMemory(maxBytes int64) *Memory {
	// The list bounds the number of entries. Put bounds the bytes.
	entries, err := simplelru.NewLRU[Key, *inMemory](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Memory{maxBytes: maxBytes, entries: entries}
}

// Get returns the entry and "memory", or nil.
func (m *Memory) Get(_ context.Context, key Key) (*Entry, string) {
	e, _ := m.get(key)
	if e == nil {
		return nil, ""
	}
	return e, "memory"
}

// get returns the entry, or nil, and whether this is the first hit since it was put.
func (m *Memory) get(key Key) (e *Entry, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.entries.Get(key)
	if !ok {
		m.stats.Misses++
		return nil, false
	}
	if kept.Expired(time.Now()) {
		m.remove(key)
		m.stats.Misses++
		return nil, false
	}
	m.stats.Hits++
	first, kept.hit = !kept.hit, true
	return &kept.Entry, first
}

// noteHit sets whether the next hit of the key isn't the first.
func (m *Memory) noteHit(key Key, hit bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kept, ok := m.entries.Peek(key); ok {
		kept.hit = hit
	}
}

// has reports whether e is what get would return.
func (m *Memory) has(key Key, e *Entry) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.entries.Peek(key)
	return ok && &kept.Entry == e
}

// Put stores the entry, errors too, and evicts entries that were used longest ago.
func (m *Memory) Put(_ context.Context, key Key, e *Entry) {
	// The caller may change its Entry afterwards. The body is shared.
	kept := inMemory{Entry: *e}
	size := memorySize(&kept.Entry)

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
		m.stats.Bytes -= memorySize(&oldest.Entry)
		m.stats.Evictions++
	}
}

// Delete removes the entry.
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

// remove removes the entry under key, if there is one. The caller holds mu.
func (m *Memory) remove(key Key) {
	if e, ok := m.entries.Peek(key); ok {
		m.entries.Remove(key)
		m.stats.Bytes -= memorySize(&e.Entry)
	}
}

// memorySize returns the memory of an entry, in bytes. The body counts with its capacity,
// since its whole array stays in memory.
func memorySize(e *Entry) int64 {
	size := entryOverhead + int64(cap(e.Body)) + int64(len(e.ContentType)+len(e.ETag)+
		len(e.Code)+len(e.Message)+len(e.OriginETag)+len(e.OriginLastModified))
	for _, r := range e.Redirects {
		size += 48 + int64(len(r.URL))
	}
	return size
}

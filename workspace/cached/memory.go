package cached

import (
	"math"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
)

// entryBytes is what memory takes for a workspace beside the workspace: an entry, its place in the
// list of what was used last, and in the map.
const entryBytes = 208

// memory has workspaces within a bound of bytes, those that were used last. Get is for everybody.
// All else is called under Store.mu.
type memory struct {
	*lru.Cache[string, *entry]
	most    int64
	bytes   atomic.Int64
	evicted atomic.Int64 // how many made room for others
}

func newMemory(most int64) memory {
	known, err := lru.New[string, *entry](math.MaxInt)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	return memory{Cache: known, most: most}
}

// put puts an entry into memory, and returns the one in whose place it is, or nil.
func (m *memory) put(e *entry) (old *entry) {
	if old, _ = m.Peek(e.Namespace); old != nil {
		m.bytes.Add(-old.bytes)
	}
	m.Add(e.Namespace, e)
	m.bytes.Add(e.bytes)
	return old
}

// take removes an entry, and returns it, or nil.
func (m *memory) take(namespace string) *entry {
	e, ok := m.Peek(namespace)
	if !ok {
		return nil
	}
	m.Remove(namespace)
	m.bytes.Add(-e.bytes)
	return e
}

// excess removes the entry that is longest unused where there are too many bytes, and returns it,
// else nil. The last entry stays, whatever its size.
func (m *memory) excess() *entry {
	if m.bytes.Load() <= m.most || m.Len() < 2 {
		return nil
	}
	_, e, _ := m.RemoveOldest()
	m.bytes.Add(-e.bytes)
	m.evicted.Add(1)
	return e
}

// Footprint estimates how many bytes a workspace takes in a [Store], without what others keep for
// it (see [Store.Holds]).
func Footprint(w *workspace.Workspace) int64 { return w.Footprint() + entryBytes }

// put puts an entry into memory. What was there in its place, or makes room for it, is dropped. The
// caller holds c.mu.
func (c *Store) put(e *entry) {
	if old := c.known.put(e); old != nil && old.Workspace != e.Workspace {
		c.dropped(old.Workspace)
	}
	c.shrink()
}

// shrink lets go of what is longest unused, until memory is within its bound. A copy on the disk
// stays, if it is as new as what the feed has told. The caller holds c.mu.
func (c *Store) shrink() {
	for e := c.known.excess(); e != nil; e = c.known.excess() {
		if e.told {
			c.spool.remove(e.Namespace) // the copy is older than a change
		}
		delete(c.stale, e.Namespace)
		c.dropped(e.Workspace)
	}
}

// OnDrop has f called with each workspace that leaves memory, also where a newer one replaces it. f
// must neither wait nor call the Store. Call OnDrop before there are requests.
func (c *Store) OnDrop(f func(*workspace.Workspace)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = f
}

// Holds says how many bytes others keep for a workspace of Get, until it is dropped (see
// [Store.OnDrop]). They count in Config.Memory. Holds reports whether the workspace is in memory:
// if not, keep nothing for it.
func (c *Store) Holds(w *workspace.Workspace, bytes int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.known.Peek(w.Namespace)
	if !ok || e.Workspace != w {
		return false
	}
	c.known.bytes.Add(bytes - e.held)
	e.bytes, e.held = e.bytes+bytes-e.held, bytes
	c.shrink()
	return c.known.Contains(w.Namespace)
}

// Stats are figures of a Store.
type Stats struct {
	Workspaces   int   // in memory
	Bytes, Limit int64 // of memory that they take, by estimate, and may take
	Evicted      int64 // workspaces that made room for others
	Loaded       int64 // workspaces that were not in memory, read from the store
	Copied       int64 // likewise, read from Config.Copies
}

// Stats returns the figures of now.
func (c *Store) Stats() Stats {
	return Stats{
		Workspaces: c.known.Len(), Bytes: c.known.bytes.Load(), Limit: c.known.most, Evicted: c.known.evicted.Load(),
		Loaded: c.loaded.Load(), Copied: c.copied.Load(),
	}
}

package cached

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	// deafAfter is how long the feed may fail before everything in memory is read again, and
	// the interval of that while it goes on failing.
	deafAfter = 30 * time.Second

	// lookTimeout bounds one look at the feed. Stores have bounds of their own for each call,
	// and tell what they could read.
	lookTimeout = 20 * time.Second

	// cursorsWaiting is how many cursors may wait for what is read again.
	cursorsWaiting = 64
)

// A cursorMark is the cursor after a look at the feed. It may be written down once nothing
// that was marked by that look or before is left to be read again.
type cursorMark struct {
	look   uint64
	cursor string
}

// Run follows the store's feed until the context ends. It logs failures and tries again. It
// has workspaces in memory read again that other servers have changed or purged, see
// [Store.kick], and serves the old ones meanwhile. Deleted workspaces leave memory. Call Run
// once.
//
// Following and reading are apart, so that a store that answers slowly delays no change by
// more than its own calls. While the feed fails, Run has everything in memory read again every
// half a minute. So a signing key or an entry of an allowlist that was removed is gone from
// every server within a minute, as long as the store answers at all.
func (c *Store) Run(ctx context.Context) {
	var writing sync.WaitGroup
	pulsing, still := context.WithCancel(ctx)
	writing.Go(func() { c.pulse(pulsing) })
	spooling, stop := context.WithCancel(context.WithoutCancel(ctx))
	writing.Go(func() { c.spool.run(spooling) })
	defer writing.Wait()
	defer stop() // when nothing more comes
	defer still()
	defer c.reading.Wait()
	copied, _ := c.spool.read(ctx, cursorKey)
	cursor := string(copied)
	if cursor != "" {
		c.answered.Store(true) // the copies are of a store that has answered before
	}
	c.deaf = c.now()
	for {
		began := c.now()
		next, whole := c.follow(ctx, cursor)
		if c.spool.lost() {
			c.copyAll()
		}
		c.kick(ctx)
		if next != cursor {
			c.cursorAt(next)
		}
		cursor = next
		c.settle()
		// A store that takes long, or has failed, is asked again sooner, so that a change is heard
		// of in time.
		again := max(c.poll-4*c.now().Sub(began), c.poll/100)
		if !whole {
			again = min(again, c.poll/5)
		}
		if c.waking.Load() != nil { // images wait for it
			again = min(again, wakeRetry)
		}
		rest := time.NewTimer(again)
		select {
		case <-rest.C:
		case <-c.wake:
		case <-ctx.Done():
		}
		if rest.Stop(); ctx.Err() != nil {
			return
		}
	}
}

// follow reads the changes since the cursor once, and returns the next cursor, and whether all of
// the feed was read.
func (c *Store) follow(ctx context.Context, cursor string) (next string, whole bool) {
	within, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	began, asked := c.now(), c.clock()
	late := time.AfterFunc(loadTimeout, func() { c.down.Store(true) }) // copies serve meanwhile
	changes, next, err := c.store.Changes(within, cursor)
	late.Stop()
	if errors.Is(err, workspace.ErrCursor) && cursor != "" {
		return c.follow(ctx, "")
	}
	if ctx.Err() != nil {
		return cursor, false
	}
	if err != nil {
		c.mu.Lock()
		c.complain("asking for changes", err)
		c.mu.Unlock()
		if next == "" {
			c.down.Store(true)
			next = cursor
		}
		c.suspect(changes) // of the parts that were read
		if c.now().Sub(c.deaf) >= deafAfter {
			c.deaf = c.now()
			c.lose(false)
		}
		return next, false
	}
	c.answered.Store(true)
	c.deaf = c.now()
	if cursor == "" {
		c.lose(true) // nobody knows what changed before the first cursor
	} else {
		c.suspect(changes)
	}
	c.heard.Store(asked) // after the marks, so that nothing marked passes for heard
	c.looked(began)
	return next, true
}

// suspect marks the changed workspaces that are in memory, to be read again.
func (c *Store) suspect(changes []workspace.Change) {
	c.mu.Lock()
	c.look++
	for _, change := range changes {
		switch change.Kind {
		case workspace.ChangedWorkspace, workspace.ChangedPurges:
		case workspace.ChangedDomains:
			c.advance(change.Namespace)
			continue
		default:
			continue
		}
		c.advance(change.Namespace)
		if have, ok := c.known.Peek(change.Namespace); ok {
			have.told = true
			c.mark(have)
		} else {
			c.spool.remove(change.Namespace)
		}
	}
	c.mu.Unlock()
	if len(changes) > 0 {
		c.tell(changes)
	}
}

// lose marks every workspace in memory, since anything may have changed. With wipe it removes
// all copies on disk too.
func (c *Store) lose(wipe bool) {
	c.mu.Lock()
	c.look++
	if wipe {
		c.spool.wipe()
		c.recopy = true
	}
	for i := range c.epochs {
		c.epochs[i]++
	}
	clear(c.loads)
	c.unknown.Purge()
	c.queue = c.queue[:0]
	for _, have := range c.known.Values() { // from the one that is longest unused: what is in use is read first
		have.told = have.told || wipe
		c.mark(have)
	}
	c.mu.Unlock()
	c.tell(nil)
}

// cursorAt remembers a cursor until all that it stands for has been read.
func (c *Store) cursorAt(cursor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursors = append(c.cursors, cursorMark{c.look, cursor})
	if len(c.cursors) > cursorsWaiting {
		c.cursors = c.cursors[1:]
	}
}

// settle has the newest cursor written that nothing in memory is older than, behind the copies
// that it stands for.
func (c *Store) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cursors) == 0 {
		return
	}
	oldest := c.look + 1
	for _, look := range c.stale {
		oldest = min(oldest, look)
	}
	if len(c.stale) == 0 {
		c.recopy = false
	}
	for len(c.cursors) > 0 && c.cursors[0].look < oldest {
		if len(c.cursors) == 1 || c.cursors[1].look >= oldest {
			c.spool.setCursor(c.cursors[0].cursor)
		}
		c.cursors = c.cursors[1:]
	}
}

// copyAll queues copies of everything in memory.
func (c *Store) copyAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, have := range c.known.Values() {
		c.spool.put(have.Workspace)
	}
	for _, name := range c.domains.known.Keys() {
		if d, ok := c.domains.known.Peek(name); ok && !d.VerifiedAt.IsZero() && c.current(d) {
			c.spool.putDomain(d.Domain)
		}
	}
}

// copyAgain queues copies of what is in memory, where they have made room for others on the disk.
// They had not been written for long, but that isn't to be out of use. Where most of what makes room
// is in memory, the disk has too little room for them, and nothing is queued.
func (c *Store) copyAgain(keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var inUse []*workspace.Workspace
	for _, key := range keys {
		if have, ok := c.known.Peek(key); ok && !have.told {
			inUse = append(inUse, have.Workspace)
		} else if name, ok := strings.CutPrefix(key, domainKey("")); ok {
			if d, ok := c.domains.known.Peek(name); ok && !d.VerifiedAt.IsZero() && c.current(d) {
				c.spool.putDomain(d.Domain)
			}
		}
	}
	if 2*len(inUse) <= len(keys) {
		for _, w := range inUse {
			c.spool.put(w)
		}
	}
}

package cached

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	// deafAfter is how long the feed may fail before everything in memory is read again, and
	// the interval of that while it goes on failing.
	deafAfter = 30 * time.Second

	// reloads is how many workspaces are read again at the same time.
	reloads = 16
)

// Run follows the store's feed until the context ends. It logs failures and tries again. It
// reads workspaces in memory again that other servers have changed or purged, and serves the
// old ones meanwhile. Deleted workspaces leave memory. Call Run once.
//
// While the feed fails, Run reads everything in memory again every half a minute. So a
// signing key or an entry of an allowlist that was removed is gone from every server within
// a minute, as long as the store answers at all.
func (c *Store) Run(ctx context.Context) {
	var writing sync.WaitGroup
	spooling, stop := context.WithCancel(context.WithoutCancel(ctx))
	writing.Go(func() { c.spool.run(spooling) })
	defer writing.Wait()
	defer stop() // when nothing more comes
	tick := time.NewTicker(c.poll)
	defer tick.Stop()
	cursor := string(c.spool.read(ctx, cursorKey))
	if cursor != "" {
		c.answered.Store(true) // the copies are of a store that has answered before
	}
	c.heard = c.now()
	for {
		next := c.follow(ctx, cursor)
		if c.spool.lost() {
			c.copyAll()
		}
		if next != cursor && c.settled() {
			c.spool.setCursor(next) // behind the copies that it stands for
		}
		cursor = next
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// follow reads the changes since the cursor once, and returns the next cursor.
func (c *Store) follow(ctx context.Context, cursor string) (next string) {
	within, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	changes, next, err := c.store.Changes(within, cursor)
	switch {
	case errors.Is(err, workspace.ErrCursor) && cursor != "":
		return c.follow(ctx, "")
	case err != nil:
		next = cursor
		if ctx.Err() != nil {
			return next
		}
		c.mu.Lock()
		c.complain("asking for changes", err)
		c.mu.Unlock()
		c.down.Store(true)
		if c.now().Sub(c.heard) >= deafAfter {
			c.heard = c.now()
			c.lose(false)
		}
	case cursor == "":
		c.answered.Store(true)
		c.heard = c.now()
		c.lose(true) // nobody knows what changed before the first cursor
	default:
		c.answered.Store(true)
		c.heard = c.now()
		c.suspect(changes)
	}
	c.reload(ctx)
	return next
}

// suspect marks the changed workspaces that are in memory, to be read again.
func (c *Store) suspect(changes []workspace.Change) {
	c.mu.Lock()
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
		if c.known.Contains(change.Namespace) {
			c.stale[change.Namespace] = struct{}{}
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
	if wipe {
		c.spool.wipe()
		c.recopy = true
	}
	for i := range c.epochs {
		c.epochs[i]++
	}
	clear(c.loads)
	c.unknown.Purge()
	for _, namespace := range c.known.Keys() {
		c.stale[namespace] = struct{}{}
	}
	c.mu.Unlock()
	c.tell(nil)
}

// settled reports whether everything in memory is as new as the feed.
func (c *Store) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stale) > 0 {
		return false
	}
	c.recopy = false
	return true
}

// copyAll queues copies of everything in memory.
func (c *Store) copyAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, namespace := range c.known.Keys() {
		if w, ok := c.known.Peek(namespace); ok {
			c.spool.put(w)
		}
	}
	for _, name := range c.domains.known.Keys() {
		if d, ok := c.domains.known.Peek(name); ok && !d.VerifiedAt.IsZero() && c.current(d) {
			c.spool.putDomain(d.Domain)
		}
	}
}

// reload reads the marked workspaces. One that can't be read stays in use, and stays marked.
func (c *Store) reload(ctx context.Context) {
	c.mu.Lock()
	namespaces := make(chan string, len(c.stale))
	for namespace := range c.stale {
		namespaces <- namespace
	}
	c.mu.Unlock()
	close(namespaces)
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var reading sync.WaitGroup
	for range min(reloads, len(namespaces)) {
		reading.Go(func() {
			for namespace := range namespaces {
				c.mu.Lock()
				if !c.known.Contains(namespace) { // no longer in use
					delete(c.stale, namespace)
					c.spool.remove(namespace)
					c.mu.Unlock()
					continue
				}
				l := c.load(ctx, namespace, false)
				c.mu.Unlock()
				if _, err := l.wait(ctx); errors.Is(err, workspace.ErrUnavailable) || ctx.Err() != nil {
					giveUp() // the next poll tries again
					return
				}
			}
		})
	}
	reading.Wait()
}

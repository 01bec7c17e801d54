package workspace

import (
	"context"
	"errors"
	"time"
)

// Run follows the store's changes until the context ends, and returns nothing
// earlier: failures are logged and tried again. Workspaces in memory that others
// changed or purged are read anew while the old copy goes on being served; deleted
// ones vanish. Call it once.
func (c *Cached) Run(ctx context.Context) {
	tick := time.NewTicker(c.poll)
	defer tick.Stop()
	cursor := ""
	for {
		cursor = c.follow(ctx, cursor)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// follow looks at the changes since the cursor, once, and returns the next cursor.
func (c *Cached) follow(ctx context.Context, cursor string) (next string) {
	changes, next, err := c.store.Changes(ctx, cursor)
	switch {
	case errors.Is(err, ErrCursor) && cursor != "":
		return c.follow(ctx, "")
	case err != nil:
		if ctx.Err() == nil {
			c.mu.Lock()
			c.complain("asking for changes", err)
			c.mu.Unlock()
		}
		next = cursor
	case cursor == "":
		c.suspectAll()
		c.tell(nil)
	case len(changes) == 0:
	default:
		var namespaces []string
		for _, change := range changes {
			switch change.Kind {
			case ChangedWorkspace, ChangedPurges, ChangedDomains:
				namespaces = append(namespaces, change.Namespace)
			}
		}
		c.suspect(namespaces)
		c.tell(changes)
	}
	c.reload(ctx)
	return next
}

// suspect marks what is in memory of the namespaces for reading anew.
func (c *Cached) suspect(namespaces []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, namespace := range namespaces {
		c.advance(namespace)
		if c.known.Contains(namespace) {
			c.stale[namespace] = struct{}{}
		}
	}
}

// suspectAll is suspect for every namespace: nobody knows what changed before the
// first cursor.
func (c *Cached) suspectAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.epochs {
		c.epochs[i]++
	}
	clear(c.loads)
	c.unknown.Purge()
	for _, namespace := range c.known.Keys() {
		c.stale[namespace] = struct{}{}
	}
}

// reload reads what is marked. What can't be read stays in use, and marked.
func (c *Cached) reload(ctx context.Context) {
	c.mu.Lock()
	namespaces := make([]string, 0, len(c.stale))
	for namespace := range c.stale {
		namespaces = append(namespaces, namespace)
	}
	c.mu.Unlock()
	for _, namespace := range namespaces {
		c.mu.Lock()
		if !c.known.Contains(namespace) { // no longer in use
			delete(c.stale, namespace)
			c.mu.Unlock()
			continue
		}
		l := c.load(ctx, namespace)
		c.mu.Unlock()
		if _, err := l.wait(ctx); errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return // the next poll tries again
		}
	}
}

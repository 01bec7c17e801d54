package workspace

import (
	"context"
	"errors"
)

var _ Purges = (*Cached)(nil)

var errNoPurges = errors.New("this store keeps no purges")

// AddPurge adds the purge in the store, and to the workspace in memory before it
// returns.
func (c *Cached) AddPurge(ctx context.Context, namespace, workspaceID string, p Purge, audit ...AuditEntry) (PurgeLog, error) {
	if c.purges == nil {
		return PurgeLog{}, errNoPurges
	}
	log, err := c.purges.AddPurge(ctx, namespace, workspaceID, p, audit...)
	if err != nil {
		return PurgeLog{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(namespace)
	if have, ok := c.known.Peek(namespace); ok && have.ID == workspaceID {
		purged := *have
		purged.Purges = log
		c.keep(&purged)
	}
	return log, nil
}

// PurgeLog asks the store.
func (c *Cached) PurgeLog(ctx context.Context, workspaceID string) (PurgeLog, error) {
	if c.purges == nil {
		return PurgeLog{}, nil
	}
	return c.purges.PurgeLog(ctx, workspaceID)
}

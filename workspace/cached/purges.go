package cached

import (
	"context"
	"errors"

	"github.com/tintype/tintype/workspace"
)

var _ workspace.Purges = (*Store)(nil)

var errNoPurges = errors.New("this store keeps no purges")

// AddPurges adds purges in the store, and to the workspace in memory before it
// returns.
func (c *Store) AddPurges(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (workspace.PurgeLog, []workspace.Widened, error) {
	if c.purges == nil {
		return workspace.PurgeLog{}, nil, errNoPurges
	}
	// This takes the log into memory too, so that many purges don't read a long log again and
	// again. Where it fails, the purge below fails too and says why.
	_, _ = c.Get(ctx, namespace)
	if have := c.knownPurges(namespace, workspaceID); have.Sequence > known.Sequence {
		known = have
	}
	log, widened, err := c.purges.AddPurges(ctx, namespace, workspaceID, known, purges, audit...)
	if err != nil {
		return workspace.PurgeLog{}, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(namespace)
	if have, ok := c.known.Peek(namespace); ok && have.ID == workspaceID {
		purged := *have.Workspace
		purged.Purges = log
		c.keep(&purged)
	}
	return log, widened, nil
}

// PurgeLog reads the log from the store.
func (c *Store) PurgeLog(ctx context.Context, workspaceID string, known workspace.PurgeLog) (workspace.PurgeLog, error) {
	if c.purges == nil {
		return workspace.PurgeLog{}, nil
	}
	return c.purges.PurgeLog(ctx, workspaceID, known)
}

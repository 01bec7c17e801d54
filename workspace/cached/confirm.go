package cached

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/workspace"
)

// RevocationReach is how long after a write no server goes by what was before, where a secret
// protects the image, whatever the store does.
const RevocationReach = time.Minute

// askAgain is how long a workspace that could not be confirmed isn't asked for again.
const askAgain = time.Second

// Confirmed reports whether a workspace that Get returned was the store's within
// Config.Unconfirmed. It costs no allocation.
func (c *Store) Confirmed(w *workspace.Workspace) bool {
	have, ok := c.known.Peek(w.Namespace)
	return ok && have.Workspace == w && c.fresh(have)
}

func (c *Store) fresh(e *entry) bool {
	if c.unconfirmed < 0 {
		return true
	}
	asOf := e.asOf.Load()
	if !e.marked.Load() {
		asOf = max(asOf, c.heard.Load())
	}
	return c.clock()-asOf <= int64(c.unconfirmed)
}

// Confirm returns the workspace under the namespace as the store had it within
// Config.Unconfirmed. It asks the store where memory isn't that new. Call it before a signature
// or an API key opens an image: somebody may have taken that right back. The error is
// ErrNotFound, the context's, or ErrUnavailable where the store doesn't answer.
func (c *Store) Confirm(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	for range 3 { // a change may come between
		if _, err := c.Get(ctx, namespace); err != nil {
			return nil, err
		}
		have, ok := c.known.Peek(namespace)
		if !ok {
			continue
		}
		if c.fresh(have) {
			return have.Workspace, nil
		}
		if c.clock()-have.failed.Load() < int64(askAgain) {
			break
		}
		c.mu.Lock()
		l := c.load(ctx, namespace, false)
		c.mu.Unlock()
		if _, err := l.wait(ctx); err != nil {
			if c.again(ctx, err) {
				continue
			}
			if unavailable(err) {
				have.failed.Store(c.clock())
			}
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: whether %s is still as it was can't be told now", workspace.ErrUnavailable, namespace)
}

func unavailable(err error) bool { return errors.Is(err, workspace.ErrUnavailable) }

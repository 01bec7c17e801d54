package workspace

import (
	"context"
	"errors"
)

// applyTries bounds how often Apply starts over because others write too.
const applyTries = 5

// Apply makes the stored workspace of w.Namespace what w says, creating it where
// there is none, and returns what changed as [Diff] words it. Where nothing did
// it writes nothing, so that applying twice is applying once. [Mask] keeps stored
// secrets. Where w.Revision isn't 0, the store must have that revision:
// otherwise the error is ErrConflict. On success the fields of w that the server
// makes are the stored ones; nothing else of w is changed. The caller has
// validated w. Errors are the store's and a *[ValidationError] of Unmask.
func Apply(ctx context.Context, store Store, w *Workspace) (changes []string, err error) {
	for range applyTries {
		n := w.Clone()
		old, getErr := store.Get(ctx, w.Namespace)
		switch {
		case errors.Is(getErr, ErrNotFound):
			if err := n.Unmask(nil); err != nil {
				return nil, err
			}
			changes = Diff(nil, n)
			err = store.Create(ctx, n)
		case getErr != nil:
			return nil, getErr
		case w.Revision != 0 && w.Revision != old.Revision:
			return nil, ErrConflict
		default:
			if err := n.Unmask(old); err != nil {
				return nil, err
			}
			if changes = Diff(old, n); len(changes) == 0 {
				n = old
				break
			}
			n.ID, n.Revision = old.ID, old.Revision
			err = store.Update(ctx, n)
		}
		switch {
		case err == nil:
			w.ID, w.Revision, w.CreatedAt, w.UpdatedAt = n.ID, n.Revision, n.CreatedAt, n.UpdatedAt
			return changes, nil
		case errors.Is(err, ErrExists), errors.Is(err, ErrNotFound):
		case errors.Is(err, ErrConflict) && w.Revision == 0:
		default:
			return nil, err
		}
	}
	return nil, err
}

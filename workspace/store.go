package workspace

import (
	"context"
	"errors"
)

// Errors of a Store.
var (
	ErrNotFound    = errors.New("workspace not found")
	ErrExists      = errors.New("namespace is taken")
	ErrDomainTaken = errors.New("domain belongs to another workspace")
	ErrConflict    = errors.New("workspace has changed since it was read")
	ErrUnavailable = errors.New("workspace store is unavailable")
)

// A Store keeps workspaces. Every write is one atomic, conditional step: it
// happens whole and is durable when the call returns, or not at all. It is safe
// for concurrent use, by several processes too. Errors wrap this package's.
type Store interface {
	// Get returns the workspace under the namespace, or ErrNotFound.
	Get(ctx context.Context, namespace string) (*Workspace, error)
	// List returns up to limit workspaces in the order of their namespaces, from
	// the first one after `after`, which is empty for the start.
	List(ctx context.Context, after string, limit int) ([]*Workspace, error)
	// Create stores a new workspace under revision 1 and sets ID, Revision and
	// the times in w, or answers ErrExists or ErrDomainTaken.
	Create(ctx context.Context, w *Workspace) error
	// Update replaces the workspace of w.Namespace if its revision in the store is
	// w.Revision, and sets the new Revision and UpdatedAt in w. ID and CreatedAt
	// stay. Otherwise ErrNotFound, ErrConflict or ErrDomainTaken.
	Update(ctx context.Context, w *Workspace) error
	// Delete removes the workspace if its revision is the one given; revision 0 is
	// any. Otherwise ErrNotFound or ErrConflict.
	Delete(ctx context.Context, namespace string, revision int64) error
	// Changes returns the namespaces created, updated or deleted since the cursor
	// that an earlier call returned, each once, and the cursor to go on from. An
	// empty cursor returns no namespaces and the cursor of now. A cursor that is
	// too old to answer from returns ErrCursor.
	Changes(ctx context.Context, cursor string) (namespaces []string, next string, err error)
	// Close releases the store.
	Close() error
}

// ErrCursor says that changes since a cursor are no longer known: what was read
// before it must be read anew.
var ErrCursor = errors.New("change cursor is too old")

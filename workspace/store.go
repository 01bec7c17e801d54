package workspace

import (
	"context"
	"errors"
	"fmt"
)

// Errors of what is stored.
var (
	ErrNotFound       = errors.New("workspace not found")
	ErrExists         = errors.New("namespace is taken")
	ErrDomainTaken    = errors.New("domain belongs to another workspace")
	ErrDomainNotFound = errors.New("domain belongs to no workspace")
	ErrConflict       = errors.New("workspace has changed since it was read")
	ErrKeyNotFound    = errors.New("API key not found")
	ErrKeyExists      = errors.New("API key exists already")
	ErrTooManyKeys    = errors.New("workspace has as many API keys as there can be")
	ErrUnavailable    = errors.New("workspace store is unavailable")

	// ErrThrottled is an ErrUnavailable of a store that is there but takes no more
	// for now.
	ErrThrottled = fmt.Errorf("%w: it has been asked for more than it takes at a time", ErrUnavailable)

	// ErrFull and ErrReadOnly are an ErrUnavailable of a store that can be read and can't
	// be written.
	ErrFull     = fmt.Errorf("%w for writing: its disk is full", ErrUnavailable)
	ErrReadOnly = fmt.Errorf("%w for writing: its files can only be read", ErrUnavailable)

	// ErrCursor says that changes since a cursor are no longer known: what was read
	// before it must be read anew.
	ErrCursor = errors.New("change cursor is too old")
)

// A Store keeps workspaces. Every write is one atomic, conditional step: it
// happens whole and is durable when the call returns, or not at all; after
// ErrUnavailable either may be so. Audit entries that are given with a write are
// appended in the same step (see [AuditLog]). It is safe for concurrent use, by
// several processes too. Errors wrap this package's, or are the context's.
type Store interface {
	// Get returns the workspace under the namespace, or ErrNotFound.
	Get(ctx context.Context, namespace string) (*Workspace, error)
	// List returns up to limit workspaces in the order of their namespaces, from
	// the first one after `after`, which is empty for the start.
	List(ctx context.Context, after string, limit int) ([]*Workspace, error)
	// Create stores a new workspace under revision 1 and sets ID, Revision and
	// the times in w, or answers ErrExists, or ErrDomainTaken where one of its domains
	// is verified for another. Its domains are claimed, and not verified (see
	// [Domains]).
	Create(ctx context.Context, w *Workspace, audit ...AuditEntry) error
	// Update replaces the workspace of w.Namespace if its ID and revision in the store
	// are those of w, and sets the new Revision and UpdatedAt in w. CreatedAt stays.
	// Otherwise ErrNotFound, ErrConflict, or ErrDomainTaken where a domain that
	// it didn't claim before is verified for another.
	Update(ctx context.Context, w *Workspace, audit ...AuditEntry) error
	// Delete removes the workspace if its revision is the one given; revision 0 is
	// any. Otherwise ErrNotFound or ErrConflict. Its domains are free again, its API
	// keys are revoked (in some stores right after), and its ID is remembered (see
	// [Deletions]). Its logs, its usage, its revoked keys and its purge log stay under
	// its ID, and each is forgotten when its time has come, 400 days later at most.
	Delete(ctx context.Context, namespace string, revision int64, audit ...AuditEntry) error
	// Changes returns what was written since the cursor that an earlier call
	// returned, each Change once, and the cursor to go on from. An empty cursor
	// returns no changes and the cursor of now. A cursor that is too old to answer
	// from returns ErrCursor.
	Changes(ctx context.Context, cursor string) (changes []Change, next string, err error)
	// Close releases the store.
	Close() error
}

// A Change says that something of a namespace was written, and is to be read anew
// by who holds a copy.
type Change struct {
	Kind      ChangeKind
	Namespace string
}

// A ChangeKind is what was written.
type ChangeKind string

// The kinds of changes.
const (
	ChangedWorkspace ChangeKind = "workspace" // created, updated or deleted
	ChangedKeys      ChangeKind = "keys"      // an API key was made or revoked
	ChangedPurges    ChangeKind = "purges"    // its purge log has grown
	ChangedDomains   ChangeKind = "domains"   // a domain was verified
)

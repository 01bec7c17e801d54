package workspace

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of stores.
var (
	ErrNotFound       = errors.New("workspace not found")
	ErrExists         = errors.New("namespace is taken")
	ErrDomainTaken    = errors.New("domain belongs to another workspace")
	ErrDomainNotFound = errors.New("domain belongs to no workspace")
	ErrConflict       = errors.New("workspace has changed since it was read")
	ErrKeyNotFound    = errors.New("API key not found")
	ErrKeyExists      = errors.New("API key exists already")
	ErrTooManyKeys    = errors.New("workspace has the maximum number of API keys")
	ErrUnavailable    = errors.New("workspace store is unavailable")

	// ErrThrottled is an ErrUnavailable: the store works, but refuses more requests for now.
	ErrThrottled = fmt.Errorf("%w: it gets more requests than it can handle", ErrUnavailable)

	// ErrUndecodable is an ErrUnavailable: what is stored can't be read by this version, now or
	// later.
	ErrUndecodable = fmt.Errorf("%w: what it has was written by another version, or is damaged", ErrUnavailable)

	// ErrFull and ErrReadOnly are an ErrUnavailable: the store can be read, but not written.
	ErrFull     = fmt.Errorf("%w for writing: its disk is full", ErrUnavailable)
	ErrReadOnly = fmt.Errorf("%w for writing: its files can only be read", ErrUnavailable)

	// ErrFrozen is an ErrReadOnly: the operator is moving the store.
	ErrFrozen = fmt.Errorf("%w: tintype store export --freeze holds changes back while it is moved, and tintype store thaw ends that", ErrReadOnly)

	// ErrCursor means that the changes since a cursor are not known any more. Read
	// everything again.
	ErrCursor = errors.New("change cursor is too old")
)

// A Store keeps workspaces. Every write is one atomic, conditional step: when the call
// returns, it is complete and durable, or it didn't happen. After ErrUnavailable, either
// may be the case. Audit entries that are passed with a write are appended in the same step
// (see [AuditLog]). A Store is safe for concurrent use, also by several processes. Errors
// wrap this package's, or are the context's.
type Store interface {
	// Get returns the workspace of the namespace, or ErrNotFound.
	Get(ctx context.Context, namespace string) (*Workspace, error)
	// List returns up to limit workspaces, sorted by namespace. It starts after the
	// namespace `after`; empty starts at the first.
	List(ctx context.Context, after string, limit int) ([]*Workspace, error)
	// Create stores a new workspace with revision 1. It sets ID, Revision and the times in
	// w. It claims the workspace's domains without verifying them (see [Domains]). The error
	// is ErrExists, or ErrDomainTaken if a domain is verified for another workspace.
	Create(ctx context.Context, w *Workspace, audit ...AuditEntry) error
	// Update replaces the workspace if its ID and revision in the store are those of w. It
	// sets Revision and UpdatedAt in w. CreatedAt stays. Otherwise the error is ErrNotFound
	// or ErrConflict. It is ErrDomainTaken if w claims a new domain that is verified for
	// another workspace.
	Update(ctx context.Context, w *Workspace, audit ...AuditEntry) error
	// Delete removes the workspace if it has this revision; 0 is any. Otherwise the error is
	// ErrNotFound or ErrConflict. Its domains become free. Its API keys are revoked (in some
	// stores a moment later). Its ID is remembered (see [Deletions]). Its logs, usage,
	// revoked keys and purge log stay under its ID until they expire, at most 400 days
	// later.
	Delete(ctx context.Context, namespace string, revision int64, audit ...AuditEntry) error
	// Changes returns the writes since the cursor of an earlier call, each Change once, and
	// the next cursor. An empty cursor returns no changes and the present cursor. The error
	// is ErrCursor if the cursor is too old. With another error, a cursor that isn't empty
	// stands after the changes that could be read, and they are returned too.
	Changes(ctx context.Context, cursor string) (changes []Change, next string, err error)
	// Close releases the store.
	Close() error
}

// A Rereader is a Store that reads many workspaces at once.
type Rereader interface {
	// Reread reads workspaces that the caller knows, with their logs of purges, and calls got
	// for each that could be read, by one goroutine at a time: with its place in known and what
	// the store has now, nil for nothing. A log need not be read where it hasn't grown. The error
	// says why the others could not be read. Each is in known once.
	Reread(ctx context.Context, known []*Workspace, got func(i int, w *Workspace)) error
}

// A Clock is a Store on another machine whose clock all servers go by, so that what ends or is
// dated means the same on each of them.
type Clock interface {
	// Now returns the time of this machine, or the store's where this machine's is wrong.
	Now() time.Time
	// ClockOffset is by how much the store's clock is ahead of this machine's, within a second
	// or two. 0 is not known yet.
	ClockOffset() time.Duration
}

// Age returns how long ago a time was that this process has noted. It takes the longer of two
// clocks: the one that nobody sets stands still while a machine sleeps, and the wall clock may be
// set back. So what may be used for a time only isn't used for longer.
func Age(now, at time.Time) time.Duration {
	return max(now.Sub(at), now.Round(0).Sub(at.Round(0)))
}

// A Change names something of a namespace that was written. Copies of it must be read
// again.
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

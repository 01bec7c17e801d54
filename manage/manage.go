// Package manage is what owners and the operator can do: one function for each use case.
// It knows no HTTP. The management API, `tintype serve --apply` and the operator's folders
// call it.
//
// For most uses, call [New] once, and then a method of the [Manager] for each thing that
// somebody asks for, such as [Manager.PatchWorkspace], [Manager.PutSource] or
// [Manager.Purge]. Each method takes who asks, a [Caller], and refuses what that caller may
// not do. Each has a file with others of its kind.
//
// A method that changes something judges the whole result first, as this process would
// serve it, and writes it with its line of the audit log in one step. Where somebody else's
// write came between, it starts over, unless the caller said which revision it wants to
// change. Secrets come in whole or as [workspace.Mask] and go out masked.
//
// Errors are a [fault.Error], a [workspace.ValidationError], or wrap one of package
// workspace or apikey. [fault.OfManaging] says what a client is told about each.
package manage

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Config is what a [Manager] works with.
type Config struct {
	// Store is where workspaces are written. Required. The server gives its
	// cached.Store, so that a method returns only when the delivery of this process
	// sees what was written.
	Store workspace.Store

	// Uncached is the store beneath the cache of Store, for reads: an edit starts from what
	// the store has, also where the change of another node has not reached the cache yet.
	// Nil reads from Store.
	Uncached workspace.Store

	// Process returns what this process adds to the workspaces under a namespace. Nil adds
	// nothing.
	Process func(namespace string) workspace.Process

	// Check says why a workspace that is valid can't be served all the same. Its errors are
	// shown. Nil finds nothing.
	Check func(*workspace.Workspace) error

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil logs nothing
}

// A Manager does what callers ask for. It is safe for concurrent use.
type Manager struct {
	store   workspace.Store // for writes
	reads   workspace.Store
	process func(namespace string) workspace.Process
	check   func(*workspace.Workspace) error
	now     func() time.Time
	log     *slog.Logger
}

// New returns a Manager. It panics if c.Store is nil.
func New(c Config) *Manager {
	if c.Store == nil {
		panic("manage: Config.Store is nil")
	}
	m := &Manager{store: c.Store, reads: c.Uncached, process: c.Process, check: c.Check, now: c.Now, log: c.Log}
	if m.reads == nil {
		m.reads = m.store
	}
	if m.process == nil {
		m.process = func(string) workspace.Process { return workspace.Process{} }
	}
	if m.check == nil {
		m.check = func(*workspace.Workspace) error { return nil }
	}
	if m.now == nil {
		m.now = time.Now
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	return m
}

// open reads the workspace under the namespace for a caller who must have the right there.
func (m *Manager) open(ctx context.Context, who Caller, right Right, namespace string) (*workspace.Workspace, error) {
	if err := who.Allow(right, namespace); err != nil {
		return nil, err
	}
	if !workspace.ValidNamespace(namespace) {
		return nil, workspace.ErrNotFound
	}
	w, err := m.reads.Get(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("reading workspace %q: %w", namespace, err)
	}
	// The cache by which the caller's key was judged may not know yet that the workspace of
	// the key was deleted and another one has the namespace.
	if !who.everywhere() && who.WorkspaceID != w.ID {
		return nil, ErrOrphan
	}
	who.about(w.ID)
	return w, nil
}

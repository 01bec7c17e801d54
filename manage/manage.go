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
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery"
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

	// Delivery is what serves images in this process. Nil compiles no workspace, finds no
	// URL and explains nothing.
	Delivery Delivery

	// Records is what is kept beside workspaces. Nil keeps nothing.
	Records Records

	// Auth says whose a key is. Nil knows no key.
	Auth *apikey.Authenticator

	// Fronts tell caches in front of every purge.
	Fronts []Front

	Resolver   Resolver              // of the records that verify domains; nil is the system's
	BaseDomain string                // of host-form URLs; empty is none
	Metrics    prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // nil is time.Now
	Log        *slog.Logger          // nil logs nothing
}

// Records is what a store keeps beside workspaces, as far as this package needs it.
type Records interface {
	workspace.APIKeys
	workspace.AuditLog
	workspace.Counters
	workspace.Domains
	workspace.Deletions
}

// Delivery serves the images of workspaces. delivery.Service is one.
type Delivery interface {
	// Check says why a workspace that is valid can't be served all the same. Its errors are
	// shown.
	Check(*workspace.Workspace) error
	// FindPurge says what a URL that is to be purged stands for, and the Cache-Tags of it. Its
	// errors are shown, unless they wrap workspace.ErrNotFound or workspace.ErrUnavailable.
	FindPurge(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error)
	// Explain says what would become of a request for an image. The target is in path form.
	Explain(ctx context.Context, target, accept, origin string) (delivery.Explanation, error)
}

var _ Delivery = (*delivery.Service)(nil)

// A Manager does what callers ask for. It is safe for concurrent use.
type Manager struct {
	store      workspace.Store // for writes
	reads      workspace.Store
	process    func(namespace string) workspace.Process
	delivery   Delivery // nil is none
	records    Records  // nil is none
	auth       *apikey.Authenticator
	fronts     []Front
	resolver   Resolver
	baseDomain string
	metrics    *metrics
	now        func() time.Time
	log        *slog.Logger
}

// New returns a Manager. It panics if c.Store is nil.
func New(c Config) *Manager {
	if c.Store == nil {
		panic("manage: Config.Store is nil")
	}
	m := &Manager{
		store: c.Store, reads: c.Uncached, process: c.Process, delivery: c.Delivery, records: c.Records, auth: c.Auth, fronts: c.Fronts,
		resolver: c.Resolver, baseDomain: strings.ToLower(strings.Trim(c.BaseDomain, ".")), metrics: newMetrics(c.Metrics), now: c.Now, log: c.Log,
	}
	if m.reads == nil {
		m.reads = m.store
	}
	if m.process == nil {
		m.process = func(string) workspace.Process { return workspace.Process{} }
	}
	if m.auth == nil {
		m.auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{})
	}
	if m.resolver == nil {
		m.resolver = net.DefaultResolver
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

// WorkspaceID returns the ID of the workspace that has the namespace, from memory as a rule,
// or empty: for logs.
func (m *Manager) WorkspaceID(ctx context.Context, namespace string) string {
	if !workspace.ValidNamespace(namespace) {
		return ""
	}
	w, err := m.store.Get(ctx, namespace)
	if err != nil {
		return ""
	}
	return w.ID
}

// Package manage holds the use cases of owners and of the operator, one method each. It
// knows no HTTP. The management API, `tintype serve --apply` and the operator's folders
// call it.
//
// For most uses, call [New] once, then a method of the [Manager], such as
// [Manager.PatchWorkspace], [Manager.PutSource] or [Manager.Purge]. Each method takes a
// [Caller] and refuses what that caller may not do. Methods of one kind share a file.
//
// A method that changes a workspace first validates the whole result, as this process would
// serve it. It writes the result and its line of the audit log in one step. If another
// write came between, it starts over, unless the caller named the revision to change.
// Secrets come in as plain values or as [workspace.Mask], and go out masked.
//
// Errors are a [fault.Error], a [workspace.ValidationError], or wrap one of package
// workspace or apikey. [fault.OfManaging] maps each to a code and a message for clients.
package manage

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/workspace"
)

// Config configures a [Manager].
type Config struct {
	// Store takes the writes. Required. The server passes its cached.Store: a method then
	// returns only when this process serves images by the new state.
	Store workspace.Store

	// Uncached is the store behind the cache of Store. Edits read from it, because the cache
	// may not have another node's change yet. Nil reads from Store.
	Uncached workspace.Store

	// Process returns the settings of this process for the workspaces of a namespace, such
	// as the operator's folders. Nil adds nothing.
	Process func(namespace string) workspace.Process

	// Delivery serves images in this process. If it is nil, workspaces are not compiled
	// before a write, purges take no URL, and nothing can be explained.
	Delivery Delivery

	// Images takes uploads and lists the images of buckets and folders. Nil does neither.
	Images Images

	// Moderator is asked about each upload. Nil asks nobody. Where it doesn't answer, the
	// upload is refused, unless Unmoderated is set.
	Moderator   Moderator
	Unmoderated bool

	// Records holds what the store keeps beside workspaces. Nil keeps nothing.
	Records Records

	// Auth authenticates keys. Nil accepts no key.
	Auth *apikey.Authenticator

	// People keeps who is a member of which workspace. Nil keeps nobody.
	People *account.People

	// Alerts tell owners what needs a look. Nil tells nothing.
	Alerts *alert.Engine

	// Plans bound what workspaces may use. Nil has none.
	Plans *plan.Book

	// Billing sells plans; nil sells none. PublicURL is that of this server, without a slash at
	// its end, to which pages of others lead back.
	Billing   Billing
	PublicURL string

	// Certificates are those that this server orders. Nil orders none.
	Certificates Certificates

	// Claims has the domains that RunClaims looks up. With nil it looks up none, and owners
	// verify them by hand.
	Claims account.Records

	// Fronts pass every purge on to caches in front of this server.
	Fronts []Front

	Resolver   Resolver              // looks up the records that verify domains; nil is the system's
	CNAMEs     CNAMEResolver         // looks them up too, below the base domain; nil has domains verified by TXT records only
	BaseDomain string                // of host-form URLs; empty disables host form
	Metrics    prometheus.Registerer // nil registers nothing
	Now        func() time.Time      // nil is time.Now
	Log        *slog.Logger          // nil logs nothing
}

// Records are the interfaces of a store that this package needs beside workspace.Store.
type Records interface {
	workspace.APIKeys
	workspace.AuditLog
	workspace.Counters
	workspace.ImageErrors
	workspace.Domains
	workspace.Deletions
}

// Delivery serves the images of workspaces. delivery.Service is one.
type Delivery interface {
	// Check returns why delivery can't serve a valid workspace. Clients see its errors.
	Check(*workspace.Workspace) error
	// FindPurge returns the purges for a URL, and their Cache-Tags. Clients see its errors,
	// unless they wrap workspace.ErrNotFound or workspace.ErrUnavailable.
	FindPurge(ctx context.Context, namespace, url string) ([]workspace.Purge, []string, error)
	// Explain says how a request for an image would be answered. The target is in path form.
	Explain(ctx context.Context, target, accept, origin string) (delivery.Explanation, error)
	// WouldRefuse returns the URLs of the last hour that would be refused if the workspace were
	// stored like this.
	WouldRefuse(ctx context.Context, w *workspace.Workspace) (delivery.Refusals, error)
	// TestSource fetches an original of a source as if the workspace were stored like this.
	// Clients see the error.
	TestSource(ctx context.Context, w *workspace.Workspace, source, path string) (delivery.Metadata, error)
	// Preview makes an image as if the workspace were stored like this. Clients see the error.
	Preview(ctx context.Context, w *workspace.Workspace, p delivery.Preview) (delivery.Picture, error)
	// Thumbnail makes a small picture of an original for members, whatever is private. Clients
	// see the error.
	Thumbnail(ctx context.Context, namespace, source, path, options, accept string) (delivery.Picture, error)
}

var _ Delivery = (*delivery.Service)(nil)

// A Manager runs the use cases. It is safe for concurrent use.
type Manager struct {
	store      workspace.Store // for writes
	reads      workspace.Store
	process    func(namespace string) workspace.Process
	delivery   Delivery // nil: this process delivers no images
	images     Images   // nil: takes no uploads
	records    Records  // nil: nothing is kept beside workspaces
	auth       *apikey.Authenticator
	people     *account.People // nil: nobody is kept
	plans      *plan.Book      // nil: there are none
	alerts     *alert.Engine   // nil: there are none
	fronts     []Front
	resolver   Resolver
	cnames     CNAMEResolver // nil: CNAME records prove nothing
	baseDomain string
	metrics    *metrics
	now        func() time.Time
	log        *slog.Logger

	billing      Billing         // nil: nothing is sold
	publicURL    string          // of this server
	certificates Certificates    // nil: none are ordered
	claims       account.Records // nil: claims are not looked up by themselves
	purging      purging

	moderator   Moderator // nil asks nobody
	unmoderated bool      // uploads are stored where the moderator doesn't answer

	staged struct {
		mu  sync.Mutex                 // guards due
		due map[stagedSource]time.Time // when each is to be swept
	}
}

// New returns a Manager. It panics if c.Store is nil.
func New(c Config) *Manager {
	if c.Store == nil {
		panic("manage: Config.Store is nil")
	}
	m := &Manager{
		store: c.Store, reads: c.Uncached, process: c.Process, delivery: c.Delivery, records: c.Records, auth: c.Auth, people: c.People, plans: c.Plans, alerts: c.Alerts, fronts: c.Fronts,
		images: c.Images, moderator: c.Moderator, unmoderated: c.Unmoderated,
		resolver: c.Resolver, cnames: c.CNAMEs, billing: c.Billing, publicURL: c.PublicURL, certificates: c.Certificates, claims: c.Claims, baseDomain: strings.ToLower(strings.Trim(c.BaseDomain, ".")), metrics: newMetrics(c.Metrics), now: c.Now, log: c.Log,
	}
	m.staged.due = map[stagedSource]time.Time{}
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

// open reads the workspace of the namespace, for a caller who must be allowed the action there.
func (m *Manager) open(ctx context.Context, who Caller, action account.Action, namespace string) (*workspace.Workspace, error) {
	if err := who.Allow(action, namespace); err != nil {
		return nil, err
	}
	if !workspace.ValidNamespace(namespace) {
		return nil, workspace.ErrNotFound
	}
	w, err := m.reads.Get(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("reading workspace %q: %w", namespace, err)
	}
	// The key was checked against a cache. The cache may not know yet that the key's
	// workspace was deleted and that another one has its namespace.
	if !who.everywhere() && who.WorkspaceID != w.ID {
		return nil, ErrOrphan
	}
	who.about(w.ID)
	return w, nil
}

// WorkspaceID returns the ID of the workspace of this namespace, for logs. It is empty if
// there is none. It usually reads from memory.
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

package workspacetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Memory is a [Store] in memory, for tests of packages that use a store. It passes the
// conformance suite. It is safe for concurrent use and works in a synctest bubble.
type Memory struct {
	// ChangesKept bounds how many changes are kept for cursors; 0 is no bound. Set it before
	// use.
	ChangesKept int

	// Now is the time, for tests whose dates are fixed; nil is time.Now. Set it before use.
	Now func() time.Time

	mu         sync.Mutex // guards all below
	workspaces map[string]*workspace.Workspace
	domains    map[string]workspace.Domain
	changes    []workspace.Change
	forgotten  int // number of changes removed from the start of changes
	records
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		workspaces: map[string]*workspace.Workspace{}, domains: map[string]workspace.Domain{}, records: newRecords(),
	}
}

// Get implements [workspace.Store].
func (m *Memory) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.workspaces[namespace]
	if !ok {
		return nil, workspace.ErrNotFound
	}
	return w.Clone(), nil
}

// List implements [workspace.Store].
func (m *Memory) List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*workspace.Workspace
	for _, namespace := range slices.Sorted(maps.Keys(m.workspaces)) {
		if namespace > after && len(list) < limit {
			list = append(list, m.workspaces[namespace].Clone())
		}
	}
	return list, nil
}

// Create implements [workspace.Store].
func (m *Memory) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.workspaces[w.Namespace] != nil {
		return workspace.ErrExists
	}
	if err := m.claim(w, nil); err != nil {
		return err
	}
	w.ID, w.Revision, w.CreatedAt = rand.Text(), 1, m.now()
	w.UpdatedAt = w.CreatedAt
	m.put(w, nil)
	m.appendAudit(w.ID, audit)
	return nil
}

// Update implements [workspace.Store].
func (m *Memory) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.workspaces[w.Namespace]
	switch {
	case old == nil:
		return workspace.ErrNotFound
	case old.ID != w.ID || old.Revision != w.Revision:
		return workspace.ErrConflict
	}
	if err := m.claim(w, old.Domains); err != nil {
		return err
	}
	w.Revision, w.CreatedAt, w.UpdatedAt = old.Revision+1, old.CreatedAt, m.now()
	m.put(w, old.Domains)
	m.appendAudit(w.ID, audit)
	return nil
}

// Delete implements [workspace.Store].
func (m *Memory) Delete(ctx context.Context, namespace string, revision int64, audit ...workspace.AuditEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.workspaces[namespace]
	switch {
	case old == nil:
		return workspace.ErrNotFound
	case revision != 0 && revision != old.Revision:
		return workspace.ErrConflict
	}
	delete(m.workspaces, namespace)
	m.release(namespace, nil)
	m.deleted[namespace] = append(m.deleted[namespace], workspace.Deletion{WorkspaceID: old.ID, At: m.now()})
	for _, k := range m.keys {
		if k.WorkspaceID == old.ID && k.RevokedAt.IsZero() {
			k.RevokedAt = m.now()
		}
	}
	m.record(workspace.ChangedWorkspace, namespace)
	m.appendAudit(old.ID, audit)
	return nil
}

// Changes implements [workspace.Store].
func (m *Memory) Changes(ctx context.Context, cursor string) (changes []workspace.Change, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next = strconv.Itoa(m.forgotten + len(m.changes))
	if cursor == "" {
		return nil, next, nil
	}
	since, err := strconv.Atoi(cursor)
	if err != nil || since < m.forgotten || since > m.forgotten+len(m.changes) {
		return nil, "", workspace.ErrCursor
	}
	seen := map[workspace.Change]bool{}
	for _, change := range m.changes[since-m.forgotten:] {
		if !seen[change] {
			seen[change] = true
			changes = append(changes, change)
		}
	}
	return changes, next, nil
}

// Close implements [workspace.Store]. It does nothing.
func (m *Memory) Close() error { return nil }

// claim returns an error if w claims a new domain that is verified for another workspace.
// had are the domains that w had. m.mu is held.
func (m *Memory) claim(w *workspace.Workspace, had []string) error {
	for _, domain := range w.Domains {
		d, known := m.domains[domain]
		if known && d.Namespace != w.Namespace && !d.VerifiedAt.IsZero() && !slices.Contains(had, domain) {
			return fmt.Errorf("%w: %s", workspace.ErrDomainTaken, domain)
		}
	}
	return nil
}

// release removes the claims of a workspace, except for the domains to keep. m.mu is held.
func (m *Memory) release(namespace string, keep []string) {
	maps.DeleteFunc(m.domains, func(name string, d workspace.Domain) bool {
		return d.Namespace == namespace && !slices.Contains(keep, name)
	})
}

// put stores w. had are the domains that it had before. m.mu is held.
func (m *Memory) put(w *workspace.Workspace, had []string) {
	m.release(w.Namespace, w.Domains)
	for _, domain := range w.Domains {
		if _, claimed := m.domains[domain]; !claimed && !slices.Contains(had, domain) {
			m.domains[domain] = workspace.Domain{Name: domain, Namespace: w.Namespace, WorkspaceID: w.ID, ClaimedAt: w.UpdatedAt}
		}
	}
	m.workspaces[w.Namespace] = w.Clone()
	m.record(workspace.ChangedWorkspace, w.Namespace)
}

// record appends a change and removes the oldest ones above ChangesKept. m.mu is held.
func (m *Memory) record(kind workspace.ChangeKind, namespace string) {
	m.changes = append(m.changes, workspace.Change{Kind: kind, Namespace: namespace})
	if extra := len(m.changes) - m.ChangesKept; m.ChangesKept > 0 && extra > 0 {
		m.changes = slices.Clone(m.changes[extra:])
		m.forgotten += extra
	}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (m *Memory) now() time.Time {
	if m.Now == nil {
		return now()
	}
	return m.Now().UTC().Truncate(time.Microsecond)
}

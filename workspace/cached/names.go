package cached

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	namesPage  = 100              // workspaces of one read of the whole list
	namesRetry = 5 * time.Second  // after a read that failed
	namesWhole = 30 * time.Second // at least, between two reads of the whole list
)

// Names has every namespace and every verified domain in memory. A look-up therefore never
// reads the store, whatever is asked for. It is for questions that anybody can ask as often
// as they want and that a wrong answer makes expensive, such as whether to get a certificate
// for a host. It is safe for concurrent use.
//
// Run reads the whole list at first, and then what Changed says has changed. While the store
// fails, the last known answers count.
type Names struct {
	store   workspace.Store
	domains workspace.Domains // of the store; nil where it keeps none
	log     *slog.Logger
	wake    chan struct{}
	whole   atomic.Bool // the list has been read once

	mu         sync.RWMutex
	namespaces map[string][]string // its verified domains
	owners     map[string]string   // the namespace of a verified domain

	waiting struct {
		sync.Mutex
		all     bool
		changed map[string]struct{} // namespaces to be read again
	}
}

// NewNames returns a Names of a store that is not a cache. It knows nothing until Run.
func NewNames(store workspace.Store, log *slog.Logger) *Names {
	n := &Names{store: store, log: log, wake: make(chan struct{}, 1), namespaces: map[string][]string{}, owners: map[string]string{}}
	n.domains, _ = store.(workspace.Domains)
	n.waiting.all, n.waiting.changed = true, map[string]struct{}{}
	return n
}

// Complete reports whether the whole list has been read once.
func (n *Names) Complete() bool { return n.whole.Load() }

// Has reports whether a workspace of this namespace exists.
func (n *Names) Has(namespace string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, ok := n.namespaces[namespace]
	return ok
}

// Owner returns the namespace of the workspace that has verified a domain, or "".
func (n *Names) Owner(domain string) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.owners[domain]
}

// Changed is for [Config.OnChange].
func (n *Names) Changed(changes []workspace.Change) {
	n.queue(changes)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *Names) queue(changes []workspace.Change) {
	n.waiting.Lock()
	defer n.waiting.Unlock()
	if n.waiting.all && !n.whole.Load() {
		return // it will be in the first list
	}
	n.waiting.all = n.waiting.all || changes == nil
	for _, c := range changes {
		if c.Kind == workspace.ChangedWorkspace || c.Kind == workspace.ChangedDomains {
			n.waiting.changed[c.Namespace] = struct{}{}
		}
	}
}

// Run reads what has changed, until the context ends. Call it once.
func (n *Names) Run(ctx context.Context) {
	var wholeAt time.Time // when the whole list was last read
	for ctx.Err() == nil {
		n.waiting.Lock()
		all, changed := n.waiting.all, n.waiting.changed
		again := time.Duration(0)
		if all && !wholeAt.IsZero() {
			again = namesWhole - time.Since(wholeAt)
			all = again <= 0
		}
		if all {
			n.waiting.all = false
		}
		n.waiting.changed = map[string]struct{}{}
		n.waiting.Unlock()

		if all {
			// What changes meanwhile is read again afterwards.
			if err := n.readAll(ctx); err != nil {
				n.complain(ctx, err)
				n.queue(nil)
				again = namesRetry
			} else {
				wholeAt = time.Now()
				n.whole.Store(true)
			}
		}
		for namespace := range changed {
			if err := n.read(ctx, namespace); err != nil {
				n.complain(ctx, err)
				n.queue([]workspace.Change{{Kind: workspace.ChangedWorkspace, Namespace: namespace}})
				again = namesRetry
			}
		}
		n.pause(ctx, again)
	}
}

// pause waits until something has changed, and no longer than again if that isn't 0.
func (n *Names) pause(ctx context.Context, again time.Duration) {
	var later <-chan time.Time
	if again > 0 {
		timer := time.NewTimer(again)
		defer timer.Stop()
		later = timer.C
	}
	select {
	case <-ctx.Done():
	case <-later:
	case <-n.wake:
	}
}

func (n *Names) complain(ctx context.Context, err error) {
	if ctx.Err() == nil {
		n.log.Error("the list of namespaces and domains is the last known one, since the store can't be read", "err", err)
	}
}

// readAll reads the whole list.
func (n *Names) readAll(ctx context.Context) error {
	namespaces, owners := map[string][]string{}, map[string]string{}
	for after := ""; ; {
		within, cancel := context.WithTimeout(ctx, loadTimeout)
		list, err := n.store.List(within, after, namesPage)
		cancel()
		if err != nil {
			return err
		}
		for _, w := range list {
			verified, err := n.verified(ctx, w)
			if err != nil {
				return err
			}
			namespaces[w.Namespace] = verified
			for _, name := range verified {
				owners[name] = w.Namespace
			}
			after = w.Namespace
		}
		if len(list) < namesPage {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.namespaces, n.owners = namespaces, owners
	return nil
}

// read reads a namespace.
func (n *Names) read(ctx context.Context, namespace string) error {
	within, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	w, err := n.store.Get(within, namespace)
	gone := errors.Is(err, workspace.ErrNotFound)
	var verified []string
	if err == nil {
		verified, err = n.verified(ctx, w)
	}
	if err != nil && !gone {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range n.namespaces[namespace] {
		if n.owners[name] == namespace { // no other workspace has it by now
			delete(n.owners, name)
		}
	}
	if delete(n.namespaces, namespace); gone {
		return nil
	}
	n.namespaces[namespace] = verified
	for _, name := range verified {
		n.owners[name] = namespace
	}
	return nil
}

// verified returns the domains that a workspace has verified.
func (n *Names) verified(ctx context.Context, w *workspace.Workspace) (list []string, err error) {
	if n.domains == nil {
		return nil, nil
	}
	for _, name := range w.Domains {
		within, cancel := context.WithTimeout(ctx, domainTimeout)
		d, err := n.domains.Domain(within, name)
		cancel()
		if err != nil && !errors.Is(err, workspace.ErrDomainNotFound) {
			return nil, err
		}
		if err == nil && d.WorkspaceID == w.ID && !d.VerifiedAt.IsZero() {
			list = append(list, name)
		}
	}
	return list, nil
}

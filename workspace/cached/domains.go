package cached

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
)

const (
	domainsKnown     = 16384           // look-ups kept in memory, of each kind
	noDomainFor      = 5 * time.Second // how long it is known that a name isn't verified
	domainTimeout    = 2 * time.Second // of one look-up
	domainRetryAfter = 2 * time.Second // after a look-up that failed
)

var _ workspace.Domains = (*Store)(nil)

var errNoDomains = errors.New("this store keeps no domains")

// domainCache has the domains that a Store knows.
type domainCache struct {
	of     workspace.Domains                // of the store; nil where it keeps none
	known  *lru.Cache[string, *knownDomain] // names that have been somebody's
	others *lru.Cache[string, otherName]    // names that aren't, or that nobody could say anything of
	asking map[string]*domainLookup         // guarded by Store.mu
}

// A knownDomain is valid until its namespace changes.
type knownDomain struct {
	workspace.Domain
	epoch uint64    // of the namespace, before the store was asked
	until time.Time // for a claim that isn't verified: another workspace may verify the name at any time
	retry time.Time // no look-up before, since the last one failed; guarded by Store.mu
}

// An otherName is a name that belongs to no workspace, as far as is known.
type otherName struct {
	err   error     // ErrDomainNotFound or ErrUnavailable
	until time.Time // no look-up before
}

type domainLookup struct {
	done chan struct{}
	d    workspace.Domain // with err, set before done is closed
	err  error
}

func newDomainCache(store workspace.Store) domainCache {
	known, err := lru.New[string, *knownDomain](domainsKnown)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	others, err := lru.New[string, otherName](domainsKnown)
	if err != nil {
		panic(err)
	}
	of, _ := store.(workspace.Domains)
	return domainCache{of, known, others, map[string]*domainLookup{}}
}

// Domain returns the claim to a name, mostly from memory, or ErrDomainNotFound. It sees a
// change of a workspace's domains as soon as any other change of the workspace. It sees that
// an unknown or unverified name was verified within five seconds. While the store fails or is
// slow, it returns the last known answer, from memory or from Config.Copies. Without one the
// error is ErrUnavailable or ErrTooManyUnknown. A name that can't be a domain is not looked up.
func (c *Store) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	if c.domains.of == nil || !workspace.ValidDomain(name) {
		return workspace.Domain{}, workspace.ErrDomainNotFound
	}
	if !c.awake() {
		if err := c.await(ctx, ""); err != nil {
			return workspace.Domain{}, err
		}
	}
	c.mu.Lock()
	have, known := c.domains.known.Get(name)
	if known && (c.current(have) || c.now().Before(have.retry)) {
		c.mu.Unlock()
		return have.Domain, nil
	}
	other, asked := c.domains.others.Get(name)
	if asked && c.now().Before(other.until) {
		c.mu.Unlock()
		return workspace.Domain{}, other.err
	}
	l := c.domains.asking[name]
	if l == nil {
		done, err := func(bool) {}, error(nil)
		if !known {
			done, err = c.gate.Begin(ctx)
			if err == nil && len(c.domains.asking) >= strangerWaiting {
				done(true)
				err = fmt.Errorf("%w: too many look-ups are waiting for it", workspace.ErrUnavailable)
			}
		}
		if err != nil {
			c.mu.Unlock()
			if release, ok := c.gate.copySlot(); ok {
				defer release()
				if d, ok := c.lastDomain(ctx, name); ok {
					return d, nil
				}
			}
			return workspace.Domain{}, err
		}
		l = c.lookUpDomain(ctx, name, !known, done)
	}
	c.mu.Unlock()

	if !known && !asked && c.spool == nil {
		return l.wait(ctx) // there is no other answer
	}
	if d, err := l.waitFor(ctx, c.patience()); err == nil || !errors.Is(err, workspace.ErrUnavailable) {
		return d, err
	}
	switch {
	case known:
		return have.Domain, nil
	case asked:
		return workspace.Domain{}, other.err
	}
	if d, ok := c.lastDomain(ctx, name); ok {
		return d, nil
	}
	return l.wait(ctx)
}

// current reports whether a claim is still valid. The caller holds c.mu.
func (c *Store) current(have *knownDomain) bool {
	return have.epoch == c.epochs[c.epochOf(have.Namespace)] && (!have.VerifiedAt.IsZero() || c.now().Before(have.until))
}

// patience is how long to wait for the store where a copy could be the answer.
func (c *Store) patience() time.Duration {
	if c.down.Load() {
		return 0
	}
	return patience
}

func (l *domainLookup) wait(ctx context.Context) (workspace.Domain, error) {
	select {
	case <-l.done:
		return l.d, l.err
	case <-ctx.Done():
		return workspace.Domain{}, ctx.Err()
	}
}

// waitFor is wait with a time limit, after which the error is ErrUnavailable.
func (l *domainLookup) waitFor(ctx context.Context, most time.Duration) (workspace.Domain, error) {
	if most > 0 {
		soon := time.NewTimer(most)
		defer soon.Stop()
		select {
		case <-l.done:
		case <-soon.C:
		case <-ctx.Done():
			return workspace.Domain{}, ctx.Err()
		}
	}
	select {
	case <-l.done:
		return l.d, l.err
	default:
		return workspace.Domain{}, workspace.ErrUnavailable
	}
}

// lookUpDomain begins to look a name up in the store, and calls then at its end. The caller holds
// c.mu.
func (c *Store) lookUpDomain(ctx context.Context, name string, stranger bool, then func(exists bool)) *domainLookup {
	l := &domainLookup{done: make(chan struct{})}
	c.domains.asking[name] = l
	epochs := c.epochs // of all namespaces: the answer says which one it is
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), domainTimeout)
	go func() {
		defer cancel()
		defer func() { then(!errors.Is(l.err, workspace.ErrDomainNotFound)) }()
		defer close(l.done)
		d, err := c.askDomain(ctx, name, stranger)
		c.mu.Lock()
		defer c.mu.Unlock()
		current := c.domains.asking[name] == l
		if current {
			delete(c.domains.asking, name)
		}
		if err != nil && !errors.Is(err, workspace.ErrDomainNotFound) && !errors.Is(err, workspace.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", workspace.ErrUnavailable, err)
		}
		l.d, l.err = d, err
		unreachable := errors.Is(err, workspace.ErrUnavailable)
		if !unreachable {
			c.down.Store(false)
		} else if !stranger {
			c.down.Store(true)
		}
		switch {
		case unreachable:
			c.complain("looking a domain up", err)
			c.putOff(name, err)
		case !current: // it has changed meanwhile
		case err == nil:
			epoch := epochs[c.epochOf(d.Namespace)]
			c.domains.others.Remove(name)
			c.domains.known.Add(name, &knownDomain{Domain: d, epoch: epoch, until: c.now().Add(noDomainFor)})
			switch {
			case d.VerifiedAt.IsZero():
				c.spool.removeDomain(name)
			case epoch == c.epochs[c.epochOf(d.Namespace)]:
				c.spool.putDomain(d)
			}
		default:
			if c.domains.known.Remove(name) {
				c.spool.removeDomain(name)
			}
			c.domains.others.Add(name, otherName{workspace.ErrDomainNotFound, c.now().Add(noDomainFor)})
		}
	}()
	return l
}

// askDomain reads a name from the store. The number of such reads at a time is bounded for
// unknown names.
func (c *Store) askDomain(ctx context.Context, name string, stranger bool) (workspace.Domain, error) {
	if stranger {
		release, err := c.gate.Slot(ctx)
		if err != nil {
			return workspace.Domain{}, err
		}
		defer release()
	}
	return c.domains.of.Domain(ctx, name)
}

// putOff delays the next look-up of a name after one that failed. Until then the last known
// answer is used. The caller holds c.mu.
func (c *Store) putOff(name string, err error) {
	retry := c.now().Add(domainRetryAfter)
	if have, ok := c.domains.known.Peek(name); ok {
		have.retry = retry
		return
	}
	if other, ok := c.domains.others.Peek(name); ok {
		err = other.err
	}
	c.domains.others.Add(name, otherName{err, retry})
}

// lastDomain takes the copy of a verified claim into memory, to be looked up again later. It
// uses the copy only if the copy of the workspace has the claim too. That one is removed, or
// read again, when the feed says that the workspace has changed.
func (c *Store) lastDomain(ctx context.Context, name string) (workspace.Domain, bool) {
	ctx = context.WithoutCancel(ctx)
	d, ok := c.spool.domain(ctx, name)
	if !ok {
		return d, false
	}
	var w *workspace.Workspace
	if have, ok := c.known.Peek(d.Namespace); ok {
		w = have.Workspace
	} else {
		w, _ = c.spool.workspace(ctx, d.Namespace)
	}
	if w == nil || w.ID != d.WorkspaceID || !slices.Contains(w.Domains, name) {
		return d, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.domains.known.Peek(name); ok { // the store was faster after all
		return have.Domain, true
	}
	c.domains.others.Remove(name)
	c.domains.known.Add(name, &knownDomain{Domain: d, epoch: c.epochs[c.epochOf(d.Namespace)] - 1, retry: c.now().Add(domainRetryAfter)})
	return d, true
}

// VerifyDomain writes to the store. This server knows of it when VerifyDomain returns.
func (c *Store) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...workspace.AuditEntry) error {
	if c.domains.of == nil {
		return errNoDomains
	}
	if err := c.domains.of.VerifyDomain(ctx, name, namespace, at, audit...); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(namespace)
	c.forgetDomain(name)
	return nil
}

// forgetDomain has a name looked up again. The caller holds c.mu.
func (c *Store) forgetDomain(name string) {
	c.domains.known.Remove(name)
	c.domains.others.Remove(name)
	delete(c.domains.asking, name)
}

package workspace

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	domainsKnown     = 16384           // look-ups kept in memory, of each kind
	noDomainFor      = 5 * time.Second // how long a name that is nobody's is remembered
	domainTimeout    = 2 * time.Second // of one look-up
	domainRetryAfter = 2 * time.Second // after one that failed
)

var _ Domains = (*Cached)(nil)

var errNoDomains = errors.New("this store keeps no domains")

// domainCache is what a Cached knows of domains.
type domainCache struct {
	of      Domains                          // of the store; nil where it keeps none
	known   *lru.Cache[string, *knownDomain] // names that have been somebody's
	nobodys *lru.Cache[string, time.Time]    // names that aren't, until when
	asking  map[string]*domainLookup         // guarded by Cached.mu
}

// A knownDomain counts until something of its namespace changes.
type knownDomain struct {
	Domain
	epoch uint64    // of the namespace, before the store was asked
	retry time.Time // guarded by Cached.mu: no look-up before, the last one failed
}

type domainLookup struct {
	done chan struct{}
	d    Domain // with err, set before done is closed
	err  error
}

func newDomainCache(store Store) domainCache {
	known, err := lru.New[string, *knownDomain](domainsKnown)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	nobodys, err := lru.New[string, time.Time](domainsKnown)
	if err != nil {
		panic(err)
	}
	of, _ := store.(Domains)
	return domainCache{of, known, nobodys, map[string]*domainLookup{}}
}

// Domain returns the claim to a name, or ErrDomainNotFound, from memory as a rule: what
// changes about a workspace's domains is seen as soon as any other change of it, and a
// name that was nobody's within five seconds of being claimed. While the store fails,
// the last known answer is given, and without one ErrUnavailable. What no Workspace can
// have among its Domains is not looked for.
func (c *Cached) Domain(ctx context.Context, name string) (Domain, error) {
	if c.domains.of == nil || !validDomain(name) {
		return Domain{}, ErrDomainNotFound
	}
	c.mu.Lock()
	have, ok := c.domains.known.Get(name)
	if ok && (have.epoch == c.epochs[c.epochOf(have.Namespace)] || c.now().Before(have.retry)) {
		c.mu.Unlock()
		return have.Domain, nil
	}
	if until, nobodys := c.domains.nobodys.Get(name); nobodys && c.now().Before(until) {
		c.mu.Unlock()
		return Domain{}, ErrDomainNotFound
	}
	l := c.lookUpDomain(ctx, name)
	c.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return Domain{}, ctx.Err()
	}
	if l.err != nil && ok && !errors.Is(l.err, ErrDomainNotFound) {
		return have.Domain, nil // the last known one
	}
	return l.d, l.err
}

// lookUpDomain asks the store, or joins who does. c.mu is held.
func (c *Cached) lookUpDomain(ctx context.Context, name string) *domainLookup {
	if l := c.domains.asking[name]; l != nil {
		return l
	}
	l := &domainLookup{done: make(chan struct{})}
	c.domains.asking[name] = l
	epochs := c.epochs // whose it is only the answer says
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), domainTimeout)
	go func() {
		defer cancel()
		defer close(l.done)
		l.d, l.err = c.domains.of.Domain(ctx, name)
		c.mu.Lock()
		defer c.mu.Unlock()
		current := c.domains.asking[name] == l
		if current {
			delete(c.domains.asking, name)
		}
		switch {
		case !current && (l.err == nil || errors.Is(l.err, ErrDomainNotFound)): // it has changed meanwhile
		case l.err == nil:
			c.domains.nobodys.Remove(name)
			c.domains.known.Add(name, &knownDomain{Domain: l.d, epoch: epochs[c.epochOf(l.d.Namespace)]})
		case errors.Is(l.err, ErrDomainNotFound):
			c.domains.known.Remove(name)
			c.domains.nobodys.Add(name, c.now().Add(noDomainFor))
		default:
			c.complain("looking a domain up", l.err)
			if have, ok := c.domains.known.Peek(name); ok {
				have.retry = c.now().Add(domainRetryAfter)
			}
			if !errors.Is(l.err, ErrUnavailable) {
				l.err = errors.Join(ErrUnavailable, l.err)
			}
		}
	}()
	return l
}

// VerifyDomain writes to the store; this server knows when it returns.
func (c *Cached) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...AuditEntry) error {
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

// forgetDomain has a name looked up again. c.mu is held.
func (c *Cached) forgetDomain(name string) {
	c.domains.known.Remove(name)
	c.domains.nobodys.Remove(name)
	delete(c.domains.asking, name)
}

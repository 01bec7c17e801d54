package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// Errors of [Authenticator.Authenticate], besides those of [Parse],
// workspace.ErrUnavailable, cached.ErrTooManyUnknown and the context's. Their texts don't repeat what was given.
var (
	ErrUnknown = errors.New("this API key doesn't exist")
	ErrRevoked = errors.New("this API key has been revoked")
	ErrExpired = errors.New("this API key has expired")
)

const (
	// Bound is how long what the store last said of a key counts while the store
	// can't be asked, and so the longest that a revoked key is taken for good.
	Bound = 55 * time.Second

	freshFor   = 15 * time.Second // then a key in use is looked up again, behind the request
	unknownFor = 10 * time.Second // how long a key that doesn't exist is remembered
	retryAfter = 2 * time.Second  // after a look-up that failed, before the next of this key

	knownSize   = 16384 // keys in memory
	unknownSize = 4096  // hashes in memory that are no key's

	lookupTimeout = 3 * time.Second
	lookups       = 64 // at a time; others wait

	reportEvery = time.Minute // between log lines about a store that fails
)

// AuthenticatorConfig is how an [Authenticator] is set up.
type AuthenticatorConfig struct {
	// RootKeys are the operator's: any of them may do everything, so that one can be
	// replaced by another without a moment in which neither works. None, or empty
	// ones, let nobody be root.
	RootKeys []string

	Keys workspace.APIKeys // where keys are looked up; nil knows none

	// Strangers bounds look-ups of keys that aren't in memory. Nil bounds none but how many
	// there are at a time.
	Strangers *cached.Strangers

	Log *slog.Logger     // nil is slog.Default
	Now func() time.Time // nil is time.Now
}

// An Authenticator says who a key belongs to, from memory: a key in use is looked up in
// the store every 15 seconds, and at once where [Authenticator.Forget] was called for
// its workspace. What is revoked is so for every request that begins [Bound] later,
// also where the store can't be reached; keys that could not be looked up for that long
// are refused with workspace.ErrUnavailable. It is safe for concurrent use.
type Authenticator struct {
	roots [][32]byte // SHA-256
	keys  workspace.APIKeys
	gate  *cached.Strangers
	log   *slog.Logger
	now   func() time.Time
	slots chan struct{} // one for each look-up under way

	mu       sync.Mutex // guards all below
	known    *lru.Cache[[32]byte, *entry]
	unknown  *lru.Cache[[32]byte, time.Time] // until when
	loads    map[[32]byte]*load
	forgets  uint64 // calls of Forget and ForgetAll
	reported time.Time
}

// An entry is what the store said of a key. It is replaced, but for retry and suspect.
type entry struct {
	key     *workspace.APIKey
	who     Principal
	asked   time.Time // when the look-up began
	retry   time.Time // no look-up before: the last one failed
	suspect bool      // something of the workspace's keys has changed since
}

// A load is a look-up that many may wait for.
type load struct {
	done chan struct{}
	e    *entry // with err, set before done is closed
	err  error
}

// NewAuthenticator returns an Authenticator that has looked nothing up.
func NewAuthenticator(c AuthenticatorConfig) *Authenticator {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	known, err := lru.New[[32]byte, *entry](knownSize)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	unknown, err := lru.New[[32]byte, time.Time](unknownSize)
	if err != nil {
		panic(err)
	}
	a := &Authenticator{
		keys: c.Keys, gate: c.Strangers, log: c.Log, now: c.Now, slots: make(chan struct{}, lookups),
		known: known, unknown: unknown, loads: map[[32]byte]*load{},
	}
	for _, key := range c.RootKeys {
		if key != "" {
			a.roots = append(a.roots, sha256.Sum256([]byte(key)))
		}
	}
	return a
}

// HasRoot reports whether there is a root key.
func (a *Authenticator) HasRoot() bool { return len(a.roots) > 0 }

// Authenticate says who sends text as a key. Whether that principal may do what it asks
// for is left to the caller ([Principal.May]).
func (a *Authenticator) Authenticate(ctx context.Context, text string) (Principal, error) {
	if a.isRoot(text) {
		return Principal{Kind: Root}, nil
	}
	secret, err := Parse(text)
	if err != nil {
		return Principal{}, err
	}
	e, err := a.lookup(ctx, secret.Hash())
	if err != nil {
		return Principal{}, err
	}
	switch {
	case !e.key.RevokedAt.IsZero():
		return Principal{}, &spent{ErrRevoked, e.who}
	case !e.key.ExpiresAt.IsZero() && !a.now().Before(e.key.ExpiresAt):
		return Principal{}, &spent{ErrExpired, e.who}
	}
	return e.who, nil
}

// A spent key was good once.
type spent struct {
	error
	who Principal
}

func (s *spent) Unwrap() error { return s.error }

// Holder returns whose key an error of Authenticate is about, where the key was good
// once: for a log, since such a key may be in the wrong hands.
func Holder(err error) (p Principal, ok bool) {
	s, ok := errors.AsType[*spent](err)
	if !ok {
		return Principal{}, false
	}
	return s.who, true
}

// isRoot compares digests, which have one length, and all of them: the time it takes
// tells nothing of a key.
func (a *Authenticator) isRoot(text string) bool {
	sum := sha256.Sum256([]byte(text))
	found := 0
	for i := range a.roots {
		found |= subtle.ConstantTimeCompare(sum[:], a.roots[i][:])
	}
	return found == 1
}

// lookup returns what is known of the key with this hash, and asks the store where
// that isn't good enough.
func (a *Authenticator) lookup(ctx context.Context, hash [32]byte) (*entry, error) {
	if a.keys == nil {
		return nil, ErrUnknown
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	now := a.now()
	if until, ok := a.unknown.Get(hash); ok && now.Before(until) {
		a.mu.Unlock()
		return nil, ErrUnknown
	}
	e, ok := a.known.Get(hash)
	usable := ok && now.Sub(e.asked) < Bound
	if usable && (now.Before(e.retry) || !e.suspect && now.Sub(e.asked) < freshFor) {
		a.mu.Unlock()
		return e, nil
	}
	l := a.loads[hash]
	if l == nil {
		done := func(bool) {}
		if !ok {
			var err error
			if done, err = a.gate.Begin(ctx); err != nil {
				a.mu.Unlock()
				return nil, err
			}
		}
		l = a.load(ctx, hash)
		go func() {
			<-l.done
			done(!errors.Is(l.err, ErrUnknown))
		}()
	}
	behind := usable && !e.suspect
	a.mu.Unlock()
	if behind {
		return e, nil
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.err != nil && !errors.Is(l.err, ErrUnknown) && usable {
		return e, nil
	}
	return l.e, l.err
}

// load begins to look a key up. It outlives the caller's context, since others may be
// waiting. a.mu is held.
func (a *Authenticator) load(ctx context.Context, hash [32]byte) *load {
	l := &load{done: make(chan struct{})}
	a.loads[hash] = l
	asked, forgets := a.now(), a.forgets
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTimeout)
	go func() {
		defer cancel()
		defer close(l.done)
		key, err := a.ask(ctx, hash)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.loads[hash] == l {
			delete(a.loads, hash)
		}
		switch {
		case err == nil:
			l.e = &entry{key: key, who: principal(key), asked: asked, suspect: a.forgets != forgets}
			// A look-up that began earlier and took longer knows less.
			if have, ok := a.known.Peek(hash); !ok || !have.asked.After(asked) {
				a.known.Add(hash, l.e)
			}
		case errors.Is(err, workspace.ErrKeyNotFound):
			l.err = ErrUnknown
			a.known.Remove(hash)
			a.unknown.Add(hash, a.now().Add(unknownFor))
		default:
			l.err = fmt.Errorf("%w: API keys can't be looked up", workspace.ErrUnavailable)
			if have, ok := a.known.Peek(hash); ok {
				failed := *have
				failed.retry = a.now().Add(retryAfter)
				a.known.Add(hash, &failed)
			}
			if now := a.now(); a.reported.IsZero() || now.Sub(a.reported) >= reportEvery {
				a.reported = now
				a.log.Error("API keys can't be looked up; those in use are taken as last seen for a minute", "err", err)
			}
		}
	}()
	return l
}

// ask asks the store, together with so many others.
func (a *Authenticator) ask(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return a.keys.APIKey(ctx, hash)
}

func principal(k *workspace.APIKey) Principal {
	p := Principal{Kind: Key, KeyID: k.ID, WorkspaceID: k.WorkspaceID, Namespace: k.Namespace, Test: k.Test, ExpiresAt: k.ExpiresAt}
	for _, s := range k.Scopes {
		p.Scopes = append(p.Scopes, Scope(s))
	}
	return p
}

// Changed is for [cached.Config.OnChange]: what others changed about keys is
// looked up again.
func (a *Authenticator) Changed(changes []workspace.Change) {
	if changes == nil {
		a.forget(func(string) bool { return true })
		return
	}
	namespaces := map[string]bool{}
	for _, c := range changes {
		if c.Kind == workspace.ChangedKeys {
			namespaces[c.Namespace] = true
		}
	}
	if len(namespaces) > 0 {
		a.forget(func(namespace string) bool { return namespaces[namespace] })
	}
}

// Forget has the keys of a workspace looked up again before they are taken for good the
// next time: for who has just made or revoked one.
func (a *Authenticator) Forget(namespace string) {
	a.forget(func(n string) bool { return n == namespace })
}

func (a *Authenticator) forget(is func(namespace string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgets++
	clear(a.loads) // what is under way may have read what was there before
	a.unknown.Purge()
	for _, hash := range a.known.Keys() {
		if e, ok := a.known.Peek(hash); ok && is(e.who.Namespace) {
			suspect := *e
			suspect.suspect, suspect.retry = true, time.Time{}
			a.known.Add(hash, &suspect)
		}
	}
}

package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// Errors of [Authenticator.Authenticate]. Others are those of [Parse] and of the context,
// workspace.ErrUnavailable and cached.ErrTooManyUnknown. Their texts don't repeat the key.
var (
	ErrUnknown = errors.New("this API key doesn't exist")
	ErrRevoked = errors.New("this API key has been revoked")
	ErrExpired = errors.New("this API key has expired")
)

const (
	// Bound is how long a key in memory is valid while the store can't be asked. So a revoked
	// key is accepted for this time at most.
	Bound = 55 * time.Second

	freshFor   = 15 * time.Second // after this, a key in use is looked up again in the background
	unknownFor = 10 * time.Second // how long a key that doesn't exist is remembered
	retryAfter = 2 * time.Second  // pause after a look-up of a key failed

	knownSize   = 16384 // keys in memory
	unknownSize = 4096  // hashes in memory that no key has

	lookupTimeout = 3 * time.Second
	lookups       = 64 // look-ups at the same time; others wait

	reportEvery = time.Minute // between log lines about a store that fails
)

// AuthenticatorConfig has the settings of an [Authenticator]. All fields may be zero.
type AuthenticatorConfig struct {
	// RootKeys are the operator's keys, each with all rights. There may be several, so that
	// the operator can replace a key while both work. Empty keys are ignored. Without a root
	// key nobody is root.
	RootKeys []string

	Keys workspace.APIKeys // where keys are looked up; nil has no keys

	// Strangers bounds look-ups of keys that aren't in memory. If it is nil, only the number
	// of look-ups at the same time is bounded.
	Strangers *cached.Strangers

	Log *slog.Logger     // nil is slog.Default
	Now func() time.Time // by which keys end; nil is time.Now
}

// An Authenticator finds the owner of a key, mostly from memory. It looks a key in use up in
// the store every 15 seconds, and at the next request after [Authenticator.Forget] of its
// workspace. A revoked key is refused after [Bound] at the latest. While the store can't be
// reached, a key that wasn't looked up for [Bound] is refused with workspace.ErrUnavailable.
// An Authenticator is safe for concurrent use.
type Authenticator struct {
	roots atomic.Pointer[[]root]
	keys  workspace.APIKeys
	gate  *cached.Strangers
	log   *slog.Logger
	now   func() time.Time
	slots chan struct{} // has one element for each look-up that runs

	mu       sync.Mutex // guards all fields below
	known    *lru.Cache[[32]byte, *entry]
	unknown  *lru.Cache[[32]byte, time.Time] // hashes that no key has, and until when that counts
	loads    map[[32]byte]*load
	forgets  uint64 // calls of forget
	reported time.Time
}

// A root is what is known of a root key.
type root struct {
	hash   [32]byte // SHA-256
	length int      // in bytes
}

// An entry is the store's last answer about a key. It never changes: another entry replaces
// it.
type entry struct {
	key     *workspace.APIKey
	who     Principal
	asked   time.Time // when the look-up began
	retry   time.Time // earliest time of the next look-up, after one that failed
	suspect bool      // keys of the workspace have changed since the look-up
}

// A load is a look-up that several requests may wait for.
type load struct {
	done chan struct{}
	e    *entry // e and err are set before done is closed
	err  error
}

// NewAuthenticator returns an Authenticator with no key in memory.
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
	a.SetRootKeys(c.RootKeys)
	return a
}

// SetRootKeys replaces the root keys. Empty keys are ignored.
func (a *Authenticator) SetRootKeys(keys []string) {
	var roots []root
	for _, key := range keys {
		if key != "" {
			roots = append(roots, root{sha256.Sum256([]byte(key)), len(key)})
		}
	}
	a.roots.Store(&roots)
}

// HasRoot reports whether there is a root key.
func (a *Authenticator) HasRoot() bool { return len(*a.roots.Load()) > 0 }

// Authenticate returns the owner of the key in text. The caller must check with
// [Principal.May] whether the owner may do what the request asks for.
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

// spent is the error of a key that was valid once.
type spent struct {
	error
	who Principal
}

func (s *spent) Unwrap() error { return s.error }

// Holder returns the owner of the key that an error of Authenticate is about. ok is false
// unless the key was valid once. The owner is for the log, since somebody else may have
// found the key.
func Holder(err error) (p Principal, ok bool) {
	s, ok := errors.AsType[*spent](err)
	if !ok {
		return Principal{}, false
	}
	return s.who, true
}

// isRoot reports whether text is a root key. It compares the digests of all root keys, so
// that the time it takes tells nothing about a key.
func (a *Authenticator) isRoot(text string) bool {
	sum := sha256.Sum256([]byte(text))
	found := 0
	for _, r := range *a.roots.Load() {
		found |= subtle.ConstantTimeCompare(sum[:], r.hash[:])
	}
	return found == 1
}

// RootInURL reports whether a segment of a raw path, or a name or value of a raw query, is a
// root key. A root key has no form to know it by, so only whole pieces are compared, and
// only those as long as a root key.
func (a *Authenticator) RootInURL(path, query string) bool {
	if a == nil || !a.HasRoot() {
		return false
	}
	for piece := range strings.SplitSeq(path, "/") {
		if a.rootPiece(piece, url.PathUnescape) {
			return true
		}
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		if a.rootPiece(name, url.QueryUnescape) || a.rootPiece(value, url.QueryUnescape) || value != "" && a.rootPiece(pair, url.QueryUnescape) {
			return true
		}
	}
	return false
}

func (a *Authenticator) rootPiece(piece string, unescape func(string) (string, error)) bool {
	roots := *a.roots.Load()
	asLong := func(s string) bool {
		return slices.ContainsFunc(roots, func(r root) bool { return len(s) == r.length })
	}
	if !slices.ContainsFunc(roots, func(r root) bool { return len(piece) >= r.length }) {
		return false
	}
	if asLong(piece) && a.isRoot(piece) {
		return true
	}
	plain, err := unescape(piece)
	if err != nil {
		return false
	}
	plain = strings.TrimPrefix(plain, "Bearer ")
	return asLong(plain) && a.isRoot(plain)
}

// lookup returns the entry of the key with this hash. It asks the store where memory has no
// entry, or one that is too old.
func (a *Authenticator) lookup(ctx context.Context, hash [32]byte) (*entry, error) {
	if a.keys == nil {
		return nil, ErrUnknown
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	now := time.Now() // a clock that may be set doesn't say how old an answer is
	if until, ok := a.unknown.Get(hash); ok && now.Before(until) {
		a.mu.Unlock()
		return nil, ErrUnknown
	}
	e, ok := a.known.Get(hash)
	usable := ok && workspace.Age(now, e.asked) < Bound
	if usable && (now.Before(e.retry) || !e.suspect && workspace.Age(now, e.asked) < freshFor) {
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
	inBackground := usable && !e.suspect
	a.mu.Unlock()
	if inBackground {
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

// load starts a look-up. The end of the caller's context doesn't end it, since other
// requests may wait for it. The caller holds mu.
func (a *Authenticator) load(ctx context.Context, hash [32]byte) *load {
	l := &load{done: make(chan struct{})}
	a.loads[hash] = l
	asked, forgets := time.Now(), a.forgets
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
			// The answer of a look-up that began later is newer, and stays.
			if have, ok := a.known.Peek(hash); !ok || !have.asked.After(asked) {
				a.known.Add(hash, l.e)
			}
		case errors.Is(err, workspace.ErrKeyNotFound):
			l.err = ErrUnknown
			a.known.Remove(hash)
			a.unknown.Add(hash, time.Now().Add(unknownFor))
		default:
			l.err = fmt.Errorf("%w: API keys can't be looked up", workspace.ErrUnavailable)
			if have, ok := a.known.Peek(hash); ok {
				failed := *have
				failed.retry = time.Now().Add(retryAfter)
				a.known.Add(hash, &failed)
			}
			if now := time.Now(); a.reported.IsZero() || now.Sub(a.reported) >= reportEvery {
				a.reported = now
				a.log.Error("API keys can't be looked up; keys in memory stay valid for a minute", "err", err)
			}
		}
	}()
	return l
}

// ask asks the store, within the bound of look-ups at the same time.
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

// Changed makes the Authenticator look up keys again that other servers have changed. Set it
// as [cached.Config.OnChange].
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

// Forget makes the Authenticator look up the keys of a workspace again before it accepts
// them. Call it after making or revoking a key.
func (a *Authenticator) Forget(namespace string) {
	a.forget(func(n string) bool { return n == namespace })
}

func (a *Authenticator) forget(is func(namespace string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgets++
	clear(a.loads) // look-ups that run may return the old state
	a.unknown.Purge()
	for _, hash := range a.known.Keys() {
		if e, ok := a.known.Peek(hash); ok && is(e.who.Namespace) {
			suspect := *e
			suspect.suspect, suspect.retry = true, time.Time{}
			a.known.Add(hash, &suspect)
		}
	}
}

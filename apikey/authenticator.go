package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Errors of [Authenticator.Authenticate], besides those of [Parse],
// workspace.ErrUnavailable and the context's. Their texts don't repeat what was given.
var (
	ErrUnknown = errors.New("this API key doesn't exist")
	ErrRevoked = errors.New("this API key has been revoked")
	ErrExpired = errors.New("this API key has expired")
)

// Keys looks API keys up by their hash, as [workspace.APIKeys] says: from memory, since
// it is asked on every request that carries one ([workspace.CachedRecords]).
type Keys interface {
	APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error)
}

// AuthenticatorConfig is how an [Authenticator] is set up.
type AuthenticatorConfig struct {
	// RootKeys are the operator's: any of them may do everything, so that one can be
	// replaced by another without a moment in which neither works. None, or empty
	// ones, let nobody be root.
	RootKeys []string

	Keys Keys             // nil knows none
	Now  func() time.Time // nil is time.Now
}

// An Authenticator says who a key belongs to. It is safe for concurrent use.
type Authenticator struct {
	roots [][32]byte // SHA-256
	keys  Keys
	now   func() time.Time
}

// NewAuthenticator returns an Authenticator.
func NewAuthenticator(c AuthenticatorConfig) *Authenticator {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &Authenticator{keys: c.Keys, now: c.Now}
	for _, key := range c.RootKeys {
		if key != "" {
			a.roots = append(a.roots, sha256.Sum256([]byte(key)))
		}
	}
	return a
}

// HasRoot reports whether there is a root key.
func (a *Authenticator) HasRoot() bool { return len(a.roots) > 0 }

// Authenticate says who sends text as a key. What is no key at all costs no look-up.
// Whether that principal may do what it asks for is left to the caller
// ([Principal.May]).
func (a *Authenticator) Authenticate(ctx context.Context, text string) (Principal, error) {
	if a.isRoot(text) {
		return Principal{Kind: Root}, nil
	}
	secret, err := Parse(text)
	if err != nil {
		return Principal{}, err
	}
	if a.keys == nil {
		return Principal{}, ErrUnknown
	}
	k, err := a.keys.APIKey(ctx, secret.Hash())
	switch {
	case errors.Is(err, workspace.ErrKeyNotFound):
		return Principal{}, ErrUnknown
	case err != nil:
		return Principal{}, fmt.Errorf("looking an API key up: %w", err)
	case !k.RevokedAt.IsZero():
		return Principal{}, &spent{ErrRevoked, principal(k)}
	case !k.ExpiresAt.IsZero() && !a.now().Before(k.ExpiresAt):
		return Principal{}, &spent{ErrExpired, principal(k)}
	}
	return principal(k), nil
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

func principal(k *workspace.APIKey) Principal {
	p := Principal{Kind: Key, KeyID: k.ID, WorkspaceID: k.WorkspaceID, Namespace: k.Namespace, Test: k.Test, ExpiresAt: k.ExpiresAt}
	for _, s := range k.Scopes {
		p.Scopes = append(p.Scopes, Scope(s))
	}
	return p
}

package apikey

import (
	"context"
	"slices"
	"time"
)

// A Kind is what sort of key a request was sent with.
type Kind string

// The kinds. The zero value is no key.
const (
	Root     Kind = "root"     // the operator's: everything, in every workspace
	Operator Kind = "operator" // no key: who is at the machine, and may do the same
	Key      Kind = "key"      // a workspace's API key: what its scopes say, there
)

// A Scope is what an API key may do.
type Scope string

// The scopes.
const (
	Read  Scope = "read"  // see settings, usage and the audit log, and originals that are private
	Write Scope = "write" // change settings, purge and sign
)

// A Principal is who sent a request, once that is known. It holds no secret.
type Principal struct {
	Kind        Kind
	KeyID       string    // of an API key
	WorkspaceID string    // that an API key belongs to
	Namespace   string    // of that workspace
	Scopes      []Scope   // of an API key
	Test        bool      // outputs are stamped, few, and not counted
	ExpiresAt   time.Time // of an API key; zero is never
}

// Actor is the principal as logs name it: "root", "operator" or "key:ID".
func (p Principal) Actor() string {
	if p.Kind == Key {
		return "key:" + p.KeyID
	}
	return string(p.Kind)
}

// May reports whether the principal may do what needs the scope in the workspace that
// has this ID.
func (p Principal) May(scope Scope, workspaceID string) bool {
	switch p.Kind {
	case Root, Operator:
		return true
	case Key:
		return workspaceID != "" && p.WorkspaceID == workspaceID && slices.Contains(p.Scopes, scope)
	}
	return false
}

type principalKey struct{}

// WithPrincipal returns a context of a request that p sent.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who sent the request of ctx; not ok is nobody that is known.
func PrincipalOf(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}

package apikey

import (
	"context"
	"slices"
	"time"
)

// A Kind says which sort of key a request was sent with.
type Kind string

// The kinds. The zero value is no key.
const (
	Root     Kind = "root"     // a root key of the operator: all rights in every workspace
	Operator Kind = "operator" // no key, but a person at the machine: the same rights
	Key      Kind = "key"      // an API key of a workspace: the rights of its scopes there
)

// A Scope is what an API key may do.
type Scope string

// The scopes.
const (
	Read  Scope = "read"  // see settings, usage, the audit log and private originals
	Write Scope = "write" // change settings, purge and sign
)

// A Principal is the sender of a request. It holds no secret.
type Principal struct {
	Kind        Kind
	KeyID       string    // ID of the API key; this and the fields below are empty for others
	WorkspaceID string    // ID of the key's workspace
	Namespace   string    // namespace of that workspace
	Scopes      []Scope   // scopes of the key
	Test        bool      // a test key: its variants carry a test mark, are few a day and not counted in usage
	ExpiresAt   time.Time // when the key expires; zero is never
}

// Actor returns the principal's name in logs: "root", "operator" or "key:ID".
func (p Principal) Actor() string {
	if p.Kind == Key {
		return "key:" + p.KeyID
	}
	return string(p.Kind)
}

// May reports whether the principal has the scope in the workspace with this ID.
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

// WithPrincipal returns the context of a request that p sent.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns the sender of the request of ctx. ok is false where it isn't known.
func PrincipalOf(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(principalKey{}).(Principal)
	return p, ok
}

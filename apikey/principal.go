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
	Person   Kind = "account"  // somebody who is signed in: package account says what they may
)

// A Scope is what an API key may do.
type Scope string

// The scopes.
const (
	Read  Scope = "read"  // see settings, usage, the audit log and private originals
	Write Scope = "write" // change settings, purge and sign
	Admin Scope = "admin" // all of Read and Write, and make and revoke API keys
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{Read, Write, Admin} }

// Includes reports whether the scope includes another. Admin includes all. Read and Write
// include only themselves.
func (s Scope) Includes(other Scope) bool { return s == Admin || s == other }

// A Principal is the sender of a request. It holds no secret.
type Principal struct {
	Kind        Kind
	KeyID       string    // ID of the API key; this and the fields below are empty for others
	WorkspaceID string    // ID of the key's workspace
	Namespace   string    // namespace of that workspace
	Scopes      []Scope   // scopes of the key
	Test        bool      // a test key: its variants carry a test mark, are few a day and not counted in usage
	ExpiresAt   time.Time // when the key expires; zero is never
	Email       string    // address of a Person; empty for others
}

// Actor returns the principal's name in the audit log: "root", "operator", "key:ID" or
// "account:ADDRESS". For logs of the server, mask the address.
func (p Principal) Actor() string {
	switch p.Kind {
	case Key:
		return "key:" + p.KeyID
	case Person:
		return "account:" + p.Email
	}
	return string(p.Kind)
}

// May reports whether the principal has the scope in the workspace with this ID. A Person
// has no scopes.
func (p Principal) May(scope Scope, workspaceID string) bool {
	switch p.Kind {
	case Root, Operator:
		return true
	case Key:
		return workspaceID != "" && p.WorkspaceID == workspaceID && p.Includes(scope)
	}
	return false
}

// Includes reports whether one of the key's scopes includes the scope.
func (p Principal) Includes(scope Scope) bool {
	return slices.ContainsFunc(p.Scopes, func(s Scope) bool { return s.Includes(scope) })
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

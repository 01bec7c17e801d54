package workspace

import (
	"context"
	"time"
)

// A Domain is a workspace's claim to a host name of its own.
type Domain struct {
	Name        string    `json:"name"`
	Namespace   string    `json:"namespace"`
	WorkspaceID string    `json:"workspace_id"`
	ClaimedAt   time.Time `json:"claimed_at"`
	VerifiedAt  time.Time `json:"verified_at"` // zero is not yet
}

// Domains answers who a host name belongs to. Claims are made and given up by
// writing Workspace.Domains: each name is one workspace's at most, and a claim that
// stays through an update stays verified. It is safe for concurrent use. Errors wrap
// this package's, or are the context's.
type Domains interface {
	// Domain returns the claim to a name, or ErrDomainNotFound.
	Domain(ctx context.Context, name string) (Domain, error)
	// VerifyDomain says that the workspace has shown the name to be its own. Where
	// the claim is another's, or there is none, the error is ErrDomainNotFound.
	VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...AuditEntry) error
}

package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// ChallengeName is the name whose TXT record shows that a domain is its owner's.
func ChallengeName(domain string) string { return "_tintype." + domain }

// Challenge is the text of that record. It is no secret: only who has the domain can
// publish it there, and it is another for every workspace, one that takes the place of
// an older one included.
func Challenge(domain, workspaceID string) string {
	sum := sha256.Sum256([]byte("tintype domain\n" + domain + "\n" + workspaceID))
	return "tintype-verify=" + hex.EncodeToString(sum[:20])
}

package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// A Domain is a workspace's claim to a host name.
type Domain struct {
	Name        string    `json:"name"`
	Namespace   string    `json:"namespace"`
	WorkspaceID string    `json:"workspace_id"`
	ClaimedAt   time.Time `json:"claimed_at"`
	VerifiedAt  time.Time `json:"verified_at"` // zero is not verified
}

// Domains keeps the claims of workspaces to host names. A workspace claims and gives up
// names by writing Workspace.Domains. Several workspaces can claim one name, since a
// pending claim proves nothing. The first verified claim gets the name. Others can't claim
// it until that workspace gives it up. A claim stays verified through updates that keep it.
// It is safe for concurrent use. Errors wrap this package's, or are the context's.
type Domains interface {
	// Domain returns the claim to a name: the verified one, or else the first one, unless it
	// was given up. Otherwise the error is ErrDomainNotFound.
	Domain(ctx context.Context, name string) (Domain, error)
	// VerifyDomain marks the workspace's claim as verified. The error is ErrDomainNotFound
	// if the workspace doesn't claim the name, and ErrDomainTaken if another claim is
	// verified.
	VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...AuditEntry) error
}

// ChallengeName returns the name of the TXT record that proves the ownership of a domain.
func ChallengeName(domain string) string { return "_tintype." + domain }

// Challenge returns the text of that record. It is not secret, because only the owner of
// the domain can publish it there. Each workspace has another text, also a new workspace of
// an old namespace.
func Challenge(domain, workspaceID string) string {
	sum := sha256.Sum256([]byte("tintype domain\n" + domain + "\n" + workspaceID))
	return "tintype-verify=" + hex.EncodeToString(sum[:20])
}

// CNAMETarget returns the name below the base domain to which a CNAME record of a domain
// leads, where the domain is the workspace's. Each workspace has another, also a new workspace
// of an old namespace: with one target for all, whoever claims a name first whose record is
// still there would get it.
func CNAMETarget(workspaceID, baseDomain string) string {
	sum := sha256.Sum256([]byte("tintype cname\n" + workspaceID))
	return hex.EncodeToString(sum[:16]) + ".cname." + baseDomain
}

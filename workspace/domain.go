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

// Domains answers who a host name belongs to. Claims are made and given up by writing
// Workspace.Domains. One that isn't verified keeps nobody from claiming the same name,
// since whoever makes it has shown nothing; the first that is verified has the name, and
// nobody else can claim it until that workspace gives it up. A claim that stays through
// an update stays verified. It is safe for concurrent use. Errors wrap this package's,
// or are the context's.
type Domains interface {
	// Domain returns the claim to a name: the verified one, or else the first one,
	// unless that has been given up. Otherwise the error is ErrDomainNotFound.
	Domain(ctx context.Context, name string) (Domain, error)
	// VerifyDomain says that the workspace has shown the name to be its own. Where the
	// workspace doesn't claim it the error is ErrDomainNotFound, and where another's
	// claim is verified ErrDomainTaken.
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

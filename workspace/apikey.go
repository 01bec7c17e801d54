package workspace

import (
	"context"
	"time"
)

const (
	// RevokedFor is how long a revoked API key stays in the list of its workspace.
	RevokedFor = 30 * 24 * time.Hour

	// KeyKept is how long an expired or revoked API key is kept. The logs still name it for
	// that time.
	KeyKept = AuditKept

	// MaxAPIKeys is the maximum number of valid API keys of a workspace. Revoked and expired
	// keys don't count.
	MaxAPIKeys = 100
)

// An APIKey is what a store keeps of an API key: never the key itself.
type APIKey struct {
	ID          string    `json:"id"`           // unique within the workspace
	WorkspaceID string    `json:"workspace_id"` // compare it with the ID of the workspace: another workspace may have the namespace now
	Namespace   string    `json:"namespace"`
	Hash        [32]byte  `json:"hash"` // SHA-256 of the key
	Name        string    `json:"name"`
	Scopes      []string  `json:"scopes"`
	Test        bool      `json:"test"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"` // zero is never
	RevokedAt   time.Time `json:"revoked_at"` // zero is not revoked

	// CreatedBy is who answers for the key, as in the audit log: "root", "operator" or
	// "account:ADDRESS". A key that was made with another key has that key's CreatedBy, or
	// "key:ID" where that is empty. Empty is a key from before this was kept.
	CreatedBy string `json:"created_by,omitempty"`

	// Counters, written in batches after requests (see [Counters]). Only APIKeys returns
	// them. In the answer of APIKey they are zero.
	LastUsedAt    time.Time `json:"-"`
	TotalRequests int64     `json:"-"`
	TotalErrors   int64     `json:"-"`
}

// APIKeys keeps API keys. It is safe for concurrent use. Errors wrap this
// package's, or are the context's.
type APIKeys interface {
	// CreateAPIKey stores a key. The caller sets all fields except the counters. The error
	// is ErrKeyExists if the ID or the hash is taken, and ErrTooManyKeys if the workspace
	// has MaxAPIKeys already, also with concurrent calls.
	CreateAPIKey(ctx context.Context, k *APIKey, audit ...AuditEntry) error
	// APIKey returns the key with this SHA-256, or ErrKeyNotFound. It returns expired and
	// revoked keys for KeyKept. The caller must check that.
	APIKey(ctx context.Context, hash [32]byte) (*APIKey, error)
	// APIKeys returns the keys of a workspace, the oldest first. It includes revoked keys
	// for RevokedFor, and expired keys for KeyKept.
	APIKeys(ctx context.Context, workspaceID string) ([]*APIKey, error)
	// RevokeAPIKey sets RevokedAt. Revoking a revoked key changes nothing. The error is
	// ErrKeyNotFound if the workspace has no key with this ID, or had it longer than KeyKept
	// ago.
	RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...AuditEntry) error
}

// Live reports whether the key is neither revoked nor expired.
func (k *APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// ForgetAt returns when the key is forgotten: KeyKept after it expired or was revoked. Zero
// means that it has no such time yet. Stores call it.
func (k *APIKey) ForgetAt() time.Time {
	ended := k.ExpiresAt
	if ended.IsZero() || !k.RevokedAt.IsZero() && k.RevokedAt.Before(ended) {
		ended = k.RevokedAt
	}
	if ended.IsZero() {
		return ended
	}
	return ended.Add(KeyKept)
}

// Forgotten reports whether ForgetAt has passed. Stores call it.
func (k *APIKey) Forgotten(now time.Time) bool {
	at := k.ForgetAt()
	return !at.IsZero() && now.After(at)
}

// Clone returns a deep copy.
func (k *APIKey) Clone() *APIKey {
	c := *k
	c.Scopes = cloneList(k.Scopes)
	return &c
}

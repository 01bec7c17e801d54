package workspace

import (
	"context"
	"time"
)

const (
	// RevokedFor is how long a revoked API key stays in the list of its workspace.
	RevokedFor = 30 * 24 * time.Hour

	// KeyKept is how long an API key is known after it has ended, so that it can be told
	// whose it was: as long as the logs speak of it.
	KeyKept = AuditKept

	// MaxAPIKeys is how many API keys a workspace has at most that are neither revoked
	// nor expired.
	MaxAPIKeys = 100
)

// An APIKey is what is kept of a key that a backend calls with: never the key
// itself.
type APIKey struct {
	ID          string    `json:"id"`           // unique within the workspace
	WorkspaceID string    `json:"workspace_id"` // compare it with the ID of the workspace: the namespace may have another one now
	Namespace   string    `json:"namespace"`
	Hash        [32]byte  `json:"hash"` // SHA-256 of the key
	Name        string    `json:"name"`
	Scopes      []string  `json:"scopes"`
	Test        bool      `json:"test"`
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"` // zero is never
	RevokedAt   time.Time `json:"revoked_at"` // zero is not

	// Counted behind requests, in batches (see [Counters]). Only a list has them:
	// they are zero in the answer to a look-up.
	LastUsedAt    time.Time `json:"-"`
	TotalRequests int64     `json:"-"`
	TotalErrors   int64     `json:"-"`
}

// APIKeys keeps API keys. It is safe for concurrent use. Errors wrap this
// package's, or are the context's.
type APIKeys interface {
	// CreateAPIKey stores a key, all of whose fields but the counters are the
	// caller's, or answers ErrKeyExists where its ID or hash is taken, and
	// ErrTooManyKeys where the workspace has MaxAPIKeys already, however many are made at
	// the same time.
	CreateAPIKey(ctx context.Context, k *APIKey, audit ...AuditEntry) error
	// APIKey looks a key up by the SHA-256 of what a client sent: ErrKeyNotFound
	// where there is none. Expired and revoked ones are found for KeyKept; judging is
	// the caller's.
	APIKey(ctx context.Context, hash [32]byte) (*APIKey, error)
	// APIKeys lists the keys of a workspace, the oldest first; revoked ones for
	// RevokedFor, expired ones for KeyKept.
	APIKeys(ctx context.Context, workspaceID string) ([]*APIKey, error)
	// RevokeAPIKey sets RevokedAt, for good. Revoking again changes nothing.
	// ErrKeyNotFound where the workspace has no key of this ID, or none any more.
	RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...AuditEntry) error
}

// Live reports whether the key is neither revoked nor expired.
func (k *APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// ForgetAt is when the key is forgotten: KeyKept after it has ended. Zero is never, as
// far as is known by now. Stores call it.
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

// Forgotten reports whether that time has come. Stores call it.
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

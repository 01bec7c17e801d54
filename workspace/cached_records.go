package workspace

import (
	"context"
	"time"
)

// CachedRecordsConfig is how a [CachedRecords] is set up. APIKeys is required.
type CachedRecordsConfig struct {
	APIKeys APIKeys
	Now     func() time.Time // nil is time.Now
}

// CachedRecords answers from memory whose an API key is. Have a [Cached] tell it of
// changes, with its Follow as CachedConfig.OnChange: then a change by another server is
// seen within CachedConfig.Poll, or within a minute where the feed fails and the store
// still answers; keys in use are looked up again every 20 seconds besides. A change
// through these methods is seen by every look-up that begins after it returned. When
// the store is down, the last known answers count. Counters of keys are for the store
// itself. It is safe for concurrent use.
type CachedRecords struct {
	cfg  CachedRecordsConfig
	keys *recent[[32]byte, *APIKey]
}

// A revoked key opens nothing after a minute, also where the feed answers and lags.
const (
	keyFresh = 20 * time.Second
	keyGood  = 50 * time.Second
)

// NewCachedRecords returns a CachedRecords over a store.
func NewCachedRecords(cfg CachedRecordsConfig) *CachedRecords {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &CachedRecords{cfg: cfg}
	c.keys = newRecent(&recent[[32]byte, *APIKey]{
		read: cfg.APIKeys.APIKey, missing: ErrKeyNotFound, now: cfg.Now,
		fresh: keyFresh, good: keyGood,
		namespace: func(_ [32]byte, k *APIKey) string { return k.Namespace },
	})
	return c
}

// Follow is told of changes; nil says that anything may have changed.
func (c *CachedRecords) Follow(changes []Change) {
	if changes == nil {
		c.keys.suspectAll()
	}
	c.Changed(changes)
}

// Changed is told of changes.
func (c *CachedRecords) Changed(changes []Change) {
	for _, change := range changes {
		if change.Kind == ChangedKeys {
			c.keys.suspect(change.Namespace)
		}
	}
}

// APIKey looks a key up by its hash, as [APIKeys] says. It is shared with others:
// clone it before changing it.
func (c *CachedRecords) APIKey(ctx context.Context, hash [32]byte) (*APIKey, error) {
	return c.keys.get(ctx, hash)
}

// CreateAPIKey is that of [APIKeys].
func (c *CachedRecords) CreateAPIKey(ctx context.Context, k *APIKey, audit ...AuditEntry) error {
	defer c.keys.suspect(k.Namespace)
	return c.cfg.APIKeys.CreateAPIKey(ctx, k, audit...)
}

// APIKeys is that of [APIKeys], and asks the store.
func (c *CachedRecords) APIKeys(ctx context.Context, workspaceID string) ([]*APIKey, error) {
	return c.cfg.APIKeys.APIKeys(ctx, workspaceID)
}

// RevokeAPIKey revokes a key of the workspace as [APIKeys] says.
func (c *CachedRecords) RevokeAPIKey(ctx context.Context, w *Workspace, id string, at time.Time, audit ...AuditEntry) error {
	defer c.keys.suspect(w.Namespace)
	return c.cfg.APIKeys.RevokeAPIKey(ctx, w.ID, id, at, audit...)
}

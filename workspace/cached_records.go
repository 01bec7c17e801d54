package workspace

import (
	"context"
	"encoding/hex"
	"time"
)

// CachedRecordsConfig is how a [CachedRecords] is set up. The stores are required,
// and may be one; the rest has defaults.
type CachedRecordsConfig struct {
	APIKeys APIKeys
	Purges  Purges
	Domains Domains

	Spool *Spool           // that of the Cached; nil keeps nothing
	Now   func() time.Time // nil is time.Now
}

// CachedRecords answers what requests ask besides for their workspace from memory: API
// keys by their hash, purge logs and domains. Give it to a [Cached] as a follower:
// then a change by another server is seen within CachedConfig.Poll, or within a minute
// where the feed fails and the store still answers; API keys in use are looked up again
// every 20 seconds besides. A change through these methods is
// seen by every look-up that begins after it returned. When the store is down, the last
// known copies serve. Counters of keys are for the store itself. It is safe for
// concurrent use.
type CachedRecords struct {
	cfg     CachedRecordsConfig
	keys    *recent[[32]byte, *APIKey]
	purges  *recent[purgeOf, PurgeLog]
	domains *recent[string, Domain]
}

var _ Follower = (*CachedRecords)(nil)

// A revoked key opens nothing after a minute, also where the feed answers and lags.
const (
	keyFresh = 20 * time.Second
	keyGood  = 50 * time.Second
)

// purgeOf is whose purge log it is.
type purgeOf struct{ namespace, workspaceID string }

// NewCachedRecords returns a CachedRecords over stores.
func NewCachedRecords(cfg CachedRecordsConfig) *CachedRecords {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &CachedRecords{cfg: cfg}
	c.keys = newRecent(&recent[[32]byte, *APIKey]{
		kind: copyKey, read: cfg.APIKeys.APIKey, missing: ErrKeyNotFound, spool: cfg.Spool, now: cfg.Now,
		fresh: keyFresh, good: keyGood,
		text:      func(hash [32]byte) string { return hex.EncodeToString(hash[:]) },
		namespace: func(_ [32]byte, k *APIKey) string { return k.Namespace },
	})
	c.purges = newRecent(&recent[purgeOf, PurgeLog]{
		kind: copyPurges, missing: ErrNotFound, spool: cfg.Spool, now: cfg.Now,
		read:      func(ctx context.Context, p purgeOf) (PurgeLog, error) { return cfg.Purges.PurgeLog(ctx, p.workspaceID) },
		text:      func(p purgeOf) string { return p.workspaceID },
		namespace: func(p purgeOf, _ PurgeLog) string { return p.namespace },
	})
	c.domains = newRecent(&recent[string, Domain]{
		kind: copyDomain, read: cfg.Domains.Domain, missing: ErrDomainNotFound, spool: cfg.Spool, now: cfg.Now,
		text:      func(name string) string { return name },
		namespace: func(_ string, d Domain) string { return d.Namespace },
	})
	return c
}

// Changed implements [Follower].
func (c *CachedRecords) Changed(changes []Change) {
	for _, change := range changes {
		switch change.Kind {
		case ChangedKeys:
			c.keys.suspect(change.Namespace)
		case ChangedPurges:
			c.purges.suspect(change.Namespace)
		case ChangedWorkspace, ChangedDomains: // a workspace claims domains, and gives them up
			c.domains.suspect(change.Namespace)
		}
	}
}

// Lost implements [Follower].
func (c *CachedRecords) Lost() {
	c.keys.suspectAll()
	c.purges.suspectAll()
	c.domains.suspectAll()
}

// APIKey looks a key up by its hash, as [APIKeys] says. It is shared with others:
// clone it before changing it.
func (c *CachedRecords) APIKey(ctx context.Context, hash [32]byte) (*APIKey, error) {
	return c.keys.get(ctx, hash)
}

// PurgeLog returns the log of a workspace. It is shared with others.
func (c *CachedRecords) PurgeLog(ctx context.Context, w *Workspace) (PurgeLog, error) {
	return c.purges.get(ctx, purgeOf{w.Namespace, w.ID})
}

// Domain returns the claim to a name, as [Domains] says.
func (c *CachedRecords) Domain(ctx context.Context, name string) (Domain, error) {
	return c.domains.get(ctx, name)
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

// AddPurge adds a purge to the workspace's log as [Purges] says.
func (c *CachedRecords) AddPurge(ctx context.Context, w *Workspace, p Purge, audit ...AuditEntry) (PurgeLog, error) {
	defer c.purges.suspect(w.Namespace)
	return c.cfg.Purges.AddPurge(ctx, w.Namespace, w.ID, p, audit...)
}

// VerifyDomain is that of [Domains].
func (c *CachedRecords) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...AuditEntry) error {
	defer c.domains.suspect(namespace)
	return c.cfg.Domains.VerifyDomain(ctx, name, namespace, at, audit...)
}

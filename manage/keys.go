package manage

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

const (
	maxKeyDays = 365
	maxKeyName = 100 // characters
	keyDay     = 24 * time.Hour
)

var errNoAPIKeys = fmt.Errorf("%w: no store is set up for API keys", workspace.ErrUnavailable)

// NewAPIKey is the request for an API key.
type NewAPIKey struct {
	Name          string   `json:"name" doc:"What people call the key: 1 to 100 characters."`
	Scopes        []string `json:"scopes" nullable:"false" enum:"read,write,admin" doc:"read: read settings, usage and logs, fetch private originals, transform bodies. write: change settings, purge, sign URLs. Neither includes the other. admin: both, and make and revoke API keys."`
	ExpiresInDays *int     `json:"expires_in_days,omitempty" minimum:"1" maximum:"365" doc:"Days until the key expires. Left out, it never expires."`
	Test          bool     `json:"test,omitempty" doc:"Images made with the key carry a mark TEST, are limited to 100 a day, and aren't counted as usage."`
}

// A MadeAPIKey is a new API key with the key itself, which no later answer shows.
type MadeAPIKey struct {
	ID        string     `json:"id"`
	Key       string     `json:"key" doc:"The key, which clients send as Authorization: Bearer KEY. Only this answer shows it."`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes" nullable:"false"`
	Test      bool       `json:"test"`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by" doc:"Who answers for the key, as in the audit log: root, or account: and an address. A key that was made with another key has the created_by of that key."`
	ExpiresAt *time.Time `json:"expires_at" doc:"Null if the key never expires."`
}

// An APIKey describes an API key, without the key itself.
type APIKey struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Scopes        []string   `json:"scopes" nullable:"false"`
	Test          bool       `json:"test"`
	CreatedAt     time.Time  `json:"created_at"`
	CreatedBy     string     `json:"created_by" doc:"Who answers for the key, as in the audit log. Empty for keys from before this was kept."`
	ExpiresAt     *time.Time `json:"expires_at" doc:"Null if the key never expires."`
	RevokedAt     *time.Time `json:"revoked_at" doc:"Null if the key isn't revoked. Revoked keys are listed for 30 days."`
	LastUsedAt    *time.Time `json:"last_used_at" doc:"Time of the last request. Null if there was none. Some seconds behind, as the counts are."`
	TotalRequests int64      `json:"total_requests"`
	TotalErrors   int64      `json:"total_errors" doc:"Requests that were answered with a status of 400 or more."`
}

// Identify returns the principal of a key. A key is valid only while its workspace exists.
// Errors are those of apikey.Authenticator and of the store, and [ErrOrphan].
func (m *Manager) Identify(ctx context.Context, key string) (apikey.Principal, error) {
	who, err := m.auth.Authenticate(ctx, key)
	if err != nil || who.Kind != apikey.Key {
		return who, err
	}
	w, err := m.store.Get(ctx, who.Namespace)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		return apikey.Principal{}, ErrOrphan
	case err != nil:
		return apikey.Principal{}, fmt.Errorf("reading the workspace of an API key: %w", err)
	case w.ID != who.WorkspaceID:
		return apikey.Principal{}, ErrOrphan
	}
	return who, nil
}

// HasRoot reports whether the server has a root key.
func (m *Manager) HasRoot() bool { return m.auth.HasRoot() }

func (m *Manager) CreateAPIKey(ctx context.Context, who Caller, namespace string, req NewAPIKey) (MadeAPIKey, error) {
	if err := who.Allow(account.WriteAPIKeys, namespace); err != nil {
		return MadeAPIKey{}, err
	}
	if err := req.validate(); err != nil {
		return MadeAPIKey{}, err
	}
	w, err := m.open(ctx, who, account.WriteAPIKeys, namespace)
	if err != nil {
		return MadeAPIKey{}, err
	}
	if m.records == nil {
		return MadeAPIKey{}, errNoAPIKeys
	}
	secret := apikey.New(req.Test)
	k := &workspace.APIKey{
		ID: strings.ToLower(rand.Text()[:16]), WorkspaceID: w.ID, Namespace: w.Namespace, Hash: secret.Hash(),
		Name: req.Name, Scopes: req.Scopes, Test: req.Test, CreatedAt: m.now().UTC().Truncate(time.Microsecond), CreatedBy: who.Actor(),
	}
	if req.ExpiresInDays != nil {
		k.ExpiresAt = k.CreatedAt.Add(time.Duration(*req.ExpiresInDays) * keyDay)
	}
	if who.Kind == apikey.Key {
		if k.CreatedBy, err = m.allowKey(ctx, who, k); err != nil {
			return MadeAPIKey{}, err
		}
	}
	err = m.records.CreateAPIKey(ctx, k, who.changed("api_key.create", k.ID, nil, listed(k)))
	if errors.Is(err, workspace.ErrTooManyKeys) {
		return MadeAPIKey{}, conflict(fmt.Sprintf("The workspace has %d API keys, the maximum. Revoke one first.", workspace.MaxAPIKeys))
	}
	if err != nil {
		return MadeAPIKey{}, fmt.Errorf("making an API key of workspace %q: %w", w.Namespace, err)
	}
	m.auth.Forget(w.Namespace)
	if err := m.mayStill(ctx, who, k); err != nil {
		if err := m.revoke(ctx, Operator, w, k); err != nil {
			m.log.WarnContext(ctx, "an API key whose maker lost the right meanwhile is still listed; nobody has it", "namespace", namespace, "key", k.ID, "err", err)
		}
		return MadeAPIKey{}, err
	}
	return MadeAPIKey{
		ID: k.ID, Key: secret.Reveal(), Name: k.Name, Scopes: k.Scopes, Test: k.Test, CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, ExpiresAt: orNull(k.ExpiresAt),
	}, nil
}

// mayStill refuses a key that was stored while its maker lost the right. Removing a person
// revokes the person's keys, and a key that is stored behind that isn't among them.
func (m *Manager) mayStill(ctx context.Context, who Caller, k *workspace.APIKey) error {
	switch {
	case who.Kind == apikey.Key:
		_, err := m.allowKey(ctx, who, k)
		return err
	case who.Kind != apikey.Person || who.everywhere() || m.people == nil:
		return nil
	}
	role, err := m.people.RoleOf(ctx, k.WorkspaceID, who.Email)
	if err != nil {
		return fmt.Errorf("reading the role of who made an API key: %w", err)
	}
	now := who
	now.Role = role
	return now.Allow(account.WriteAPIKeys, k.Namespace)
}

// allowKey refuses a key that could do more, or lasts longer, than the key that makes it. It
// returns the CreatedBy of the new key. It reads the maker from the store, since a copy in
// memory may be revoked already.
func (m *Manager) allowKey(ctx context.Context, who Caller, k *workspace.APIKey) (createdBy string, err error) {
	keys, err := m.records.APIKeys(ctx, who.WorkspaceID)
	if err != nil {
		return "", fmt.Errorf("reading the API keys of workspace %q: %w", who.Namespace, err)
	}
	i := slices.IndexFunc(keys, func(k *workspace.APIKey) bool { return k.ID == who.KeyID })
	if i < 0 || !keys[i].Live(m.now()) {
		return "", apikey.ErrRevoked
	}
	maker := keys[i]
	for _, s := range k.Scopes {
		if !who.Includes(apikey.Scope(s)) {
			return "", fault.New(fault.Forbidden, "scopes: a key can't make a key with the scope "+s+", which it doesn't have itself.")
		}
	}
	if maker.Test && !k.Test {
		return "", fault.New(fault.Forbidden, "test: a test key can make test keys only.")
	}
	if end := maker.ExpiresAt; !end.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(end)) {
		return "", fault.New(fault.Forbidden, "expires_in_days: a key can't make a key that lasts longer than itself, until "+end.Format(time.RFC3339)+".")
	}
	return cmp.Or(maker.CreatedBy, who.Actor()), nil
}

func (r *NewAPIKey) validate() error {
	if n := utf8.RuneCountInString(r.Name); n < 1 || n > maxKeyName || !utf8.ValidString(r.Name) || strings.ContainsFunc(r.Name, unicode.IsControl) {
		return wrong("name", fmt.Sprintf("must have 1 to %d characters, none of them a control character.", maxKeyName))
	}
	if len(r.Scopes) == 0 {
		return wrong("scopes", "must have read, write, admin or several of them.")
	}
	for i, s := range r.Scopes {
		if !slices.Contains(apikey.Scopes(), apikey.Scope(s)) || slices.Contains(r.Scopes[:i], s) {
			return wrong("scopes", "must have read, write, admin or several of them, each once.")
		}
	}
	if d := r.ExpiresInDays; d != nil && (*d < 1 || *d > maxKeyDays) {
		return wrong("expires_in_days", fmt.Sprintf("must be 1 to %d; leave it out for a key that never expires.", maxKeyDays))
	}
	return nil
}

// APIKeys returns the API keys of a workspace, the oldest first. It includes keys that were
// revoked within 30 days.
func (m *Manager) APIKeys(ctx context.Context, who Caller, namespace string) ([]APIKey, error) {
	_, keys, err := m.apiKeys(ctx, who, account.ReadAPIKeys, namespace)
	if err != nil {
		return nil, err
	}
	all := make([]APIKey, len(keys))
	for i, k := range keys {
		all[i] = listed(k)
	}
	return all, nil
}

func (m *Manager) apiKeys(ctx context.Context, who Caller, action account.Action, namespace string) (*workspace.Workspace, []*workspace.APIKey, error) {
	w, err := m.open(ctx, who, action, namespace)
	if err != nil {
		return nil, nil, err
	}
	if m.records == nil {
		return nil, nil, errNoAPIKeys
	}
	keys, err := m.records.APIKeys(ctx, w.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the API keys of workspace %q: %w", namespace, err)
	}
	return w, keys, nil
}

// RevokeAPIKey revokes an API key. Revoking a revoked key changes nothing.
func (m *Manager) RevokeAPIKey(ctx context.Context, who Caller, namespace, id string) error {
	w, keys, err := m.apiKeys(ctx, who, account.WriteAPIKeys, namespace)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k *workspace.APIKey) bool { return k.ID == id })
	if i < 0 {
		return workspace.ErrKeyNotFound
	}
	return m.revoke(ctx, who, w, keys[i])
}

// RevokeAPIKeys revokes all API keys of a workspace and returns how many it revoked. After
// an error, call it again.
func (m *Manager) RevokeAPIKeys(ctx context.Context, who Caller, namespace string) (revoked int, err error) {
	w, _, err := m.apiKeys(ctx, who, account.WriteAPIKeys, namespace)
	if err != nil {
		return 0, err
	}
	return m.revokeAll(ctx, who, w, func(*workspace.APIKey) bool { return true })
}

func (m *Manager) revoke(ctx context.Context, who Caller, w *workspace.Workspace, k *workspace.APIKey) error {
	at := m.now().UTC()
	after := k.Clone()
	after.RevokedAt = at
	err := m.records.RevokeAPIKey(ctx, w.ID, k.ID, at, who.changed("api_key.revoke", k.ID, listed(k), listed(after)))
	m.auth.Forget(w.Namespace) // after an error too: the store may have revoked the key
	if err != nil {
		return fmt.Errorf("revoking an API key of workspace %q: %w", w.Namespace, err)
	}
	m.keysChanged(ctx, w)
	return nil
}

func listed(k *workspace.APIKey) APIKey {
	return APIKey{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes, Test: k.Test, CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, ExpiresAt: orNull(k.ExpiresAt),
		RevokedAt: orNull(k.RevokedAt), LastUsedAt: orNull(k.LastUsedAt), TotalRequests: k.TotalRequests, TotalErrors: k.TotalErrors,
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

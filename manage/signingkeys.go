package manage

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

var errNoSigningKey = notFound("The workspace has no active signing key with this id.")

// A SigningKey is a signing key without its secret.
type SigningKey struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
}

// CreateSigningKey makes a signing key of a workspace. No other method returns its secret.
func (m *Manager) CreateSigningKey(ctx context.Context, who Caller, namespace string) (signing.Key, error) {
	key := signing.Key{ID: rand.Text()[:16], Secret: signing.NewSecret(), CreatedAt: m.now().UTC().Truncate(time.Second)}
	entry := who.changed("signing_key.create", key.ID, nil, SigningKey{key.ID, key.CreatedAt})
	return key, m.editSigningKeys(ctx, who, namespace, entry, func(keys []signing.Key) ([]signing.Key, error) {
		if len(keys) >= signing.MaxKeys {
			return nil, conflict(fmt.Sprintf("The workspace has %d active signing keys, the maximum. Delete one first.", signing.MaxKeys))
		}
		return append(keys, key), nil
	})
}

// SigningKeys returns the active signing keys of a workspace, the newest last.
func (m *Manager) SigningKeys(ctx context.Context, who Caller, namespace string) ([]SigningKey, error) {
	w, err := m.open(ctx, who, Read, namespace)
	if err != nil {
		return nil, err
	}
	all := make([]SigningKey, len(w.SigningKeys))
	for i, k := range w.SigningKeys {
		all[i] = SigningKey{k.ID, k.CreatedAt}
	}
	return all, nil
}

// DeleteSigningKey revokes a signing key. URLs that it signed are refused from then on.
func (m *Manager) DeleteSigningKey(ctx context.Context, who Caller, namespace, id string) error {
	entry := who.changed("signing_key.delete", id, nil, nil)
	return m.editSigningKeys(ctx, who, namespace, entry, func(keys []signing.Key) ([]signing.Key, error) {
		left := slices.DeleteFunc(keys, func(k signing.Key) bool { return k.ID == id })
		if len(left) == len(keys) {
			return nil, errNoSigningKey
		}
		return left, nil
	})
}

// editSigningKeys changes a copy of the workspace's signing keys. It doesn't validate the
// workspace, so that a key can be revoked even if the rules have become stricter since the
// last change.
func (m *Manager) editSigningKeys(ctx context.Context, who Caller, namespace string, entry workspace.AuditEntry, change func([]signing.Key) ([]signing.Key, error)) error {
	return m.startOver(ctx, who, namespace, again, func(old *workspace.Workspace) (err error) {
		w := old.Clone()
		if w.SigningKeys, err = change(w.SigningKeys); err != nil {
			return err
		}
		if err := m.store.Update(ctx, w, entry); err != nil {
			return fmt.Errorf("changing workspace %q: %w", namespace, err)
		}
		return nil
	})
}

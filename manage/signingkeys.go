package manage

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

var errNoSigningKey = notFound("The workspace has no active signing key with this id.")

// A SigningKey is a signing key without its secret. The fields of a dialect are empty for
// one that Tintype made.
type SigningKey struct {
	ID            string    `json:"id"`
	Dialect       string    `json:"dialect,omitempty" doc:"The product whose URLs it verifies; left out for a key that Tintype made."`
	Algorithm     string    `json:"algorithm,omitempty" doc:"What its signatures are made with: md5, sha1, sha256 or sha512."`
	SignatureSize int       `json:"signature_size,omitempty" doc:"How long its signatures are, where they aren't whole."`
	Short         bool      `json:"short,omitempty" doc:"true: its secret is shorter than 16 bytes and may be guessed, so it opens no private source."`
	CreatedAt     time.Time `json:"created_at"`

	Signs bool `json:"-"` // Tintype signs with it now
}

// A NewDialectKey is a signing key that the owner has from another product.
type NewDialectKey struct {
	Dialect       string `json:"dialect" doc:"The product whose URLs it verifies: imgix, imgproxy, thumbor or cloudinary."`
	Secret        string `json:"secret" doc:"As the product has it. imgproxy's is in hexadecimal digits. Never shown again."`
	Salt          string `json:"salt,omitempty" doc:"imgproxy's salt, in hexadecimal digits."`
	Algorithm     string `json:"algorithm,omitempty" doc:"thumbor: sha1, sha256 or sha512. cloudinary: sha1 or sha256. Left out, the product's default."`
	SignatureSize int    `json:"signature_size,omitempty" doc:"How many bytes of a signature are sent, at least 8. cloudinary: 8 or 32 characters. Left out, all."`
}

// CreateDialectKey adds a signing key of another product. Its secret is never shown.
// warnings say what the key can't do.
func (m *Manager) CreateDialectKey(ctx context.Context, who Caller, namespace string, n NewDialectKey) (key SigningKey, warnings []string, err error) {
	k := workspace.DialectKey{ID: rand.Text()[:16], Dialect: n.Dialect, CreatedAt: m.now().UTC().Truncate(time.Second)}
	if k.Key, err = workspace.ReadDialectKey(n.Dialect, n.Secret, n.Salt, n.Algorithm, n.SignatureSize); err != nil {
		return key, nil, keyProblem(err)
	}
	key = ofDialect(k)
	entry := who.changed("signing_key.create", k.ID, nil, key)
	err = m.editSigningKeys(ctx, who, namespace, entry, func(w *workspace.Workspace) error {
		of := 0
		for _, other := range w.DialectKeys {
			if other.Dialect == k.Dialect {
				of++
			}
		}
		if of >= workspace.MaxDialectKeys {
			return conflict(fmt.Sprintf("The workspace has %d signing keys of %s, the most that can be active: delete one first.", of, k.Dialect))
		}
		w.DialectKeys = append(w.DialectKeys, k)
		return nil
	})
	if err == nil && k.Key.Weak() {
		warnings = append(warnings, "the secret is shorter than 16 bytes, and may be guessed: the key verifies URLs, but opens no private source")
	}
	return key, warnings, err
}

// keyProblem returns the error of a key of another product, with the name of the field that
// is wrong.
func keyProblem(err error) error {
	field, message, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return invalid(err.Error() + ".")
	}
	return &workspace.ValidationError{Problems: []workspace.Problem{{Path: field, Message: message}}}
}

func ofDialect(k workspace.DialectKey) SigningKey {
	return SigningKey{ID: k.ID, Dialect: k.Dialect, Algorithm: k.Key.Algorithm, SignatureSize: k.Key.Size, Short: k.Key.Weak(), CreatedAt: k.CreatedAt}
}

// CreateSigningKey makes a signing key of a workspace. No other method returns its secret.
func (m *Manager) CreateSigningKey(ctx context.Context, who Caller, namespace string) (signing.Key, error) {
	key := signing.Key{ID: rand.Text()[:16], Secret: signing.NewSecret(), CreatedAt: m.now().UTC().Truncate(time.Second)}
	entry := who.changed("signing_key.create", key.ID, nil, SigningKey{ID: key.ID, CreatedAt: key.CreatedAt})
	return key, m.editSigningKeys(ctx, who, namespace, entry, func(w *workspace.Workspace) error {
		if len(w.SigningKeys) >= signing.MaxKeys {
			return conflict(fmt.Sprintf("The workspace has %d active signing keys, the maximum. Delete one first.", signing.MaxKeys))
		}
		w.SigningKeys = append(w.SigningKeys, key)
		return nil
	})
}

// SigningKeys returns the active signing keys of a workspace, the newest last, and those of
// dialects after them.
func (m *Manager) SigningKeys(ctx context.Context, who Caller, namespace string) ([]SigningKey, error) {
	w, err := m.open(ctx, who, account.ReadSigningKeys, namespace)
	if err != nil {
		return nil, err
	}
	all := make([]SigningKey, 0, len(w.SigningKeys)+len(w.DialectKeys))
	for _, k := range w.SigningKeys {
		all = append(all, SigningKey{ID: k.ID, CreatedAt: k.CreatedAt, Signs: k.ID == signingKey(w.SigningKeys, m.now()).ID})
	}
	for _, k := range w.DialectKeys {
		all = append(all, ofDialect(k))
	}
	return all, nil
}

// DeleteSigningKey revokes a signing key. URLs that it signed are refused from then on.
func (m *Manager) DeleteSigningKey(ctx context.Context, who Caller, namespace, id string) error {
	entry := who.changed("signing_key.delete", id, nil, nil)
	return m.editSigningKeys(ctx, who, namespace, entry, func(w *workspace.Workspace) error {
		had := len(w.SigningKeys) + len(w.DialectKeys)
		w.SigningKeys = slices.DeleteFunc(w.SigningKeys, func(k signing.Key) bool { return k.ID == id })
		w.DialectKeys = slices.DeleteFunc(w.DialectKeys, func(k workspace.DialectKey) bool { return k.ID == id })
		if len(w.SigningKeys)+len(w.DialectKeys) == had {
			return errNoSigningKey
		}
		return nil
	})
}

// editSigningKeys changes the signing keys of a copy of the workspace. It doesn't validate
// the workspace, so that a key can be revoked even if the rules have become stricter since
// the last change.
func (m *Manager) editSigningKeys(ctx context.Context, who Caller, namespace string, entry workspace.AuditEntry, change func(*workspace.Workspace) error) error {
	return m.startOver(ctx, who, account.WriteSigningKeys, namespace, again, func(old *workspace.Workspace) error {
		w := old.Clone()
		if err := change(w); err != nil {
			return err
		}
		if err := m.store.Update(ctx, w, entry); err != nil {
			return fmt.Errorf("changing workspace %q: %w", namespace, err)
		}
		return nil
	})
}

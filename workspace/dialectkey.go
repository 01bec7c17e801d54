package workspace

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/tintype/tintype/dialect"
)

// MaxDialectKeys is how many signing keys of one dialect may be active at the same time.
const MaxDialectKeys = 5

// A DialectKey is a signing key of another product, which the owner brought along so that
// signed URLs in use go on working. It verifies URLs of its own dialect only.
type DialectKey struct {
	ID        string
	Dialect   string // name
	Key       dialect.Key
	CreatedAt time.Time
}

// ReadDialectKey reads a signing key as its owner has it from another product. See
// [dialect.Dialect.ReadKey].
func ReadDialectKey(name, secret, salt, algorithm string, size int) (dialect.Key, error) {
	for _, d := range dialect.All {
		if d.Name == name {
			return d.ReadKey(secret, salt, algorithm, size)
		}
	}
	return dialect.Key{}, &dialect.Error{Param: "dialect", Reason: "must be one of " + strings.Join(dialect.Signed(), ", ")}
}

// SignedDialects returns the names of the dialects that have signing keys.
func SignedDialects() []string { return dialect.Signed() }

// storedDialectKey is a DialectKey as a store keeps it.
type storedDialectKey struct {
	ID        string    `json:"id"`
	Dialect   string    `json:"dialect"`
	Secret    string    `json:"secret"`         // hexadecimal digits, encrypted
	Salt      string    `json:"salt,omitempty"` // as Secret
	Algorithm string    `json:"algorithm"`
	Size      int       `json:"signature_size,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func (c *Codec) sealDialectKey(workspaceID string, k DialectKey) storedDialectKey {
	out := storedDialectKey{ID: k.ID, Dialect: k.Dialect, Algorithm: k.Key.Algorithm, Size: k.Key.Size, CreatedAt: k.CreatedAt}
	place := "dialect_keys/" + k.Dialect + "/" + k.ID
	out.Secret = c.Seal(workspaceID, place+"/secret", hex.EncodeToString(k.Key.Secret))
	if len(k.Key.Salt) > 0 {
		out.Salt = c.Seal(workspaceID, place+"/salt", hex.EncodeToString(k.Key.Salt))
	}
	return out
}

func (c *Codec) openDialectKey(workspaceID string, in storedDialectKey) (DialectKey, error) {
	k := DialectKey{ID: in.ID, Dialect: in.Dialect, CreatedAt: in.CreatedAt, Key: dialect.Key{Algorithm: in.Algorithm, Size: in.Size}}
	place := "dialect_keys/" + in.Dialect + "/" + in.ID
	for _, part := range []struct {
		name, text string
		into       *[]byte
	}{{"secret", in.Secret, &k.Key.Secret}, {"salt", in.Salt, &k.Key.Salt}} {
		if part.text == "" {
			continue
		}
		text, err := c.Open(workspaceID, place+"/"+part.name, part.text)
		if err != nil {
			return k, err
		}
		if *part.into, err = hex.DecodeString(text); err != nil {
			return k, err
		}
	}
	return k, nil
}

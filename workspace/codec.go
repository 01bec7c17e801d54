package workspace

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tintype/tintype/signing"
)

// A Codec encodes workspaces for stores: as JSON with encrypted secrets (AES-256-GCM, a
// random nonce each). A copy of a database is therefore useless without the operator's key.
// A ciphertext names its key. It is bound to its place: it can't be decrypted in another
// workspace or field. It is safe for concurrent use.
type Codec struct {
	seal secretKey            // the newest key, which encrypts
	open map[string]secretKey // all keys, by id
}

type secretKey struct {
	id   string
	aead cipher.AEAD
}

// NewSecretKey returns a random key for [NewCodec], as 64 hex digits.
func NewSecretKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// NewCodec returns a codec with one or more keys of 64 hex digits, separated by commas. The
// first key encrypts, and all keys decrypt. To rotate, put a new key in front.
func NewCodec(keys string) (*Codec, error) {
	c := &Codec{open: map[string]secretKey{}}
	for i, text := range strings.Split(keys, ",") {
		b, err := hex.DecodeString(strings.TrimSpace(text))
		if err != nil || len(b) != 32 {
			return nil, errors.New("a secret key is 64 hex digits; several are separated by commas")
		}
		block, err := aes.NewCipher(b)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("tintype secret key id\x00"), b...))
		key := secretKey{hex.EncodeToString(sum[:4]), aead}
		if i == 0 {
			c.seal = key
		}
		c.open[key.id] = key
	}
	return c, nil
}

// Token returns a ciphertext. A store keeps it, so that CheckToken can tell whether a codec
// has the store's key.
func (c *Codec) Token() string { return c.Seal("", "token", "tintype") }

// CheckToken fails if the codec doesn't have the token's key. newest tells whether that key
// is the one that encrypts. If not, the store must be written again with the new key.
func (c *Codec) CheckToken(token string) (newest bool, err error) {
	if _, err := c.Open("", "token", token); err != nil {
		return false, err
	}
	return c.Newest(token), nil
}

// Newest reports whether a ciphertext is encrypted with the key that encrypts now.
func (c *Codec) Newest(ciphertext string) bool {
	return strings.HasPrefix(ciphertext, cipherPrefix+c.seal.id+":")
}

// stored is the JSON that a store keeps.
type stored struct {
	Workspace   json.RawMessage    `json:"workspace"`
	SigningKeys []storedKey        `json:"signing_keys,omitempty"`
	DialectKeys []storedDialectKey `json:"dialect_keys,omitempty"`
	Blocks      []Block            `json:"blocks,omitempty"`
}

type storedKey struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret"` // encrypted
	CreatedAt time.Time `json:"created_at"`
}

// Marshal writes a workspace for a store. Its ID must be set.
func (c *Codec) Marshal(w *Workspace) ([]byte, error) {
	sealed := w.Clone()
	_ = sealed.eachSecret(func(place string, secret *string) error {
		*secret = c.Seal(w.ID, place, *secret)
		return nil
	})
	data, err := json.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	out := stored{Workspace: data, Blocks: w.Blocks}
	for _, k := range w.SigningKeys {
		out.SigningKeys = append(out.SigningKeys, storedKey{k.ID, c.Seal(w.ID, "signing_keys/"+k.ID, k.Secret.Reveal()), k.CreatedAt})
	}
	for _, k := range w.DialectKeys {
		out.DialectKeys = append(out.DialectKeys, c.sealDialectKey(w.ID, k))
	}
	return json.Marshal(out)
}

// Unmarshal reads the output of Marshal. It fails if a secret is encrypted under a key that
// the codec doesn't have.
func (c *Codec) Unmarshal(data []byte) (*Workspace, error) {
	var in stored
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	w, err := decodeStored(in.Workspace)
	if err != nil {
		return nil, err
	}
	err = w.eachSecret(func(place string, secret *string) (err error) {
		*secret, err = c.Open(w.ID, place, *secret)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.Blocks = in.Blocks
	for _, k := range in.SigningKeys {
		text, err := c.Open(w.ID, "signing_keys/"+k.ID, k.Secret)
		if err != nil {
			return nil, err
		}
		secret, err := signing.ParseSecret(text)
		if err != nil {
			return nil, err
		}
		w.SigningKeys = append(w.SigningKeys, signing.Key{ID: k.ID, Secret: secret, CreatedAt: k.CreatedAt})
	}
	for _, k := range in.DialectKeys {
		key, err := c.openDialectKey(w.ID, k)
		if err != nil {
			return nil, err
		}
		w.DialectKeys = append(w.DialectKeys, key)
	}
	return w, nil
}

// eachSecret calls do for each secret in w's sources, with a name for its place.
func (w *Workspace) eachSecret(do func(place string, secret *string) error) error {
	for i := range w.Sources {
		s := &w.Sources[i]
		if s.SecretAccessKey != "" {
			if err := do("sources/"+s.Key+"/secret_access_key", &s.SecretAccessKey); err != nil {
				return err
			}
		}
		for name, value := range s.Headers {
			if value == "" {
				continue
			}
			if err := do("sources/"+s.Key+"/headers/"+name, &value); err != nil {
				return err
			}
			s.Headers[name] = value
		}
	}
	return nil
}

// A ciphertext is "enc:1:" with the key's id, ":", and the base64 of nonce and
// ciphertext.
const cipherPrefix = "enc:1:"

// Seal encrypts a secret of the workspace with this id. place says what the secret is. Only
// [Codec.Open] with the same id and place decrypts it.
func (c *Codec) Seal(id, place, secret string) string {
	b := c.seal.aead.Seal(nil, nil, []byte(secret), []byte(id+"/"+place))
	return cipherPrefix + c.seal.id + ":" + base64.RawStdEncoding.EncodeToString(b)
}

// Open decrypts what [Codec.Seal] returned.
func (c *Codec) Open(id, place, text string) (string, error) {
	rest, ok := strings.CutPrefix(text, cipherPrefix)
	keyID, encoded, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 {
		return "", fmt.Errorf("%s is not encrypted", place)
	}
	key, ok := c.open[keyID]
	if !ok {
		return "", fmt.Errorf("%s is encrypted under secret key %s, which is missing: set TINTYPE_SECRET_KEY to it", place, keyID)
	}
	b, err := base64.RawStdEncoding.DecodeString(encoded)
	if err == nil {
		b, err = key.aead.Open(nil, nil, b, []byte(id+"/"+place))
	}
	if err != nil {
		return "", fmt.Errorf("%s can't be decrypted: it was changed or moved", place)
	}
	return string(b), nil
}

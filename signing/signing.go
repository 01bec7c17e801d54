// Package signing signs and verifies the URLs of images. Backends import it to sign URLs
// without a request to the server. It imports only the standard library.
//
// For most uses, call [ParseSecret] with a secret of the API, and [Secret.SignUntil] with
// the request target and an expiry. [Secret.Sign] signs without an expiry, and
// [Keyring.Verify] verifies.
//
// The signed text is the request target in path form, with the namespace first. It consists
// of the bytes as they are sent, without the signature:
//
//	/acme/photos/cat.jpg?w=400&exp=1704070800
//
// Sign appends the signature as the last parameter. Neither side normalises anything: a URL
// in another spelling needs another signature. docs/signing.md has complete examples, and
// docs/signing-vectors.json has test vectors for other implementations.
package signing

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Errors of Verify.
var (
	// ErrRequired says that the target has no signature.
	ErrRequired = errors.New("signature required")
	// ErrInvalid says that the signature is malformed, in the wrong place, or that of another
	// target or key.
	ErrInvalid = errors.New("signature invalid")
	// ErrExpired says that the signature is valid, but its exp has passed.
	ErrExpired = errors.New("signature expired")
)

const (
	// Skew is how long a URL stays valid after its exp, since clocks differ.
	Skew = 60 * time.Second
	// MaxKeys is how many keys of a workspace may be active at the same time.
	MaxKeys = 5

	digits = 2 * sha256.Size // hex digits of a signature
	// sigLength is the length of the parameter with its separator: "&sig=" and the digits.
	sigLength = len("&sig=") + digits
)

// A Secret is the 32 bytes that signatures are made with.
type Secret [32]byte

// NewSecret returns a new random secret.
func NewSecret() (s Secret) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// ParseSecret returns the secret of 64 hex digits, the form in which the API returns it.
func ParseSecret(text string) (s Secret, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return Secret{}, errors.New("a signing secret is 64 hex digits")
	}
	copy(s[:], b)
	return s, nil
}

// String returns a mask, so that no log shows a secret.
func (Secret) String() string { return "***" }

// GoString returns a mask like String.
func (Secret) GoString() string { return "***" }

// MarshalText returns a mask like String. Reveal returns the digits.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal returns the secret as 64 lower-case hex digits.
func (s Secret) Reveal() string { return hex.EncodeToString(s[:]) }

// Sign returns the target with its signature. The target must be in path form and begin
// with "/NAMESPACE/". The error says that the target has a sig parameter, or that no server
// would accept it: it has no leading slash, or has a fragment, a space, a control character
// or a malformed exp.
func (s Secret) Sign(target string) (string, error) {
	if err := checkTarget(target); err != nil {
		return "", err
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(target))
	return target + separator + "sig=" + hex.EncodeToString(mac.Sum(nil)), nil
}

// SignUntil is Sign with an expiry, which private sources require. It appends exp, in Unix
// seconds, before it signs. The target must have no exp.
func (s Secret) SignUntil(target string, exp time.Time) (string, error) {
	if _, query, _ := strings.Cut(target, "?"); countParam(query, "exp") > 0 {
		return "", errors.New("the URL has an exp already: leave it out, or sign without another end (tintype sign --expires-in 0)")
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return s.Sign(target + separator + "exp=" + strconv.FormatInt(exp.Unix(), 10))
}

func checkTarget(target string) error {
	if !strings.HasPrefix(target, "/") {
		return errors.New("the URL must be a path that begins with /, namespace first")
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == '#' || c == 0x7f {
			return fmt.Errorf("the URL holds %q, which must be percent-encoded", c)
		}
	}
	_, query, _ := strings.Cut(target, "?")
	if countParam(query, "sig") > 0 {
		return errors.New("the URL is signed already")
	}
	if _, _, ok := parseExpiry(query); !ok {
		return errors.New("exp must be there once at most, as Unix seconds")
	}
	return nil
}

// Signed reports whether a raw query has a sig parameter, whatever its value.
func Signed(query string) bool { return countParam(query, "sig") > 0 }

// countParam counts the parameters of a raw query with exactly this name.
func countParam(query, name string) (n int) {
	for piece := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(piece, "="); key == name {
			n++
		}
	}
	return n
}

// A Key is one secret of a workspace.
type Key struct {
	ID        string
	Secret    Secret
	CreatedAt time.Time
}

// A Keyring verifies signatures of any of its keys. It is safe for concurrent use.
type Keyring struct{ keys []verifier }

type verifier struct {
	id  string
	mac *sync.Pool // of hash.Hash with the key
}

// NewKeyring returns a Keyring of these keys. An empty Keyring refuses everything.
func NewKeyring(keys []Key) *Keyring {
	k := &Keyring{}
	for _, key := range keys {
		secret := key.Secret
		k.keys = append(k.keys, verifier{key.ID, &sync.Pool{New: func() any { return hmac.New(sha256.New, secret[:]) }}})
	}
	return k
}

// A Grant describes a valid signature.
type Grant struct {
	KeyID   string
	Expires time.Time // exp of the URL, without Skew; zero is never
}

// Verify checks the signature of a request target in path form, with the namespace first.
// The target must have the bytes that the client sent. The error wraps ErrRequired,
// ErrInvalid or ErrExpired, and says what to do.
//
// The signature must be the last parameter, written "sig=" with 64 lower-case hex digits.
// exp must be written "exp=" with decimal digits. Each must be there once only.
func (k *Keyring) Verify(target string, now time.Time) (Grant, error) {
	_, query, _ := strings.Cut(target, "?")
	switch countParam(query, "sig") {
	case 0:
		return Grant{}, fmt.Errorf("%w: sign this URL, or send an API key", ErrRequired)
	case 1:
	default:
		return Grant{}, fmt.Errorf("%w: sig is there more than once", ErrInvalid)
	}
	if len(target) < sigLength || target[len(target)-digits-4:len(target)-digits] != "sig=" {
		return Grant{}, fmt.Errorf("%w: sig must be the last parameter, of 64 lower-case hex digits", ErrInvalid)
	}
	given, ok := parseSignature(target[len(target)-digits:])
	if !ok {
		return Grant{}, fmt.Errorf("%w: sig must be 64 lower-case hex digits", ErrInvalid)
	}
	signed := target[:len(target)-sigLength]
	// "?sig=" is right only as the only parameter, "&sig=" only after others.
	if separator := target[len(signed)]; (separator == '?') == strings.Contains(signed, "?") || separator != '?' && separator != '&' {
		return Grant{}, fmt.Errorf("%w: sig must be the last parameter", ErrInvalid)
	}
	id, ok := k.match(signed, &given)
	if !ok {
		return Grant{}, fmt.Errorf("%w: it was made for another URL or with another key", ErrInvalid)
	}
	g := Grant{KeyID: id}
	_, query, _ = strings.Cut(signed, "?")
	exp, found, ok := parseExpiry(query)
	if !ok {
		return Grant{}, fmt.Errorf("%w: exp must be there once, as Unix seconds", ErrInvalid)
	}
	if found {
		g.Expires = time.Unix(exp, 0)
		if now.After(g.Expires.Add(Skew)) {
			return Grant{}, fmt.Errorf("%w: ask for a new URL", ErrExpired)
		}
	}
	return g, nil
}

// match returns the ID of the key that made the signature. It always tries all keys and
// compares all bytes, so that the time it takes tells nothing.
func (k *Keyring) match(signed string, given *[sha256.Size]byte) (id string, ok bool) {
	message := []byte(signed)
	var sum [sha256.Size]byte
	for i := range k.keys {
		mac := k.keys[i].mac.Get().(hash.Hash)
		mac.Reset()
		mac.Write(message)
		if subtle.ConstantTimeCompare(mac.Sum(sum[:0]), given[:]) == 1 {
			id, ok = k.keys[i].id, true
		}
		k.keys[i].mac.Put(mac)
	}
	return id, ok
}

// parseSignature reads 64 lower-case hex digits. hex.Decode alone would accept upper case.
func parseSignature(s string) (sum [sha256.Size]byte, ok bool) {
	for i := range len(s) {
		var digit byte
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		default:
			return sum, false
		}
		sum[i/2] = sum[i/2]<<4 | digit
	}
	return sum, true
}

// parseExpiry returns the exp of a query. ok is false where exp is malformed or there twice.
func parseExpiry(query string) (exp int64, found, ok bool) {
	for piece := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(piece, "=")
		if key != "exp" {
			continue
		}
		if found || len(value) == 0 || len(value) > 12 {
			return 0, false, false
		}
		for i := range len(value) {
			if value[i] < '0' || value[i] > '9' {
				return 0, false, false
			}
			exp = exp*10 + int64(value[i]-'0')
		}
		found = true
	}
	return exp, found, true
}

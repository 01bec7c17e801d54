// Package signing signs and verifies the URLs of images. Backends import it to sign
// without asking the server; it depends on nothing but the standard library.
//
// What is signed is the request target in path form, namespace first, as the bytes
// stand on the wire and without the signature:
//
//	/acme/photos/cat.jpg?w=400&exp=1704070800
//
// [Secret.Sign] appends the signature as the last parameter, and [Keyring.Verify]
// judges it. Nothing is normalised on either side: another spelling of the same URL
// is another URL. docs/signing.md has worked examples, and docs/signing-vectors.json
// holds vectors for other implementations.
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
	// ErrRequired: the target bears no signature.
	ErrRequired = errors.New("signature required")
	// ErrInvalid: the signature is of another target or key, or isn't where and how
	// it should be.
	ErrInvalid = errors.New("signature invalid")
	// ErrExpired: the signature is right, and its exp has passed.
	ErrExpired = errors.New("signature expired")
)

const (
	// Skew is how long after its exp a URL is still good: clocks differ.
	Skew = 60 * time.Second
	// MaxKeys is how many keys of a workspace may be active at a time.
	MaxKeys = 5

	digits = 2 * sha256.Size // of a signature
	// sigLength is the length of the parameter with what separates it: "&sig=" and
	// the digits.
	sigLength = len("&sig=") + digits
)

// A Secret is the 32 bytes that signatures are made with.
type Secret [32]byte

// NewSecret makes a secret at random.
func NewSecret() (s Secret) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// ParseSecret reads a secret of 64 hex digits, as the API hands them out.
func ParseSecret(text string) (s Secret, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(s) {
		return Secret{}, errors.New("a signing secret is 64 hex digits")
	}
	copy(s[:], b)
	return s, nil
}

// String is a mask, so that no log shows a secret.
func (Secret) String() string { return "***" }

// GoString is a mask like String.
func (Secret) GoString() string { return "***" }

// MarshalText is a mask like String. Reveal gives the digits.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal is the secret as 64 lower-case hex digits.
func (s Secret) Reveal() string { return hex.EncodeToString(s[:]) }

// Sign returns the target with its signature. The target is in path form and begins
// with "/NAMESPACE/"; it must bear no sig parameter, which is an error, and so is a
// target that no server would accept: without a leading slash, with a fragment, a
// space, a control character or a malformed exp.
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

// SignUntil is Sign with an expiry, which private sources require: it appends exp,
// in Unix seconds, before signing. The target must bear no exp.
func (s Secret) SignUntil(target string, exp time.Time) (string, error) {
	if _, query, _ := strings.Cut(target, "?"); countParam(query, "exp") > 0 {
		return "", errors.New("the URL has an exp already")
	}
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	return s.Sign(target + separator + "exp=" + strconv.FormatInt(exp.Unix(), 10))
}

func checkTarget(target string) error {
	if !strings.HasPrefix(target, "/") {
		return errors.New("what is signed is a path that begins with /, namespace first")
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

// countParam counts the parameters of a raw query whose name is spelled just so.
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

// A Keyring verifies under any of its keys. It is safe for concurrent use.
type Keyring struct{ keys []verifier }

type verifier struct {
	id  string
	mac *sync.Pool // of hash.Hash, keyed
}

// NewKeyring returns the keyring of these keys. An empty one refuses everything.
func NewKeyring(keys []Key) *Keyring {
	k := &Keyring{}
	for _, key := range keys {
		secret := key.Secret
		k.keys = append(k.keys, verifier{key.ID, &sync.Pool{New: func() any { return hmac.New(sha256.New, secret[:]) }}})
	}
	return k
}

// A Grant is what a good signature gives.
type Grant struct {
	KeyID   string
	Expires time.Time // of the URL, without the skew; zero is never
}

// Verify judges a request target in path form, namespace first, as it stood on the
// wire. Its errors are ErrRequired, ErrInvalid and ErrExpired, wrapped with what to
// do about it.
//
// The signature counts only as the last parameter, spelled "sig=" with 64 lower-case
// hex digits; exp only spelled "exp=" with decimal digits; each only once.
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
	// "?sig=" stands only where there is no other parameter, "&sig=" behind others.
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

// match finds the key under which the signature is that of the target. All keys are
// tried, and all bytes compared, whatever matches.
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

// parseSignature reads 64 lower-case hex digits: hex.Decode takes upper-case too.
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

// parseExpiry reads the exp of a query. Not ok is one that is malformed or there
// twice.
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

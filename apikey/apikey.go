// Package apikey makes, reads and looks up API keys, which backends send.
//
// For most uses, call [Authenticator.Authenticate] with the key of a request. It returns the
// [Principal], who sent the request. [PrincipalOf] finds the Principal in a context. [New]
// makes a key, and [Parse] reads one.
//
// Package workspace stores the rights of a key under the key's hash. The key itself is never
// stored.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"strings"
)

const (
	livePrefix = "tt_live_"
	testPrefix = "tt_test_"

	randomLen   = 30 // digits: 178 bits
	checksumLen = 6  // digits: more than the 32 bits of a CRC-32

	// Len is the length of a key, in bytes.
	Len = len(livePrefix) + randomLen + checksumLen

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Errors of [Parse]. Their texts don't repeat the input.
var (
	// ErrMalformed says that a text doesn't have the form of an API key.
	ErrMalformed = errors.New("this is no API key: one begins with tt_live_ or tt_test_ and has 44 characters")
	// ErrChecksum says that a text looks like an API key, but has a wrong checksum. It was
	// mistyped, cut or made up.
	ErrChecksum = errors.New("this API key was never given out: some of its characters are wrong")
)

// A Secret is the text of an API key. It prints as its kind only. Reveal returns the text.
type Secret struct{ text string }

// New returns a new random key.
func New(test bool) Secret {
	prefix := livePrefix
	if test {
		prefix = testPrefix
	}
	b := make([]byte, 0, Len)
	b = append(b, prefix...)
	var random [64]byte
	for len(b) < len(prefix)+randomLen {
		_, _ = rand.Read(random[:]) // never fails
		for _, r := range random {
			// 248 is the largest multiple of 62 in a byte. Larger values would make some digits
			// more likely than others.
			if r < 248 && len(b) < len(prefix)+randomLen {
				b = append(b, digits[r%62])
			}
		}
	}
	return Secret{string(append(b, checksum(string(b))...))}
}

// Parse returns the key that a client sent. The error is ErrMalformed or ErrChecksum.
func Parse(text string) (Secret, error) {
	if len(text) != Len || !strings.HasPrefix(text, livePrefix) && !strings.HasPrefix(text, testPrefix) {
		return Secret{}, ErrMalformed
	}
	for i := len(livePrefix); i < len(text); i++ {
		if strings.IndexByte(digits, text[i]) < 0 {
			return Secret{}, ErrMalformed
		}
	}
	// This needs no constant time, since everybody can compute the checksum.
	if body := text[:Len-checksumLen]; checksum(body) != text[Len-checksumLen:] {
		return Secret{}, ErrChecksum
	}
	return Secret{text}, nil
}

// Looks reports whether a text has the form of an API key, valid or not. Call it where a
// text must not be a key.
func Looks(text string) bool {
	_, err := Parse(text)
	return !errors.Is(err, ErrMalformed)
}

// Within reports whether a text contains something in the form of an API key. Call it where
// a text must not contain a key.
func Within(text string) bool {
	for _, prefix := range []string{livePrefix, testPrefix} {
		for rest := text; ; rest = rest[1:] {
			i := strings.Index(rest, prefix)
			if i < 0 || len(rest)-i < Len {
				break
			}
			if rest = rest[i:]; Looks(rest[:Len]) {
				return true
			}
		}
	}
	return false
}

// checksum returns the CRC-32 (IEEE) of a text in base62, the most significant digit first.
func checksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var b [checksumLen]byte
	for i := checksumLen - 1; i >= 0; i-- {
		b[i] = digits[sum%62]
		sum /= 62
	}
	return string(b[:])
}

// Test reports whether it is a test key.
func (s Secret) Test() bool { return strings.HasPrefix(s.text, testPrefix) }

// Hash returns the SHA-256 of the key, under which it is stored. A plain hash is enough,
// since there are too many keys to try them all.
func (s Secret) Hash() [32]byte { return sha256.Sum256([]byte(s.text)) }

// Reveal returns the text of the key. Show it once only.
func (s Secret) Reveal() string { return s.text }

// String hides the key.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return s.text[:len(livePrefix)] + "***"
}

// GoString hides the key.
func (s Secret) GoString() string { return s.String() }

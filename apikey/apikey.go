// Package apikey is about the keys that backends call with: what they look like, and
// who a request comes from that carries one.
//
// [New] makes a key and [Parse] reads one. A [Principal] is who a key says that its
// sender is; [PrincipalOf] finds the one of a request's context. What a key may do is
// kept by package workspace, under the hash of the key; the key itself is never kept.
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

	// Len is how long a key is, in bytes.
	Len = len(livePrefix) + randomLen + checksumLen

	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Errors of [Parse]. Their texts don't repeat what was given.
var (
	// ErrMalformed says that a text is no API key, whatever it is.
	ErrMalformed = errors.New("this is no API key: one begins with tt_live_ or tt_test_ and has 44 characters")
	// ErrChecksum says that a text looks like an API key and was mistyped, cut or made
	// up: no such key was ever given out.
	ErrChecksum = errors.New("this API key was never given out: some of its characters are wrong")
)

// A Secret is the text of an API key. It prints as its kind only: what it is has to be
// asked for, with Reveal.
type Secret struct{ text string }

// New makes a key from the system's randomness.
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
			// 248 is the largest multiple of 62 in a byte: what lies above would make
			// some digits likelier than others.
			if r < 248 && len(b) < len(prefix)+randomLen {
				b = append(b, digits[r%62])
			}
		}
	}
	return Secret{string(append(b, checksum(string(b))...))}
}

// Parse reads a key as a client sent it. Errors are ErrMalformed and ErrChecksum.
func Parse(text string) (Secret, error) {
	if len(text) != Len || !strings.HasPrefix(text, livePrefix) && !strings.HasPrefix(text, testPrefix) {
		return Secret{}, ErrMalformed
	}
	for i := len(livePrefix); i < len(text); i++ {
		if strings.IndexByte(digits, text[i]) < 0 {
			return Secret{}, ErrMalformed
		}
	}
	// Not in constant time: everybody can work the checksum out.
	if body := text[:Len-checksumLen]; checksum(body) != text[Len-checksumLen:] {
		return Secret{}, ErrChecksum
	}
	return Secret{text}, nil
}

// Looks reports whether a text has the shape of an API key, right or not: for where none
// may stand.
func Looks(text string) bool {
	_, err := Parse(text)
	return !errors.Is(err, ErrMalformed)
}

// Within reports whether a text holds something of the shape of an API key: for where
// none may stand.
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

// checksum is the CRC-32 (IEEE) of a text in base62, the most significant digit first.
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

// Hash is the SHA-256 that the key is kept and found under. Keys are random enough for
// a plain hash: nobody can try them all.
func (s Secret) Hash() [32]byte { return sha256.Sum256([]byte(s.text)) }

// Reveal returns the key, to be shown once.
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

package dialect

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// weakSecret is the least number of bytes in a secret that opens private sources.
const weakSecret = 16

// Weak reports whether the secret is so short that somebody may guess it. A weak key still
// verifies the URLs that are in use, but it opens no private source.
func (k Key) Weak() bool { return len(k.Secret) < weakSecret }

// String returns a mask, so that no log shows a secret.
func (Key) String() string { return "***" }

// GoString returns the mask of String.
func (Key) GoString() string { return "***" }

// A keyRule describes the signing keys of a dialect.
type keyRule struct {
	hex        bool           // the owner gives secret and salt in hexadecimal digits
	salt       bool           // a key has a salt
	algorithms map[string]int // bytes of a whole signature, by algorithm
	standard   string         // the default algorithm
	sizes      []int          // allowed lengths of a signature in characters; nil is 8 bytes to the whole
}

var keyRules = map[string]keyRule{
	"imgix":      {algorithms: map[string]int{"md5": 16}, standard: "md5", sizes: []int{16}},
	"imgproxy":   {hex: true, salt: true, algorithms: map[string]int{"sha256": 32}, standard: "sha256"},
	"thumbor":    {algorithms: map[string]int{"sha1": 20, "sha256": 32, "sha512": 64}, standard: "sha1"},
	"cloudinary": {algorithms: map[string]int{"sha1": 20, "sha256": 32}, standard: "sha1", sizes: []int{8, 32}},
}

const (
	leastSize = 8   // bytes of the shortest signature
	maxSecret = 512 // characters of a secret or a salt, as the owner gives it
)

// Signed returns the names of the dialects that have signatures.
func Signed() (names []string) {
	for _, d := range All {
		if d.Verify != nil {
			names = append(names, d.Name)
		}
	}
	return names
}

// ReadKey parses a signing key of the dialect. size is the size of the key's signatures: 0
// is the whole signature, else a number of bytes, or of characters for Cloudinary. The error
// is an [*Error] whose Param is dialect, secret, salt, algorithm or signature_size. It holds
// no secret.
func (d *Dialect) ReadKey(secret, salt, algorithm string, size int) (k Key, err error) {
	rule, ok := keyRules[d.Name]
	if !ok || d.Verify == nil {
		return Key{}, &Error{"dialect", "must be one of " + strings.Join(Signed(), ", ")}
	}
	if k.Secret, err = rule.bytes("secret", secret); err != nil {
		return Key{}, err
	}
	switch {
	case secret == "":
		return Key{}, &Error{"secret", "is missing"}
	case salt != "" && !rule.salt:
		return Key{}, &Error{"salt", "must be left out: keys of " + d.Name + " have no salt"}
	}
	if k.Salt, err = rule.bytes("salt", salt); err != nil {
		return Key{}, err
	}
	if k.Algorithm = algorithm; algorithm == "" {
		k.Algorithm = rule.standard
	}
	whole, ok := rule.algorithms[k.Algorithm]
	if !ok {
		names := make([]string, 0, len(rule.algorithms))
		for name := range rule.algorithms {
			names = append(names, name)
		}
		slices.Sort(names)
		return Key{}, &Error{"algorithm", "must be one of " + strings.Join(names, ", ")}
	}
	k.Size = size
	return k, rule.checkSize(size, whole, k.Algorithm)
}

func (r keyRule) checkSize(size, whole int, algorithm string) error {
	switch {
	case size == 0:
	case r.sizes != nil && !slices.Contains(r.sizes, size):
		texts := make([]string, len(r.sizes))
		for i, n := range r.sizes {
			texts[i] = strconv.Itoa(n)
		}
		return &Error{"signature_size", "must be " + strings.Join(texts, " or ") + ", or left out"}
	case r.sizes != nil && size == 32 && algorithm == "sha1":
		return &Error{"signature_size", "32 characters need the algorithm sha256: set algorithm to sha256"}
	case r.sizes == nil && (size < leastSize || size > whole):
		return &Error{"signature_size", fmt.Sprintf("must be from %d to %d bytes; leave it out for all %[2]d", leastSize, whole)}
	}
	return nil
}

// bytes parses a secret or a salt.
func (r keyRule) bytes(name, text string) ([]byte, error) {
	if len(text) > maxSecret {
		return nil, &Error{name, fmt.Sprintf("is longer than %d characters", maxSecret)}
	}
	if !r.hex {
		return []byte(text), nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, &Error{name, "must be hexadecimal digits, two for each byte"}
	}
	return b, nil
}

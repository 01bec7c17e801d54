package dialect

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// weakSecret is how many bytes a secret must have to open private sources.
const weakSecret = 16

// Weak reports whether the secret is so short that it may be guessed. The product took it,
// so that it verifies URLs in use, but it opens no private source.
func (k Key) Weak() bool { return len(k.Secret) < weakSecret }

// String is a mask, so that no log shows a secret.
func (Key) String() string { return "***" }

// GoString is a mask like String.
func (Key) GoString() string { return "***" }

// A keyRule says what the signing keys of a dialect are like.
type keyRule struct {
	hex        bool           // secret and salt are written in hexadecimal digits
	salt       bool           // it has a salt
	algorithms map[string]int // and how many bytes their signatures have
	standard   string         // the algorithm of keys that name none
	sizes      []int          // that a signature may have, in characters; nil is 8 bytes up to all
}

var keyRules = map[string]keyRule{
	"imgix":      {algorithms: map[string]int{"md5": 16}, standard: "md5", sizes: []int{16}},
	"imgproxy":   {hex: true, salt: true, algorithms: map[string]int{"sha256": 32}, standard: "sha256"},
	"thumbor":    {algorithms: map[string]int{"sha1": 20, "sha256": 32, "sha512": 64}, standard: "sha1"},
	"cloudinary": {algorithms: map[string]int{"sha1": 20, "sha256": 32}, standard: "sha1", sizes: []int{8, 32}},
}

const (
	leastSize = 8   // bytes of a signature
	maxSecret = 512 // bytes, as written
)

// Signed are the names of the dialects that have signatures.
func Signed() (names []string) {
	for _, d := range All {
		if d.Verify != nil {
			names = append(names, d.Name)
		}
	}
	return names
}

// ReadKey reads a signing key of the dialect as its owner has it. size is that of its
// signatures, in bytes; Cloudinary's is in characters; 0 is the whole. The error is an
// [*Error] whose Param is secret, salt, algorithm or signature_size, and holds no secret.
func (d *Dialect) ReadKey(secret, salt, algorithm string, size int) (k Key, err error) {
	rule, ok := keyRules[d.Name]
	if !ok || d.Verify == nil {
		return Key{}, &Error{"dialect", "is one of " + strings.Join(Signed(), ", ")}
	}
	if k.Secret, err = rule.bytes("secret", secret); err != nil {
		return Key{}, err
	}
	switch {
	case secret == "":
		return Key{}, &Error{"secret", "is missing"}
	case salt != "" && !rule.salt:
		return Key{}, &Error{"salt", "is not for keys of " + d.Name}
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
		return Key{}, &Error{"algorithm", "is one of " + strings.Join(names, ", ")}
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
		return &Error{"signature_size", "is " + strings.Join(texts, " or ") + ", or left out"}
	case r.sizes != nil && size == 32 && algorithm == "sha1":
		return &Error{"signature_size", "32 characters are of sha256: name that as the algorithm"}
	case r.sizes == nil && (size < leastSize || size > whole):
		return &Error{"signature_size", fmt.Sprintf("is %d to %d bytes, or left out for all %[2]d", leastSize, whole)}
	}
	return nil
}

// bytes reads a secret or a salt.
func (r keyRule) bytes(name, text string) ([]byte, error) {
	if len(text) > maxSecret {
		return nil, &Error{name, fmt.Sprintf("is longer than %d characters", maxSecret)}
	}
	if !r.hex {
		return []byte(text), nil
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, &Error{name, "is hexadecimal digits, two for each byte"}
	}
	return b, nil
}

package account

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrEmail means that a text is no e-mail address that Tintype takes.
var ErrEmail = errors.New("this is no e-mail address: write it as name@example.com")

// maxEmail is the longest address that mail servers take, in bytes (RFC 5321 §4.5.3.1.3).
const (
	maxEmail = 254
	maxLocal = 64
)

// ParseEmail returns the canonical form of an e-mail address, under which an account is
// known: lower-case, and the domain in ASCII (IDNA). The error is ErrEmail. It takes no
// display name, quotes, comments, spaces or control characters, so that the result can stand
// in a header of a mail.
func ParseEmail(text string) (string, error) {
	local, domain, ok := strings.Cut(strings.TrimSpace(text), "@")
	if !ok || len(local) == 0 || len(local) > maxLocal || !utf8.ValidString(text) {
		return "", ErrEmail
	}
	for i := range len(local) {
		c := local[i] | 0x20
		if !(c >= 'a' && c <= 'z' || local[i] >= '0' && local[i] <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", local[i]) >= 0) {
			return "", ErrEmail
		}
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return "", ErrEmail
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if err != nil || !validDomain(domain) {
		return "", ErrEmail
	}
	email := strings.ToLower(local) + "@" + strings.ToLower(domain)
	if len(email) > maxEmail {
		return "", ErrEmail
	}
	return email, nil
}

func validDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return len(labels) >= 2
}

// MaskEmail returns an address for logs of the server: its first letter and its domain.
func MaskEmail(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" {
		return "***"
	}
	_, n := utf8.DecodeRuneInString(local)
	return local[:n] + "***@" + domain
}

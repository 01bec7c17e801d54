package dialect

import (
	"math"
	"strconv"
	"strings"

	"github.com/tintype/tintype/transform"
)

// isURL reports whether s begins like a full URL.
func isURL(s string) bool {
	return len(s) >= 7 && strings.EqualFold(s[:7], "http://") || len(s) >= 8 && strings.EqualFold(s[:8], "https://")
}

// hasHost reports whether a full URL has a host. It doesn't check the host itself: the code
// for native URLs does.
func hasHost(url string) bool {
	_, rest, _ := strings.Cut(url, "://")
	if end := strings.IndexAny(rest, `/?#\`); end >= 0 {
		rest = rest[:end]
	}
	host := rest[strings.LastIndexByte(rest, '@')+1:] // after the user
	return host != "" && host[0] != ':' && !strings.HasPrefix(host, "[]")
}

// decodePath decodes the escapes of a path once. "+" stays "+".
func decodePath(raw string) (string, error) {
	decoded := raw
	if strings.IndexByte(raw, '%') >= 0 {
		var b strings.Builder
		b.Grow(len(raw))
		for i := 0; i < len(raw); i++ {
			if raw[i] != '%' {
				b.WriteByte(raw[i])
				continue
			}
			if i+2 >= len(raw) || !isHex(raw[i+1:i+3]) {
				return "", &Error{Reason: "the path has a malformed escape; write the character % as %25"}
			}
			n, _ := strconv.ParseUint(raw[i+1:i+3], 16, 8) // two hexadecimal digits
			b.WriteByte(byte(n))
			i += 2
		}
		decoded = b.String()
	}
	if !transform.IsText(decoded) {
		return "", &Error{Reason: "the path has a control character or invalid UTF-8"}
	}
	return decoded, nil
}

// whole parses a whole number of at most 9 digits.
func whole(s string) (int, bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// number parses a decimal number, such as -1.5, without an exponent.
func number(s string) (float64, bool) {
	if n, ok := whole(s); ok {
		return float64(n), true // most numbers are whole, and strconv takes longer
	}
	if s == "" || len(s) > 20 {
		return 0, false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && (i > 0 || c != '-' && c != '+') {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// format formats a number for an option, with at most 4 decimals.
func format(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1e9 {
		return strconv.Itoa(int(n))
	}
	return strconv.FormatFloat(math.Round(n*1e4)/1e4, 'f', -1, 64)
}

// clamp rounds n to a whole number from least to most.
func clamp(n float64, least, most int) int {
	return int(math.Round(min(max(n, float64(least)), float64(most))))
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

func isLetters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isWord reports whether s has only letters, digits, - and _.
func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

// nameQuery calls ignore for each parameter of a query. Grammars without a query use it.
func nameQuery(raw string, ignore func(name string)) {
	if raw == "" {
		return
	}
	for piece := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(piece, "=")
		if name == "" {
			continue
		}
		if decoded, err := decodePath(name); err == nil && !transform.Harmless(decoded) {
			ignore(decoded)
		}
	}
}

package origin

import (
	"fmt"
	pathpkg "path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxPath is the length of the longest object key, in bytes. It is the limit of S3 and R2.
const maxPath = 1024

// ParsePath returns the object key of an escaped path, which follows the source and its
// slash in a request target. The errors are those of [CheckPath].
//
// A "+" is a plus sign. An encoded slash is refused: a proxy, a signature or a CDN's rule
// that reads the escaped path would see other segments than the object key has.
func ParsePath(escaped string) (string, error) {
	if strings.IndexByte(escaped, '%') < 0 {
		return escaped, CheckPath(escaped)
	}
	if len(escaped) > 3*maxPath {
		return "", errPathLength
	}
	path := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '%' {
			var ok bool
			if c, ok = unhexAt(escaped, i); !ok {
				return "", invalidPath(`"%" must be followed by two hex digits; write a percent sign as %25`)
			}
			if c == '/' {
				return "", invalidPath("an encoded slash (%2F) is not allowed; write /")
			}
			i += 2
		}
		path = append(path, c)
	}
	return string(path), CheckPath(string(path))
}

// CheckPath checks an object key, which isn't percent-encoded. It must be 1 to 1,024 bytes
// of UTF-8. It must have no slash at its start or end, no empty segments, no "." and ".."
// segments ("..;x" too), no backslashes and no control characters, and no segment that
// [IsReserved]. The error wraps ErrInvalidPath.
func CheckPath(path string) error {
	switch {
	case path == "":
		return invalidPath("it is empty")
	case len(path) > maxPath:
		return errPathLength
	case !utf8.ValidString(path):
		return invalidPath("it is not UTF-8")
	}
	for _, r := range path {
		if r == '\\' {
			return invalidPath("a backslash is not allowed")
		}
		if isControl(r) {
			return invalidPath("control characters are not allowed")
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			return invalidPath("empty segments (a slash at the start or end, or //) are not allowed")
		}
		if isDotSegment(segment) {
			return invalidPath("the segments . and .. are not allowed")
		}
		if IsReserved(segment) {
			return errReserved
		}
	}
	return nil
}

// EscapePath returns the percent-encoded form of an object key in requests to buckets. It
// keeps letters, digits, "-", ".", "_", "~" (unreserved, RFC 3986 §2.3) and slashes, and
// writes hex digits in upper case. AWS signs this form. It has no "+", which a server could
// read as a space.
func EscapePath(path string) string {
	escape := 0
	for i := range len(path) {
		if !isUnreserved(path[i]) && path[i] != '/' {
			escape++
		}
	}
	if escape == 0 {
		return path
	}
	b := make([]byte, 0, len(path)+2*escape)
	for i := range len(path) {
		if c := path[i]; isUnreserved(c) || c == '/' {
			b = append(b, c)
		} else {
			b = appendEscaped(b, c)
		}
	}
	return string(b)
}

// isDotSegment reports whether a server could read the segment as "." or "..". Servlet
// containers remove ";parameters" before they resolve dots.
func isDotSegment(segment string) bool {
	name, _, _ := strings.Cut(segment, ";")
	return name == "." || name == ".."
}

// reserved begins the names that Tintype keeps for itself inside a source, such as that of
// the folder for uploads that aren't complete.
const reserved = ".tintype-"

var errReserved = invalidPath("names that begin with " + reserved + " are Tintype's own")

// IsReserved reports whether a segment of a path is Tintype's own, in either case of its
// letters, since some servers ignore the case. What is there is never an original.
func IsReserved(segment string) bool {
	return len(segment) >= len(reserved) && strings.EqualFold(segment[:len(reserved)], reserved)
}

// HoldsReserved reports whether a segment of the URL's path [IsReserved].
func (u URL) HoldsReserved() bool {
	if !strings.Contains(u.Path, ".") && !strings.Contains(u.Path, "%") {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if IsReserved(unescape(segment)) {
			return true
		}
	}
	return false
}

// CheckUpload checks the object key of an upload. Beyond [CheckPath], it refuses names that
// a person or another program takes for something else: hidden ones, invisible characters,
// characters that look like a slash or a dot, other Unicode forms of the same name, and
// extensions that aren't those of images, such as .html. It refuses what no URL asks for
// without doubt too: a percent sign with two hex digits, which a proxy or another product's
// URL decodes once more, and characters that end a URL or its path. The error wraps
// ErrInvalidPath.
func CheckUpload(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if !norm.NFC.IsNormalString(path) {
		return invalidPath("write it in Unicode's normal form NFC")
	}
	for _, r := range path {
		if !unicode.IsGraphic(r) || unicode.Is(unicode.Variation_Selector, r) || r != ' ' && unicode.IsSpace(r) {
			return invalidPath("invisible characters are not allowed")
		}
		if strings.ContainsRune(urlMarks, r) {
			return invalidPath(fmt.Sprintf("the character %c is not allowed, since it ends or splits URLs", r))
		}
		if r >= utf8.RuneSelf && strings.ContainsAny(norm.NFKC.String(string(r))+lookalike[r], `./\`) {
			return invalidPath("characters that look like a slash or a dot are not allowed")
		}
	}
	for i := range path {
		if _, escape := unhexAt(path, i); path[i] == '%' && escape {
			return invalidPath(fmt.Sprintf("%q looks like an escape of a URL; write the character itself", path[i:i+3]))
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment[0] == '.':
			return invalidPath("hidden names, which begin with a dot, are not allowed")
		case segment[0] == ' ' || segment[len(segment)-1] == ' ' || segment[len(segment)-1] == '.':
			return invalidPath("names must not begin or end with a space, nor end with a dot")
		}
	}
	if extension := pathpkg.Ext(path); strings.ContainsFunc(extension, unicode.IsLetter) && !isImageName(path) {
		return invalidPath(fmt.Sprintf("%.20q is no extension of images; use one such as .jpg, or none", extension))
	}
	return nil
}

// urlMarks are characters that end or split a URL, or the HTML around it.
const urlMarks = `?#<>"`

// lookalike are characters that look like a slash or a backslash and have no compatible
// form in NFKC.
var lookalike = map[rune]string{'\u2044': "/", '\u2215': "/", '\u29f8': "/", '\u2571': "/", '\u27cb': "/", '\u2216': `\`, '\u29f5': `\`, '\u29f9': `\`, '\u2572': `\`}

var errPathLength = invalidPath("it is longer than 1024 bytes")

func invalidPath(reason string) error {
	return fmt.Errorf("%w: %s", ErrInvalidPath, reason)
}

// isControl reports whether r is a C0 or C1 control character or DEL.
func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r <= 0x9f
}

func isUnreserved(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func appendEscaped(b []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}

// unhexAt returns the byte of the escape "%XX" at s[i:].
func unhexAt(s string, i int) (byte, bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, ok1 := unhex(s[i+1])
	lo, ok2 := unhex(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// unescape decodes the escapes of s, which must be well-formed.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if decoded, ok := unhexAt(s, i); ok {
				c, i = decoded, i+2
			}
		}
		b = append(b, c)
	}
	return string(b)
}

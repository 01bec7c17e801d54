package origin

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxURL is the length of the longest URL, in bytes, as given and in canonical form.
const maxURL = 8192

// A URL is a full http or https URL in canonical form. [ParseURL] returns it. Compare URLs
// by their String.
type URL struct {
	Scheme string // "http" or "https"
	Host   string // an ASCII name in lower case, or an IP address without brackets
	Port   string // decimal, "1" to "65535"; empty is the scheme's default
	Path   string // percent-encoded, begins with "/"
	Query  string // as given, without the "?"; may be empty

	encodedDot bool // the path had "%2E", which the canonical form doesn't show
}

// ParseURL returns the canonical form of an http or https URL. The error wraps
// ErrInvalidURL, and says what to change. ParseURL is stricter than any browser: it refuses
// everything that two programs could read differently.
//
//	HTTPS://Example.COM.:443/a%7eb    https://example.com/a~b
//	http://bücher.example/ü           http://xn--bcher-kva.example/%C3%BC
//	http://0x7f.1/                    http://127.0.0.1/
//	http://[::ffff:127.0.0.1]/        http://127.0.0.1/
//	https://example.com               https://example.com/
//
// Host: it becomes lower case and ASCII (IDNA, UTS #46), without one trailing dot. A host
// that ends in a number must be an IPv4 address (WHATWG URL, "ends in a number checker").
// Path: escapes of unreserved characters and of delimiters other than "/" and "+" are
// decoded, other hex digits become upper case, and characters that a path can't have are
// encoded. Query: it keeps its spelling, since
// origins may sign it.
//
// Refused: other schemes, userinfo, fragments, backslashes, white space, control
// characters (in the path also escaped ones), invalid UTF-8, localhost and names below it,
// names of one label, escapes and zones in the host, ports 0 and above 65535, and "." and
// ".." segments in every spelling, "..%2F" and "..;x" included.
//
// ParseURL accepts private addresses. [Guard] checks addresses.
func ParseURL(raw string) (URL, error) {
	u, err := ParsePlace(raw)
	if err != nil {
		return URL{}, err
	}
	if err := checkPublic(u.Host); err != nil {
		return URL{}, err
	}
	return u, nil
}

// ParsePlace is ParseURL for URLs in settings, such as the base of a source. It also accepts
// localhost and names of one label, which networks of containers have. [Guard] checks their
// addresses.
func ParsePlace(raw string) (URL, error) {
	if len(raw) > maxURL {
		return URL{}, errURLLength
	}
	if err := checkText(raw); err != nil {
		return URL{}, err
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	scheme = lowerASCII(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return URL{}, invalidURL("it must begin with http:// or https://")
	}
	if strings.IndexByte(rest, '#') >= 0 {
		return URL{}, invalidURL("a fragment (#) is not allowed; write a number sign as %23")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host, port, err := parseAuthority(rest[:end])
	if err != nil {
		return URL{}, err
	}
	path, query, _ := strings.Cut(rest[end:], "?")
	path, encodedDot, err := canonicalPath(path)
	if err != nil {
		return URL{}, err
	}
	u := URL{Scheme: scheme, Host: host, Port: port, Path: path, Query: canonicalQuery(query), encodedDot: encodedDot}
	if port == defaultPort(scheme) {
		u.Port = ""
	}
	if len(u.String()) > maxURL {
		return URL{}, errURLLength
	}
	return u, nil
}

// String returns the URL in canonical form, which is requested, compared and hashed.
func (u URL) String() string {
	var b strings.Builder
	b.WriteString(u.Scheme)
	b.WriteString("://")
	b.WriteString(u.authority())
	b.WriteString(u.Path)
	if u.Query != "" {
		b.WriteByte('?')
		b.WriteString(u.Query)
	}
	return b.String()
}

// authority returns the host, in brackets where it is IPv6, and the port unless it is the
// default.
func (u URL) authority() string {
	host := u.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if u.Port != "" {
		host += ":" + u.Port
	}
	return host
}

// PathIsCanonical reports whether every server reads the path alike: it has no "//", and no
// encoded slash, backslash or dot. The caller must refuse any other path on the host of a
// source: the origin may read it as an object of that source where [URL.Within] doesn't.
func (u URL) PathIsCanonical() bool {
	return !u.encodedDot && !strings.Contains(u.Path, "//") &&
		!strings.Contains(u.Path, "%2F") && !strings.Contains(u.Path, "%5C")
}

// Server returns a name for the server of u. Two URLs have the same name if and only if
// they are on the same host ([URL.SameHost]).
func (u URL) Server() string { return u.comparedHost() + ":" + u.comparedPort() }

// SameHost reports whether u and v have the same host and port, whatever the scheme. The
// ports 80 and 443 count as the same, so that http can't avoid the rules of an https source.
// An address of NAT64 counts as the IPv4 address in it.
func (u URL) SameHost(v URL) bool {
	return u.comparedPort() == v.comparedPort() && (u.Host == v.Host || u.comparedHost() == v.comparedHost())
}

// Within reports whether u lies at prefix or below it, and returns the key of u in a source
// at prefix. Both must be on the same host ([URL.SameHost]). Within compares whole path
// segments, percent-decoded. The path of prefix must be canonical ([URL.PathIsCanonical]).
// Some servers read paths differently: see [URL.Reading].
//
// Within doesn't check the key. Some URLs, such as the prefix itself, belong to the source
// and have no valid key. [CheckPath] refuses their keys, and so does every Fetch.
func (u URL) Within(prefix URL) (key Key, ok bool) {
	if !u.SameHost(prefix) {
		return Key{}, false
	}
	rest, ok := below(u.Path, prefix.Path)
	if !ok {
		return Key{}, false
	}
	return Key{Path: unescape(rest), Query: u.Query}, true
}

// Below returns the URL of a key in a source at u, in canonical form with "+" as "%2B". It
// is the reverse of Within. The error wraps ErrInvalidPath or ErrInvalidURL.
func (u URL) Below(key Key) (URL, error) {
	if err := CheckPath(key.Path); err != nil {
		return URL{}, err
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + EscapePath(key.Path)
	u.Query = key.Query
	return ParsePlace(u.String())
}

// port returns the port of connections.
func (u URL) port() string {
	if u.Port != "" {
		return u.Port
	}
	return defaultPort(u.Scheme)
}

// comparedHost returns the host for comparisons. It is the IPv4 address for 64:ff9b::/96,
// since both lead to the same server. 6to4 isn't treated so: its address is that of a whole
// network.
func (u URL) comparedHost() string {
	if !strings.HasPrefix(u.Host, "64:ff9b:") {
		return u.Host
	}
	addr, err := netip.ParseAddr(u.Host)
	if err != nil || !nat64.Contains(addr) {
		return u.Host
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[12:])).String()
}

// comparedPort returns the port for comparisons. It is the same for the default ports of
// both schemes.
func (u URL) comparedPort() string {
	if p := u.port(); p != "80" && p != "443" {
		return p
	}
	return ""
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// below returns the rest of path after the segments of prefix. Both are percent-encoded. A
// slash at the end of prefix makes no difference.
func below(path, prefix string) (rest string, ok bool) {
	path = strings.TrimPrefix(path, "/")
	prefix = strings.TrimSuffix(strings.TrimPrefix(prefix, "/"), "/")
	for more := prefix != ""; more; {
		var want, have string
		want, prefix, more = strings.Cut(prefix, "/")
		have, path, _ = strings.Cut(path, "/")
		if unescape(have) != unescape(want) {
			return "", false
		}
	}
	return path, true
}

// checkText refuses characters that no URL may have in any part.
func checkText(raw string) error {
	if !utf8.ValidString(raw) {
		return invalidURL("it is not UTF-8")
	}
	for _, r := range raw {
		switch {
		case r == '\\':
			return invalidURL("a backslash is not allowed; use / or write it as %5C")
		case r == ' ' || isControl(r):
			return invalidURL("white space and control characters are not allowed; percent-encode them")
		}
	}
	return nil
}

// parseAuthority splits the text between "//" and the path.
func parseAuthority(s string) (host, port string, err error) {
	switch {
	case s == "":
		return "", "", invalidURL("the host is missing")
	case strings.IndexByte(s, '@') >= 0:
		return "", "", invalidURL("a user name or password is not allowed; give credentials as headers of a source")
	case strings.IndexByte(s, '%') >= 0:
		return "", "", invalidURL("percent-encoding and zones are not allowed in the host")
	}
	var tail string
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", errIPv6
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", "", errIPv6
		}
		host, tail = addr.Unmap().String(), s[end+1:]
	} else {
		name := s
		if colon := strings.IndexByte(s, ':'); colon >= 0 {
			name, tail = s[:colon], s[colon:]
		}
		if host, err = parseHost(name); err != nil {
			return "", "", err
		}
	}
	if tail == "" {
		return host, "", nil
	}
	port, err = parsePort(tail)
	return host, port, err
}

// parsePort reads ":8080". A colon alone means no port (RFC 3986 §3.2.3).
func parsePort(s string) (string, error) {
	digits, ok := strings.CutPrefix(s, ":")
	if !ok {
		return "", errPort
	}
	if digits == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", errPort
	}
	return strconv.FormatUint(n, 10), nil
}

// canonicalPath returns the canonical form of a path, and whether a dot in it was
// percent-encoded.
func canonicalPath(raw string) (path string, encodedDot bool, err error) {
	b := make([]byte, 0, max(1, len(raw)))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '%' {
			if isUnreserved(c) || strings.IndexByte("/!$&'()*+,;=:@", c) >= 0 { // pchar, RFC 3986 §3.3
				b = append(b, c)
			} else {
				b = appendEscaped(b, c)
			}
			continue
		}
		c, ok := unhexAt(raw, i)
		switch {
		case !ok:
			return "", false, invalidURL(`"%" must be followed by two hex digits in the path; write a percent sign as %25`)
		case c < 0x20 || c == 0x7f:
			return "", false, invalidURL("control characters are not allowed in the path")
		case isUnreserved(c), isDelimiter(c):
			b = append(b, c)
			encodedDot = encodedDot || c == '.'
		default:
			b = appendEscaped(b, c)
		}
		i += 2
	}
	if len(b) == 0 {
		b = append(b, '/')
	}
	path = string(b)
	if hasDotSegment(path) {
		return "", false, invalidURL("the path segments . and .. are not allowed")
	}
	return path, encodedDot, nil
}

// isDelimiter reports whether c is a delimiter that a path has as it is (RFC 3986 §3.3).
// Some origins take "," and "%2C" for two objects, and mean the first. "+" is none of them:
// some servers read it as a space, so that its escape stays.
func isDelimiter(c byte) bool { return strings.IndexByte("!$&'()*,;=:@", c) >= 0 }

// hasDotSegment reports whether any server could find a "." or ".." segment in a canonical
// path. Some servers decode slashes and backslashes before they resolve dots.
func hasDotSegment(path string) bool {
	if strings.IndexByte(path, '.') < 0 {
		return false
	}
	for segment := range strings.SplitSeq(hiddenDelimiters.Replace(path), "/") {
		if isDotSegment(segment) {
			return true
		}
	}
	return false
}

var hiddenDelimiters = strings.NewReplacer("%2F", "/", "%5C", "/")

// canonicalQuery percent-encodes the characters that a browser would encode (WHATWG URL,
// special-query percent-encode set) and keeps the rest.
func canonicalQuery(raw string) string {
	encode := func(c byte) bool {
		return c >= 0x80 || c == '"' || c == '\'' || c == '<' || c == '>'
	}
	escape := 0
	for i := range len(raw) {
		if encode(raw[i]) {
			escape++
		}
	}
	if escape == 0 {
		return raw
	}
	b := make([]byte, 0, len(raw)+2*escape)
	for i := range len(raw) {
		if encode(raw[i]) {
			b = appendEscaped(b, raw[i])
		} else {
			b = append(b, raw[i])
		}
	}
	return string(b)
}

var (
	errURLLength = invalidURL("it is longer than 8192 bytes")
	errIPv6      = invalidURL("the host in brackets is not an IPv6 address without a zone")
	errPort      = invalidURL("the port must be a number from 1 to 65535")
)

func invalidURL(reason string) error {
	return fmt.Errorf("%w: %s", ErrInvalidURL, reason)
}

package origin

import (
	"fmt"
	"strings"
)

// A Pattern allows full URLs as originals. Its zero value allows none.
type Pattern struct {
	any    bool   // "*": every host and port
	scheme string // empty is http and https
	host   string // canonical, as URL.Host
	sub    bool   // the names below host instead of host
	port   string // empty is the scheme's default
	path   string // canonical, as URL.Path; empty is every path
}

// ParsePattern reads one pattern of a workspace's allowed_sources:
//
//	https://*                   everything over https
//	*                           everything
//	example.com                 that host over http and https, on their default ports
//	*.example.com               every name below it, but not example.com itself
//	https://example.com         that host over https only
//	example.com:8443            that host on that port only
//	example.com/public/         paths below /public, by whole segments, as every server reads them
//
// Hosts and paths follow the rules of [ParseURL]. The error wraps ErrInvalidURL.
func ParsePattern(s string) (Pattern, error) {
	if err := checkText(s); err != nil {
		return Pattern{}, err
	}
	if len(s) > maxURL {
		return Pattern{}, errURLLength
	}
	var p Pattern
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		p.scheme, rest = lowerASCII(scheme), after
		if p.scheme != "http" && p.scheme != "https" {
			return Pattern{}, invalidURL("a scheme must be http:// or https://")
		}
	}
	if rest == "*" {
		p.any = true
		return p, nil
	}
	if strings.ContainsAny(rest, "?#") {
		return Pattern{}, invalidURL("a pattern has no query and no fragment")
	}
	authority, path := rest, ""
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		authority, path = rest[:slash], rest[slash:]
	}
	if err := p.parseAuthority(authority); err != nil {
		return Pattern{}, err
	}
	if err := p.parsePath(path); err != nil {
		return Pattern{}, err
	}
	return p, nil
}

func (p *Pattern) parseAuthority(s string) error {
	if s == "*" || strings.HasPrefix(s, "*:") {
		return invalidURL("* stands alone or before a name, as in *.example.com; it takes no port and no path")
	}
	name, sub := strings.CutPrefix(s, "*.")
	if sub {
		// With a label in front, "com" is a full name, and an address isn't an address.
		name = "a." + name
	}
	host, port, err := parseAuthority(name)
	if err != nil {
		return err
	}
	if err := checkPublic(host); err != nil {
		return err
	}
	if sub {
		host = strings.TrimPrefix(host, "a.")
	}
	p.host, p.sub, p.port = host, sub, port
	if p.scheme != "" && port == defaultPort(p.scheme) {
		p.port = ""
	}
	return nil
}

func (p *Pattern) parsePath(raw string) error {
	if raw == "" || raw == "/" {
		return nil
	}
	if strings.IndexByte(raw, '*') >= 0 {
		return invalidURL("a path takes no *; /public/ allows everything below it")
	}
	path, encodedDot, err := canonicalPath(raw)
	if err != nil {
		return err
	}
	if !(URL{Path: path, encodedDot: encodedDot}).PathIsCanonical() {
		return invalidURL("the path must have no // and no encoded slash, backslash or dot")
	}
	p.path = path
	return nil
}

// String returns the pattern in canonical form. ParsePattern returns an equal pattern for
// it.
func (p Pattern) String() string {
	s := ""
	if p.scheme != "" {
		s = p.scheme + "://"
	}
	if p.any {
		return s + "*"
	}
	if p.sub {
		s += "*."
	}
	return s + URL{Host: p.host, Port: p.port}.authority() + p.path
}

// Below returns the host whose subdomains the pattern allows, such as "example.com" of
// *.example.com. It is empty for any other pattern.
func (p Pattern) Below() string {
	if !p.sub {
		return ""
	}
	return p.host
}

// Match reports whether the pattern allows u.
func (p Pattern) Match(u URL) bool {
	if p.scheme != "" && p.scheme != u.Scheme {
		return false
	}
	if p.any {
		return true
	}
	return p.matchHost(u.Host) && p.matchPort(u) && p.matchPath(u)
}

func (p Pattern) matchHost(host string) bool {
	if p.host == "" {
		return false
	}
	if !p.sub {
		return host == p.host
	}
	label, ok := strings.CutSuffix(host, "."+p.host)
	return ok && label != ""
}

func (p Pattern) matchPort(u URL) bool {
	if p.port == "" {
		return u.Port == ""
	}
	return p.port == u.port()
}

// matchPath reports whether the path is below the pattern's path. It refuses paths that
// some server may resolve to another place ([Reading.Leaves]).
func (p Pattern) matchPath(u URL) bool {
	if strings.Trim(p.path, "/") == "" {
		return true
	}
	_, ok := below(u.Path, p.path)
	return ok && !u.Reading().Leaves()
}

// An Allowlist is a workspace's allowed_sources. An empty Allowlist allows nothing. It is
// safe for concurrent use.
type Allowlist []Pattern

// ParseAllowlist returns the Allowlist of patterns, in the form of [ParsePattern]. The
// error names the pattern that it refuses.
func ParseAllowlist(patterns []string) (Allowlist, error) {
	list := make(Allowlist, 0, len(patterns))
	for _, s := range patterns {
		p, err := ParsePattern(s)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", s, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// Allow reports whether any pattern allows u. It doesn't check addresses: [Guard] refuses
// private ones whatever is allowed here.
func (a Allowlist) Allow(u URL) bool {
	for _, p := range a {
		if p.Match(u) {
			return true
		}
	}
	return false
}

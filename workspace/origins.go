package workspace

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/origin"
)

// Origins are the web origins (RFC 6454) that may read a workspace's responses: its
// allowed_origins. The zero value allows none. It is immutable and safe for concurrent use.
//
//	https://app.example.com      this origin; a port other than the default is named: https://app.example.com:8443
//	example.com                  http and https on their default ports
//	*.example.com                all subdomains, but not example.com; http and https on their default ports
//	null                         the origin of files, sandboxed frames and similar pages
//	*                            every origin, including null
type Origins struct {
	any, null bool
	names     []string // scheme://host[:port], and hosts; sorted
	suffixes  []string // with the leading dot
}

// ParseOrigins reads patterns. An error names the pattern and what is allowed.
func ParseOrigins(patterns []string) (Origins, error) {
	var o Origins
	for _, pattern := range patterns {
		if !o.add(pattern) {
			return Origins{}, fmt.Errorf("bad origin pattern %q: use *, https://app.example.com, https://app.example.com:8443, "+
				"example.com, *.example.com or null, without a path", cut(pattern))
		}
	}
	slices.Sort(o.names)
	o.names = slices.Clip(o.names)
	return o, nil
}

func (o *Origins) add(pattern string) bool {
	switch {
	case pattern == "*":
		o.any = true
		return true
	case pattern == "null":
		o.null = true
		return true
	case strings.Contains(pattern, "://"):
		scheme, rest, _ := strings.Cut(pattern, "://")
		scheme = strings.ToLower(scheme)
		if scheme != "http" && scheme != "https" {
			return false
		}
		host, port, ok := splitPort(rest)
		if !ok {
			return false
		}
		if host, ok = asciiHost(host); !ok {
			return false
		}
		if port != "" && port != defaultPort(scheme) {
			host += ":" + port
		}
		o.names = append(o.names, scheme+"://"+host)
		return true
	}
	if name, ok := strings.CutPrefix(pattern, "*."); ok {
		if name, ok = origin.HostName(name); ok {
			o.suffixes = append(o.suffixes, "."+name)
		}
		return ok
	}
	host, ok := asciiHost(pattern)
	if ok {
		o.names = append(o.names, host)
	}
	return ok
}

// Any reports whether every origin is allowed. Responses then don't depend on the origin.
func (o Origins) Any() bool { return o.any }

// Allow reports whether the value of an Origin header is allowed. Don't call it for a
// request without the header. Only "*" allows a value that is neither "null" nor the origin
// of an http or https page as RFC 6454 §6.2 writes it.
func (o Origins) Allow(origin string) bool {
	if o.any {
		return true
	}
	if origin == "null" {
		return o.null
	}
	if !isASCII(origin) { // ToLower turns some other characters into letters, such as U+212A
		return false
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(origin), "://")
	if !ok || scheme != "http" && scheme != "https" {
		return false
	}
	host, port, ok := splitPort(rest)
	if !ok || !plainHost(host) {
		return false
	}
	if port != "" && port != defaultPort(scheme) {
		return o.has(scheme + "://" + host + ":" + port)
	}
	if o.has(host) {
		return true
	}
	for _, suffix := range o.suffixes {
		if len(host) > len(suffix) && strings.HasSuffix(host, suffix) && host[0] != '.' {
			return true
		}
	}
	return o.has(scheme + "://" + host)
}

func (o Origins) has(name string) bool {
	_, ok := slices.BinarySearch(o.names, name)
	return ok
}

// splitPort splits host[:port]. The port is a number from 1 to 65535 without leading zeros,
// or empty.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, "", true
	}
	host, port = s[:i], s[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	return host, port, err == nil && n > 0 && port[0] != '0'
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// plainHost reports whether a lower-case host has only the characters of names and
// bracketed addresses.
func plainHost(host string) bool {
	if strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return err == nil && addr.Is6()
	}
	for i := range len(host) {
		if c := host[i]; !lowerAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return host != ""
}

// cut returns the beginning of a client's text, for messages.
func cut(s string) string {
	s = ReplaceCredentials(s, Mask+"@")
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

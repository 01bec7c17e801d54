package workspace

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// asciiName returns a host name in lower case and ASCII (IDNA, RFC 5891), and
// whether it is one: labels of letters, digits, "-" and "_", 253 bytes at most, no
// dot at the end. What ends in a number is an address to browsers
// (https://url.spec.whatwg.org/#ends-in-a-number-checker), so it is no name.
func asciiName(host string) (string, bool) {
	host = strings.ToLower(host)
	if !isASCII(host) || strings.Contains(host, "xn--") {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", false
		}
		host = ascii
	}
	if len(host) > 253 {
		return "", false
	}
	var label string
	for rest, more := host, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			if c := label[i]; !lowerAlnum(c) && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	if c := label[0]; '0' <= c && c <= '9' && (strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x")) {
		return "", false
	}
	return host, true
}

// DomainName returns a host name as a Workspace's Domains have it, whichever way it is
// written; what is no host name stays as it is.
func DomainName(name string) string {
	if ascii, ok := asciiName(name); ok {
		return ascii
	}
	return name
}

// registrySuffix reports whether a canonical name is one under which a registry lets
// anybody have a domain, such as "com" and "co.uk" (the ICANN part of
// https://publicsuffix.org). Suffixes that a company has listed for its customers, such
// as "github.io", don't count: an owner may well mean all of them, for instance the
// preview deployments under one. Nor do names that aren't of the public DNS ("internal").
func registrySuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return icann && suffix == name
}

// companySuffix reports whether a canonical name is one under which a company gives its
// customers names of their own (the private part of the list).
func companySuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return !icann && suffix == name && strings.Contains(name, ".") // without a dot it is on no list
}

// asciiHost is asciiName for hosts that may be addresses too: IPv4 in four
// decimal parts, IPv6 in brackets; canonical as browsers write them.
func asciiHost(host string) (string, bool) {
	if v6, ok := strings.CutPrefix(host, "["); ok {
		v6, ok = strings.CutSuffix(v6, "]")
		addr, err := netip.ParseAddr(v6)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		if addr.Is4In6() { // netip writes ::ffff:1.2.3.4, browsers ::ffff:102:304
			return "", false
		}
		return "[" + addr.String() + "]", true
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return addr.String(), true
	}
	return asciiName(host)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

package workspace

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/tintype/tintype/origin"
)

// DomainName returns a host name as a Workspace's Domains have it, whichever way it is
// written; what is no host name stays as it is.
func DomainName(name string) string {
	if ascii, ok := origin.HostName(name); ok {
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

// asciiHost is [origin.HostName] for hosts that may be addresses too: IPv4 in four
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
	return origin.HostName(host)
}

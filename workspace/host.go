package workspace

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/tintype/tintype/origin"
)

// DomainName returns a host name in canonical form, as in Workspace.Domains. It returns
// other texts unchanged.
func DomainName(name string) string {
	if ascii, ok := origin.HostName(name); ok {
		return ascii
	}
	return name
}

// registrySuffix reports whether a registry gives domains to the public under a canonical
// name, such as "com" and "co.uk" (the ICANN part of https://publicsuffix.org). Suffixes of
// companies, such as "github.io", don't count, since an owner may want to allow all names
// under one, for instance preview deployments. Names outside the public DNS ("internal")
// don't count either.
func registrySuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return icann && suffix == name
}

// companySuffix reports whether a company gives names to its customers under a canonical
// name (the private part of the list).
func companySuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return !icann && suffix == name && strings.Contains(name, ".") // the list has no private suffixes without a dot
}

// asciiHost is [origin.HostName] for hosts that may also be addresses: IPv4 in four decimal
// parts, or IPv6 in brackets. The result is canonical, as in browsers.
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

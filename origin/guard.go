package origin

import (
	"fmt"
	"net/netip"
	"syscall"
)

// A Guard checks the address of a connection. It allows public unicast addresses and the
// ranges that the operator opened. It is safe for concurrent use.
type Guard struct {
	// Allow are the ranges that the operator opened. A range also opens IPv6 addresses that
	// carry one of its IPv4 addresses (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP).
	Allow []netip.Prefix
}

// Control is for net.Dialer.Control. It checks every connection after its name was
// resolved, before the first packet is sent. The error is ErrAddress, and holds no address.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return errAddress
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	return g.Check(target.Addr())
}

// Check returns nil if connections may go to addr. The error wraps ErrAddress, and holds no
// address.
func (g Guard) Check(addr netip.Addr) error {
	if !addr.IsValid() || addr.Zone() != "" || !g.permits(addr.Unmap()) {
		return errAddress
	}
	return nil
}

// permits is Check for an unmapped address: ::ffff:127.0.0.1 is 127.0.0.1 (RFC 4291
// §2.5.5.2).
func (g Guard) permits(addr netip.Addr) bool {
	for _, open := range g.Allow {
		if open.Contains(addr) {
			return true
		}
	}
	if addr.Is4() {
		return !contains(reserved4, addr)
	}
	inner, tunnel := embedded(addr)
	for _, a := range inner {
		if !g.permits(a) {
			return false
		}
	}
	if tunnel {
		return true
	}
	// IANA assigns global unicast addresses from 2000::/3 only (RFC 4291 §2.4; IPv6 Global
	// Unicast Address Assignments). So reserved6 lists no range outside of it.
	return globalUnicast.Contains(addr) && !contains(reserved6, addr)
}

var globalUnicast = netip.MustParsePrefix("2000::/3")

// These ranges, among others, are outside 2000::/3 and therefore refused: unspecified ::/128
// and loopback ::1/128 (RFC 4291 §2.5), IPv4-compatible ::/96 (RFC 4291
// §2.5.5.1), IPv4-translated ::ffff:0:0:0/96 (RFC 2765 §2.1), local NAT64
// 64:ff9b:1::/48 (RFC 8215), discard 100::/64 (RFC 6666), dummy 100:0:0:1::/64
// (RFC 9780), SRv6 SIDs 5f00::/16 (RFC 9602), unique local fc00::/7 (RFC 4193;
// metadata of AWS fd00:ec2::254 and Google fd20:ce::254), link-local fe80::/10
// (RFC 4291 §2.5.6), site-local fec0::/10 (RFC 3879), multicast ff00::/8 (RFC
// 4291 §2.7).

// reserved4 are the IPv4 ranges without public hosts (RFC 6890 and the IANA IPv4
// Special-Purpose Address Registry).
var reserved4 = prefixes(
	"0.0.0.0/8",        // this network: RFC 791 §3.2, RFC 1122 §3.2.1.3
	"10.0.0.0/8",       // private use: RFC 1918
	"100.64.0.0/10",    // shared, CGNAT: RFC 6598 (metadata of Alibaba: 100.100.100.200)
	"127.0.0.0/8",      // loopback: RFC 1122 §3.2.1.3
	"168.63.129.16/32", // Azure's metadata and agent endpoint, which isn't reachable from outside
	"169.254.0.0/16",   // link-local: RFC 3927 (metadata of most clouds: 169.254.169.254)
	"172.16.0.0/12",    // private use: RFC 1918
	"192.0.0.0/24",     // IETF protocol assignments: RFC 6890 §2.1 (metadata of Oracle: 192.0.0.192)
	"192.0.2.0/24",     // TEST-NET-1: RFC 5737
	"192.88.99.0/24",   // 6to4 relay anycast: RFC 7526
	"192.168.0.0/16",   // private use: RFC 1918
	"198.18.0.0/15",    // benchmarking: RFC 2544
	"198.51.100.0/24",  // TEST-NET-2: RFC 5737
	"203.0.113.0/24",   // TEST-NET-3: RFC 5737
	"224.0.0.0/4",      // multicast: RFC 5771
	"240.0.0.0/4",      // reserved: RFC 1112 §4; broadcast: RFC 919 §7
)

// reserved6 are the ranges within 2000::/3 without public hosts (RFC 6890 and the IANA IPv6
// Special-Purpose Address Registry).
var reserved6 = prefixes(
	"2001::/23",     // IETF protocol assignments: RFC 2928 (benchmarking RFC 5180, ORCHID RFC 4843, RFC 7343)
	"2001:db8::/32", // documentation: RFC 3849
	"3ffe::/16",     // 6bone, returned: RFC 3701
	"3fff::/20",     // documentation: RFC 9637
)

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
	teredo = netip.MustParsePrefix("2001::/32")    // RFC 4380 §2.6
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056 §2
)

// embedded returns the IPv4 addresses that an IPv6 address carries, to which a gateway or
// the kernel would forward packets. For a tunnel only these addresses count.
func embedded(addr netip.Addr) (inner []netip.Addr, tunnel bool) {
	b := addr.As16()
	four := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case nat64.Contains(addr):
		inner, tunnel = append(inner, four(12)), true
	case sixTo4.Contains(addr):
		inner, tunnel = append(inner, four(2)), true
	case teredo.Contains(addr):
		client := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}) // RFC 4380 §4
		inner, tunnel = append(inner, four(4), client), true
	}
	if b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP, under any prefix: RFC 5214 §6.1
		inner = append(inner, four(12))
	}
	return inner, tunnel
}

func contains(ranges []netip.Prefix, addr netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(addr) {
			return true
		}
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	ranges := make([]netip.Prefix, len(list))
	for i, s := range list {
		ranges[i] = netip.MustParsePrefix(s)
	}
	return ranges
}

var errAddress = fmt.Errorf("%w: the host must have a public address", ErrAddress)

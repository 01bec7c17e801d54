package limit

import "net/netip"

// Client returns what a client is counted under: its address, or the /64 network of an IPv6
// address, since a client can use every address of its network (RFC 6177). An IPv4 address in
// an IPv6 one counts as the IPv4 address. What is no address stays as it is.
func Client(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

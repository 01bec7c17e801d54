package limit

import (
	"context"
	"net/netip"
)

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052 §2.1
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
)

// Client returns what a client is counted under: its address, or the /64 network of an IPv6
// address, since a client can use every address of its network (RFC 6177). An IPv4 address in
// an IPv6 one counts as the IPv4 address, also where a translator (NAT64) wrote it: all of
// these have one network. What is no address stays as it is.
func Client(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.Is4():
		return addr.String()
	case nat64.Contains(addr):
		b := addr.As16()
		return netip.AddrFrom4([4]byte(b[12:])).String()
	case nat64Local.Contains(addr):
		return addr.String() // networks choose where the IPv4 address is
	}
	network, err := addr.Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

type clientKey struct{}

// WithClient notes for whom a request works: the client at an address. An empty address is
// nobody.
func WithClient(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, clientKey{}, Client(address))
}

// ClientIn returns the client that [WithClient] noted, as [Client] names it, or nothing.
func ClientIn(ctx context.Context) string {
	client, _ := ctx.Value(clientKey{}).(string)
	return client
}

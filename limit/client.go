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
	if addr.Is4() {
		return address // it is written in one way only
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

// Part returns the part of a room that each of so many clients keeps, however many others want
// it: a thirty-second, or an equal part where there are more clients, one more than there are,
// down to a hundred and twenty-eighth. So a client that has nothing yet finds room beside 127
// others that take all. A proxy in front of many people may look like one client.
func Part(room int64, clients int) int64 {
	return max(room/int64(min(max(clients+1, 32), 128)), 1)
}

type clientKey struct{}

// WithClient notes for whom a request works: the client at an address, as [Clients.Name] names
// it. That is done once a request, since it takes a lock.
func (c *Clients) WithClient(ctx context.Context, address string) context.Context {
	return WithClient(ctx, c.Name(address))
}

// WithClient notes for whom a request works: a client that has been named. An empty name is
// nobody.
func WithClient(ctx context.Context, name string) context.Context {
	return &clientContext{ctx, name}
}

// A clientContext is a context with a client's name. It takes one allocation, and
// context.WithValue two.
type clientContext struct {
	context.Context
	name string
}

func (c *clientContext) Value(key any) any {
	if _, ok := key.(clientKey); ok {
		return &c.name // a pointer, since an interface with a string would be another allocation
	}
	return c.Context.Value(key)
}

// ClientIn returns the name of the client that WithClient noted, or nothing.
func ClientIn(ctx context.Context) string {
	if name, ok := ctx.Value(clientKey{}).(*string); ok {
		return *name
	}
	return ""
}

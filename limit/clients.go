package limit

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Clients names clients as [Client] does, but those of one network together where it has many:
// a holder of an IPv6 /48 has 65,536 networks of the size that a client has. A /56 of which
// more than 4 networks came within ten minutes is one client, and so is a /48 of which more
// than 16 did. A home has at most a /56, so the neighbours of one that is hostile stay apart.
//
// The zero value is ready to use, and safe for concurrent use. A nil *Clients puts none
// together.
type Clients struct {
	mu       sync.Mutex // guards all fields below
	networks map[netip.Prefix]*network
}

// levels are the sizes of networks, and how many of the next smaller ones make one client.
var levels = [...]struct{ bits, most int }{{56, 4}, {48, 16}}

const (
	seenFor      = 10 * time.Minute
	mostNetworks = 10_000 // that are remembered
)

// A network remembers the parts that came last, one more than may come apart.
type network struct{ parts []part }

type part struct {
	name netip.Prefix
	at   time.Time
}

// Name returns what the client at an address is counted under, and remembers that it came.
func (c *Clients) Name(address string) string {
	name := Client(address)
	if c == nil || strings.IndexByte(name, '/') < 0 { // IPv4, or no address: an error of ParsePrefix would cost an allocation
		return name
	}
	own, err := netip.ParsePrefix(name)
	if err != nil {
		return name
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, level := range levels {
		around := netip.PrefixFrom(own.Addr(), level.bits).Masked()
		if c.network(around, now).comes(own, now, level.most) {
			own = around
		}
	}
	return own.String()
}

// network returns what is remembered of a network. Where there are too many, those are
// forgotten of which nothing came lately, or else any.
func (c *Clients) network(of netip.Prefix, now time.Time) *network {
	n := c.networks[of]
	if n != nil {
		return n
	}
	if c.networks == nil {
		c.networks = map[netip.Prefix]*network{}
	}
	for _, old := range []time.Duration{seenFor, 0} {
		if len(c.networks) < mostNetworks {
			break
		}
		for other, n := range c.networks {
			if n.last(now) >= old {
				delete(c.networks, other)
			}
			if len(c.networks) < mostNetworks*9/10 {
				break
			}
		}
	}
	n = &network{}
	c.networks[of] = n
	return n
}

// last returns how long ago a part of the network came last.
func (n *network) last(now time.Time) time.Duration {
	least := seenFor
	for _, p := range n.parts {
		least = min(least, now.Sub(p.at))
	}
	return least
}

// comes notes that a part of the network came, and reports whether more than most came lately.
func (n *network) comes(name netip.Prefix, now time.Time, most int) bool {
	n.parts = slices.DeleteFunc(n.parts, func(p part) bool { return p.name == name || now.Sub(p.at) >= seenFor })
	if len(n.parts) > most {
		n.parts = slices.Delete(n.parts, 0, 1) // the oldest
	}
	n.parts = append(n.parts, part{name, now})
	return len(n.parts) > most
}

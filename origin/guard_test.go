// The default resolver of this package's tests is the C library's, which takes
// "127.1" and "0x7f000001" for addresses; PreferGo selects Go's.
//
//go:debug netdns=cgo
package origin

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	tests := []struct {
		addr string
		ok   bool
		why  string
	}{
		{"93.184.216.34", true, "public"},
		{"1.1.1.1", true, "public"},
		{"9.255.255.255", true, "just below 10/8"},
		{"11.0.0.0", true, "just above 10/8"},
		{"100.63.255.255", true, "just below 100.64/10"},
		{"100.128.0.0", true, "just above 100.64/10"},
		{"126.255.255.255", true, "just below 127/8"},
		{"128.0.0.0", true, "just above 127/8"},
		{"169.253.255.255", true, "just below 169.254/16"},
		{"172.15.255.255", true, "just below 172.16/12"},
		{"172.32.0.0", true, "just above 172.16/12"},
		{"192.0.1.0", true, "just above 192.0.0/24"},
		{"198.17.255.255", true, "just below 198.18/15"},
		{"198.20.0.0", true, "just above 198.18/15"},
		{"223.255.255.255", true, "just below multicast"},

		{"0.0.0.0", false, "unspecified, RFC 1122"},
		{"0.1.2.3", false, "this network, RFC 791"},
		{"10.0.0.1", false, "private, RFC 1918"},
		{"10.255.255.255", false, "private, RFC 1918"},
		{"100.64.0.1", false, "CGNAT, RFC 6598"},
		{"100.100.100.200", false, "metadata of Alibaba"},
		{"100.127.255.255", false, "CGNAT, RFC 6598"},
		{"127.0.0.1", false, "loopback, RFC 1122"},
		{"127.255.255.254", false, "loopback, RFC 1122"},
		{"168.63.129.16", false, "metadata of Azure"},
		{"169.254.0.1", false, "link-local, RFC 3927"},
		{"169.254.169.254", false, "metadata"},
		{"172.16.0.1", false, "private, RFC 1918"},
		{"172.31.255.255", false, "private, RFC 1918"},
		{"192.0.0.192", false, "metadata of Oracle"},
		{"192.0.2.1", false, "TEST-NET-1, RFC 5737"},
		{"192.88.99.1", false, "6to4 relay, RFC 7526"},
		{"192.168.1.1", false, "private, RFC 1918"},
		{"198.18.0.1", false, "benchmarking, RFC 2544"},
		{"198.19.255.255", false, "benchmarking, RFC 2544"},
		{"198.51.100.1", false, "TEST-NET-2, RFC 5737"},
		{"203.0.113.1", false, "TEST-NET-3, RFC 5737"},
		{"224.0.0.1", false, "multicast, RFC 5771"},
		{"239.255.255.255", false, "multicast, RFC 5771"},
		{"240.0.0.1", false, "reserved, RFC 1112"},
		{"255.255.255.255", false, "broadcast, RFC 919"},

		{"2606:4700:4700::1111", true, "public"},
		{"2a00:1450:4001:81b::200e", true, "public"},
		{"2001:4860:4860::8888", true, "public, above 2001::/23"},
		{"3fff:1000::1", true, "just above 3fff::/20"},

		{"::", false, "unspecified, RFC 4291"},
		{"::1", false, "loopback, RFC 4291"},
		{"100::1", false, "discard, RFC 6666"},
		{"100:0:0:1::1", false, "dummy, RFC 9780"},
		{"2001:2::1", false, "benchmarking, RFC 5180"},
		{"2001:10::1", false, "ORCHID, RFC 4843"},
		{"2001:20::1", false, "ORCHIDv2, RFC 7343"},
		{"2001:db8::1", false, "documentation, RFC 3849"},
		{"3ffe::1", false, "6bone, RFC 3701"},
		{"3fff::1", false, "documentation, RFC 9637"},
		{"5f00::1", false, "SRv6 SIDs, RFC 9602"},
		{"fc00::1", false, "unique local, RFC 4193"},
		{"fd00:ec2::254", false, "metadata of AWS"},
		{"fd20:ce::254", false, "metadata of Google"},
		{"fe80::1", false, "link-local, RFC 4291"},
		{"fe80::1%lo", false, "a zone"},
		{"2606:4700:4700::1111%lo", false, "a zone"},
		{"fec0::1", false, "site-local, RFC 3879"},
		{"ff02::1", false, "multicast, RFC 4291"},
		{"4000::1", false, "not given out"},
		{"e000::1", false, "not given out"},

		{"::ffff:93.184.216.34", true, "IPv4-mapped public"},
		{"::ffff:127.0.0.1", false, "IPv4-mapped, RFC 4291"},
		{"::ffff:10.0.0.1", false, "IPv4-mapped, RFC 4291"},
		{"::ffff:169.254.169.254", false, "IPv4-mapped, RFC 4291"},
		{"::127.0.0.1", false, "IPv4-compatible, RFC 4291"},
		{"::93.184.216.34", false, "IPv4-compatible, RFC 4291: deprecated whole"},
		{"::ffff:0:127.0.0.1", false, "IPv4-translated, RFC 2765"},
		{"64:ff9b::93.184.216.34", true, "NAT64 of a public address, RFC 6052"},
		{"64:ff9b::7f00:1", false, "NAT64, RFC 6052"},
		{"64:ff9b::10.0.0.1", false, "NAT64, RFC 6052"},
		{"64:ff9b:1::7f00:1", false, "local NAT64, RFC 8215"},
		{"64:ff9b:1:7f00:0:100::", false, "local NAT64, RFC 8215"},
		{"64:ff9b:1::93.184.216.34", false, "local NAT64, RFC 8215: local whole"},
		{"2002:5db8:d822::1", true, "6to4 of a public address, RFC 3056"},
		{"2002:7f00:1::1", false, "6to4, RFC 3056"},
		{"2002:a9fe:a9fe::", false, "6to4, RFC 3056"},
		{"2001:0:5db8:d822:0:0:a247:27dd", true, "Teredo, both public, RFC 4380"},
		{"2001:0:7f00:1:0:0:a247:27dd", false, "Teredo server, RFC 4380"},
		{"2001:0:5db8:d822:0:0:80ff:fffe", false, "Teredo client 127.0.0.1 inverted, RFC 4380"},
		{"2606:4700::5efe:93.184.216.34", true, "ISATAP of a public address, RFC 5214"},
		{"2606:4700::5efe:127.0.0.1", false, "ISATAP, RFC 5214"},
		{"2606:4700::200:5efe:10.0.0.1", false, "ISATAP, universal bit, RFC 5214"},
		{"2002:5db8:d822::5efe:127.0.0.1", false, "ISATAP within 6to4"},
		{"fe80::5efe:93.184.216.34", false, "ISATAP, link-local"},
	}
	for _, tt := range tests {
		err := Guard{}.Check(netip.MustParseAddr(tt.addr))
		if (err == nil) != tt.ok {
			t.Errorf("%s (%s): %v; want ok %v", tt.addr, tt.why, err, tt.ok)
		}
		if err != nil && !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v does not wrap ErrAddress", tt.addr, err)
		}
	}
	if err := (Guard{}).Check(netip.Addr{}); !errors.Is(err, ErrAddress) {
		t.Errorf("the zero address: %v", err)
	}
}

func TestGuardAllow(t *testing.T) {
	guard := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	tests := []struct {
		addr string
		ok   bool
	}{
		{"10.1.2.3", true},
		{"::ffff:10.1.2.3", true},
		{"64:ff9b::10.1.2.3", true},
		{"2002:a01:203::1", true},
		{"2606:4700::5efe:10.1.2.3", true},
		{"fd00:1::1", true},
		{"93.184.216.34", true},
		{"10.2.0.1", false},
		{"::ffff:10.2.0.1", false},
		{"64:ff9b::10.2.0.1", false},
		{"fd00:2::1", false},
		{"127.0.0.1", false},
	}
	for _, tt := range tests {
		if err := guard.Check(netip.MustParseAddr(tt.addr)); (err == nil) != tt.ok {
			t.Errorf("%s: %v; want ok %v", tt.addr, err, tt.ok)
		}
	}
}

func TestGuardControl(t *testing.T) {
	tests := []struct {
		network, address string
		ok               bool
	}{
		{"tcp4", "93.184.216.34:80", true},
		{"tcp6", "[2606:4700::1]:443", true},
		{"tcp4", "127.0.0.1:80", false},
		{"tcp6", "[::ffff:127.0.0.1]:80", false},
		{"tcp6", "[fe80::1%lo]:80", false},
		{"tcp", "93.184.216.34:80", false},
		{"udp4", "93.184.216.34:53", false},
		{"unix", "/run/docker.sock", false},
		{"ip4:icmp", "93.184.216.34", false},
		{"tcp4", "example.com:80", false},
		{"tcp4", "", false},
	}
	for _, tt := range tests {
		err := Guard{}.Control(tt.network, tt.address, nil)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrAddress) {
			t.Errorf("%s %s: %v; want ok %v", tt.network, tt.address, err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%v names the address", err)
		}
	}
}

// FuzzGuard: an IPv6 address that carries an IPv4 address is refused where the IPv4 address
// is.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1}, []byte{0x26, 6, 0x47, 0, 0, 0, 0, 0}, uint8(0))
	f.Add([]byte{10, 1, 2, 3}, []byte{0x20, 2, 8, 8, 8, 8, 0, 0}, uint8(16))
	f.Add([]byte{169, 254, 169, 254}, []byte{0x20, 1, 0, 0, 8, 8, 8, 8}, uint8(32))
	f.Fuzz(func(t *testing.T, v4, prefix []byte, bits uint8) {
		if len(v4) != 4 || len(prefix) != 8 {
			return
		}
		inner := netip.AddrFrom4([4]byte(v4))
		guard := Guard{Allow: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte(prefix[:4])), int(bits%33))}}
		if guard.Check(inner) == nil {
			return
		}
		at := func(head []byte, i int, a []byte) netip.Addr {
			var b [16]byte
			copy(b[:], head)
			copy(b[i:], a)
			return netip.AddrFrom16(b)
		}
		inverted := []byte{^v4[0], ^v4[1], ^v4[2], ^v4[3]}
		isatap := append(append([]byte{}, prefix...), bits&3, 0, 0x5e, 0xfe)
		forms := map[string]netip.Addr{
			"mapped":        at([]byte{10: 0xff, 11: 0xff}, 12, v4),
			"compatible":    at(nil, 12, v4),
			"translated":    at([]byte{8: 0xff, 9: 0xff}, 12, v4),
			"NAT64":         at([]byte{0, 0x64, 0xff, 0x9b}, 12, v4),
			"local NAT64":   at([]byte{0, 0x64, 0xff, 0x9b, 0, 1}, 12, v4),
			"6to4":          at(append([]byte{0x20, 2}, v4...), 8, prefix),
			"Teredo server": at(append([]byte{0x20, 1, 0, 0}, v4...), 8, prefix),
			"Teredo client": at(append([]byte{0x20, 1, 0, 0}, prefix...), 12, inverted),
			"ISATAP":        at(isatap, 12, v4),
		}
		for name, addr := range forms {
			if guard.Check(addr) == nil {
				t.Errorf("%s may be reached as %s (%s), with %v open", inner, addr, name, guard.Allow)
			}
		}
	})
}

// resolvers are both resolvers of Go.
func resolvers() map[string]*net.Resolver {
	return map[string]*net.Resolver{"go": {PreferGo: true}, "cgo": {}}
}

// TestTransportDials dials hosts that ParseURL refuses. An S3 client with an endpoint of the
// owner's may do that.
func TestTransportDials(t *testing.T) {
	for name, resolver := range resolvers() {
		t.Run(name, func(t *testing.T) {
			trap := newTrap(t, "127.0.0.1")
			transport := NewTransport(HTTPConfig{Resolver: resolver})
			if transport.Proxy != nil {
				t.Error("a proxy would connect in the guard's place")
			}
			for _, host := range []string{
				"127.0.0.1", "127.1", "0", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "localhost.",
				"::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "::1", "::1%lo", "",
			} {
				for kind, dial := range map[string]func() (net.Conn, error){
					"http": func() (net.Conn, error) {
						return transport.DialContext(t.Context(), "tcp", net.JoinHostPort(host, trap.port))
					},
					"https": func() (net.Conn, error) {
						return transport.DialTLSContext(t.Context(), "tcp", net.JoinHostPort(host, trap.port))
					},
				} {
					if conn, err := dial(); err == nil {
						conn.Close()
						t.Errorf("%s: connected to %q", kind, host)
					}
				}
			}
			trap.check(t)
		})
	}
}

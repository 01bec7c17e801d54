package server

import (
	"net/netip"
	"testing"
)

func FuzzForwarded(f *testing.F) {
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	f.Add("10.0.0.1", "203.0.113.1")
	f.Add("10.0.0.1", "evil, 203.0.113.1, 10.0.0.2")
	f.Add("10.0.0.1", "1.2.3.4:5678,[2001:db8::1]:443, [2001:db8::2]")
	f.Add("203.0.113.9", "10.0.0.1")
	f.Add("::ffff:10.0.0.1", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, peer, header string) {
		from, err := netip.ParseAddr(peer)
		if err != nil {
			t.Skip()
		}
		from = from.Unmap().WithZone("")
		got := forwarded(from, []string{header}, trusted.Contains)
		if !trusted.Contains(from) && got != from {
			t.Fatalf("%s isn't trusted, and its word is taken: %s", from, got)
		}
		// A client can write addresses in front. They change nothing, since a trusted proxy
		// appends the client's address.
		for _, invented := range []string{"", "10.0.0.9, ", "junk,", "203.0.113.77 ,"} {
			spoofed := forwarded(netip.MustParseAddr("10.1.1.1"), []string{invented + header, "198.51.100.7"}, trusted.Contains)
			if spoofed != netip.MustParseAddr("198.51.100.7") {
				t.Fatalf("behind %q: %s", header, spoofed)
			}
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("one client has several names: %s", got)
		}
	})
}

func TestForwarded(t *testing.T) {
	trusts := func(a netip.Addr) bool { return netip.MustParsePrefix("10.0.0.0/8").Contains(a) }
	for _, tt := range []struct{ peer, header, want string }{
		{"203.0.113.9", "1.2.3.4", "203.0.113.9"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"},
		{"10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.1", "9.9.9.9, unknown, 10.0.0.2", "10.0.0.2"},
		{"10.0.0.1", "9.9.9.9, 1.2.3.4,", "1.2.3.4"},
		{"10.0.0.1", "9.9.9.9, 1.2.3.4, , 10.0.0.2,", "1.2.3.4"},
		{"10.0.0.1", " , ,", "10.0.0.1"},
		{"10.0.0.1", "9.9.9.9, \"1.2.3.4\"", "10.0.0.1"},
		{"10.0.0.1", "1.2.3.4:5678", "1.2.3.4"},
		{"10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"},
		{"10.0.0.1", "[2001:db8::1]", "2001:db8::1"},
		{"10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"},
		{"::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1", "fe80::1%eth0", "fe80::1"},
	} {
		if got := forwarded(netip.MustParseAddr(tt.peer), []string{tt.header}, trusts).String(); got != tt.want {
			t.Errorf("%s, %q: %s, want %s", tt.peer, tt.header, got, tt.want)
		}
	}
}

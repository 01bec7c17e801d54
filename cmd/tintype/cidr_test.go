package main

import "testing"

// TestCIDR: ranges of IPv4 addresses are the same in both notations.
func TestCIDR(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3/16": "10.1.0.0/16", "10.1.2.3": "10.1.2.3/32", "fd00::1/8": "fd00::/8", "fd00::1": "fd00::1/128",
		"::ffff:10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3/112": "10.1.0.0/16", "::ffff:0:0/96": "0.0.0.0/0", "::ffff:0:0/90": "::ffc0:0:0/90",
		"10.1.0.0/33": "", "10.1": "", "": "",
	} {
		var c cidr
		err := c.UnmarshalText([]byte(in))
		got := ""
		if err == nil {
			got = prefixes([]cidr{c})[0].String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q (%v)", in, got, want, err)
		}
	}
}

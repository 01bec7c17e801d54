package limit_test

import (
	"testing"

	"github.com/tintype/tintype/limit"
)

func TestClient(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8::7": "2001:db8::/64", "2001:db8::8": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
		"64:ff9b::192.0.2.7": "192.0.2.7", "64:ff9b:1::192.0.2.7": "64:ff9b:1::c000:207", "64:ff9b:2::7": "64:ff9b:2::/64",
		"": "", "@": "@", "unix": "unix",
	} {
		if got := limit.Client(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

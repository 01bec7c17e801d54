package limit

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestClientsOfOneNetwork: however many networks the holder of a /48 uses, the server counts
// few clients. Those elsewhere, and IPv4 addresses, stay apart.
func TestClientsOfOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clients
		named := map[string]int{}
		for i := range 5000 {
			named[c.Name(fmt.Sprintf("2001:db8:7:%x::1", i*13%65536))]++
			time.Sleep(100 * time.Millisecond)
		}
		if len(named) > 40 || named["2001:db8:7::/48"] < 4900 {
			t.Errorf("a /48 is %d clients, and one of %d requests", len(named), named["2001:db8:7::/48"])
		}
		named = map[string]int{}
		for i := range 256 {
			named[c.Name(fmt.Sprintf("2001:db8:8:1%02x::1", i))]++
		}
		if len(named) != 5 || named["2001:db8:8:100::/56"] != 252 {
			t.Errorf("a /56 is %v", named)
		}
		for _, other := range []string{"2001:db8:8:200::/64", "2001:db8:9:1::/64"} { // a neighbour, and another provider
			if got := c.Name(other[:len(other)-3]); got != other {
				t.Errorf("%s is %s", other, got)
			}
		}
		for i := range 256 {
			if v4 := fmt.Sprint("192.0.2.", i); c.Name(v4) != v4 {
				t.Errorf("%s is %s", v4, c.Name(v4))
			}
		}
		time.Sleep(seenFor)
		if got := c.Name("2001:db8:7:1::1"); got != "2001:db8:7:1::/64" {
			t.Errorf("ten minutes later: %s", got)
		}
	})
}

// TestClientsAreBounded: networks without end take no more memory.
func TestClientsAreBounded(t *testing.T) {
	var c Clients
	for i := range 3 * mostNetworks {
		c.Name(fmt.Sprintf("2001:%x:%x::1", i>>16, i&0xffff))
	}
	if n := len(c.networks); n > mostNetworks {
		t.Errorf("%d networks are remembered", n)
	}
}

// TestClientIn: a client is named once, when it is noted.
func TestClientIn(t *testing.T) {
	var c Clients
	var none *Clients
	plain, first, named := none.WithClient(t.Context(), "2001:db8::1"), c.WithClient(t.Context(), "2001:db8::1"), context.Context(nil)
	for i := range 5 {
		named = c.WithClient(t.Context(), fmt.Sprintf("2001:db8:0:%x::1", i))
	}
	for what, is := range map[string][2]string{
		"without Clients":        {ClientIn(plain), "2001:db8::/64"},
		"with Clients":           {ClientIn(named), "2001:db8::/56"},
		"noted before":           {ClientIn(first), "2001:db8::/64"},
		"another client, within": {ClientIn(WithClient(named, "192.0.2.1")), "192.0.2.1"},
		"nobody":                 {ClientIn(WithClient(named, "")), ""},
		"nothing noted":          {ClientIn(t.Context()), ""},
	} {
		if is[0] != is[1] {
			t.Errorf("%s: %q, want %q", what, is[0], is[1])
		}
	}
}

func TestPart(t *testing.T) {
	for _, c := range []struct{ clients, want int }{{0, 32}, {31, 32}, {63, 16}, {127, 8}, {5000, 8}} {
		if got := Part(1024, c.clients); got != int64(c.want) {
			t.Errorf("of %d clients: %d, want %d", c.clients, got, c.want)
		}
	}
	if Part(10, 200) != 1 {
		t.Error("a client has no place")
	}
}

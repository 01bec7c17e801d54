package origin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolveTo returns a resolver that asks a name server on loopback. The server answers the
// first look-up of an A record with the first list of addresses, the second with the second,
// and all further ones with the last. It has no AAAA records. An empty list means that the
// name doesn't exist.
func resolveTo(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-done })
	go func() {
		defer close(done)
		packet := make([]byte, 4096)
		for asked := 0; ; {
			n, client, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			var query dnsmessage.Message
			if err := query.Unpack(packet[:n]); err != nil || len(query.Questions) != 1 {
				t.Errorf("query: %v", err)
				return
			}
			var addrs []string
			if query.Questions[0].Type == dnsmessage.TypeA {
				addrs = answers[min(asked, len(answers)-1)]
				asked++
			}
			reply, err := answer(query, addrs, len(answers[len(answers)-1]) == 0)
			if err != nil {
				t.Error(err)
				return
			}
			server.WriteTo(reply, client)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func answer(query dnsmessage.Message, addrs []string, noName bool) ([]byte, error) {
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	if noName {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addrs {
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
		})
	}
	return reply.Pack()
}

func TestNameOfForbiddenAddress(t *testing.T) {
	trap := newTrap(t, "127.0.0.2")
	for _, addrs := range [][]string{{"127.0.0.2"}, {"127.0.0.2", "10.0.0.1"}, {"169.254.169.254"}, {"0.0.0.0"}} {
		h := newTestHTTP(t, HTTPConfig{Resolver: resolveTo(t, addrs)})
		for _, scheme := range []string{"http", "https"} {
			_, err := get(t, h, scheme+"://origin.example:"+trap.port+"/cat.jpg?token=secret")
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%s, %v: %v; want ErrAddress", scheme, addrs, err)
				continue
			}
			checkDiscreet(t, err)
		}
	}
	trap.check(t)
}

func TestNameUnknown(t *testing.T) {
	_, err := get(t, newTestHTTP(t, HTTPConfig{Resolver: resolveTo(t, nil)}), "http://origin.example/cat.jpg")
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "resolved") {
		t.Errorf("%v; want ErrUnavailable", err)
	}
}

// TestRebinding: every connection checks its address, even where the first address of the
// name was allowed.
func TestRebinding(t *testing.T) {
	forbidden := newTrap(t, "127.0.0.2")
	var requests atomic.Int64
	// The allowed server needs the trap's port on 127.0.0.1, which another program may have.
	l, err := net.Listen("tcp", "127.0.0.1:"+forbidden.port)
	for tries := 1; err != nil && tries < 20; tries++ {
		forbidden = newTrap(t, "127.0.0.2")
		l, err = net.Listen("tcp", "127.0.0.1:"+forbidden.port)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Connection", "close")
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/cat.jpg", http.StatusFound)
		}
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })

	base := "http://origin.example:" + forbidden.port
	h := newTestHTTP(t, HTTPConfig{Resolver: resolveTo(t, []string{"127.0.0.1"}, []string{"127.0.0.2"})})
	if _, err := get(t, h, base+"/cat.jpg"); err != nil {
		t.Errorf("first: %v", err)
	}
	if _, err := get(t, h, base+"/cat.jpg"); !errors.Is(err, ErrAddress) {
		t.Errorf("second: %v; want ErrAddress", err)
	}
	h = newTestHTTP(t, HTTPConfig{Resolver: resolveTo(t, []string{"127.0.0.1"}, []string{"127.0.0.2"})})
	if _, err := get(t, h, base+"/again"); !errors.Is(err, ErrAddress) {
		t.Errorf("redirect: %v; want ErrAddress", err)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests arrived; want 2", n)
	}
	forbidden.check(t)
}

package server

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBoundUnsent: the system accepts little data of a connection before the client has
// read it.
func TestBoundUnsent(t *testing.T) {
	accepted := make(chan net.Conn, 8)
	// The handler looks, since a connection may be closed once its answer is written.
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		raw, err := (<-accepted).(syscall.Conn).SyscallConn()
		if err != nil {
			t.Error(err)
			return
		}
		err = raw.Control(func(fd uintptr) {
			if n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); n != mostUnsent || err != nil {
				t.Errorf("TCP_NOTSENT_LOWAT is %d, %v", n, err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}))
	s.Listener = (&Connections{Most: 8}).Guard(s.Config, s.Listener)
	of := s.Config.ConnContext
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		accepted <- c.(*connection).Conn
		return of(ctx, c)
	}
	s.Start()
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
}

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

// TestBoundUnsent: of the connections that are accepted the system takes little ahead of
// their clients.
func TestBoundUnsent(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Listener = (&Connections{Most: 1}).Guard(s.Config, s.Listener)
	accepted := make(chan net.Conn, 1)
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
	raw, err := (<-accepted).(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); n != mostUnsent || err != nil {
			t.Errorf("TCP_NOTSENT_LOWAT is %d, %v", n, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

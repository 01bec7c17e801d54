package origin

import (
	"net"
	"testing"
)

// A trap is a listener that nobody may connect to.
type trap struct {
	port     string
	listener net.Listener
	accepted chan string // remote addresses, in the order of their connections
}

// newTrap listens on a loopback address. It skips the test where the system doesn't have the
// address.
func newTrap(t *testing.T, ip string) *trap {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("no %s here: %v", ip, err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	tr := &trap{port: port, listener: l, accepted: make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tr.accepted <- conn.RemoteAddr().String()
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return tr
}

// check fails the test if there was a connection. To be sure, it makes a connection and
// waits for it, since connections are accepted in order.
func (tr *trap) check(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", tr.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	own, others := conn.LocalAddr().String(), 0
	for remote := range tr.accepted {
		if remote == own {
			break
		}
		others++
	}
	if others > 0 {
		t.Errorf("%d connections were made to a forbidden address", others)
	}
}

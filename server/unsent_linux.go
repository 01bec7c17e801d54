package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// mostUnsent is how much of an answer the system takes before the client's turn comes to
// receive it, in bytes. It would take up to 4 MiB of each connection. What is on its way
// comes on top, so that fast clients are as fast as without.
const mostUnsent = 64 << 10

// boundUnsent bounds it for a connection. One that is accepted doesn't have it of a
// listener that takes MPTCP too, as Go's does.
func boundUnsent(conn net.Conn) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // at worst it takes more
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, mostUnsent)
	})
}

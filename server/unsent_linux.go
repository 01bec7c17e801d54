package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// mostUnsent bounds the bytes of an answer that the kernel holds before it sends them.
// Without a bound it holds up to 4 MiB of each connection. Bytes that are sent and not yet
// acknowledged don't count, so fast clients stay as fast.
const mostUnsent = 64 << 10

// boundUnsent sets the bound for a connection. Setting it for the listener isn't enough:
// with MPTCP, which Go's listeners use, accepted connections don't inherit it.
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

// Package freeport finds ports for servers that tests start.
//
// For most uses, call [Address].
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// Systems take the ports of clients, and of servers that ask for any, from above 32767. So nobody
// takes one of these between the call that finds it and the start of the server.
const first, ports = 12000, 16000

// next is where Port looks next.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(ports)) } // other processes may run tests too

// Port returns a port of loopback at which nobody listens, by TCP and by UDP. A process gets each
// once.
func Port(t testing.TB) int {
	t.Helper()
	for range ports {
		port := first + int(next.Add(1)%ports)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		packets, err := net.ListenPacket("udp", address)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			_ = packets.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Address returns the address of a [Port].
func Address(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(t))
}

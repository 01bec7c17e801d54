package server

import (
	"net"
	"sync"

	"github.com/tintype/tintype/delivery"
)

var _ delivery.Gatherer = (*connection)(nil)

const (
	gatherMost  = 8 << 10 // bytes that wait for others
	gatherSmall = 4 << 10 // bytes of the largest write that waits: the size of net/http's buffer
)

var gatherRoom = sync.Pool{New: func() any { return new([gatherMost]byte) }}

// A gathering has the first bytes of an answer, which wait for more of it. net/http writes the head
// with the beginning of the body, and then the rest; TLS begins with small records. Each write by
// itself costs a system call, and wakes the client.
type gathering struct {
	mu      sync.Mutex // guards the fields below, and the connection's pace; held while it writes
	on      bool
	held    int // bytes of room that wait
	room    *[gatherMost]byte
	buffers [2][]byte
	vector  net.Buffers
}

// Gather implements [delivery.Gatherer].
func (k *connection) Gather() {
	k.gathering.mu.Lock()
	k.gathering.on = true
	k.gathering.mu.Unlock()
}

// Send implements [delivery.Gatherer]. Where the client is gone, the next write or read fails too.
func (k *connection) Send() {
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = false
	if g.held > 0 {
		_, _ = k.writeWithHeld(nil)
	}
}

// Write writes in steps, and records when each step begins. Between Gather and Send, small writes
// wait for the next one.
func (k *connection) Write(b []byte) (n int, err error) {
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.on && len(b) <= gatherSmall && g.held+len(b) <= gatherMost:
		if g.room == nil {
			g.room = gatherRoom.Get().(*[gatherMost]byte)
		}
		g.held += copy(g.room[g.held:], b)
		return len(b), nil
	case g.held > 0:
		return k.writeWithHeld(b)
	}
	return k.pace.write(b, &k.took, k.Conn.Write)
}

// writeWithHeld writes what waits together with b, and returns how many bytes of b were written.
// The caller holds gathering.mu.
func (k *connection) writeWithHeld(b []byte) (n int, err error) {
	g := &k.gathering
	k.pace.add(g.held)
	n, err = k.pace.write(b, &k.took, func(step []byte) (int, error) {
		if g.held == 0 {
			return k.Conn.Write(step)
		}
		held := g.held
		g.buffers[0], g.buffers[1] = g.room[:held], step
		if g.vector = g.buffers[:]; len(step) == 0 {
			g.vector = g.buffers[:1]
		}
		sent, err := g.vector.WriteTo(k.Conn)
		gatherRoom.Put(g.room)
		g.held, g.room, g.vector, g.buffers = 0, nil, nil, [2][]byte{}
		return max(int(sent)-held, 0), err
	})
	return n, err
}

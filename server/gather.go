package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/tintype/tintype/delivery"
)

var _ delivery.Gatherer = (*connection)(nil)

const (
	gatherMost   = 8 << 10 // bytes that wait for others
	gatherSmall  = 4 << 10 // bytes of the largest write that waits: the size of net/http's buffer
	gatherStatus = 64      // bytes of the longest status line before lines of Head
)

var gatherRoom = sync.Pool{New: func() any { return new([gatherMost]byte) }}

// A gathering has the first bytes of an answer, which wait for more of it. net/http writes the head
// with the beginning of the body, and then the rest; TLS begins with small records. Each write by
// itself costs a system call, and wakes the client.
type gathering struct {
	mu       sync.Mutex // guards the fields below, and the connection's pace; held while it writes
	on       bool
	heads    bool // the bytes in room are lines of a head whose status line is still to come
	from, to int  // bytes of room that wait
	room     *[gatherMost]byte
	buffers  [2][]byte
	vector   net.Buffers
}

// Gather implements [delivery.Gatherer].
func (k *connection) Gather() {
	k.gathering.mu.Lock()
	k.gathering.on = true
	k.gathering.mu.Unlock()
}

// Head implements [delivery.Gatherer].
func (k *connection) Head(lines []byte) bool {
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(lines) > gatherMost-gatherStatus-gatherSmall || g.waiting() > 0 {
		return false
	}
	g.take()
	g.heads, g.from = true, gatherStatus
	g.to = g.from + copy(g.room[g.from:], lines)
	return true
}

// Send implements [delivery.Gatherer]. Where the client is gone, the next write or read fails too.
func (k *connection) Send() {
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = false
	if g.waiting() > 0 && !g.heads {
		_, _ = k.writeWithHeld(nil)
	}
}

// Write writes in steps, and records when each step begins. Between Gather and Send, small writes
// wait for the next one.
func (k *connection) Write(b []byte) (n int, err error) {
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	status := 0
	if g.heads {
		if status, err = g.begin(b); err != nil {
			return 0, err
		}
		b = b[status:]
	}
	switch {
	case g.on && len(b) <= gatherSmall && g.to+len(b) <= gatherMost:
		g.take()
		g.to += copy(g.room[g.to:], b)
		return status + len(b), nil
	case g.waiting() > 0:
		n, err = k.writeWithHeld(b)
		return status + n, err
	}
	return k.pace.write(len(b), &k.took, func(from, to int) (int, error) { return k.Conn.Write(b[from:to]) })
}

// errNoStatusLine can't be: net/http begins each answer with one.
var errNoStatusLine = errors.New("an answer begins without a status line")

// begin puts the status line of b before the lines that wait, and returns its length.
func (g *gathering) begin(b []byte) (n int, err error) {
	n = bytes.IndexByte(b, '\n') + 1
	if n == 0 || n > gatherStatus || !bytes.HasPrefix(b, []byte("HTTP/1.")) {
		return 0, errNoStatusLine
	}
	g.from -= n
	copy(g.room[g.from:], b[:n])
	g.heads = false
	return n, nil
}

// waiting returns the number of bytes that wait.
func (g *gathering) waiting() int { return g.to - g.from }

// take takes room for bytes that wait, unless there is some.
func (g *gathering) take() {
	if g.room == nil {
		g.room = gatherRoom.Get().(*[gatherMost]byte)
	}
}

// writeWithHeld writes what waits together with b, and returns how many bytes of b were written.
// The caller holds gathering.mu.
func (k *connection) writeWithHeld(b []byte) (n int, err error) {
	g := &k.gathering
	k.pace.add(g.waiting())
	n, err = k.pace.write(len(b), &k.took, func(from, to int) (int, error) {
		held, step := g.waiting(), b[from:to]
		if held == 0 {
			return k.Conn.Write(step)
		}
		g.buffers[0], g.buffers[1] = g.room[g.from:g.to], step
		if g.vector = g.buffers[:]; len(step) == 0 {
			g.vector = g.buffers[:1]
		}
		sent, err := g.vector.WriteTo(k.Conn)
		g.give()
		return max(int(sent)-held, 0), err
	})
	return n, err
}

// give gives the room back.
func (g *gathering) give() {
	gatherRoom.Put(g.room)
	g.from, g.to, g.room, g.vector, g.buffers = 0, 0, nil, nil, [2][]byte{}
}

// ReadFrom implements [io.ReaderFrom], for net/http. It sends a [delivery.FilePart] from its file,
// behind what waits.
func (k *connection) ReadFrom(from io.Reader) (n int64, err error) {
	part, ok := from.(*delivery.FilePart)
	if !ok || !k.SendsFiles() {
		return io.Copy(struct{ io.Writer }{k}, from)
	}
	g := &k.gathering
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heads {
		return 0, errNoStatusLine
	}
	var held []byte
	if g.waiting() > 0 {
		held = g.room[g.from:g.to]
		defer g.give()
		k.pace.add(len(held))
	}
	_, _, left := part.Left()
	m, err := k.pace.write(int(left), &k.took, func(from, to int) (int, error) {
		sent, err := k.sendFile(held, part, to-from)
		held = nil
		if errors.Is(err, errors.ErrUnsupported) { // by the file system
			copied, err := io.CopyN(k.Conn, part, int64(to-from-sent))
			return sent + int(copied), err
		}
		return sent, err
	})
	return int64(m), err
}

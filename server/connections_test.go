package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/delivery"
)

// TestConnections: for one connection too many, one is closed that is idle or slow to send
// its request. A connection that is being answered is never closed.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Connections{Most: 3}
		hold := make(chan struct{})
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-hold
			}
			fmt.Fprint(w, "done")
		})}
		pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
		go func() { _ = s.Serve(c.Guard(s, pipes)) }()
		defer s.Close()

		open := func() *clientConn {
			ours, theirs := net.Pipe()
			pipes.conns <- theirs
			synctest.Wait()
			return &clientConn{Conn: ours, r: bufio.NewReader(ours)}
		}
		var slow []*clientConn
		start := func() {
			c := open()
			c.send("/slow")
			synctest.Wait()
			slow = append(slow, c)
		}
		start()
		idle1, idle2 := open(), open()
		idle1.want(t, "/quick", 200)
		time.Sleep(time.Millisecond)
		idle2.want(t, "/quick", 200)
		time.Sleep(time.Millisecond)
		idle1.want(t, "/quick", 200) // now idle2 has been idle longest
		start()
		idle2.wantClosed(t)
		idle1.want(t, "/quick", 200)
		start()
		idle1.wantClosed(t)
		for range 3 { // all others are being answered
			open().wantAnswer(t, 503)
		}
		close(hold)
		for _, c := range slow {
			c.wantAnswer(t, 200)
		}
		for _, c := range slow {
			_ = c.Close()
		}
		synctest.Wait()

		dawdlers := []*clientConn{open(), open(), open()}
		for _, c := range dawdlers {
			_, _ = io.WriteString(c, "GET /quick HTTP/1.1\r\n")
		}
		synctest.Wait()
		open().wantAnswer(t, 503) // they have had no time
		time.Sleep(graceToArrive + time.Millisecond)
		open().want(t, "/quick", 200)
		dawdlers[0].wantClosed(t)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.all) > 3 || c.closed != 3 || c.refused != 4 {
			t.Errorf("%d are open, %d were closed, %d refused", len(c.all), c.closed, c.refused)
		}
	})
}

// TestConnectionsOfSlowReaders: where all connections are being answered, only the one is
// closed whose client hasn't taken any of its answer for the longest time.
func TestConnectionsOfSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Connections{Most: 3}
		hold := make(chan struct{})
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/slow":
				<-hold
			case "/large":
				_, _ = w.Write(make([]byte, 1<<20))
			}
		})}
		pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
		go func() { _ = s.Serve(c.Guard(s, pipes)) }()
		defer s.Close()
		open := func(path string) *clientConn {
			ours, theirs := net.Pipe()
			pipes.conns <- theirs
			c := &clientConn{Conn: ours, r: bufio.NewReader(ours)}
			if path != "" {
				c.send(path)
			}
			synctest.Wait()
			return c
		}
		working, stalled, reading := open("/slow"), open("/large"), open("/large")
		open("").wantAnswer(t, 503) // nobody has waited for long
		time.Sleep(delivery.GraceToTake)
		_, _ = io.CopyN(io.Discard, reading, 2*writeStep)
		time.Sleep(time.Millisecond)
		quick := open("/quick")
		quick.wantAnswer(t, 200)
		if n, err := io.Copy(io.Discard, stalled); n >= 1<<20 || err != nil {
			t.Errorf("the one that took nothing got %d bytes, %v", n, err)
		}
		reading.wantRest(t, 1<<20-3*writeStep)
		close(hold)
		working.wantAnswer(t, 200)
		for _, c := range []*clientConn{working, reading, quick} {
			_ = c.Close()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed != 1 || c.refused != 1 {
			t.Errorf("%d were closed, %d refused", c.closed, c.refused)
		}
	})
}

// TestConnectionsOfOneClient: a client whose requests wait on all connections gives way to
// other clients, and not to itself.
func TestConnectionsOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Connections{Most: 16}
		s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				<-r.Context().Done()
			}
		})}
		pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
		go func() { _ = s.Serve(c.Guard(s, pipes)) }()
		defer s.Close()
		open := func(from, path string) *clientConn {
			ours, theirs := net.Pipe()
			pipes.conns <- fromConn{theirs, from}
			c := &clientConn{Conn: ours, r: bufio.NewReader(ours)}
			if path != "" {
				c.send(path)
			}
			synctest.Wait()
			return c
		}
		var hanging []*clientConn
		for i := range 16 {
			hanging = append(hanging, open(fmt.Sprintf("[2001:db8:1:2::%x]:1000", i), "/hang"))
		}
		refused := open("[2001:db8:1:2:ffff::1]:1000", "") // the same client
		refused.wantAnswer(t, 503)
		_ = refused.Close()
		early := open("192.0.2.1:1000", "") // they have had no time
		early.wantAnswer(t, 503)
		_ = early.Close()
		time.Sleep(graceToAnswer + time.Millisecond)
		var others []*clientConn
		for i := range 4 {
			other := open("192.0.2.1:1000", "/hang")
			others = append(others, other)
			hanging[i].wantClosed(t)
		}
		last := open("[::ffff:192.0.2.2]:1000", "/quick")
		last.wantAnswer(t, 200)
		hanging[4].wantClosed(t)
		c.mu.Lock()
		if c.closed != 5 || c.refused != 2 || len(c.clients) != 3 {
			t.Errorf("%d were closed, %d refused, %d clients", c.closed, c.refused, len(c.clients))
		}
		c.mu.Unlock()
		for _, k := range append(append(hanging[5:], others...), last) {
			_ = k.Close()
		}
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.all) != 0 || len(c.clients) != 0 {
			t.Errorf("%d connections of %d clients are left", len(c.all), len(c.clients))
		}
	})
}

// A fromConn is a connection from an address.
type fromConn struct {
	net.Conn
	from string
}

func (c fromConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

// wantRest reads at least n more bytes of an answer.
func (c *clientConn) wantRest(t *testing.T, bytes int64) {
	t.Helper()
	if n, err := io.CopyN(io.Discard, c.r, bytes); err != nil {
		t.Errorf("the answer ended after %d bytes: %v", n, err)
	}
}

// A clientConn is a client's end of a connection.
type clientConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *clientConn) send(path string) {
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path) // what it fails of shows in the answer
}

func (c *clientConn) want(t *testing.T, path string, status int) {
	t.Helper()
	c.send(path)
	c.wantAnswer(t, status)
	synctest.Wait()
}

func (c *clientConn) wantAnswer(t *testing.T, status int) {
	t.Helper()
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != status || status == 503 && res.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, want %d, %v", res.StatusCode, status, res.Header)
	}
}

func (c *clientConn) wantClosed(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is open: %v", err)
	}
}

// A pipeListener accepts the connections of a channel.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

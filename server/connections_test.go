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
		if c.open() > 3 || c.closed != 3 || c.refused != 4 {
			t.Errorf("%d are open, %d were closed, %d refused", c.open(), c.closed, c.refused)
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

// TestStreamsOfManyClients: clients whose requests hang don't take all of the room: newcomers
// find some.
func TestStreamsOfManyClients(t *testing.T) {
	for _, crowd := range []int{3, 10, 20} {
		c := &Connections{Most: 1000}
		c.begin()
		connect := func(i int) *connection {
			k := &connection{}
			if !c.enter(k, &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 1000}, true) {
				t.Fatal("no connection")
			}
			return k
		}
		for i := range crowd {
			for k := connect(i); c.admitStream(k) != nil; {
			}
		}
		if c.streams < 700 || c.streams > 950 {
			t.Errorf("%d clients have %d requests under way", crowd, c.streams)
		}
		for i := range 5 {
			k := connect(200 + i)
			for n := range 7 {
				if c.admitStream(k) == nil {
					t.Errorf("beside %d clients, newcomer %d has room for %d requests", crowd, i, n)
					break
				}
			}
		}
		for _, of := range c.clients {
			if of.streams > 250 {
				t.Errorf("a client has %d", of.streams)
			}
		}
	}
}

// A guarded server has connections of several clients.
type guarded struct {
	*Connections
	t     *testing.T
	pipes *pipeListener
	hold  chan struct{} // ends the answers of /hang
}

const (
	crowd   = "[2001:db8:1:2::%x]:1000" // one client: a /64 network
	visitor = "192.0.2.1:1000"
	other   = "192.0.2.2:1000"
)

// testGuarded runs a test with a guarded server.
func testGuarded(t *testing.T, c *Connections, test func(t *testing.T, g *guarded)) {
	synctest.Test(t, func(t *testing.T) {
		g := &guarded{c, t, &pipeListener{make(chan net.Conn), make(chan struct{})}, make(chan struct{})}
		s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				select {
				case <-g.hold:
				case <-r.Context().Done():
				}
			}
		})}
		go func() { _ = s.Serve(c.Guard(s, g.pipes)) }()
		defer s.Close()
		test(t, g)
	})
}

// open opens a connection from an address and sends something.
func (g *guarded) open(from, send string) *clientConn {
	ours, theirs := net.Pipe()
	g.pipes.conns <- fromConn{theirs, from}
	c := &clientConn{Conn: ours, r: bufio.NewReader(ours)}
	synctest.Wait()
	if send != "" {
		_, _ = io.WriteString(c, send) // that it fails shows in what the test wants
		synctest.Wait()
	}
	return c
}

// fill opens n connections of one client from different addresses.
func (g *guarded) fill(n int, send string) (all []*clientConn) {
	for i := range n {
		all = append(all, g.open(fmt.Sprintf(crowd, i), send))
	}
	return all
}

// refuses wants the next connection of a client to be refused.
func (g *guarded) refuses(from string) {
	g.t.Helper()
	c := g.open(from, "")
	c.wantAnswer(g.t, 503)
	_ = c.Close()
}

const hang, quick = "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n", "GET /quick HTTP/1.1\r\nHost: h\r\n\r\n"

// TestConnectionsOfOneClient: a client whose requests wait on all connections gives way to
// other clients, and not to itself.
func TestConnectionsOfOneClient(t *testing.T) {
	testGuarded(t, &Connections{Most: 16}, func(t *testing.T, g *guarded) {
		hanging := g.fill(16, hang)
		g.refuses("[2001:db8:1:2:ffff::1]:1000") // the same client
		early := g.open(visitor, hang)
		hanging[15].wantClosed(t) // the last, since none has taken a second
		time.Sleep(graceToAnswer + time.Millisecond)
		others := []*clientConn{early}
		for i := range 4 {
			others = append(others, g.open(visitor, hang))
			hanging[i].wantClosed(t)
		}
		last := g.open("[::ffff:192.0.2.2]:1000", quick)
		last.wantAnswer(t, 200)
		hanging[4].wantClosed(t)
		g.mu.Lock()
		if g.closed != 6 || g.refused != 1 || len(g.clients) != 3 {
			t.Errorf("%d were closed, %d refused, %d clients", g.closed, g.refused, len(g.clients))
		}
		g.mu.Unlock()
		for _, k := range append(append(hanging[5:15], others...), last) {
			_ = k.Close()
		}
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.Connections.open() != 0 || len(g.clients) != 0 || g.largest != 0 {
			t.Errorf("%d connections of %d clients are left", g.Connections.open(), len(g.clients))
		}
	})
}

// TestConnectionsWithoutRequests: a client that opens all connections and sends nothing or a
// byte now and then keeps no other out. It takes only its own connections.
func TestConnectionsWithoutRequests(t *testing.T) {
	for _, first := range []string{"", "G"} {
		testGuarded(t, &Connections{Most: 16}, func(t *testing.T, g *guarded) {
			guest := g.open(visitor, quick)
			guest.wantAnswer(t, 200)
			churn := g.fill(15, first)
			time.Sleep(900 * time.Millisecond)
			for _, c := range churn {
				_, _ = io.WriteString(c, "GET"[len(first):][:1])
			}
			g.refuses(fmt.Sprintf(crowd, 99)) // it has had no time
			newcomer := g.open(other, quick)
			newcomer.wantAnswer(t, 200)
			churn[0].wantClosed(t)
			_ = newcomer.Close()
			synctest.Wait()
			churn = append(churn[1:], g.open(fmt.Sprintf(crowd, 100), "")) // takes the place that is free

			time.Sleep(graceToArrive - 900*time.Millisecond + time.Millisecond)
			// A byte has not made them younger.
			churn = append(churn, g.open(fmt.Sprintf(crowd, 101), ""))
			churn[0].wantClosed(t)
			guest.want(t, "/quick", 200)
			for range 3 { // as many as the visitor likes, if the other has more
				guest := g.open(visitor, quick)
				guest.wantAnswer(t, 200)
			}
			for _, c := range churn[1:4] {
				c.wantClosed(t)
			}
		})
	}
}

// TestConnectionsIdle: a client with many idle connections gives way, and takes none of
// others that have been used lately.
func TestConnectionsIdle(t *testing.T) {
	testGuarded(t, &Connections{Most: 16}, func(t *testing.T, g *guarded) {
		guest := g.open(visitor, quick)
		guest.wantAnswer(t, 200)
		synctest.Wait()
		time.Sleep(time.Millisecond)
		var idle []*clientConn
		for i := range 15 {
			c := g.open(fmt.Sprintf(crowd, i), quick)
			c.wantAnswer(t, 200)
			idle = append(idle, c)
			time.Sleep(time.Millisecond)
		}
		more := g.open(fmt.Sprintf(crowd, 15), quick)
		more.wantAnswer(t, 200)
		idle[0].wantClosed(t) // its own, although the visitor's has been idle longest
		newcomer := g.open(other, quick)
		newcomer.wantAnswer(t, 200)
		idle[1].wantClosed(t)
		guest.want(t, "/quick", 200)

		for _, c := range append(idle[2:], more, newcomer) {
			_, _ = io.WriteString(c, hang)
		}
		synctest.Wait()
		g.refuses(fmt.Sprintf(crowd, 16)) // the idle one is the visitor's
		guest.want(t, "/quick", 200)
		time.Sleep(graceToIdle + time.Millisecond)
		g.open(fmt.Sprintf(crowd, 17), quick).wantAnswer(t, 200)
		guest.wantClosed(t) // it has been idle for long
	})
}

// TestConnectionsOfSmallRequests: a client whose many connections have a small request each
// now and then, and a part of the next, keeps no other out, and closes none of others.
func TestConnectionsOfSmallRequests(t *testing.T) {
	testGuarded(t, &Connections{Most: 16}, func(t *testing.T, g *guarded) {
		guest := g.open(visitor, quick)
		guest.wantAnswer(t, 200)
		busy := g.fill(15, "")
		for i := range 4 {
			time.Sleep(graceToArrive - time.Millisecond)
			for _, c := range busy {
				_, _ = io.WriteString(c, "GET /quick HTTP/1.1\r\nHost: h\r\n\r\nG"[min(i, 1):])
				c.wantAnswer(t, 200)
				synctest.Wait()
			}
			busy = append(busy[1:], g.open(fmt.Sprintf(crowd, 99), "G"))
			newcomer := g.open(other, quick)
			newcomer.wantAnswer(t, 200)
			busy[0].wantClosed(t)
			_ = newcomer.Close()
			synctest.Wait()
			busy = append(busy[1:], g.open(fmt.Sprintf(crowd, 99), "G"))
			guest.want(t, "/quick", 200)
		}
	})
}

// TestConnectionsOfSlowAnswers: a client that has most connections, all with answers that
// are slow, gives way until another has half as many.
func TestConnectionsOfSlowAnswers(t *testing.T) {
	testGuarded(t, &Connections{Most: 32}, func(t *testing.T, g *guarded) {
		slow := g.fill(32, hang)
		for i := range 10 { // then it has 22
			g.open(visitor, hang)
			slow[31-i].wantClosed(t)
		}
		g.refuses(visitor)
		g.refuses(fmt.Sprintf(crowd, 99))
		g.open(other, quick).wantAnswer(t, 200)
		slow[21].wantClosed(t)
		close(g.hold)
		for _, c := range slow[:21] {
			c.wantAnswer(t, 200)
		}
	})
}

// TestConnectionsOfTwoClients: of two clients that share all connections, none takes those
// of the other, and both give way to a third.
func TestConnectionsOfTwoClients(t *testing.T) {
	testGuarded(t, &Connections{Most: 32}, func(t *testing.T, g *guarded) {
		a := g.fill(16, "")
		var b []*clientConn
		for range 16 {
			b = append(b, g.open(visitor, ""))
		}
		g.refuses(visitor)
		g.refuses(fmt.Sprintf(crowd, 99))
		for range 2 {
			g.open(other, quick).wantAnswer(t, 200)
		}
		a[0].wantClosed(t)
		b[0].wantClosed(t)
		time.Sleep(graceToArrive + time.Millisecond)
		// Each closes its own, although the other's have been there as long.
		g.open(visitor, "")
		b[1].wantClosed(t)
		g.open(fmt.Sprintf(crowd, 99), "")
		a[1].wantClosed(t)
	})
}

// TestConnectionsOfManyClients: a hundred clients that share all connections keep no other out,
// although each has less than 1/64 of them.
func TestConnectionsOfManyClients(t *testing.T) {
	testGuarded(t, &Connections{Most: 1000}, func(t *testing.T, g *guarded) {
		for i := range 1000 {
			g.open(fmt.Sprintf("203.0.113.%d:1000", i%100), hang)
		}
		g.open(visitor, quick).wantAnswer(t, 200)
		close(g.hold)
	})
}

// TestConnectionsOfProxies: trusted proxies are one client, from which another takes only a
// few connections.
func TestConnectionsOfProxies(t *testing.T) {
	trusted := netip.MustParsePrefix("10.0.0.0/8")
	testGuarded(t, &Connections{Most: 32, Proxies: []netip.Prefix{trusted}}, func(t *testing.T, g *guarded) {
		var proxied []*clientConn
		for i := range 32 {
			proxied = append(proxied, g.open(fmt.Sprintf("[::ffff:10.0.0.%d]:1000", i), hang))
		}
		g.refuses("10.1.1.1:1000")
		for i := range 8 {
			g.open(visitor, hang)
			proxied[31-i].wantClosed(t)
		}
		g.refuses(visitor)
		close(g.hold)
		for _, c := range proxied[:24] {
			c.wantAnswer(t, 200)
		}
		synctest.Wait()
		time.Sleep(time.Millisecond)
		g.open("10.1.1.1:1000", quick).wantAnswer(t, 200) // an idle one of the proxies is closed
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.clients) != 2 || g.clients[proxies].size != 24 {
			t.Errorf("%d clients, %d connections of the proxies", len(g.clients), g.clients[proxies].size)
		}
	})
}

// BenchmarkConnections measures the bound without a network: each connection is accepted,
// answered and closed. One client has all other connections, and those are idle or being
// answered. Where there is no room, one is closed or the new one is refused.
func BenchmarkConnections(b *testing.B) {
	for _, most := range []int{2_000, 64_000} {
		for _, kind := range []string{"room", "idle", "refused"} {
			b.Run(fmt.Sprintf("%s/%d", kind, most), func(b *testing.B) {
				c := &Connections{Most: most}
				s := &http.Server{}
				c.Guard(s, nil)
				ours, theirs := net.Pipe()
				defer ours.Close()
				fill := func() {
					k := c.admit(fromConn{theirs, visitor})
					s.ConnState(k, http.StateActive)
					if kind != "refused" {
						s.ConnState(k, http.StateIdle)
					}
				}
				for range most - 1 {
					fill()
				}
				if kind != "room" {
					fill()
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if kind == "refused" {
						if c.admit(fromConn{theirs, visitor}) != nil {
							b.Fatal("it was not refused")
						}
						continue
					}
					k := c.admit(fromConn{theirs, fmt.Sprintf("10.%d.%d.%d:1000", i>>16&255, i>>8&255, i&255)})
					for _, state := range []http.ConnState{http.StateActive, http.StateIdle, http.StateClosed} {
						s.ConnState(k, state)
					}
					if kind == "idle" {
						fill() // where one was closed
					}
				}
			})
		}
	}
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

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/tintype/tintype/delivery"
)

// A quicNet is a server of HTTP/3, and clients of it, on a network in memory.
type quicNet struct {
	t      *testing.T
	h      *HTTP3
	trust  *tls.Config
	server net.Addr
	ports  []*simnet.SimConn // of clients that have not connected yet, each on an address of its own
	opened []*quic.Transport
	served chan error // what Serve returned
	drains atomic.Bool
}

// onQUIC runs a test with a server on a network where packets take a millisecond and time is
// simulated.
func onQUIC(t *testing.T, c *Connections, h http.Handler, test func(*testing.T, *quicNet)) {
	t.Helper()
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		config, trust := testTLS(t)
		wires := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
		wire := simnet.NodeBiDiLinkSettings{Latency: time.Millisecond}
		address := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}
		n := &quicNet{t: t, trust: trust, server: address, served: make(chan error, 1)}
		socket := wires.NewEndpoint(address, wire)
		for i := range 40 {
			n.ports = append(n.ports, wires.NewEndpoint(&net.UDPAddr{IP: net.IPv4(10, 0, 1, byte(i)), Port: 1000}, wire))
		}
		if err := wires.Start(); err != nil {
			t.Fatal(err)
		}
		defer wires.Close()
		n.h = newHTTP3(b.observe(h), n.drains.Load, config, c, nil)
		go func() { n.served <- n.h.Serve(socket) }()
		synctest.Wait()
		defer func() {
			for _, from := range n.opened {
				_ = from.Close()
				_ = from.Conn.Close()
			}
			_ = n.h.Close()
			_ = socket.Close()
		}()
		test(t, n)
	})
}

// client returns an address that connects.
func (n *quicNet) client() *quic.Transport {
	from := &quic.Transport{Conn: n.ports[0]}
	n.ports, n.opened = n.ports[1:], append(n.opened, from)
	return from
}

// dial connects from an address of its own.
func (n *quicNet) dial(config *tls.Config) (*quic.Conn, *quic.Transport, error) {
	from := n.client()
	conn, err := n.again(from, config)
	return conn, from, err
}

// again connects from the same address.
func (n *quicNet) again(from *quic.Transport, config *tls.Config) (*quic.Conn, error) {
	return from.Dial(n.t.Context(), n.server, http3.ConfigureTLSConfig(config), &quic.Config{MaxIdleTimeout: time.Hour, KeepAlivePeriod: 10 * time.Second})
}

// A quicClient has one connection.
type quicClient struct {
	*http3.ClientConn
	conn *quic.Conn
	from *quic.Transport
}

// open returns a client with a connection of its own.
func (n *quicNet) open() *quicClient {
	n.t.Helper()
	conn, from, err := n.dial(n.trust)
	if err != nil {
		n.t.Fatal(err)
	}
	return &quicClient{(&http3.Transport{}).NewClientConn(conn), conn, from}
}

func (c *quicClient) close() {
	_ = c.conn.CloseWithError(0, "")
	_ = c.from.Close()
}

// start sends a request, and returns the answer when it begins.
func (c *quicClient) start(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://img.example.com"+path, nil)
	if err != nil {
		return nil, err
	}
	return c.RoundTrip(req)
}

// get returns the body of an answer, or why there is none.
func (c *quicClient) get(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := c.start(ctx, path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return string(b), err
}

// want asks, and fails the test where the answer isn't as it should be.
func (c *quicClient) want(t *testing.T, path, body string) {
	t.Helper()
	if got, err := c.get(path); got != body || err != nil {
		t.Errorf("%s: %q, %v; want %q", path, got, err, body)
	}
}

// code is that with which the server has closed the connection, or -1.
func (c *quicClient) code() int {
	if closed, ok := errors.AsType[*quic.ApplicationError](context.Cause(c.conn.Context())); ok && closed.Remote {
		return int(closed.ErrorCode)
	}
	return -1
}

// TestHTTP3: requests of HTTP/3 get what others get, with their targets as they were sent. What
// is served by TCP says that there is HTTP/3.
func TestHTTP3(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.altSvc = []string{`h3=":8443"; ma=86400`}
	config, trust := testTLS(t)
	figures := prometheus.NewRegistry()
	h := b.HTTP3(config, &Connections{Most: 10}, figures)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(socket) }()
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Error("Serve:", err)
		}
		_ = socket.Close()
	})
	transport := &http3.Transport{TLSClientConfig: trust}
	defer transport.Close()
	send := func(method, target, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+socket.LocalAddr().String()+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			req.Body = nil
		}
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(got)
	}
	for _, test := range []struct {
		method, target, body string
		status               int
		contains             string
	}{
		{"GET", "/acme/photos/cat.jpg?w=20&format=jpeg", "", 200, ""},
		{"HEAD", "/acme/photos/cat.jpg?w=20&format=jpeg", "", 200, ""},
		{"GET", "/acme/photos/cat.jpg?w=20&w=30", "", 400, "INVALID_OPTION"},
		{"GET", "/acme/photos//../a%2Fb.jpg?w=20", "", 400, "INVALID_PATH"},
		{"GET", "/nobody/photos/cat.jpg", "", 404, "WORKSPACE_NOT_FOUND"},
		{"POST", "/healthz", "body", 405, ""},
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/acme/photos/cat.jpg?" + strings.Repeat("x", maxTarget), "", 414, "URI_TOO_LONG"},
	} {
		res, body := send(test.method, test.target, test.body)
		if by := b.send(test.method, test.target).Code; test.body == "" && res.StatusCode != by || res.StatusCode != test.status {
			t.Errorf("%s %.60s: %d by HTTP/3, %d by HTTP/1, want %d", test.method, test.target, res.StatusCode, by, test.status)
		}
		if res.Proto != "HTTP/3.0" || !strings.Contains(body, test.contains) || res.Header.Get("Connection") != "" {
			t.Errorf("%s %.60s: %s %s %v %.200s", test.method, test.target, res.Proto, res.Status, res.Header, body)
		}
		if res.Header.Get("Strict-Transport-Security") == "" || res.Header.Get("Alt-Svc") != `h3=":8443"; ma=86400` || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s %.60s: %v", test.method, test.target, res.Header)
		}
	}
	if w := b.get("/healthz"); w.Header().Get("Alt-Svc") != "" {
		t.Error("HTTP/3 is offered without TLS")
	}
	if got := testutil.ToFloat64(h.counts.handshakes.WithLabelValues("done")); got != 1 {
		t.Errorf("%v handshakes", got)
	}
}

// TestHTTP3WithinBounds: connections of QUIC count among all, and the same of them are closed
// for new ones: idle ones, those without a request, but none that is being answered.
func TestHTTP3WithinBounds(t *testing.T) {
	hold := make(chan struct{})
	c := &Connections{Most: 3}
	onQUIC(t, c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-hold
		}
		fmt.Fprint(w, "done")
	}), func(t *testing.T, n *quicNet) {
		hold = make(chan struct{})
		slow, idle, silent := n.open(), n.open(), n.open()
		answered := make(chan error, 1)
		go func() {
			_, err := slow.get("/slow")
			answered <- err
		}()
		idle.want(t, "/", "done")
		time.Sleep(graceToIdle + time.Millisecond)
		fourth := n.open()
		synctest.Wait()
		if got := idle.code(); got != int(http3.ErrCodeExcessiveLoad) {
			t.Errorf("the idle connection should be closed: %d", got)
		}
		fourth.want(t, "/", "done")
		fifth := n.open()
		time.Sleep(10 * time.Millisecond)
		if silent.code() < 0 && fourth.code() < 0 {
			t.Error("neither the connection without a request nor the idle one is closed")
		}
		fifth.want(t, "/", "done")
		close(hold)
		if err := <-answered; err != nil {
			t.Error("the request that was under way:", err)
		}
		for _, one := range []*quicClient{slow, idle, silent, fourth, fifth} {
			one.close()
		}
		time.Sleep(time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open() != 0 || c.shaking != 0 || c.streams != 0 || len(c.clients) != 0 {
			t.Errorf("%d connections, %d handshakes, %d requests are counted, of none", c.open(), c.shaking, c.streams)
		}
	})
}

// TestHTTP3TimesOut: a connection without a request, and one without requests for long, is
// closed, though its client keeps it alive. A part of a request is none.
func TestHTTP3TimesOut(t *testing.T) {
	onQUIC(t, &Connections{Most: 100}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err)
		}
	}), func(t *testing.T, n *quicNet) {
		silent, part, idle, body := n.open(), n.open(), n.open(), n.open()
		stream, err := part.conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Write([]byte{1, 0x40}) // of the head of a frame
		idle.want(t, "/", "")
		time.Sleep(HeaderTimeout + time.Second)
		for name, c := range map[string]*quicClient{"silent": silent, "part": part} {
			if got := c.code(); got != int(http3.ErrCodeNoError) {
				t.Errorf("the connection %s is open after %v: %d", name, HeaderTimeout, got)
			}
		}
		sent := time.Now()
		ours, theirs := io.Pipe() // a body that never ends
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://img.example.com/", ours)
		if err != nil {
			t.Fatal(err)
		}
		res, err := idle.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(res.Body)
		_ = res.Body.Close()
		_ = theirs.Close()
		if took := time.Since(sent); took < ReadTimeout || took > ReadTimeout+time.Second {
			t.Errorf("a body may take %v", took)
		}
		time.Sleep(IdleTimeout + time.Second)
		if got := idle.code(); got != int(http3.ErrCodeNoError) {
			t.Errorf("a connection may be idle longer than %v: %d", IdleTimeout, got)
		}
		for _, c := range []*quicClient{silent, part, idle, body} {
			c.close()
		}
		time.Sleep(time.Minute)
	})
}

// TestHTTP3SlowReader: an answer of HTTP/3 whose client takes nothing is seen as such, and can
// be cut off alone.
func TestHTTP3SlowReader(t *testing.T) {
	large, failed := make(chan *delivery.Response, 1), make(chan error, 1)
	onQUIC(t, &Connections{Most: 100}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		large <- w.(*delivery.Response)
		_, err := w.Write(make([]byte, 64<<20)) // more than any window
		failed <- err
	}), func(t *testing.T, n *quicNet) {
		large, failed = make(chan *delivery.Response, 1), make(chan error, 1)
		one := n.open()
		res, err := one.start(t.Context(), "/large")
		if err != nil {
			t.Fatal(err)
		}
		stalled := (<-large).Conn
		k := stalled.(*stream).of
		time.Sleep(delivery.GraceToTake + time.Second)
		if w := stalled.Waited(time.Now()); w < delivery.GraceToTake {
			t.Errorf("the answer waits since %v", w)
		}
		if w := k.Waited(time.Now()); w < delivery.GraceToTake {
			t.Errorf("the connection waits since %v", w)
		}
		stalled.Cut()
		if err := <-failed; err == nil {
			t.Error("the answer was not cut off")
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Error("the client sees a whole answer")
		}
		_ = res.Body.Close()
		one.want(t, "/small", "HTTP/3.0")
		stalled.Cut() // long over
		one.want(t, "/small", "HTTP/3.0")
		one.close()
	})
}

// TestHTTP3RequestsAreBounded: the requests of a client are bounded, over however many
// connections they come.
func TestHTTP3RequestsAreBounded(t *testing.T) {
	hold := make(chan struct{})
	c := &Connections{Most: 1000}
	onQUIC(t, c, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }), func(t *testing.T, n *quicNet) {
		hold = make(chan struct{})
		const asked, room = 300, 250
		statuses := make(chan int, asked)
		conn, from, err := n.dial(n.trust)
		var asking sync.WaitGroup
		for i := range asked / maxStreams {
			if i > 0 {
				conn, err = n.again(from, n.trust)
			}
			if err != nil {
				t.Fatal(err)
			}
			one := &quicClient{(&http3.Transport{}).NewClientConn(conn), conn, from}
			for range maxStreams {
				asking.Go(func() {
					res, err := one.start(t.Context(), "/")
					if err != nil {
						t.Error(err)
						return
					}
					_ = res.Body.Close()
					statuses <- res.StatusCode
				})
			}
		}
		for range asked - room {
			if status := <-statuses; status != 503 {
				t.Errorf("one of too many requests: %d", status)
			}
		}
		close(hold)
		asking.Wait()
		for range room {
			if status := <-statuses; status != 200 {
				t.Errorf("one of the others: %d", status)
			}
		}
		_ = from.Close()
		time.Sleep(time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.streams != 0 || c.refused != asked-room || c.open() != 0 {
			t.Errorf("%d requests are under way, %d were refused, %d connections are open", c.streams, c.refused, c.open())
		}
	})
}

// TestHTTP3Stops: while the server drains, an answer tells its client to connect anew. When it
// stops, requests that run are finished and idle connections closed, within one deadline.
func TestHTTP3Stops(t *testing.T) {
	hold := make(chan struct{})
	onQUIC(t, &Connections{Most: 100}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-hold
		case "/forever":
			<-r.Context().Done()
		}
		fmt.Fprint(w, "done")
	}), func(t *testing.T, n *quicNet) {
		hold = make(chan struct{})
		drained, slow, idle, forever := n.open(), n.open(), n.open(), n.open()
		idle.want(t, "/", "done")
		n.drains.Store(true)
		drained.want(t, "/", "done")
		time.Sleep(time.Second)
		if _, err := drained.get("/"); err == nil {
			t.Error("a connection that was told to go away takes another request")
		}
		fresh := n.open() // the listener still accepts
		fresh.want(t, "/", "done")
		answered := make(chan error, 2)
		go func() {
			_, err := slow.get("/slow")
			answered <- err
		}()
		ended := make(chan error, 1)
		go func() {
			_, err := forever.get("/forever")
			ended <- err
		}()
		synctest.Wait()
		time.Sleep(time.Second)

		began := time.Now()
		stopping, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- n.h.Shutdown(stopping) }()
		time.Sleep(5 * time.Second)
		if idle.conn.Context().Err() == nil {
			t.Error("an idle connection is open")
		}
		if _, _, err := n.dial(n.trust); err == nil {
			t.Error("a server that stops takes a connection")
		}
		close(hold)
		if err := <-answered; err != nil {
			t.Error("a request that ran:", err)
		}
		if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) {
			t.Error("a request was cut off, but Shutdown returned", err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := <-ended; err == nil {
			t.Error("a request that runs for ever got an answer")
		}
		if err := <-n.served; err != http.ErrServerClosed {
			t.Error("Serve:", err)
		}
		for _, c := range []*quicClient{drained, slow, idle, forever, fresh} {
			c.close()
		}
		time.Sleep(time.Minute)
	})
}

// TestHTTP3UnknownHosts: handshakes for hosts without a certificate are refused, and nothing is
// kept of them.
func TestHTTP3UnknownHosts(t *testing.T) {
	c := &Connections{Most: 100}
	onQUIC(t, c, http.NotFoundHandler(), func(t *testing.T, n *quicNet) {
		n.h.tls.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil } // as certs.Auto answers
		unknown := n.trust.Clone()
		from := n.client()
		for i := range 1000 {
			unknown.ServerName = fmt.Sprintf("host%d.example", i)
			_, err := n.again(from, unknown)
			var alert *quic.TransportError
			if !errors.As(err, &alert) || alert.ErrorCode != 0x170 { // CRYPTO_ERROR with unrecognized_name
				t.Fatalf("host %d: %v", i, err)
			}
		}
		_ = from.Close()
		time.Sleep(time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open() != 0 || c.shaking != 0 || len(c.clients) != 0 || len(n.h.open) != 0 {
			t.Errorf("%d connections and %d handshakes are counted, of none", c.open(), c.shaking)
		}
	})
}

// TestHTTP3DoesNotAmplify: an address that sends a first packet and proves nothing gets at most
// three times as many bytes (RFC 9000 §8.1). While many such handshakes are under way, it gets
// a Retry packet, and nothing is kept of it.
func TestHTTP3DoesNotAmplify(t *testing.T) {
	c := &Connections{Most: 100}
	onQUIC(t, c, http.NotFoundHandler(), func(t *testing.T, n *quicNet) {
		kept := 0
		var dialing sync.WaitGroup
		ctx, end := context.WithCancel(t.Context())
		for i := range 30 {
			deaf := &deafSocket{SimConn: n.ports[0]}
			from := n.client()
			from.Conn = deaf
			dialing.Go(func() {
				if _, err := from.Dial(ctx, n.server, http3.ConfigureTLSConfig(n.trust), nil); err == nil {
					t.Error("a deaf client is connected")
				}
			})
			time.Sleep(100 * time.Millisecond)
			sent, got := deaf.sent.Load(), deaf.got.Load()
			if sent == 0 || got == 0 || got > 3*sent {
				t.Errorf("client %d: %d bytes for %d", i, got, sent)
			}
			if i >= 8 && got > sent/4 {
				t.Errorf("client %d: %d bytes for %d, not a Retry only", i, got, sent)
			}
			c.mu.Lock()
			kept = max(kept, c.shaking)
			c.mu.Unlock()
		}
		if kept > 8 {
			t.Errorf("%d handshakes of addresses that prove nothing were kept", kept)
		}
		good := n.open() // proves its address
		if _, err := good.get("/"); err == nil || err.Error() != "404 Not Found" {
			t.Error("a client that answers the Retry:", err)
		}
		good.close()
		end()
		dialing.Wait()
		time.Sleep(time.Minute)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open() != 0 || c.shaking != 0 {
			t.Errorf("%d connections and %d handshakes are counted, of none", c.open(), c.shaking)
		}
	})
}

// TestForgedAddresses: addresses that aren't proved make no client of a network's parts.
func TestForgedAddresses(t *testing.T) {
	c := &Connections{Most: 100}
	of := func(i int, proved bool) string {
		return c.clientOf(&net.UDPAddr{IP: net.ParseIP(fmt.Sprintf("2001:db8:0:%d::1", i)), Port: 443}, proved)
	}
	for i := range 20 {
		if name := of(i, false); name != fmt.Sprintf("2001:db8:0:%d::/64", i) && (i > 0 || name != "2001:db8::/64") {
			t.Errorf("network %d is %s", i, name)
		}
	}
	if a, b := of(1, true), of(2, true); a == b {
		t.Errorf("forged addresses made one client, %s, of two networks", a)
	}
}

// A deafSocket hears nothing. It counts what it would have heard.
type deafSocket struct {
	*simnet.SimConn
	sent, got atomic.Int64
}

func (d *deafSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	d.sent.Add(int64(len(b)))
	return d.SimConn.WriteTo(b, to)
}

func (d *deafSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := d.SimConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		d.got.Add(int64(n))
	}
}

// TestHTTP3TakesNoEarlyData: a session can be resumed, but no request is taken that an attacker
// could repeat.
func TestHTTP3TakesNoEarlyData(t *testing.T) {
	onQUIC(t, &Connections{Most: 100}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(t *testing.T, n *quicNet) {
		n.trust.ClientSessionCache = tls.NewLRUClientSessionCache(10)
		first := n.open()
		first.want(t, "/", "")
		time.Sleep(time.Second)
		conn, err := first.from.DialEarly(t.Context(), n.server, http3.ConfigureTLSConfig(n.trust), nil)
		if err != nil {
			t.Fatal(err)
		}
		<-conn.HandshakeComplete()
		if state := conn.ConnectionState(); state.Used0RTT || !state.TLS.DidResume {
			t.Errorf("early data: %v, resumed: %v", state.Used0RTT, state.TLS.DidResume)
		}
		_ = conn.CloseWithError(0, "")
		first.close()
	})
}

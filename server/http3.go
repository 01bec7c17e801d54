package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Bounds in time of a request, and of a connection.
const (
	HeaderTimeout = 10 * time.Second // of a handshake, and of the head of the first request
	ReadTimeout   = 30 * time.Second // of a request
	WriteTimeout  = 5 * time.Minute  // of an answer: a large variant over a slow line
	IdleTimeout   = 2 * time.Minute  // of a connection without requests
)

// silence is how long a peer of QUIC may send nothing at all.
const silence = 30 * time.Second

// lingerTime is how long a connection stays open after its last answer when the server stops:
// closing it would drop what the client hasn't acknowledged.
const lingerTime = 500 * time.Millisecond

// HTTP3 serves HTTP/3. Its connections and requests are within the bounds of [Connections],
// as those of TCP are. It is safe for concurrent use.
type HTTP3 struct {
	handler  http.Handler
	draining func() bool
	tls      *tls.Config
	bound    *Connections
	counts   *quicCounts

	mu       sync.Mutex // guards the fields below
	listener *quic.Listener
	socket   *quic.Transport
	open     map[*quicConn]struct{}
	closing  bool
}

// quicCounts are the figures of QUIC.
type quicCounts struct {
	handshakes *prometheus.CounterVec
	retries    prometheus.Counter
}

// HTTP3 returns what serves the public handler by HTTP/3. config is one of [TLS], and bound
// has a bound. r is where metrics are registered; nil is nowhere.
func (s *Server) HTTP3(config *tls.Config, bound *Connections, r prometheus.Registerer) *HTTP3 {
	return newHTTP3(s.Handler(), s.draining.Load, config, bound, r)
}

func newHTTP3(handler http.Handler, draining func() bool, config *tls.Config, bound *Connections, r prometheus.Registerer) *HTTP3 {
	bound.begin()
	h := &HTTP3{handler: handler, draining: draining, tls: http3.ConfigureTLSConfig(config), bound: bound, open: map[*quicConn]struct{}{}}
	h.counts = &quicCounts{
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_quic_handshakes_total", Help: "QUIC connections that were begun, by how that ended: done, failed (an unknown host, a client that gave up), refused (no room).",
		}, []string{"result"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tintype_quic_retries_total", Help: "QUIC connections whose client had to prove its address first, since many handshakes were under way.",
		}),
	}
	for _, result := range []string{"done", "failed", "refused"} {
		h.counts.handshakes.WithLabelValues(result)
	}
	if r != nil {
		r.MustRegister(h.counts.handshakes, h.counts.retries, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tintype_quic_connections", Help: "Connections of clients that are open and speak HTTP/3. They are among tintype_connections.",
		}, func() float64 {
			h.mu.Lock()
			defer h.mu.Unlock()
			return float64(len(h.open))
		}))
	}
	return h
}

// Serve serves on a socket of UDP until Shutdown or Close. It returns [http.ErrServerClosed]
// then. The caller closes the socket.
func (h *HTTP3) Serve(socket net.PacketConn) error {
	h.mu.Lock()
	if h.closing {
		h.mu.Unlock()
		return http.ErrServerClosed
	}
	h.socket = &quic.Transport{Conn: socket, ConnContext: h.admit, VerifySourceAddress: h.mustProve}
	l, err := h.socket.Listen(h.tls, &quic.Config{
		// A client that repeats a request of its own could be an attacker who does, so there is no 0-RTT.
		Allow0RTT:                      false,
		HandshakeIdleTimeout:           HeaderTimeout / 2, // a handshake may take twice this
		MaxIdleTimeout:                 silence,
		MaxIncomingStreams:             maxStreams,
		MaxIncomingUniStreams:          8, // of which HTTP/3 needs three
		InitialStreamReceiveWindow:     64 << 10,
		MaxStreamReceiveWindow:         512 << 10,
		InitialConnectionReceiveWindow: 128 << 10,
		MaxConnectionReceiveWindow:     1 << 20,
	})
	h.listener = l
	h.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept(context.Background())
		if err != nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.closing {
				return http.ErrServerClosed
			}
			return err
		}
		go h.serve(conn)
	}
}

var errNoRoom = errors.New("no room for another connection")

// admit counts a connection from its first packet, until it ends. Its address may be forged.
func (h *HTTP3) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	k := &connection{quic: &quicConn{}}
	k.quic.of = k
	if !h.bound.enter(k, info.RemoteAddr, info.AddrVerified) {
		h.counts.handshakes.WithLabelValues("refused").Inc()
		return nil, errNoRoom
	}
	context.AfterFunc(ctx, func() {
		if h.bound.shook(k) {
			h.counts.handshakes.WithLabelValues("failed").Inc()
		}
		h.bound.ended(k)
	})
	return context.WithValue(ctx, connectionKey{}, k), nil
}

// mustProve reports whether a client must prove its address before anything is kept of it or
// sent to it, but for a small packet (RFC 9000 §8.1.2). That costs it a round trip, so it is
// asked only while many handshakes are under way.
func (h *HTTP3) mustProve(net.Addr) bool {
	h.bound.mu.Lock()
	many := h.bound.shaking >= max(8, h.bound.Most/64)
	h.bound.mu.Unlock()
	if many {
		h.counts.retries.Inc()
	}
	return many
}

// shook notes that the handshake of a connection is over. It returns false where that is
// noted.
func (c *Connections) shook(k *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.quic.shaken {
		return false
	}
	k.quic.shaken = true
	c.shaking--
	return true
}

// ended removes a connection of QUIC that has been closed.
func (c *Connections) ended(k *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.of != nil {
		c.remove(k)
	}
	if k.quic.timer != nil {
		k.quic.timer.Stop()
	}
}

// busier counts a request more, or with -1 one less, of a connection of QUIC. Those of TCP say
// by themselves when they are idle. The caller holds Connections.mu.
func (k *connection) busier(n int) {
	if k.quic == nil {
		return
	}
	was := k.under
	k.under += n
	k.quic.since = time.Now()
	if k.of == nil {
		return
	}
	switch {
	case was == 0:
		k.move(&k.of.answering, &k.bound.all.answering)
		k.quic.timer.Stop()
	case k.under == 0:
		k.move(&k.of.idle, &k.bound.all.idle)
		k.quic.timer.Reset(IdleTimeout)
	}
}

// A quicConn is a connection of QUIC. It has an HTTP/3 server of its own, so that it can be
// told alone that no more requests are taken.
type quicConn struct {
	of     *connection
	server http3.Server
	done   chan struct{} // closed when the connection and its requests are over
	away   sync.Once

	mu   sync.Mutex
	conn *quic.Conn // nil until the handshake is complete
	over bool       // it was cut

	// Connections.mu guards the fields below.
	shaken bool
	timer  *time.Timer // closes it where it has no requests for long
	since  time.Time   // when a request last began or ended
}

// serve serves a connection until it is closed.
func (h *HTTP3) serve(conn *quic.Conn) {
	k := conn.Context().Value(connectionKey{}).(*connection)
	q := k.quic
	q.done = make(chan struct{})
	defer close(q.done)
	q.server = http3.Server{MaxHeaderBytes: MaxHeaderBytes, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		within := http.NewResponseController(w)
		now := time.Now()
		_, _ = within.SetReadDeadline(now.Add(ReadTimeout)), within.SetWriteDeadline(now.Add(WriteTimeout)) // can't fail
		h.handler.ServeHTTP(w, r)
		if h.draining() {
			q.goAway()
		}
	})}
	h.bound.mu.Lock()
	q.since = time.Now()
	q.timer = time.AfterFunc(HeaderTimeout, func() {
		if h.quiet(k, HeaderTimeout) {
			q.close()
		}
	})
	h.bound.mu.Unlock()
	if h.bound.shook(k) {
		h.counts.handshakes.WithLabelValues("done").Inc()
	}
	q.mu.Lock()
	q.conn = conn
	over := q.over
	q.mu.Unlock()
	h.mu.Lock()
	over = over || h.closing
	if !over {
		h.open[q] = struct{}{}
	}
	h.mu.Unlock()
	if over {
		q.cut()
		return
	}
	_ = q.server.ServeQUICConn(conn) // why it ended concerns the client only
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, q)
}

// cut closes the connection at once.
func (q *quicConn) cut() { q.end(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad)) }

// close closes the connection, which has no requests.
func (q *quicConn) close() { q.end(quic.ApplicationErrorCode(http3.ErrCodeNoError)) }

// end closes the connection, or notes that it is to be closed when its handshake is complete.
func (q *quicConn) end(code quic.ApplicationErrorCode) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	if conn := q.conn; conn != nil {
		go func() { _ = conn.CloseWithError(code, "") }() // waits until it is closed
	}
}

// goAway tells the client to send further requests elsewhere. Those that run are answered.
func (q *quicConn) goAway() {
	q.away.Do(func() { go func() { _ = q.server.Shutdown(context.Background()) }() }) // ends with the connection
}

// Shutdown takes no more connections and requests, and waits for those that run, until ctx
// ends. Then it cuts them off, and returns the error of ctx.
func (h *HTTP3) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	l, open := h.listener, make([]*quicConn, 0, len(h.open))
	for q := range h.open {
		open = append(open, q)
	}
	h.mu.Unlock()
	if l == nil {
		return nil
	}
	stopped := make(chan struct{})
	go func() {
		_ = l.Close() // waits for handshakes, which are refused
		close(stopped)
	}()
	var waiting sync.WaitGroup
	var cut atomic.Bool
	for _, q := range open {
		q.goAway()
		waiting.Go(func() {
			if !h.finish(ctx, q) {
				cut.Store(true)
			}
		})
	}
	waiting.Wait()
	select {
	case <-stopped:
	case <-ctx.Done():
	}
	err := h.Close()
	if cut.Load() {
		err = errors.Join(ctx.Err(), err)
	}
	return err
}

// finish waits until the client has closed a connection, or has what was sent to it. It
// returns false where ctx ended before.
func (h *HTTP3) finish(ctx context.Context, q *quicConn) bool {
	tick := time.NewTicker(lingerTime / 10)
	defer tick.Stop()
	for {
		if h.quiet(q.of, lingerTime) {
			q.close()
		}
		select {
		case <-q.done:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// quiet reports whether a connection has had no requests for a time.
func (h *HTTP3) quiet(k *connection, long time.Duration) bool {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	return k.under == 0 && time.Since(k.quic.since) >= long
}

// Close closes all connections at once.
func (h *HTTP3) Close() error {
	h.mu.Lock()
	h.closing = true
	socket := h.socket
	h.mu.Unlock()
	if socket == nil {
		return nil
	}
	return socket.Close()
}

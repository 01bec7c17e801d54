package server

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/limit"
)

var _ delivery.Conn = (*connection)(nil)

// Connections bounds the open connections of clients, since each takes memory. Where there
// are too many, the first of these is closed for a new one:
//
//  1. the connection that has been idle longest, for more than three seconds
//  2. a connection of the client that has most, where these are many (more than 8, and more
//     than 1/64 of all or an equal part of them), and more than the client of the new one
//     would have. It is the one that has been idle longest, else the one that has been
//     sending its request longest.
//     If the client has more than twice as many, it is else one that is being answered:
//     longest, for more than a second, or else the last that began.
//  3. the connection that has been idle longest
//  4. the connection that has been sending its request longest, for more than a second
//  5. connections whose clients haven't taken any of their answer for more than two seconds
//
// For a client that has many connections, 3 to 5 close only its own. So one client can't
// keep others out, whatever its connections do. Where none is closed, the new connection is
// answered 503.
//
// Requests over HTTP/2 and HTTP/3, of which a connection has many, are bounded likewise: there
// are as many of them as connections at most, and a client has a quarter. Where there are too
// many, those connections are closed whose clients take none of their answers. Where there are
// none, the request is answered 503.
//
// Several listeners may share one Connections. A connection of TLS or QUIC counts from its
// first packet: one whose handshake isn't complete is sending its request.
//
// It is safe for concurrent use. Its fields must not change after the first use.
type Connections struct {
	Most    int                   // open connections; 0 is no bound
	Proxies []netip.Prefix        // trusted proxies. All are one client, which gives way only to clients that don't have many connections
	Metrics prometheus.Registerer // nil registers nothing

	once    sync.Once  // makes it ready
	mu      sync.Mutex // guards all fields below, and those of the clients and connections
	all     states
	clients map[string]*client
	names   limit.Clients
	sizes   []*list.List // of *client; the index is the number of its connections
	largest int          // the most connections of one client
	streams int          // requests over HTTP/2 and HTTP/3 that are under way
	shaking int          // QUIC connections whose handshake isn't complete, those that were closed for others included
	closed  int64        // connections that were closed for others
	refused int64
}

// A states has connections by what they do, each the longest first.
type states struct {
	idle      queue     // that wait for another request
	arriving  queue     // whose first request isn't complete
	answering queue     // whose request is being answered, the longest first
	searchAt  time.Time // when stalled connections may be searched for again
}

// A client has all connections from one address, see [limit.Clients], or from the proxies.
type client struct {
	states
	name    string
	streams int           // requests over HTTP/2 and HTTP/3 that are under way
	size    int           // the number of its connections
	at      *list.Element // in Connections.sizes
}

const proxies = "proxies" // the client that all trusted proxies are

// A connection is in two lists, one of its client and one of all.
type connection struct {
	net.Conn              // nil for QUIC
	quic     *quicConn    // nil for TCP
	bound    *Connections // that it is of
	took     atomic.Int64 // when the write that runs began, or last made progress, in Unix nanoseconds; 0 while none runs
	pace     pace         // of its writes, which come one after another

	deadline  readDeadline
	gathering gathering
	sending   sending

	streamsMu sync.Mutex
	streams   map[*stream]struct{} // answers over HTTP/2 or HTTP/3 that are under way

	// Connections.mu guards the fields below.
	of    *client   // nil after it was closed
	under int       // requests over HTTP/3 that are under way
	in    place     // in the lists of its client
	among place     // in the lists of all
	since time.Time // when it came to these lists
}

const (
	graceToIdle   = 3 * time.Second // how long a connection may be idle before it may be closed for any client
	graceToArrive = time.Second     // how long a request may arrive before its connection may be closed
	graceToAnswer = time.Second     // how long a request may be answered before its connection is the first to be closed
	writeStep     = 64 << 10        // bytes of one step of a write, which counts as progress
	streamsOfOne  = 2 * maxStreams  // requests over HTTP/2 and HTTP/3 that each client may have under way
)

// A pace says how long a client has been taking the present step, of up to 64 KiB: what doesn't
// fit into it begins the next. TLS writes in records of up to 16 KiB, so a step may be of several
// writes. The pauses between them, in which there is nothing to write, don't count.
type pace struct {
	wrote int           // bytes of the step
	spent time.Duration // in the writes of the step that have returned
}

// write writes n bytes with write, which is called for some of them at a time, a step at most. It
// stores into took when the step would have begun if there had been no pauses.
func (p *pace) write(n int, took *atomic.Int64, write func(from, to int) (int, error)) (done int, err error) {
	defer took.Store(0)
	for {
		to := min(n, done+writeStep)
		if p.wrote+to-done > writeStep {
			*p = pace{}
		}
		at := time.Now()
		took.Store(at.Add(-p.spent).UnixNano())
		m, err := write(done, to)
		done += m
		if p.wrote += m; p.wrote >= writeStep {
			*p = pace{}
		} else {
			p.spent += time.Since(at)
		}
		if err != nil || done == n {
			return done, err
		}
	}
}

// add counts bytes that the next write sends beside its own.
func (p *pace) add(n int) {
	if p.wrote += n; p.wrote >= writeStep {
		*p = pace{}
	}
}

// waited returns for how long the step that took is of has lasted.
func waited(took *atomic.Int64, now time.Time) time.Duration {
	if at := took.Load(); at != 0 {
		return now.Sub(time.Unix(0, at))
	}
	return 0
}

// CloseWrite is for net/http, which calls it so that clients can read an answer to its end.
func (k *connection) CloseWrite() error {
	if half, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Waited implements delivery.Conn. Over HTTP/2, a client may take nothing although every
// write returns at once, and over HTTP/3 only answers are written. Then it is the answer that
// has waited least which counts.
func (k *connection) Waited(now time.Time) time.Duration {
	if w := waited(&k.took, now); w > 0 {
		return w
	}
	k.streamsMu.Lock()
	defer k.streamsMu.Unlock()
	least, first := time.Duration(0), true
	for s := range k.streams {
		if w := waited(&s.took, now); first || w < least {
			least, first = w, false
		}
	}
	return least
}

// Cut implements delivery.Conn.
func (k *connection) Cut() {
	if k.quic != nil {
		k.quic.cut()
		return
	}
	if tcp, ok := k.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // after an error, Close still closes the connection
	}
	_ = k.Close()
}

type connectionKey struct{}

// Guard returns a listener that accepts connections within the bound, for s to serve. It
// also sets hooks of s. Call it once for each server, before it serves.
func (c *Connections) Guard(s *http.Server, l net.Listener) net.Listener {
	if c == nil || c.Most == 0 {
		return l
	}
	c.begin()
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
	}
	s.ConnState = c.changed
	return &guardedListener{l, c, s.TLSConfig != nil, make(chan struct{}, 64)}
}

// begin makes it ready.
func (c *Connections) begin() {
	c.once.Do(func() {
		c.clients = map[string]*client{}
		c.register()
	})
}

// connectionOf returns the connection of a guarded listener that conn is, or that it is over.
func connectionOf(conn net.Conn) *connection {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	k, _ := conn.(*connection)
	return k
}

// changed moves a connection to the list of its new state. For HTTP/1, [http.StateActive]
// comes when the server has read the head of a request. A part of a head changes nothing, so
// it doesn't make the connection younger.
func (c *Connections) changed(conn net.Conn, state http.ConnState) {
	k := connectionOf(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.of == nil {
		return // it has been closed for another
	}
	switch state {
	case http.StateActive:
		k.move(&k.of.answering, &c.all.answering)
	case http.StateIdle:
		k.move(&k.of.idle, &c.all.idle)
	case http.StateClosed, http.StateHijacked:
		c.remove(k)
	}
}

// add counts a new connection of a client. The caller holds mu.
func (c *Connections) add(k *connection, name string) {
	of := c.clients[name]
	if of == nil {
		of = &client{name: name}
		c.clients[name] = of
	}
	k.of = of
	k.move(&of.arriving, &c.all.arriving)
	c.resize(of, of.size+1)
}

// remove undoes add. The caller holds mu.
func (c *Connections) remove(k *connection) {
	k.in.leave()
	k.among.leave()
	c.resize(k.of, k.of.size-1)
	k.of = nil
}

// resize puts a client where those of its size are. The size changes by one. The caller
// holds mu.
func (c *Connections) resize(of *client, size int) {
	if of.size > 0 {
		c.sizes[of.size].Remove(of.at)
	}
	for len(c.sizes) <= size {
		c.sizes = append(c.sizes, list.New())
	}
	if of.size = size; size > 0 {
		of.at = c.sizes[size].PushBack(of)
	} else {
		delete(c.clients, of.name)
	}
	if size > c.largest {
		c.largest = size
	} else if c.sizes[c.largest].Len() == 0 && c.largest > 0 {
		c.largest--
	}
}

// open returns the number of connections. The caller holds mu.
func (c *Connections) open() int {
	return c.all.idle.Len() + c.all.arriving.Len() + c.all.answering.Len()
}

// clientOf returns the name of the client at an address. One that isn't proved puts no networks
// together: whoever forges it could make one client of many neighbours.
func (c *Connections) clientOf(remote net.Addr, proved bool) string {
	host, _, err := net.SplitHostPort(remote.String())
	if err != nil {
		return "" // such as of a pipe
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap().WithZone("")
		if slices.ContainsFunc(c.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return proxies
		}
	}
	if !proved {
		return limit.Client(host)
	}
	return c.names.Name(host)
}

// move puts the connection at the end of a list of its client, and of one of all. The caller
// holds Connections.mu.
func (k *connection) move(in, among *queue) {
	k.since = time.Now()
	k.in.leave()
	k.among.leave()
	in.push(k, &k.in)
	among.push(k, &k.among)
}

// admit adds a connection of TCP. It returns nil where there is no room.
func (c *Connections) admit(conn net.Conn) *connection {
	if k := (&connection{Conn: conn}); c.enter(k, conn.RemoteAddr(), true) {
		return k
	}
	return nil
}

// enter adds a connection from an address, and closes others where it must. It returns false
// where there is no room. An address that isn't proved may be forged.
func (c *Connections) enter(k *connection, from net.Addr, proved bool) bool {
	k.bound = c
	name := c.clientOf(from, proved)
	c.mu.Lock()
	var give []*connection
	if k.quic != nil && c.shaking >= max(8, c.Most/4) {
		c.refused++
		c.mu.Unlock()
		return false
	}
	if c.open() >= c.Most {
		if give = c.giving(name); len(give) == 0 {
			c.refused++
			c.mu.Unlock()
			return false
		}
	}
	if k.quic != nil {
		c.shaking++
	}
	for _, other := range give {
		c.closed++
		c.remove(other)
	}
	c.add(k, name)
	c.mu.Unlock()
	for _, other := range give {
		other.Cut()
	}
	return true
}

// admitStream counts a request over HTTP/2 or HTTP/3 until it is released. It returns nil where
// there is no room. A quarter of the room is left to clients that have less than their part of
// it ([limit.Part]), so some others with many requests that hang don't keep them out.
func (c *Connections) admitStream(k *connection) (release func()) {
	c.mu.Lock()
	of := k.of
	if of == nil {
		c.mu.Unlock()
		return func() {} // it has been closed for another
	}
	var give []*connection
	if of.streams >= max(streamsOfOne, c.Most/4) && of.name != proxies {
		c.refused++
		c.mu.Unlock()
		return nil
	}
	most := c.Most
	if of.name != proxies && int64(of.streams) >= limit.Part(int64(c.Most/4), len(c.clients)) {
		most -= c.Most / 4
	}
	if c.streams >= most {
		if give = c.all.stalled(time.Now(), 1+c.Most/64); len(give) == 0 {
			c.refused++
			c.mu.Unlock()
			return nil
		}
	}
	for _, other := range give {
		c.closed++
		c.remove(other)
	}
	c.streams++
	of.streams++
	k.busier(1)
	c.mu.Unlock()
	for _, other := range give {
		other.Cut()
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.streams--
		of.streams--
		k.busier(-1)
	}
}

// giving returns the connections to close for a new one of a client. The caller holds mu.
func (c *Connections) giving(newcomer string) []*connection {
	now := time.Now()
	if k := c.all.idle.Front(); k != nil && now.Sub(k.since) > graceToIdle {
		return []*connection{k}
	}
	many, has, from := max(8, c.Most/max(64, len(c.clients)+1)), 1, &c.all
	if of := c.clients[newcomer]; of != nil {
		if has = of.size + 1; has > many {
			from = &of.states
		}
	}
	if c.largest > max(many, has) {
		most := c.sizes[c.largest].Front().Value.(*client)
		if most.name != proxies || has <= many {
			if k := most.giving(now, most.size > 2*has); k != nil {
				return []*connection{k}
			}
		}
	}
	if k := from.idle.Front(); k != nil {
		return []*connection{k}
	}
	if k := from.arriving.Front(); k != nil && now.Sub(k.since) > graceToArrive {
		return []*connection{k}
	}
	return from.stalled(now, 1+c.Most/64)
}

// giving returns the connection of a client to close for another client, which may be one
// that is being answered. The caller holds Connections.mu.
func (of *client) giving(now time.Time, answered bool) *connection {
	if k := cmp.Or(of.idle.Front(), of.arriving.Front()); k != nil || !answered {
		return k
	}
	if k := of.answering.Front(); now.Sub(k.since) > graceToAnswer {
		return k
	}
	return of.answering.Back() // the least work is lost
}

// stalled returns connections whose clients haven't taken any of their answers for the
// longest time, most at most. It returns several, since it looks at all. Where that would be
// often, it returns none. The caller holds Connections.mu.
func (s *states) stalled(now time.Time, most int) []*connection {
	if now.Before(s.searchAt) {
		return nil
	}
	waited := map[*connection]time.Duration{}
	for p := s.answering.first; p != nil; p = p.after {
		k := p.of
		if w := k.Waited(now); w > delivery.GraceToTake {
			waited[k] = w
		}
	}
	if len(waited) <= most {
		s.searchAt = now.Add(100 * time.Millisecond)
	}
	all := slices.SortedFunc(maps.Keys(waited), func(a, b *connection) int { return cmp.Compare(waited[b], waited[a]) })
	return all[:min(len(all), most)]
}

// A guardedListener accepts connections within the bound of Connections.
type guardedListener struct {
	net.Listener
	connections *Connections
	secure      bool          // TLS is spoken, in which a 503 would cost a handshake
	refusing    chan struct{} // has one element for each 503 that is being sent; further connections are closed without one
}

func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if k := l.connections.admit(conn); k != nil {
			boundUnsent(conn)
			return k, nil
		}
		if l.secure {
			_ = conn.Close()
			continue
		}
		select {
		case l.refusing <- struct{}{}:
			go func() {
				refuse(conn)
				<-l.refusing
			}()
		default:
			_ = conn.Close()
		}
	}
}

// refuse answers a connection with 503. It reads from the connection for a moment: closing
// it with unread bytes would reset it, and the client would lose the answer.
func refuse(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond)) // can't fail while it is open
	if _, err := conn.Write(tooManyConnections); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // after an error, the read fails too
	}
	var b [4 << 10]byte
	for n := 0; n < maxTarget+maxHeaders; {
		m, err := conn.Read(b[:])
		if err != nil {
			return
		}
		n += m
	}
}

var tooManyConnections = func() []byte {
	const body = `{"error":{"code":"OVERLOADED","message":"too many connections are open; try again in a second","status":503,"request_id":""}}`
	return []byte("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n" +
		"Retry-After: 1\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}()

func (c *Connections) register() {
	if c.Metrics == nil {
		return
	}
	figure := func(read func() float64) func() float64 {
		return func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return read()
		}
	}
	c.Metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_connections", Help: "Connections of clients that are open."},
			figure(func() float64 { return float64(c.open()) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_connections_limit", Help: "Connections of clients that may be open at the same time."},
			func() float64 { return float64(c.Most) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_closed_total", Help: "Connections closed to make room for others: idle ones, those of clients that are slow to send a request or to take an answer, and those of a client that has most of them."},
			figure(func() float64 { return float64(c.closed) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_refused_total", Help: "Connections refused because there was no room, and none to close for them."},
			figure(func() float64 { return float64(c.refused) })),
	)
}

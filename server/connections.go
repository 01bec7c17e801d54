package server

import (
	"cmp"
	"container/list"
	"context"
	"maps"
	"net"
	"net/http"
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
//  1. the connection that has been idle longest
//  2. the connection that has been sending its request longest, for more than a second
//  3. connections whose clients haven't taken any of their answer for more than two seconds
//  4. a connection whose answer has taken more than a second, of the client that has most
//     connections, where it has more than an eighth of all, and more than twice as many as
//     the client of the new one
//
// So one client can't keep others out by requests that wait, such as for an origin that
// never answers. Where none is closed, the new connection is answered 503.
//
// It is safe for concurrent use. Its fields must not change after the first use.
type Connections struct {
	Most    int                   // open connections; 0 is no bound
	Metrics prometheus.Registerer // nil registers nothing

	mu       sync.Mutex // guards all fields below, and those of the connections
	all      map[*connection]struct{}
	clients  map[string]*list.List // of *connection, the oldest first
	idle     list.List             // of *connection that wait for a request, the longest first
	arriving list.List             // of *connection whose request isn't complete, the longest first
	searchAt time.Time             // after a search for stalled connections without a result, the time of the next
	closed   int64                 // connections that were closed for others
	refused  int64
}

// A connection is in one of the lists. While its request is answered it is in none.
type connection struct {
	net.Conn
	took atomic.Int64 // when the write that runs began, or last made progress, in Unix nanoseconds; 0 while none runs

	// Connections.mu guards the fields below.
	in    *list.List // the list that has the connection, or nil
	at    *list.Element
	since time.Time     // when it came to the list, or to none
	of    string        // the client: see limit.Client
	among *list.Element // in the list of its client
}

const (
	graceToArrive = time.Second // how long a request may arrive before its connection may be closed
	graceToAnswer = time.Second // how long a request may be answered before its connection may be closed
	writeStep     = 64 << 10    // bytes of one step of a write, which counts as progress
)

// Write writes in steps, and records when each step begins.
func (k *connection) Write(b []byte) (n int, err error) {
	defer k.took.Store(0)
	for {
		k.took.Store(time.Now().UnixNano())
		m, err := k.Conn.Write(b[n:min(len(b), n+writeStep)])
		n += m
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// CloseWrite is for net/http, which calls it so that clients can read an answer to its end.
func (k *connection) CloseWrite() error {
	if half, ok := k.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Waited implements delivery.Conn.
func (k *connection) Waited(now time.Time) time.Duration {
	if took := k.took.Load(); took != 0 {
		return now.Sub(time.Unix(0, took))
	}
	return 0
}

// Cut implements delivery.Conn.
func (k *connection) Cut() {
	if tcp, ok := k.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // after an error, Close still closes the connection
	}
	_ = k.Close()
}

type connectionKey struct{}

// Guard returns a listener that accepts connections within the bound, for s to serve. It
// also sets hooks of s. Call it once, before s serves.
func (c *Connections) Guard(s *http.Server, l net.Listener) net.Listener {
	if c == nil || c.Most == 0 {
		return l
	}
	c.all, c.clients = map[*connection]struct{}{}, map[string]*list.List{}
	c.register()
	handler := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.mu.Lock()
			k.move(nil)
			c.mu.Unlock()
		}
		handler.ServeHTTP(w, r)
	})
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, conn)
	}
	s.ConnState = c.changed
	return &guardedListener{l, c, make(chan struct{}, 64)}
}

// changed moves a connection to the list of its new state.
func (c *Connections) changed(conn net.Conn, state http.ConnState) {
	k := conn.(*connection)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.all[k]; !known {
		return // it has been closed for another
	}
	switch state {
	case http.StateActive:
		k.move(&c.arriving)
	case http.StateIdle:
		k.move(&c.idle)
	case http.StateClosed, http.StateHijacked:
		c.remove(k)
	}
}

// add counts a connection among all and those of its client. The caller holds mu.
func (c *Connections) add(k *connection) {
	c.all[k] = struct{}{}
	mine := c.clients[k.of]
	if mine == nil {
		mine = list.New()
		c.clients[k.of] = mine
	}
	k.among = mine.PushBack(k)
}

// remove undoes add, and takes the connection out of its list. The caller holds mu.
func (c *Connections) remove(k *connection) {
	k.move(nil)
	delete(c.all, k)
	if mine := c.clients[k.of]; mine != nil {
		mine.Remove(k.among)
		if mine.Len() == 0 {
			delete(c.clients, k.of)
		}
	}
}

// greedy returns the oldest connection whose request has been answered for more than a
// second, of the client that has most, if that client has to give way to another one. The
// caller holds mu.
func (c *Connections) greedy(newcomer string) []*connection {
	var most *list.List
	for _, l := range c.clients {
		if most == nil || l.Len() > most.Len() {
			most = l
		}
	}
	has := 0
	if mine := c.clients[newcomer]; mine != nil {
		has = mine.Len()
	}
	if most == nil || most.Len() <= c.Most/8 || most.Len() <= 2*(has+1) {
		return nil
	}
	for e := most.Front(); e != nil; e = e.Next() {
		if k := e.Value.(*connection); k.in == nil && time.Since(k.since) > graceToAnswer {
			return []*connection{k}
		}
	}
	return nil
}

// clientOf returns what the other end of a connection is counted under.
func clientOf(conn net.Conn) string {
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		return "" // such as of a pipe
	}
	return limit.Client(host)
}

// move puts the connection at the end of a list. The caller holds Connections.mu.
func (k *connection) move(to *list.List) {
	if k.in != nil {
		k.in.Remove(k.at)
	}
	k.since = time.Now()
	if k.in = to; to != nil {
		k.at = to.PushBack(k)
	}
}

// admit adds a connection, and closes others where it must. It returns nil where there is no
// room.
func (c *Connections) admit(conn net.Conn) *connection {
	k := &connection{Conn: conn, of: clientOf(conn)}
	c.mu.Lock()
	var give []*connection
	if len(c.all) >= c.Most {
		if first := c.idle.Front(); first != nil {
			give = []*connection{first.Value.(*connection)}
		} else if first := c.arriving.Front(); first != nil && time.Since(first.Value.(*connection).since) > graceToArrive {
			give = []*connection{first.Value.(*connection)}
		} else if give = c.stalled(); len(give) == 0 {
			give = c.greedy(k.of)
		}
		if len(give) == 0 {
			c.refused++
			c.mu.Unlock()
			return nil
		}
	}
	for _, other := range give {
		c.closed++
		c.remove(other)
	}
	c.add(k)
	k.move(&c.arriving)
	c.mu.Unlock()
	for _, other := range give {
		other.Cut()
	}
	return k
}

// stalled returns the connections whose clients haven't taken any of their answers for the
// longest time. It returns several at once, since it has to look at all connections. The
// caller holds mu.
func (c *Connections) stalled() []*connection {
	now := time.Now()
	if now.Before(c.searchAt) {
		return nil
	}
	waited := map[*connection]time.Duration{}
	for k := range c.all {
		if w := k.Waited(now); w > delivery.GraceToTake {
			waited[k] = w
		}
	}
	if len(waited) == 0 {
		c.searchAt = now.Add(100 * time.Millisecond)
	}
	all := slices.SortedFunc(maps.Keys(waited), func(a, b *connection) int { return cmp.Compare(waited[b], waited[a]) })
	return all[:min(len(all), 1+c.Most/64)]
}

// A guardedListener accepts connections within the bound of Connections.
type guardedListener struct {
	net.Listener
	connections *Connections
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
			figure(func() float64 { return float64(len(c.all)) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_connections_limit", Help: "Connections of clients that may be open at the same time."},
			func() float64 { return float64(c.Most) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_closed_total", Help: "Connections closed to make room for others: idle ones, those of clients that are slow to send a request or to take an answer, and those of a client that has most of them."},
			figure(func() float64 { return float64(c.closed) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_refused_total", Help: "Connections refused because all others were being answered."},
			figure(func() float64 { return float64(c.refused) })),
	)
}

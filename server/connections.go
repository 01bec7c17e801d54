package server

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Connections bounds the connections of clients, each of which takes memory, as long as
// it is open. One too many takes the place of the one that has been idle longest, or else
// of the one that has been sending its request longest, for more than a second. Where
// all others are being answered, it is answered 503 itself.
//
// It is safe for concurrent use. Its fields are not changed once it is in use.
type Connections struct {
	Most    int                   // at a time; 0 is any number
	Metrics prometheus.Registerer // nil registers nothing

	mu       sync.Mutex // guards all below, and what it leads to
	all      map[net.Conn]*connection
	idle     list.List // of *connection: between requests, the one that has been for longest first
	arriving list.List // whose request hasn't come whole, …
	closed   int64     // for others
	refused  int64
}

// A connection is in one of the lists, or in none while its request is answered.
type connection struct {
	of    *Connections
	conn  net.Conn
	in    *list.List // that it is in; nil is none
	at    *list.Element
	since time.Time
}

// graceToArrive is how long a request may take to arrive before its connection gives way.
const graceToArrive = time.Second

type connectionKey struct{}

// Guard has a server take no more connections from the listener, which it returns
// guarded. It is called once, before the server serves.
func (c *Connections) Guard(s *http.Server, l net.Listener) net.Listener {
	if c == nil || c.Most == 0 {
		return l
	}
	c.all = map[net.Conn]*connection{}
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
		c.mu.Lock()
		defer c.mu.Unlock()
		return context.WithValue(ctx, connectionKey{}, c.all[conn])
	}
	s.ConnState = c.changed
	return &guardedListener{l, c, make(chan struct{}, 64)}
}

// changed follows a connection.
func (c *Connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.all[conn]
	if k == nil {
		return // its place has been given away
	}
	switch state {
	case http.StateActive:
		k.move(&c.arriving)
	case http.StateIdle:
		k.move(&c.idle)
	case http.StateClosed, http.StateHijacked:
		k.move(nil)
		delete(c.all, conn)
	}
}

// move puts the connection at the end of a list. The caller holds Connections.mu.
func (k *connection) move(to *list.List) {
	if k.in != nil {
		k.in.Remove(k.at)
	}
	if k.in = to; to != nil {
		k.since = time.Now()
		k.at = to.PushBack(k)
	}
}

// admit makes room for a connection, and reports whether there is any.
func (c *Connections) admit(conn net.Conn) bool {
	c.mu.Lock()
	var gives *connection
	if len(c.all) >= c.Most {
		if first := c.idle.Front(); first != nil {
			gives = first.Value.(*connection)
		} else if first := c.arriving.Front(); first != nil && time.Since(first.Value.(*connection).since) > graceToArrive {
			gives = first.Value.(*connection)
		}
		if gives == nil {
			c.refused++
			c.mu.Unlock()
			return false
		}
		c.closed++
		gives.move(nil)
		delete(c.all, gives.conn)
	}
	k := &connection{of: c, conn: conn}
	c.all[conn] = k
	k.move(&c.arriving)
	c.mu.Unlock()
	if gives != nil {
		_ = gives.conn.Close()
	}
	return true
}

// A guardedListener accepts what there is room for.
type guardedListener struct {
	net.Listener
	connections *Connections
	refusing    chan struct{} // those at a time; more are closed without a word
}

func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.connections.admit(conn) {
			return conn, err
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

// refuse answers a connection that there is no room for. What it has sent is read for a
// moment, since a connection that is closed with something unread is reset, and the
// answer lost.
func refuse(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond)) // of a connection that is open
	if _, err := conn.Write(tooManyConnections); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // what fails here fails below
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
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_connections_limit", Help: "Connections of clients that may be open at a time."},
			func() float64 { return float64(c.Most) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_closed_total", Help: "Connections closed, idle or slow to send their request, to make room for others."},
			figure(func() float64 { return float64(c.closed) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "tintype_connections_refused_total", Help: "Connections refused since all others were being answered."},
			figure(func() float64 { return float64(c.refused) })),
	)
}

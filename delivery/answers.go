package delivery

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/limit"
)

// A Conn is the connection of a client. It is safe for concurrent use.
type Conn interface {
	// Waited returns for how long the client has read less than 64 KiB of its answer. It is
	// 0 if no answer is being written.
	Waited(now time.Time) time.Duration
	// Cut closes the connection, and drops the bytes that the system holds for the client.
	Cut()
}

// A Gatherer is a [Conn] that can send the parts of an answer together. Between Gather and Send,
// small writes wait for the next one. Both may be called more often than needed.
type Gatherer interface {
	Gather()
	Send()
	// Head has lines of the head of an answer, each with its CRLF, sent behind the status line
	// that is written next. It returns false where they don't fit; the caller may use the bytes
	// again. It is for connections of HTTP/1 without TLS.
	Head(lines []byte) bool
	// SendsFiles reports whether the connection is an [io.ReaderFrom] that sends a [FilePart]
	// from its file, so that nothing of it comes into memory.
	SendsFiles() bool
}

// GraceToTake is the time in which a client must read 64 KiB of its answer. A client that
// needs longer is slow: its answer is cut off if memory or connections are short.
const GraceToTake = 2 * time.Second

// Answers bound the memory of bodies that clients are still reading. A body counts once, for
// the client that requested it first. While there is room, clients may read as slowly as
// they like. If there is no room for another body, answers are cut off in this order:
//
//  1. those of slow clients ([GraceToTake]): first the client with the most bytes, and of
//     its answers the one that has waited longest
//  2. those of clients that keep at least as many bytes as the new one gets, or that have
//     more than twice as many
//
// If that isn't enough, the new answer is refused. Bodies of up to smallAnswer bytes don't
// count, since the number of connections is bounded, nor do those that are sent from files. Answers
// are safe for concurrent use.
type Answers struct {
	limit int64 // bytes; 0 is no bound
	ended *prometheus.CounterVec

	mu      sync.Mutex // guards all fields below, and the bodies and answers in them
	used    int64
	peak    int64 // most bytes used at a time
	bodies  map[*byte]*heldBody
	clients map[string]int64 // bytes that count to a client
	all     map[*answer]struct{}
}

const smallAnswer = 16 << 10

// A heldBody is a body that answers share.
type heldBody struct {
	size         int64
	answers, cut int // number of answers with this body, and how many of these were cut off
}

// An answer is a body on its way to one client.
type answer struct {
	body   *heldBody
	key    *byte
	client string
	pays   int64 // bytes that count to this client
	conn   Conn  // nil if unknown: the answer can't be cut off
	cut    bool
	waited time.Duration // last result of Conn.Waited
}

// Reasons why answers end.
const (
	endedSlow    = "slow"
	endedRoom    = "room"
	endedRefused = "refused"
)

var errCutOff = errors.New("cut off to make room for other clients: this one read too slowly, or held most of the memory for answers")

// NewAnswers returns the answers of a server. limit is in bytes; 0 is no bound. With a nil r
// there are no metrics.
func NewAnswers(limit int64, r prometheus.Registerer) *Answers {
	s := &Answers{
		limit: limit, bodies: map[*byte]*heldBody{}, clients: map[string]int64{}, all: map[*answer]struct{}{},
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tintype_answers_ended_total", Help: "Answers that were refused or cut off for lack of memory, by reason: slow (the client read less than 64 KiB in two seconds), room (the client held most), refused.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{endedSlow, endedRoom, endedRefused} {
		s.ended.WithLabelValues(reason)
	}
	if r == nil {
		return s
	}
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tintype_answers_" + name, Help: help}, func() float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return read()
		})
	}
	r.MustRegister(s.ended,
		gauge("bytes", "Bytes of bodies over 16 KiB that clients are reading.", func() float64 { return float64(s.used) }),
		gauge("limit_bytes", "Maximum of these bytes; 0 is no limit.", func() float64 { return float64(s.limit) }),
		gauge("peak_bytes", "Peak of these bytes since the start.", func() float64 { return float64(s.peak) }),
		gauge("held", "Answers with such bodies.", func() float64 { return float64(len(s.all)) }),
	)
	return s
}

// begin counts a body until end is called. The answer is nil if the body doesn't count.
func (s *Answers) begin(w *Response, body []byte) (*answer, error) {
	size := int64(cap(body))
	if size <= smallAnswer {
		return nil, nil
	}
	a := &answer{key: &body[:1][0], client: limit.Client(w.Log.Client), conn: w.Conn}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.body = s.bodies[a.key]
	if a.body == nil {
		if !s.take(a.client, size) {
			return nil, cache.ErrNoRoom
		}
		a.body, a.pays = &heldBody{size: size}, size
		s.bodies[a.key] = a.body
	}
	a.body.answers++
	s.all[a] = struct{}{}
	return a, nil
}

// Reserve counts bytes that will be read for a client's answer. ok is false if there is no
// room for them. Otherwise call release after reading them.
func (s *Answers) Reserve(client string, bytes int64) (release func(), ok bool) {
	client = limit.Client(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.take(client, bytes) {
		return nil, false
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count(client, -bytes)
	}, true
}

// take counts bytes to a client if there is room, or can be made. The caller holds mu.
func (s *Answers) take(client string, bytes int64) bool {
	if s.limit > 0 && s.used+bytes > s.limit && !s.makeRoom(client, bytes) {
		s.ended.WithLabelValues(endedRefused).Inc()
		return false
	}
	s.count(client, bytes)
	return true
}

// count adds bytes to those in use, and charges them to a client. The caller holds mu.
func (s *Answers) count(client string, bytes int64) {
	s.used += bytes
	s.peak = max(s.peak, s.used)
	s.charge(client, bytes)
}

func (s *Answers) charge(client string, bytes int64) {
	if s.clients[client] += bytes; s.clients[client] == 0 {
		delete(s.clients, client)
	}
}

// end gives the body back, and reports whether the answer was cut off.
func (s *Answers) end(a *answer) (cut bool) {
	if a == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, a)
	s.charge(a.client, -a.pays)
	if a.cut {
		a.body.cut--
	}
	if a.body.answers--; a.body.answers == 0 {
		delete(s.bodies, a.key)
		s.used -= a.body.size
	}
	return a.cut
}

// makeRoom cuts answers off until their bytes leave room for a body of a client, and reports
// whether they do. The caller holds mu.
func (s *Answers) makeRoom(client string, size int64) bool {
	now := time.Now()
	mine := s.clients[client] + size
	used := s.used + size // without bodies that only answers have that were cut off
	for _, b := range s.bodies {
		if b.cut == b.answers {
			used -= b.size
		}
	}
	var slow, quick []*answer
	for a := range s.all {
		if a.cut || a.conn == nil {
			continue
		}
		if a.waited = a.conn.Waited(now); a.waited >= GraceToTake {
			slow = append(slow, a)
		} else if s.clients[a.client] > mine {
			quick = append(quick, a)
		}
	}
	byWeight := func(a, b *answer) int {
		return cmp.Or(cmp.Compare(s.clients[b.client], s.clients[a.client]), cmp.Compare(a.client, b.client), cmp.Compare(b.waited, a.waited))
	}
	if used > s.limit {
		slices.SortFunc(slow, byWeight)
		for _, a := range slow {
			if used <= s.limit-s.limit/8 { // more than needed, since a search is expensive
				break
			}
			used -= s.cutOff(a, endedSlow)
		}
	}
	if used > s.limit {
		slices.SortFunc(quick, byWeight)
		given := map[string]int64{}
		for _, a := range quick {
			if used <= s.limit {
				break
			}
			if holds := s.clients[a.client] - given[a.client]; holds-a.pays >= mine || holds > 2*mine {
				given[a.client] += a.pays
				used -= s.cutOff(a, endedRoom)
			}
		}
	}
	if used == size {
		return true // a single body may be larger than the limit
	}
	// Answers that were cut off keep their bodies until their goroutines run.
	return used <= s.limit && s.used+size <= 2*s.limit
}

// cutOff closes the connection of an answer, and returns how many bytes that will free.
// The caller holds mu.
func (s *Answers) cutOff(a *answer, reason string) int64 {
	s.ended.WithLabelValues(reason).Inc()
	a.cut = true
	a.conn.Cut()
	if a.body.cut++; a.body.cut < a.body.answers {
		return 0
	}
	return a.body.size
}

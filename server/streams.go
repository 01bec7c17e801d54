package server

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/delivery"
)

var _ delivery.Conn = (*stream)(nil)

// A stream is one answer of many over a connection of HTTP/2 or HTTP/3. The client says how much of
// each it takes, so one of them can stall while the connection doesn't.
type stream struct {
	http.ResponseWriter
	of      *connection
	release func()
	took    atomic.Int64 // as in connection
	pace    pace

	mu   sync.Mutex
	over bool // the answer is complete: its ResponseWriter must not be used any more
}

// stream returns the answer that w writes over k. Call end when it is complete. The result is
// nil where too many are under way.
func (k *connection) stream(w http.ResponseWriter) *stream {
	release := k.bound.admitStream(k)
	if release == nil {
		return nil
	}
	s := &stream{ResponseWriter: w, of: k, release: release}
	k.streamsMu.Lock()
	defer k.streamsMu.Unlock()
	if k.streams == nil {
		k.streams = map[*stream]struct{}{}
	}
	k.streams[s] = struct{}{}
	return s
}

func (s *stream) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.of.streamsMu.Lock()
	delete(s.of.streams, s)
	s.of.streamsMu.Unlock()
	s.release()
}

// Write writes in steps, and records when each step begins.
func (s *stream) Write(b []byte) (n int, err error) {
	return s.pace.write(len(b), &s.took, func(from, to int) (int, error) { return s.ResponseWriter.Write(b[from:to]) })
}

// Unwrap is for [http.ResponseController].
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Waited implements delivery.Conn.
func (s *stream) Waited(now time.Time) time.Duration { return waited(&s.took, now) }

// Cut implements delivery.Conn. Other answers of the connection go on, unless the client
// takes nothing at all: then the stream couldn't be ended either.
func (s *stream) Cut() {
	if waited(&s.of.took, time.Now()) > delivery.GraceToTake {
		s.of.Cut()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	// A deadline in the past resets the stream.
	if err := http.NewResponseController(s.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)); err != nil {
		s.of.Cut()
	}
}

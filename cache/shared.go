package cache

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
)

// Shared runs a function once for all callers that want the same key at the same time, and
// gives them the same value. Later callers get that value too, until the last caller has
// released it. The zero value is ready for use. Shared is safe for concurrent use, and must
// not be copied.
type Shared[K comparable, V any] struct {
	// Drop is called with each value after the last caller has released it. It may be nil.
	Drop func(V)

	mu   sync.Mutex // guards runs, and the fields refs and ended of each run
	runs map[K]*run[K, V]
}

// A run is one call of a function, and its value afterwards.
type run[K comparable, V any] struct {
	key    K
	refs   int // callers that wait for the value or hold it
	ended  bool
	cancel context.CancelFunc
	done   chan struct{} // closed when value and err are set
	value  V
	err    error
}

// A Hold is one caller's share of a value.
type Hold[V any] struct {
	Value V
	// Joined says that another caller began the run.
	Joined bool

	release func()
}

// Release gives up the value. The caller must call it. Further calls do nothing.
func (h *Hold[V]) Release() { h.release() }

// PanicError is the error of a function that panicked. Clients may see its text. Value and
// Stack are for the log.
type PanicError struct {
	Value any
	Stack []byte
}

func (*PanicError) Error() string { return "internal fault" }

var errGoexit = errors.New("function ended its goroutine")

// Do returns the value of fn for key. It calls fn, or joins a run of the key that another
// caller has begun and whose value isn't released yet. The caller must release the Hold.
//
// When ctx ends first, Do returns its error at once. The run goes on while another caller
// waits for it. Its context has the values of the first caller's context, and ends when the
// last caller has gone. The next caller then begins a new run.
//
// All callers of a run get the error of fn, which isn't kept. A panic in fn becomes a
// [PanicError].
func (s *Shared[K, V]) Do(ctx context.Context, key K, fn func(context.Context) (V, error)) (*Hold[V], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	r, joined := s.runs[key]
	if joined {
		r.refs++
	} else {
		r = &run[K, V]{key: key, refs: 1, done: make(chan struct{})}
		runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r.cancel = cancel
		if s.runs == nil {
			s.runs = make(map[K]*run[K, V])
		}
		s.runs[key] = r
		go s.run(runCtx, r, fn)
	}
	s.mu.Unlock()

	select {
	case <-r.done:
	case <-ctx.Done():
		s.leave(r)
		return nil, ctx.Err()
	}
	if r.err != nil {
		s.leave(r)
		return nil, r.err
	}
	return &Hold[V]{Value: r.value, Joined: joined, release: sync.OnceFunc(func() { s.leave(r) })}, nil
}

func (s *Shared[K, V]) run(ctx context.Context, r *run[K, V], fn func(context.Context) (V, error)) {
	r.err = errGoexit // unless fn returns or panics
	defer func() {
		if p := recover(); p != nil {
			r.err = &PanicError{Value: p, Stack: debug.Stack()}
		}
		r.cancel()
		s.mu.Lock()
		r.ended = true
		if r.err != nil {
			s.forget(r)
		}
		unheld := r.refs == 0
		s.mu.Unlock()
		close(r.done)
		if unheld {
			s.drop(r)
		}
	}()
	r.value, r.err = fn(ctx)
}

// leave gives up one caller's share of a run.
func (s *Shared[K, V]) leave(r *run[K, V]) {
	s.mu.Lock()
	r.refs--
	unheld := r.refs == 0
	if unheld {
		s.forget(r)
		r.cancel()
	}
	unheld = unheld && r.ended
	s.mu.Unlock()
	if unheld {
		s.drop(r)
	}
}

// drop calls Drop with the value of a run that has ended, if it has one.
func (s *Shared[K, V]) drop(r *run[K, V]) {
	if s.Drop != nil && r.err == nil {
		s.Drop(r.value)
	}
}

// forget removes the run, so that nobody can join it. The caller holds mu.
func (s *Shared[K, V]) forget(r *run[K, V]) {
	if s.runs[r.key] == r {
		delete(s.runs, r.key)
	}
}

package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A gate lets so many through at a time and so many wait; the rest is refused at
// once.
type gate struct {
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newGate(slots, queue int) *gate {
	return &gate{slots: make(chan struct{}, max(slots, 1)), queue: int64(queue)}
}

var errBusy = &Error{Code: "OVERLOADED", Message: "the server is busy; try again in a second", RetryAfter: 1}

// enter waits for a place. It returns the call that gives it back.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.slots }
	select {
	case g.slots <- struct{}{}:
		return leave, nil
	default:
	}
	if g.waiting.Add(1) > g.queue {
		g.waiting.Add(-1)
		return nil, errBusy
	}
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Fetches at a time: an origin that stalls holds up nobody but its own workspace,
// and no workspace all of them.
const (
	fetchesAtOnce    = 512
	fetchesPerOrigin = 32 // of one workspace from one host
	fetchQueue       = 4096
)

// fetchGate admits fetches over the network: so many in all, so many from one
// origin. Waiting counts as part of the fetch.
type fetchGate struct {
	all     *gate
	mu      sync.Mutex // guards origins and the users of each
	origins map[string]*originGate
}

type originGate struct {
	*gate
	users int
}

func newFetchGate() *fetchGate {
	return &fetchGate{all: newGate(fetchesAtOnce, fetchQueue), origins: map[string]*originGate{}}
}

// enter waits, for as long as a fetch may take, for a place among those from the
// origin and among all.
func (f *fetchGate) enter(ctx context.Context, origin string, timeout time.Duration) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	g := f.use(origin)
	leaveOrigin, err := g.enter(waiting)
	if err == nil {
		var leaveAll func()
		if leaveAll, err = f.all.enter(waiting); err == nil {
			return func() { leaveAll(); leaveOrigin(); f.done(origin) }, nil
		}
		leaveOrigin()
	}
	f.done(origin)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, errBusy
	}
	return nil, err
}

func (f *fetchGate) use(origin string) *originGate {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.origins[origin]
	if g == nil {
		g = &originGate{gate: newGate(fetchesPerOrigin, fetchQueue)}
		f.origins[origin] = g
	}
	g.users++
	return g
}

func (f *fetchGate) done(origin string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.origins[origin]; g != nil {
		if g.users--; g.users == 0 {
			delete(f.origins, origin)
		}
	}
}

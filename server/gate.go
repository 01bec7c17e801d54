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
	fetchesAtOnce       = 512
	fetchesPerWorkspace = 128
	fetchesPerOrigin    = 32 // of one workspace from one host
	fetchQueue          = 4096
)

// fetchGate admits fetches over the network: so many in all, so many of one
// workspace, so many of that from one origin. Waiting counts as part of the fetch.
type fetchGate struct {
	all    *gate
	mu     sync.Mutex // guards shared and the users of each
	shared map[string]*sharedGate
}

// A sharedGate exists as long as somebody uses it.
type sharedGate struct {
	*gate
	users int
}

func newFetchGate() *fetchGate {
	return &fetchGate{all: newGate(fetchesAtOnce, fetchQueue), shared: map[string]*sharedGate{}}
}

// enter waits, for as long as a fetch may take, for a place at the narrowest gate, then
// at the wider ones.
func (f *fetchGate) enter(ctx context.Context, workspace, host string, timeout time.Duration) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	origin := workspace + " " + host
	gates := []*gate{f.use(origin, fetchesPerOrigin), f.use(workspace, fetchesPerWorkspace), f.all}
	var left []func()
	leave = func() {
		for i := len(left) - 1; i >= 0; i-- {
			left[i]()
		}
		f.done(workspace)
		f.done(origin)
	}
	for _, g := range gates {
		leaveOne, err := g.enter(waiting)
		if err != nil {
			leave()
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				return nil, errBusy
			}
			return nil, err
		}
		left = append(left, leaveOne)
	}
	return leave, nil
}

func (f *fetchGate) use(name string, slots int) *gate {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.shared[name]
	if g == nil {
		g = &sharedGate{gate: newGate(slots, fetchQueue)}
		f.shared[name] = g
	}
	g.users++
	return g.gate
}

func (f *fetchGate) done(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.shared[name]; g != nil {
		if g.users--; g.users == 0 {
			delete(f.shared, name)
		}
	}
}

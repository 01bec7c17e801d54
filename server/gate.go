package server

import (
	"context"
	"sync/atomic"
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

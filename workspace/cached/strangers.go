package cached

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/limit"
)

// ErrTooManyUnknown refuses a client that has asked for too many names that don't exist.
var ErrTooManyUnknown = errors.New("too many names that don't exist were asked for from this address: try again in some seconds")

const (
	strangerBurst   = 100         // names that don't exist, of one client at once
	strangerRefill  = time.Second // until it may ask for one more
	strangerClients = 65536       // remembered
	strangerReads   = 64          // of the store at a time; others wait
	strangerCopies  = 4           // reads of copies on the disk at a time
	strangerWaiting = 1024        // of them at most, of one kind, which a store that works reads within 200 ms
	strangerFull    = strangerBurst * strangerRefill
)

// Strangers bounds what made-up names cost the store. A request for a name that isn't in
// memory makes a server read the store, and anybody can make up names. So each client
// address, or network of IPv6 (see [limit.Clients]), has a budget of 100 names that don't exist,
// and gets one back every second. All clients together have 64 reads at a time. Names that exist cost nothing.
// Strangers is safe for concurrent use. A nil Strangers bounds nothing.
type Strangers struct {
	client func(context.Context) string
	names  limit.Clients
	now    func() time.Time
	slots  chan struct{} // reads of the store
	copies chan struct{} // reads of copies

	mu sync.Mutex // guards spent and what is in it
	// spent has, by client, the time when a client's budget is full again.
	spent *lru.Cache[string, time.Time]

	refused int64 // guarded by mu
}

// NewStrangers returns a Strangers. client returns the address of the client whose request a
// context belongs to, or "" where there is no request: such look-ups aren't bounded. A nil
// now is time.Now.
func NewStrangers(client func(context.Context) string, now func() time.Time) *Strangers {
	if now == nil {
		now = time.Now
	}
	spent, err := lru.New[string, time.Time](strangerClients)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	return &Strangers{client: client, now: now, slots: make(chan struct{}, strangerReads), copies: make(chan struct{}, strangerCopies), spent: spent}
}

// Refused is how often ErrTooManyUnknown was answered.
func (g *Strangers) Refused() int64 {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// Begin asks whether the client of ctx may have a name looked up. If it may, call done: with
// true if the name exists or the look-up failed. The error is ErrTooManyUnknown.
func (g *Strangers) Begin(ctx context.Context) (done func(exists bool), err error) {
	free := func(bool) {}
	if g == nil {
		return free, nil
	}
	address := g.client(ctx)
	if _, err := netip.ParseAddr(address); err != nil {
		return free, nil // there is no request
	}
	client := g.names.Name(address)
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	full, _ := g.spent.Get(client)
	if full.Before(now) {
		full = now
	}
	if full = full.Add(strangerRefill); full.Sub(now) > strangerFull {
		g.refused++
		return nil, ErrTooManyUnknown
	}
	g.spent.Add(client, full)
	return func(exists bool) {
		if !exists {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if full, ok := g.spent.Peek(client); ok {
			g.spent.Add(client, full.Add(-strangerRefill))
		}
	}, nil
}

// Slot waits until fewer than 64 reads of unknown names run.
func (g *Strangers) Slot(ctx context.Context) (release func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// copySlot takes a slot for reading a copy of a name that isn't looked up in the store. It
// fails where all are taken, since the disk has other work too.
func (g *Strangers) copySlot() (release func(), ok bool) {
	if g == nil {
		return nil, false
	}
	select {
	case g.copies <- struct{}{}:
		return func() { <-g.copies }, true
	default:
		return nil, false
	}
}

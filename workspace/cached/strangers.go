package cached

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// ErrTooManyUnknown refuses a client that has asked for too many names that don't exist.
var ErrTooManyUnknown = errors.New("too many names that don't exist were asked for from this address: try again in some seconds")

const (
	strangerBurst   = 100         // names that don't exist, of one client at once
	strangerRefill  = time.Second // until it may ask for one more
	strangerClients = 65536       // remembered
	strangerReads   = 64          // of the store at a time; others wait
	strangerCopies  = 4           // reads of copies on the disk at a time
	strangerWaiting = 4096        // of them at most, of one kind
	strangerFull    = strangerBurst * strangerRefill
)

// Strangers bounds what names that nobody has heard of cost the store. Who asks for a name
// that isn't in memory makes a server read the store, and names can be made up without
// end. So each client address, of IPv6 each /64, has a budget of 100 names that turn out
// not to exist, and gets one back every second; and all of them together have 64 reads of
// the store at a time. Names that exist cost nothing. It is safe for concurrent use; nil
// bounds nothing.
type Strangers struct {
	client func(context.Context) string
	now    func() time.Time
	slots  chan struct{} // reads of the store
	copies chan struct{} // reads of copies

	mu sync.Mutex // guards spent and what is in it
	// spent is when the budget of a client is full again, by address.
	spent *lru.Cache[netip.Addr, time.Time]

	refused int64 // guarded by mu
}

// NewStrangers returns a Strangers. client is the address of who sends the request that a
// context belongs to; what no request asks for has none, and isn't bounded. A nil now is
// time.Now.
func NewStrangers(client func(context.Context) string, now func() time.Time) *Strangers {
	if now == nil {
		now = time.Now
	}
	spent, err := lru.New[netip.Addr, time.Time](strangerClients)
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

// Begin asks whether the client of ctx may have a name looked up. done is to be called
// with whether the name exists, or isn't known not to. The error is ErrTooManyUnknown.
func (g *Strangers) Begin(ctx context.Context) (done func(exists bool), err error) {
	free := func(bool) {}
	if g == nil {
		return free, nil
	}
	addr, err := netip.ParseAddr(g.client(ctx))
	if err != nil {
		return free, nil // nobody's request
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		p, err := addr.Prefix(64)
		if err != nil {
			return free, nil
		}
		addr = p.Addr()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	full, _ := g.spent.Get(addr)
	if full.Before(now) {
		full = now
	}
	if full = full.Add(strangerRefill); full.Sub(now) > strangerFull {
		g.refused++
		return nil, ErrTooManyUnknown
	}
	g.spent.Add(addr, full)
	return func(exists bool) {
		if !exists {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if full, ok := g.spent.Peek(addr); ok {
			g.spent.Add(addr, full.Add(-strangerRefill))
		}
	}, nil
}

// Slot waits for a place among the reads of the store for names that aren't known.
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

// copySlot takes a place among the reads of copies for names that the store isn't asked
// for, unless all are taken: the disk has other work too.
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

package limit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// A Limit is how often something may be done in a window.
type Limit struct {
	Key    string // what is limited, such as "acme-id/transforms"; 1 to 512 bytes, unique
	Window Window
	Max    int64 // in one window, on all servers together; 0 or less is nothing
	Warn   int64 // [Config.Warn] is told when so many have been taken; 0 is never
}

// Config is how a [Limiter] is set up. Zero fields have defaults.
type Config struct {
	// Leases is where servers that share limits get their tokens. Nil is nowhere:
	// this one counts alone, by its own clock.
	Leases Leases
	// Size is for how many limits there is room; those that were asked for longest ago
	// are forgotten. 0 is 65,536.
	Size int
	// Warn is told once in a window that a limit's Warn is reached. It must not wait.
	// Nil is nobody.
	Warn func(l Limit, used int64)
	Log  *slog.Logger     // nil is slog.Default
	Now  func() time.Time // nil is time.Now; only how much later one time is than another counts
}

const (
	// A lease is a share of what is left, so that little lies idle with servers that
	// don't need it, and little is left to be asked for one by one at the end.
	leaseShare = 16
	mostLeased = 1000

	leaseTimeout = time.Second      // of asking the store
	cooldown     = 5 * time.Second  // without asking a store that failed
	spentFor     = time.Second      // without asking for what has been used up
	idleAfter    = 10 * time.Second // tokens of long windows are given back
	reportEvery  = time.Minute      // between log lines about a store that fails
)

// A Limiter says whether something may be done now. It is safe for concurrent use.
//
// With Leases, all servers together never let through more than Max in a window, and
// one server alone lets through exactly Max. What other servers hold and don't need,
// a sixteenth of what was left each at most, is refused too early; of windows longer
// than a minute it comes back after ten seconds, while Run runs.
//
// While the store fails, each server counts alone: it lets through what was left of
// the limit when it last heard of it, and all of it in a window that it has never
// heard of. So n servers let through at most n times what was left. What a server let
// through in this time is counted in the store as soon as that answers again.
//
// Windows are the store's, and their end is told apart by how much time has passed
// since: a clock that is wrong, or is set right, moves none.
type Limiter struct {
	leases Leases
	warn   func(Limit, int64)
	log    *slog.Logger
	now    func() time.Time

	buckets *lru.Cache[string, *bucket]

	mu       sync.Mutex // guards making buckets, and what is below
	reported time.Time
}

// New returns a Limiter.
func New(c Config) *Limiter {
	if c.Size <= 0 {
		c.Size = 1 << 16
	}
	if c.Warn == nil {
		c.Warn = func(Limit, int64) {}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	buckets, err := lru.New[string, *bucket](c.Size)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	return &Limiter{leases: c.Leases, warn: c.Warn, log: c.Log, now: c.Now, buckets: buckets}
}

// A Decision is the answer to [Limiter.Take]: of the limit that refuses, else of the
// one of which least is left.
type Decision struct {
	OK        bool
	Limit     Limit
	Remaining int64         // how often more, as far as this server knows
	Reset     time.Duration // until the window ends; more than 0

	taken []taken
}

// taken is one token of a bucket's window.
type taken struct {
	*bucket
	ends time.Time
}

// Undo gives back what was taken, since what it was for was not done.
func (d Decision) Undo() {
	for _, t := range d.taken {
		t.undo(t.ends)
	}
}

// Take takes one token of each limit, or of none: then OK is false. Without limits it
// is OK. The error is that of ctx.
func (l *Limiter) Take(ctx context.Context, limits ...Limit) (Decision, error) {
	least := Decision{OK: true}
	var all []taken
	for i, lim := range limits {
		d, err := l.bucket(lim).take(ctx, l, lim)
		all = append(all, d.taken...)
		if err != nil || !d.OK {
			Decision{taken: all}.Undo()
			return d, err
		}
		if i == 0 || d.Remaining < least.Remaining {
			least = d
		}
	}
	least.taken = all
	return least, nil
}

func (l *Limiter) bucket(lim Limit) *bucket {
	if b, ok := l.buckets.Get(lim.Key); ok {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets.Get(lim.Key); ok {
		return b
	}
	b := &bucket{limit: lim}
	l.buckets.Add(lim.Key, b)
	return b
}

// Run gives back tokens that lie idle, until the context ends.
func (l *Limiter) Run(ctx context.Context) {
	tick := time.NewTicker(idleAfter / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.giveBack(ctx, idleAfter)
		case <-ctx.Done():
			return
		}
	}
}

// Close gives back all tokens that are left. Nothing may be taken after it.
func (l *Limiter) Close(ctx context.Context) error { return l.giveBack(ctx, 0) }

// giveBack gives back what has been idle for so long, of windows in which it pays.
func (l *Limiter) giveBack(ctx context.Context, idle time.Duration) error {
	if l.leases == nil {
		return nil
	}
	for _, b := range l.buckets.Values() {
		lim, g, n := b.takeIdle(l.now(), idle)
		if n == 0 {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, leaseTimeout)
		err := l.leases.Return(asking, Request{Key: lim.Key, Window: lim.Window, Max: lim.Max}, g, n)
		cancel()
		if err != nil { // they are lost to this window
			l.complain(err)
			return err
		}
	}
	return nil
}

// complain logs that the store fails, once in reportEvery.
func (l *Limiter) complain(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.reported.IsZero() || now.Sub(l.reported) >= reportEvery {
		l.reported = now
		l.log.Error("the store of limits fails; this server counts alone", "err", err)
	}
}

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
	Max    int64 // tokens of all servers together in one window; 0 or less allows nothing
	Warn   int64 // [Config.Warn] is called when this many have been taken; 0 is never
}

// Config has the settings of a [Limiter]. All fields may be zero.
type Config struct {
	// Leases hands out the tokens of limits that servers share. If it is nil, the Limiter
	// counts alone, by its own clock.
	Leases Leases
	// Size bounds the limits in memory. Those that were used longest ago are forgotten. 0 is
	// 65,536.
	Size int
	// Warn is called once in a window when a limit's Warn is reached. It must not block. It
	// may be nil.
	Warn func(l Limit, used int64)
	Log  *slog.Logger     // nil is slog.Default
	Now  func() time.Time // nil is time.Now; with Leases only differences of times count
}

const (
	// leaseShare is the part of the remaining tokens that a lease takes. A larger part would
	// leave more unused tokens with other servers. A smaller one would need more leases.
	leaseShare = 16
	mostLeased = 1000

	leaseTimeout = time.Second      // timeout of a lease
	cooldown     = 5 * time.Second  // pause after the store failed
	spentFor     = time.Second      // pause after a limit was used up
	idleAfter    = 10 * time.Second // after this, unused tokens of long windows are given back
	reportEvery  = time.Minute      // between log lines about a store that fails
)

// A Limiter reports whether something may be done now. It is safe for concurrent use.
//
// With Leases, all servers together never allow more than Max in a window. One server alone
// allows exactly Max. Several may allow less: each may hold unused tokens, a sixteenth of
// the remaining ones at most. In windows longer than a minute, Run gives them back after ten
// seconds.
//
// While the store fails, each server counts alone. It allows the tokens that were left when
// the store last answered, or all of Max in a window for which the store never answered. So
// n servers allow at most n times the tokens that were left. As soon as the store answers
// again, it counts the tokens that were spent meanwhile. Nobody waits for a store that has just
// failed: one request in five seconds asks it beside, for all limits.
//
// The store's clock decides on windows. A server only measures the time since the store's
// answer, so a wrong clock, or one that is set, moves no window.
type Limiter struct {
	leases Leases
	warn   func(Limit, int64)
	log    *slog.Logger
	now    func() time.Time

	buckets *lru.Cache[string, *bucket]
	breaker breaker

	mu       sync.Mutex // held while a bucket is made; guards reported
	reported time.Time
}

// New returns a Limiter. With Leases, call Run in a goroutine, and Close at the end.
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

// Alone reports whether the Limiter counts alone for now, since its store fails.
func (l *Limiter) Alone() bool { return l.leases != nil && l.breaker.open() }

// A Decision is the result of [Limiter.Take]. Its fields describe the limit that refuses, or
// else the limit with the fewest tokens left.
type Decision struct {
	OK        bool
	Limit     Limit
	Remaining int64         // tokens left, as far as this server knows
	Reset     time.Duration // time until the window ends; more than 0

	taken []taken
}

// taken is one token of a bucket's window.
type taken struct {
	*bucket
	ends time.Time
}

// Undo gives the tokens back. Call it where the action was not done.
func (d Decision) Undo() {
	for _, t := range d.taken {
		t.undo(t.ends)
	}
}

// Take takes one token of each limit. Where one limit has none left, Take takes no token at
// all, and OK is false. Without limits OK is true. The error is that of ctx.
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

// Peek returns what is left of each limit, as far as this server knows, and takes nothing. It asks
// no store: a limit that this server hasn't used in its window is left out, unless the server
// counts alone.
func (l *Limiter) Peek(limits ...Limit) (list []Decision) {
	for _, lim := range limits {
		b, ok := l.buckets.Peek(lim.Key)
		switch {
		case ok:
			if d, ok := b.peek(lim, l.now(), l.leases == nil); ok {
				list = append(list, d)
			}
		case l.leases == nil:
			now := l.now()
			_, end := lim.Window.Bounds(now)
			list = append(list, Decision{OK: lim.Max > 0, Limit: lim, Remaining: max(0, lim.Max), Reset: end.Sub(now)})
		}
	}
	return list
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

// Run gives unused tokens back, until the context ends.
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

// Close gives all tokens back. Take must not be called afterwards. The error is that of the
// store.
func (l *Limiter) Close(ctx context.Context) error { return l.giveBack(ctx, 0) }

// giveBack gives back the tokens of limits that weren't used for a time.
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
		if err != nil { // the tokens are lost for this window
			l.complain(err)
			return err
		}
	}
	return nil
}

// complain logs that the store fails, at most once in reportEvery.
func (l *Limiter) complain(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.reported.IsZero() || now.Sub(l.reported) >= reportEvery {
		l.reported = now
		l.log.Error("the store of limits fails; this server counts alone", "err", err)
	}
}

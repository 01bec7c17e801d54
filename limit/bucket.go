package limit

import (
	"context"
	"sync"
	"time"
)

// A bucket holds this server's tokens of one limit, in the current window.
type bucket struct {
	mu      sync.Mutex // guards all fields below; not held during a lease
	limit   Limit
	ends    time.Time     // end of the window; zero before the first window
	start   time.Time     // start of the window by the store; zero where only this server's clock knows it
	tokens  int64         // tokens that may be spent
	used    int64         // tokens taken on all servers when the store last answered, with this server's
	alone   int64         // tokens spent since then that the store doesn't know of
	last    Grant         // the latest grant, from which tokens are given back
	leased  int64         // tokens of the window from the store that weren't given back
	askAt   time.Time     // the store isn't asked before, since it fails or no token is left
	failing bool          // the store's last answer was an error
	warned  bool          // Warn was called in this window
	asking  chan struct{} // closed at the end of the lease that runs; nil while none runs
	touched time.Time     // time of the last take
}

// take takes one token.
func (b *bucket) take(ctx context.Context, l *Limiter, lim Limit) (Decision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		now := l.now()
		b.touched = now
		b.enter(now, l.leases == nil)
		b.adopt(lim)
		switch {
		case b.tokens > 0:
			b.tokens--
			return b.decide(true, now), nil
		case l.leases == nil || b.failing && (now.Before(b.askAt) || b.asking != nil):
			return b.takeAlone(l, now), nil
		case b.asking == nil && l.breaker.open() || b.failing:
			if b.asking == nil && l.breaker.mayAsk(now) {
				b.askBeside(ctx, l)
			}
			return b.takeAlone(l, now), nil
		case now.Before(b.askAt):
			return b.decide(false, now), nil
		}
		if asking := b.asking; asking != nil {
			b.mu.Unlock()
			select {
			case <-asking:
			case <-ctx.Done():
			}
			b.mu.Lock()
			if err := ctx.Err(); err != nil {
				return Decision{}, err
			}
			continue
		}
		b.ask(ctx, l)
	}
}

// takeAlone takes one token that the store doesn't know of.
func (b *bucket) takeAlone(l *Limiter, now time.Time) Decision {
	b.enter(now, true)
	ok := b.used+b.alone < b.limit.Max
	if ok {
		b.alone++
		b.warnOf(l, b.used+b.alone-1)
	}
	return b.decide(ok, now)
}

// askBeside gets tokens from the store while nobody waits for them, since it failed before. The
// caller holds mu.
func (b *bucket) askBeside(ctx context.Context, l *Limiter) {
	b.failing = true // until it answers
	b.asking = make(chan struct{})
	go func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lease(ctx, l)
	}()
}

// enter begins a new window where the old one is over. This server's clock decides when it
// ends, until the store answers. Before the first window, enter waits for the store unless
// byClock is set.
func (b *bucket) enter(now time.Time, byClock bool) {
	if !b.ends.IsZero() && now.Before(b.ends) {
		return
	}
	if b.ends.IsZero() && !byClock {
		return // the store's answer begins the window
	}
	_, end := b.limit.Window.Bounds(now)
	b.begin(now.Add(end.Sub(now)))
}

func (b *bucket) begin(ends time.Time) {
	b.ends, b.start, b.last = ends, time.Time{}, Grant{}
	b.tokens, b.used, b.alone, b.leased, b.warned = 0, 0, 0, 0, false
	if !b.failing {
		b.askAt = time.Time{}
	}
}

// adopt sets the limit, which may have changed.
func (b *bucket) adopt(lim Limit) {
	if lim.Max != b.limit.Max {
		// Of a limit that has become smaller, the bucket may hold too many tokens.
		b.tokens = max(0, min(b.tokens, lim.Max-(b.used-b.tokens)))
		if !b.failing {
			b.askAt = time.Time{}
		}
	}
	b.limit = lim
}

// ask gets tokens from the store. The caller holds mu, which ask unlocks during the lease.
func (b *bucket) ask(ctx context.Context, l *Limiter) {
	b.asking = make(chan struct{})
	b.lease(ctx, l)
}

// lease is ask for a caller that has set asking.
func (b *bucket) lease(ctx context.Context, l *Limiter) {
	start, owed := b.start, b.alone
	request := Request{
		Key: b.limit.Key, Window: b.limit.Window, Max: b.limit.Max,
		Want: owed + min(max((b.limit.Max-b.used-owed)/leaseShare, 1), mostLeased),
	}
	asked := l.now()
	b.mu.Unlock()
	// Other requests wait for the answer too, so the end of this one must not cancel it.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	g, err := l.leases.Lease(asking, request)
	cancel()
	b.mu.Lock()
	close(b.asking)
	b.asking = nil

	now := l.now()
	l.breaker.heard(err, now)
	if err != nil {
		l.complain(err)
		b.failing, b.askAt = true, now.Add(cooldown)
		b.enter(now, true)
		return
	}
	b.failing, b.askAt = false, time.Time{}
	if !g.Start.Equal(b.start) {
		if !start.IsZero() {
			owed = 0 // these tokens were spent in a window that is over
		}
		// The end must not be too late: tokens must not be spent after their window. So the
		// time counts from before the request.
		b.begin(asked.Add(g.Ends))
		b.start = g.Start
	} else {
		b.alone = max(0, b.alone-owed)
	}
	b.tokens += max(0, g.Granted-owed)
	b.leased += g.Granted
	b.used, b.last = g.Used, g
	if g.Granted < request.Want {
		b.askAt = asked.Add(spentFor)
	}
	b.warnOf(l, g.Used-g.Granted)
}

// warnOf calls Warn where the count has just reached the limit's Warn. before is the count
// from before.
func (b *bucket) warnOf(l *Limiter, before int64) {
	at, used := b.limit.Warn, b.used+b.alone
	if at > 0 && !b.warned && before < at && used >= at {
		b.warned = true
		l.warn(b.limit, used)
	}
}

// peek returns what is left of a limit, and false where the bucket knows nothing of the present
// window.
func (b *bucket) peek(lim Limit, now time.Time, byClock bool) (Decision, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if over := b.ends.IsZero() || !now.Before(b.ends); over && !byClock {
		return Decision{}, false
	}
	b.enter(now, byClock)
	left := max(0, lim.Max-b.used-b.alone+b.tokens)
	return Decision{OK: left > 0, Limit: lim, Remaining: left, Reset: max(b.ends.Sub(now), time.Millisecond)}, true
}

func (b *bucket) decide(ok bool, now time.Time) Decision {
	d := Decision{
		OK: ok, Limit: b.limit,
		Remaining: max(0, b.limit.Max-b.used-b.alone+b.tokens),
		Reset:     max(b.ends.Sub(now), time.Millisecond),
	}
	if ok {
		d.taken = []taken{{b, b.ends}}
	} else {
		d.Remaining = 0
	}
	return d
}

// undo gives back a token of the window with this end.
func (b *bucket) undo(ends time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.ends.Equal(ends): // the window is over
	case b.alone > 0:
		b.alone--
	default:
		b.tokens++
	}
}

// takeIdle removes the tokens of a bucket that nobody has used for idle. Tokens of a minute
// stay unless idle is 0, since giving them back isn't worth a request.
func (b *bucket) takeIdle(now time.Time, idle time.Duration) (Limit, Grant, int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(b.tokens, b.leased)
	if n <= 0 || b.asking != nil || now.Sub(b.touched) < idle || !now.Before(b.ends) || idle > 0 && b.limit.Window == Minute {
		return Limit{}, Grant{}, 0
	}
	g := b.last
	g.Granted = b.leased // as if all leases of the window were one
	b.tokens -= n
	b.leased -= n
	b.used -= n
	return b.limit, g, n
}

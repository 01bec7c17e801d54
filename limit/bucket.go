package limit

import (
	"context"
	"sync"
	"time"
)

// A bucket is what this server has of one limit, in one window at a time.
type bucket struct {
	mu      sync.Mutex // guards all below; not held while the store is asked
	limit   Limit
	ends    time.Time     // of the window; zero is none yet
	start   time.Time     // of the window, as the store says; zero is a window that only our clock knows
	tokens  int64         // that may be spent
	used    int64         // taken on all servers when the store was last heard, ours included
	alone   int64         // spent since without the store knowing
	last    Grant         // the latest, to give back from
	leased  int64         // tokens of the window that came from the store and were not given back
	askAt   time.Time     // no sooner: nothing is left, or the store fails
	failing bool          // the store didn't answer when it was last asked
	warned  bool          // in this window
	asking  chan struct{} // closed when the store has been asked; nil when it isn't being
	touched time.Time
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
			ok := b.used+b.alone < b.limit.Max
			if ok {
				b.alone++
				b.warnOf(l, b.used+b.alone-1)
			}
			return b.decide(ok, now), nil
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

// enter begins a new window where the old one is over. Of one that the store hasn't
// told of, the clock says when it ends.
func (b *bucket) enter(now time.Time, byClock bool) {
	if !b.ends.IsZero() && now.Before(b.ends) {
		return
	}
	if b.ends.IsZero() && !byClock {
		return // the store will say
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

// adopt takes over what the limit is now.
func (b *bucket) adopt(lim Limit) {
	if lim.Max != b.limit.Max {
		// What is held of a limit that has become smaller may be too much.
		b.tokens = max(0, min(b.tokens, lim.Max-(b.used-b.tokens)))
		if !b.failing {
			b.askAt = time.Time{}
		}
	}
	b.limit = lim
}

// ask gets tokens from the store. b.mu is held, and let go of meanwhile.
func (b *bucket) ask(ctx context.Context, l *Limiter) {
	b.asking = make(chan struct{})
	start, owed := b.start, b.alone
	request := Request{
		Key: b.limit.Key, Window: b.limit.Window, Max: b.limit.Max,
		Want: owed + min(max((b.limit.Max-b.used-owed)/leaseShare, 1), mostLeased),
	}
	asked := l.now()
	b.mu.Unlock()
	// Others wait for the answer too, so it isn't this request's to give up.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	g, err := l.leases.Lease(asking, request)
	cancel()
	b.mu.Lock()
	close(b.asking)
	b.asking = nil

	if err != nil {
		l.complain(err)
		now := l.now()
		b.failing, b.askAt = true, now.Add(cooldown)
		b.enter(now, true)
		return
	}
	b.failing, b.askAt = false, time.Time{}
	if !g.Start.Equal(b.start) {
		if !start.IsZero() {
			owed = 0 // it was spent in a window that is over
		}
		// Rather too early than too late: what is spent in a window is of that window.
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

// warnOf warns where the limit's Warn lies above before and not above what is used.
func (b *bucket) warnOf(l *Limiter, before int64) {
	at, used := b.limit.Warn, b.used+b.alone
	if at > 0 && !b.warned && before < at && used >= at {
		b.warned = true
		l.warn(b.limit, used)
	}
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

// undo gives back a token of the window that ends then.
func (b *bucket) undo(ends time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.ends.Equal(ends): // it is over
	case b.alone > 0:
		b.alone--
	default:
		b.tokens++
	}
}

// takeIdle takes the tokens out that nobody has asked for in a while. Those of a
// minute aren't worth it, unless all are wanted.
func (b *bucket) takeIdle(now time.Time, idle time.Duration) (Limit, Grant, int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(b.tokens, b.leased)
	if n <= 0 || b.asking != nil || now.Sub(b.touched) < idle || !now.Before(b.ends) || idle > 0 && b.limit.Window == Minute {
		return Limit{}, Grant{}, 0
	}
	g := b.last
	g.Granted = b.leased // all leases of the window as one
	b.tokens -= n
	b.leased -= n
	b.used -= n
	return b.limit, g, n
}

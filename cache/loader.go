package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Fill makes the entry for a key. old is the stale entry that is to be renewed, or nil.
// Where the original hasn't changed, Fill returns a copy of old with later times. For an
// error that is to be cached, Fill returns an entry with a Code. Other errors it returns as
// errors.
//
// A Fill runs for all requests that wait for it, so it may run after the request that it
// came with has ended.
type Fill func(ctx context.Context, old *Entry) (*Entry, error)

// An Outcome says where an entry came from.
type Outcome struct {
	Tier   string // the tier that had the entry; empty for a miss
	Stale  bool   // a stale entry was served
	Shared bool   // a miss that joined another request's fill
}

// A found is an entry that a fill has made, or that was in a tier after all.
type found struct {
	entry *Entry
	tier  string // empty for one that was made
}

// Loader serves entries from a cache. It makes missing and stale entries, each once for all
// requests that want it at the same time. Only Cache is required. Loader is safe for
// concurrent use. It must not be copied, and its fields must not change.
type Loader struct {
	Cache Cache
	// Now is the clock for stale and expired entries; nil is time.Now.
	Now func() time.Time
	// Log receives revalidations that failed; nil logs nothing.
	Log *slog.Logger

	// MaxRevalidations bounds the fills that run in the background at the same time. When
	// all run, other stale entries are served and stay stale until a later request. 0 is 16.
	MaxRevalidations int
	// RevalidationTimeout is the deadline of one background fill; 0 is 30 s.
	RevalidationTimeout time.Duration
	// RetryAfter is the pause after a revalidation that failed or brought no fresh entry.
	// 0 is 5 s.
	RetryAfter time.Duration

	fills Shared[Key, found]
	// filled counts the fills that have ended, by the key's first byte. A request that missed
	// looks into the cache again if the count has changed since.
	filled [64]atomic.Uint32

	mu          sync.Mutex                 // guards all fields below
	revalidated map[Key]time.Time          // when the key may be revalidated again; zero while it is
	sweepAt     time.Time                  // when to remove times that have passed
	stops       map[Key]context.CancelFunc // cancel the revalidations that run
	ended       chan struct{}              // closed by the last revalidation; nil unless Close waits
	closed      bool
}

var errNoEntry = errors.New("fill returned no entry")

// Load returns the entry for key. A fresh entry comes from the cache. A stale one does
// too, and Load starts a fill in the background. On a miss Load calls fill, once for all
// requests that miss the key at the same time, and stores the entry unless it has expired.
// The error is that of fill, that of ctx, or [ErrNoRoom].
func (l *Loader) Load(ctx context.Context, key Key, fill Fill) (*Entry, Outcome, error) {
	seen := l.fillCount(key).Load()
	e, tier := l.Cache.Get(ctx, key)
	if lend, ok := ctx.(*lendContext); ok {
		ctx = lend.Context // a fill sends nothing
		if now := l.now(); e != nil && e.File != nil && (e.Stale(now) || e.Expired(now)) {
			e, tier = l.Cache.Get(ctx, key) // a renewal needs the body
		}
	}
	if e == NoRoom {
		return nil, Outcome{}, ErrNoRoom
	}
	if PartAsked(ctx) != nil {
		ctx = WithPart(ctx, nil) // a fill makes the whole, for others too
	}
	if e != nil {
		now := l.now()
		switch {
		case e.Part != nil && !e.Expired(now): // it can't be renewed from a part
			return e, Outcome{Tier: tier, Stale: e.Stale(now)}, nil
		case !e.Stale(now) && !e.Expired(now):
			return e, Outcome{Tier: tier}, nil
		case !e.Expired(now):
			l.revalidate(ctx, key, seen, e, fill)
			return e, Outcome{Tier: tier, Stale: true}, nil
		}
	}
	f, shared, err := l.fill(ctx, key, seen, nil, fill)
	return f.entry, Outcome{Tier: f.tier, Shared: shared && f.tier == ""}, err
}

// Peek returns the cached entry for key, or nil. It starts no fill. The error is nil or
// [ErrNoRoom].
func (l *Loader) Peek(ctx context.Context, key Key) (*Entry, Outcome, error) {
	e, tier := l.Cache.Get(ctx, key)
	if e == NoRoom {
		return nil, Outcome{}, ErrNoRoom
	}
	if now := l.now(); e != nil && !e.Expired(now) {
		return e, Outcome{Tier: tier, Stale: e.Stale(now)}, nil
	}
	return nil, Outcome{}, nil
}

// Close waits for the revalidations that run, and no new one starts. When ctx ends first,
// they are cancelled, and the error is that of ctx.
func (l *Loader) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	if len(l.stops) == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.ended == nil {
		l.ended = make(chan struct{})
	}
	ended := l.ended
	l.mu.Unlock()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, stop := range l.stops {
		stop()
	}
	return ctx.Err()
}

// fill calls fill for key, or joins the call that runs, and stores the entry. seen is the
// key's fill count from before the look into the cache.
func (l *Loader) fill(ctx context.Context, key Key, seen uint32, old *Entry, fill Fill) (f found, shared bool, err error) {
	hold, err := l.fills.Do(ctx, key, func(ctx context.Context) (found, error) {
		count := l.fillCount(key)
		if count.Load() != seen {
			// A fill of this key may have ended after the look into the cache. What it has made is here:
			// tiers that servers share were asked a moment ago.
			e, tier := l.Cache.Get(WithLocalOnly(ctx, func() bool { return true }), key)
			if e == NoRoom {
				return found{}, ErrNoRoom
			}
			if now := l.now(); e != nil && !e.Stale(now) && !e.Expired(now) {
				return found{e, tier}, nil
			}
		}
		defer count.Add(1)
		e, err := fill(ctx, old)
		if err != nil {
			return found{}, err
		}
		if e == nil || e.Part != nil {
			return found{}, errNoEntry
		}
		if !e.Expired(l.now()) {
			l.Cache.Put(ctx, key, e)
		}
		return found{entry: e}, nil
	})
	if err != nil {
		return found{}, false, err
	}
	defer hold.Release()
	return hold.Value, hold.Joined, nil
}

// revalidate starts a fill of the stale entry in the background. It does nothing where one
// runs or failed a moment ago, or where too many run.
func (l *Loader) revalidate(ctx context.Context, key Key, seen uint32, old *Entry, fill Fill) {
	l.mu.Lock()
	defer l.mu.Unlock()
	notBefore, known := l.revalidated[key]
	if known && (notBefore.IsZero() || l.now().Before(notBefore)) {
		return
	}
	if l.closed || len(l.stops) >= orDefault(l.MaxRevalidations, 16) {
		return
	}
	if l.revalidated == nil {
		l.revalidated = make(map[Key]time.Time)
		l.stops = make(map[Key]context.CancelFunc)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), orDefault(l.RevalidationTimeout, 30*time.Second))
	l.revalidated[key] = time.Time{}
	l.stops[key] = stop
	go func() {
		defer stop()
		f, _, err := l.fill(ctx, key, seen, old, fill)
		l.revalidationEnded(key, f.entry, err)
	}()
}

func (l *Loader) revalidationEnded(key Key, e *Entry, err error) {
	if err != nil && l.Log != nil {
		log := l.Log.With("key", key, "err", err)
		if p, ok := errors.AsType[*PanicError](err); ok {
			log = log.With("panic", p.Value, "stack", string(p.Stack))
		}
		log.Warn("revalidation failed; the stale entry stays")
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.revalidated, key)
	delete(l.stops, key)
	if len(l.stops) == 0 && l.ended != nil {
		close(l.ended)
		l.ended = nil
	}
	if err == nil && !e.Stale(now) && !e.Expired(now) {
		return
	}
	retryAfter := orDefault(l.RetryAfter, 5*time.Second)
	l.revalidated[key] = now.Add(retryAfter)
	if now.Before(l.sweepAt) {
		return
	}
	l.sweepAt = now.Add(retryAfter)
	for key, notBefore := range l.revalidated {
		if !notBefore.IsZero() && !now.Before(notBefore) {
			delete(l.revalidated, key)
		}
	}
}

func (l *Loader) fillCount(key Key) *atomic.Uint32 {
	return &l.filled[int(key[0])%len(l.filled)]
}

func (l *Loader) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// orDefault returns v, or def where v is 0.
func orDefault[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

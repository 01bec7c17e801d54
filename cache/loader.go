package cache

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A Fill makes the entry for a key. Where old is not nil, it is an entry that the
// origin is to be asked about again: if nothing has changed, Fill returns a copy
// of it with later times. It returns an entry with a Code for an error that is to
// be remembered, and an error for one that isn't.
//
// A Fill may outlive the request that gave it: it runs for all who wait.
type Fill func(ctx context.Context, old *Entry) (*Entry, error)

// An Outcome says where an entry came from.
type Outcome struct {
	Tier   string // that had it; empty for a miss
	Stale  bool   // it was served although the origin is to be asked again
	Shared bool   // a miss that another request had begun to fill
}

// Loader serves entries from a cache, and makes those that are missing or stale,
// each once however many ask for it. Only Cache is required. It is safe for
// concurrent use, and must not be copied; the fields must not change.
type Loader struct {
	Cache Cache
	// Now is the clock that entries are judged by; nil is time.Now.
	Now func() time.Time
	// Log is told of revalidations that failed; nil is silence.
	Log *slog.Logger

	// MaxRevalidations bounds the fills that run in the background at a time; past
	// it, stale entries are served as they are until a later request. 0 is 16.
	MaxRevalidations int
	// RevalidationTimeout is the deadline of one of them; 0 is 30 s.
	RevalidationTimeout time.Duration
	// RetryAfter is how long a key is left alone whose revalidation has failed or
	// has brought nothing fresh; 0 is 5 s.
	RetryAfter time.Duration

	fills Shared[Key, *Entry]
	// filled counts the fills that have ended, by the key's first byte. A request
	// that missed looks again if the count has changed since.
	filled [64]atomic.Uint32

	mu          sync.Mutex                 // guards all below
	revalidated map[Key]time.Time          // not again before; the zero time while it runs
	sweepAt     time.Time                  // when to drop those that have passed
	stops       map[Key]context.CancelFunc // of the revalidations that run
	ended       chan struct{}              // closed by the last of them; nil until Close waits
	closed      bool
}

var errNoEntry = errors.New("fill returned no entry")

// Load returns the entry for key: a fresh one from the cache; or a stale one,
// while one fill in the background asks the origin again; or what fill makes,
// which all who miss the key at the same time share. The error is that of fill,
// or of ctx.
//
// What fill makes is stored, unless it has expired already.
func (l *Loader) Load(ctx context.Context, key Key, fill Fill) (*Entry, Outcome, error) {
	seen := l.fillCount(key).Load()
	e, tier := l.Cache.Get(ctx, key)
	if e != nil {
		now := l.now()
		switch {
		case !e.Stale(now) && !e.Expired(now):
			return e, Outcome{Tier: tier}, nil
		case !e.Expired(now):
			l.revalidate(ctx, key, seen, e, fill)
			return e, Outcome{Tier: tier, Stale: true}, nil
		}
	}
	e, shared, err := l.fill(ctx, key, seen, nil, fill)
	return e, Outcome{Shared: shared}, err
}

// Peek returns what the cache has for key, or nil, and starts nothing.
func (l *Loader) Peek(ctx context.Context, key Key) (*Entry, Outcome) {
	e, tier := l.Cache.Get(ctx, key)
	if now := l.now(); e != nil && !e.Expired(now) {
		return e, Outcome{Tier: tier, Stale: e.Stale(now)}
	}
	return nil, Outcome{}
}

// Close begins no more revalidations and waits for those that run. When ctx ends
// first, they are cancelled and the error is that of ctx.
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

// fill runs fill for key, or joins the one that runs, and stores the entry. seen
// is the key's fill count from before the cache was asked.
func (l *Loader) fill(ctx context.Context, key Key, seen uint32, old *Entry, fill Fill) (e *Entry, shared bool, err error) {
	hold, err := l.fills.Do(ctx, key, func(ctx context.Context) (*Entry, error) {
		count := l.fillCount(key)
		if count.Load() != seen {
			// Perhaps this key's fill ended between the look into the cache and now.
			e, _ := l.Cache.Get(ctx, key)
			if now := l.now(); e != nil && !e.Stale(now) && !e.Expired(now) {
				return e, nil
			}
		}
		defer count.Add(1)
		e, err := fill(ctx, old)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, errNoEntry
		}
		if !e.Expired(l.now()) {
			l.Cache.Put(ctx, key, e)
		}
		return e, nil
	})
	if err != nil {
		return nil, false, err
	}
	defer hold.Release()
	return hold.Value, hold.Joined, nil
}

// revalidate starts a fill in the background with the stale entry, unless one
// runs, or ended in vain a moment ago, or too many run.
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
		e, _, err := l.fill(ctx, key, seen, old, fill)
		l.revalidationEnded(key, e, err)
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

// orDefault is v, or def where v is 0.
func orDefault[T ~int | ~int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

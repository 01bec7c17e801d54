package workspace

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// recent answers look-ups of one kind from memory, so that requests don't wait for a
// store. An entry is used until it is suspected of being old; then the next look-up
// reads it anew. Where the store can't be read, the old one serves. It is safe for concurrent use.
//
// Other than [Cached], which reads anew behind requests, this makes one request wait:
// what it keeps is small, and a revoked key is to open nothing once the revocation is
// known.
type recent[K comparable, V any] struct {
	read      func(context.Context, K) (V, error)
	namespace func(K, V) string // that an entry is of
	missing   error             // of read, where there is nothing
	now       func() time.Time

	// How long an entry is used although nothing was told of it, since what tells may
	// lag: after fresh it is read anew behind a request, after good before one. Zero is
	// for ever.
	fresh, good time.Duration

	mu      sync.Mutex // guards all below, and the entries
	entries *lru.Cache[K, *recentEntry[V]]
	absent  *lru.Cache[K, time.Time] // what the store didn't have, until then
	reading map[K]*reading[V]
	epoch   uint64 // moves on with every suspicion
}

type recentEntry[V any] struct {
	value V
	asked time.Time // when the read began that it is of
	old   bool      // to be read anew
	until time.Time // not before then, and behind requests, since the store failed; zero is at once
}

type reading[V any] struct {
	done  chan struct{}
	asked time.Time
	epoch uint64
	value V // with err, set before done is closed
	err   error
}

const (
	recentSize  = 16384
	recentRetry = 5 * time.Second // between reads of what is old while the store fails
)

func newRecent[K comparable, V any](r *recent[K, V]) *recent[K, V] {
	var err, err2 error
	r.entries, err = lru.New[K, *recentEntry[V]](recentSize)
	r.absent, err2 = lru.New[K, time.Time](recentSize)
	if err := errors.Join(err, err2); err != nil {
		panic(err) // only a size that isn't positive
	}
	r.reading = map[K]*reading[V]{}
	return r
}

// get returns what there is under the key.
func (r *recent[K, V]) get(ctx context.Context, k K) (v V, err error) {
	if err := ctx.Err(); err != nil {
		return v, err
	}
	r.mu.Lock()
	e, known := r.entries.Get(k)
	if known && r.fresh > 0 && !r.now().Before(e.until) {
		switch age := r.now().Sub(e.asked); {
		case age >= r.good:
			e.old, e.until = true, time.Time{}
		case age >= r.fresh && !e.old:
			e.until = r.now().Add(recentRetry)
			r.ask(ctx, k)
		}
	}
	if known && (!e.old || !e.until.IsZero()) {
		if e.old && !r.now().Before(e.until) {
			e.until = r.now().Add(recentRetry)
			r.ask(ctx, k)
		}
		v = e.value
		r.mu.Unlock()
		return v, nil
	}
	if until, ok := r.absent.Get(k); ok && r.now().Before(until) {
		r.mu.Unlock()
		return v, r.missing
	}
	now := r.ask(ctx, k)
	r.mu.Unlock()

	soon := time.NewTimer(patience)
	defer soon.Stop()
	select {
	case <-now.done:
		if !errors.Is(now.err, ErrUnavailable) {
			return now.value, now.err
		}
	case <-soon.C:
	case <-ctx.Done():
		return v, ctx.Err()
	}
	if v, ok := r.lastKnown(k); ok {
		return v, nil
	}
	select {
	case <-now.done:
		return now.value, now.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// ask begins to read a key, or joins who does. r.mu is held.
func (r *recent[K, V]) ask(ctx context.Context, k K) *reading[V] {
	if n := r.reading[k]; n != nil && n.epoch == r.epoch {
		return n
	}
	n := &reading[V]{done: make(chan struct{}), epoch: r.epoch, asked: r.now()}
	r.reading[k] = n
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	go func() {
		defer cancel()
		defer close(n.done)
		v, err := r.read(ctx, k)
		if err != nil && !errors.Is(err, r.missing) && !errors.Is(err, ErrUnavailable) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		n.value, n.err = v, err
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.reading[k] == n {
			delete(r.reading, k)
		}
		if n.epoch != r.epoch {
			return // it may be older than what was told of since
		}
		switch {
		case err == nil:
			r.entries.Add(k, &recentEntry[V]{value: v, asked: n.asked})
		case errors.Is(err, r.missing):
			r.entries.Remove(k)
			r.absent.Add(k, r.now().Add(unknownFor))
		}
	}()
	return n
}

// lastKnown returns the old value, and leaves the store alone for some seconds.
func (r *recent[K, V]) lastKnown(k K) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries.Peek(k)
	if !ok {
		return v, false
	}
	if e.old {
		e.until = r.now().Add(recentRetry)
	}
	return e.value, true
}

// suspect marks the entries of a namespace as old.
func (r *recent[K, V]) suspect(namespace string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	r.absent.Purge()
	for _, k := range r.entries.Keys() {
		if e, ok := r.entries.Peek(k); ok && r.namespace(k, e.value) == namespace {
			e.old, e.until = true, time.Time{}
		}
	}
}

// suspectAll is suspect for all.
func (r *recent[K, V]) suspectAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	r.absent.Purge()
	for _, e := range r.entries.Values() {
		e.old, e.until = true, time.Time{}
	}
}

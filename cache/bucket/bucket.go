// Package bucket is the cache tier that nodes share: entries as objects of a bucket
// on S3, R2 or another store that speaks S3. [Open] it and put it below the memory
// and disk tiers of a [cache.Tiered].
//
// Objects are not deleted when they expire, since another node may have written a
// fresh one by then: a lifecycle rule of the bucket bounds what it holds.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tintype/tintype/cache"
)

// A Config says where the bucket is. Only URL is required.
type Config struct {
	// URL is s3://BUCKET/PREFIX?region=REGION&endpoint=URL, as ParseURL reads it. The
	// credentials are those of the environment, by the rules of AWS's SDKs.
	URL string
	// QueueBytes bounds the entries that wait to be written; more are dropped. An
	// entry of more than a quarter of it is not kept. 0 is 64 MiB.
	QueueBytes int64
	// GetTimeout is how long a lookup may take before it is a miss. 0 is 2 s.
	GetTimeout time.Duration
	// Cooldown is for how long a bucket that has failed three times in a row is left
	// alone: lookups miss at once and writes wait, but for one of either that tries
	// the bucket after each Cooldown. 0 is 10 s.
	Cooldown time.Duration
	// Log is told of failures, once a minute at most. Nil is silence.
	Log *slog.Logger
}

const (
	defaultQueueBytes = 64 << 20
	defaultGetTimeout = 2 * time.Second
	defaultCooldown   = 10 * time.Second

	writers      = 4
	writeTimeout = 30 * time.Second // of one write, its retries included
	maxPending   = 64 << 10         // keys that wait to be written or deleted
	logEvery     = time.Minute

	// overhead is what a write costs in memory beside the entry's body. Bytes.
	overhead = 1 << 10
	// absentFor is for how long a key that the bucket had nothing under needs no
	// deleting: requests for images that don't exist would otherwise cost two
	// requests to the bucket each.
	absentFor = 10 * time.Second
)

// A Cache keeps entries in a bucket. Put and Delete return at once, and goroutines
// write behind them; until then Get answers from memory. Lookups of one key at the
// same time are one request. A bucket that is slow or broken has only misses.
//
// Errors and expired entries are not kept. It is safe for concurrent use, by several
// processes too.
type Cache struct {
	store      store
	queueBytes int64
	getTimeout time.Duration
	log        *slog.Logger
	breaker    *breaker

	lookups cache.Shared[lookup, *cache.Entry]

	mu       sync.Mutex // guards all below; never held over a request
	pending  map[cache.Key]*write
	queue    []cache.Key                          // of pending writes that no writer has, the oldest first
	queued   int64                                // bytes of all pending writes
	wake     sync.Cond                            // of mu: the queue has grown, or the cache closes
	idle     chan struct{}                        // closed once nothing is pending; nil when nobody waits
	epochs   [64]uint64                           // by the key's first byte: its Puts and Deletes so far
	unsure   *simplelru.LRU[cache.Key, struct{}]  // whose last write failed: what the bucket has counts no more
	absent   *simplelru.LRU[cache.Key, time.Time] // what the bucket had nothing under, and when it said so
	closed   bool
	aborted  bool // what is queued is given up
	stats    cache.Stats
	loggedAt time.Time
	unlogged int // failures since then

	writing context.Context // of all writes
	abort   context.CancelFunc
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed once all writers have ended
}

var _ cache.Cache = (*Cache)(nil)

// A lookup is one key between two changes of it, so that nobody who asks after a
// change joins a request from before it.
type lookup struct {
	key   cache.Key
	epoch uint64
}

// A write is what is to become of a key's object.
type write struct {
	entry *cache.Entry // nil deletes it
	size  int64        // as queued counts it
	busy  bool         // a writer has it
	next  *write       // came while it was busy; nil is none
}

// Open returns the cache in a bucket. It connects to nothing: a bucket that isn't
// there is told to the log, and is a cache of misses.
func Open(cfg Config) (*Cache, error) {
	store, err := openStore(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("bucket cache: %w", err)
	}
	c := &Cache{
		store:      store,
		queueBytes: cfg.QueueBytes,
		getTimeout: cfg.GetTimeout,
		log:        cfg.Log,
		pending:    make(map[cache.Key]*write),
		closing:    make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	c.wake.L = &c.mu
	if c.queueBytes <= 0 {
		c.queueBytes = defaultQueueBytes
	}
	if c.getTimeout <= 0 {
		c.getTimeout = defaultGetTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Cooldown <= 0 {
		cfg.Cooldown = defaultCooldown
	}
	c.breaker = &breaker{cooldown: cfg.Cooldown}
	if c.unsure, err = simplelru.NewLRU[cache.Key, struct{}](16<<10, nil); err != nil {
		return nil, err
	}
	if c.absent, err = simplelru.NewLRU[cache.Key, time.Time](16<<10, nil); err != nil {
		return nil, err
	}
	c.writing, c.abort = context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range writers {
		running.Go(c.writeQueue)
	}
	go func() {
		running.Wait()
		c.abort()
		close(c.stopped)
	}()
	return c, nil
}

// Get returns the entry and "bucket", or nil.
func (c *Cache) Get(ctx context.Context, key cache.Key) (*cache.Entry, string) {
	e := c.get(ctx, key)
	if e != nil && e.Expired(time.Now()) {
		e = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e == nil {
		c.stats.Misses++
		return nil, ""
	}
	c.stats.Hits++
	return e, "bucket"
}

func (c *Cache) get(ctx context.Context, key cache.Key) *cache.Entry {
	c.mu.Lock()
	w := c.pending[key]
	if w != nil && w.next != nil {
		w = w.next
	}
	closed, unsure := c.closed, c.unsure.Contains(key)
	asked := lookup{key, *c.epoch(key)}
	c.mu.Unlock()
	switch {
	case closed:
		return nil
	case w != nil:
		return w.entry
	case unsure:
		return nil
	}
	hold, err := c.lookups.Do(ctx, asked, func(ctx context.Context) (*cache.Entry, error) { return c.read(ctx, asked) })
	if err != nil {
		return nil
	}
	defer hold.Release()
	return hold.Value
}

// read asks the bucket, unless it is being left alone. Nil without an error is none.
func (c *Cache) read(ctx context.Context, asked lookup) (*cache.Entry, error) {
	if ok, _ := c.breaker.allow(time.Now()); !ok {
		return nil, errLeftAlone
	}
	ctx, cancel := context.WithTimeout(ctx, c.getTimeout)
	defer cancel()
	stored, err := c.store.get(ctx, asked.key, c.maxEntry())
	switch {
	case errors.Is(err, errAbsent):
		c.succeeded()
		c.noteAbsent(asked)
		return nil, nil
	case errors.Is(err, errTooLarge): // kept by a node with a larger queue
		c.succeeded()
		return nil, nil
	case errors.Is(context.Cause(ctx), context.Canceled):
		return nil, err // all who asked have gone
	case err != nil:
		c.failed("read", err)
		return nil, err
	}
	c.succeeded()
	e, err := cache.Decode(stored, asked.key)
	if err != nil {
		// What is made in its place is put over it.
		if errors.Is(err, cache.ErrCorrupt) {
			c.mu.Lock()
			c.stats.Corrupt++
			c.mu.Unlock()
		}
		return nil, err
	}
	return e, nil
}

// noteAbsent notes that the bucket has nothing under a key, unless that has changed
// since it was asked.
func (c *Cache) noteAbsent(asked lookup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *c.epoch(asked.key) == asked.epoch {
		c.absent.Add(asked.key, time.Now())
	}
}

// Put queues the entry to be written. Where the queue is full, or the entry is none
// that is kept, Put is a Delete.
func (c *Cache) Put(ctx context.Context, key cache.Key, e *cache.Entry) {
	if e.Code != "" || e.Expired(time.Now()) {
		c.Delete(ctx, key)
		return
	}
	// The caller may go on to fill in its own Entry; the body is shared.
	kept := *e
	w := &write{entry: &kept, size: overhead + int64(cap(e.Body))}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || cache.EncodedSize(e) > c.maxEntry() || c.queued+w.size > c.queueBytes {
		c.stats.Dropped++
		w = &write{}
	}
	c.absent.Remove(key)
	c.enqueue(key, w)
}

// Delete queues the entry to be deleted.
func (c *Cache) Delete(_ context.Context, key cache.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.absent.Peek(key); ok && c.pending[key] == nil && time.Since(at) < absentFor {
		return
	}
	c.enqueue(key, &write{})
}

// enqueue makes w what is to become of the key. The caller holds mu.
func (c *Cache) enqueue(key cache.Key, w *write) {
	*c.epoch(key)++
	before := c.pending[key]
	switch {
	case c.closed:
		return
	case before == nil && len(c.pending) >= maxPending:
		c.unsure.Add(key, struct{}{})
		if w.entry != nil {
			c.stats.Dropped++
		}
		return
	case before == nil:
		c.pending[key] = w
		c.queue = append(c.queue, key)
		c.wake.Signal()
	case before.busy:
		if before.next != nil {
			c.queued -= before.next.size
		}
		before.next = w
	default: // it is in the queue
		c.queued -= before.size
		c.pending[key] = w
	}
	c.queued += w.size
}

// Drain returns once everything that was put or deleted has been written or lost, or
// with the error of ctx.
func (c *Cache) Drain(ctx context.Context) error {
	c.mu.Lock()
	if len(c.pending) == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	idle := c.idle
	c.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what is queued. When the bucket fails in that, or when ctx ends, the rest
// is lost, and the error is that of ctx. A closed Cache has only misses.
func (c *Cache) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
		c.wake.Broadcast()
	}
	c.mu.Unlock()
	select {
	case <-c.stopped:
		c.store.close()
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	c.aborted = true
	left := len(c.pending)
	c.mu.Unlock()
	c.abort()
	<-c.stopped // at once, since requests end with their context
	c.store.close()
	return fmt.Errorf("bucket cache: closed with %d entries not written: %w", left, ctx.Err())
}

// Stats returns the counts so far. What the bucket holds, nobody counts: Bytes and
// Entries are 0.
func (c *Cache) Stats() cache.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// maxEntry is the size of the largest entry that is kept, in bytes as stored.
func (c *Cache) maxEntry() int64 { return c.queueBytes / 4 }

// epoch is the count of the key's changes. The caller holds mu.
func (c *Cache) epoch(key cache.Key) *uint64 { return &c.epochs[int(key[0])%len(c.epochs)] }

// succeeded notes that the bucket has answered.
func (c *Cache) succeeded() {
	if c.breaker.succeeded() {
		c.log.Info("bucket cache answers again")
	}
}

// failed counts a failure of the bucket, and logs it if none was lately.
func (c *Cache) failed(what string, err error) {
	now := time.Now()
	c.breaker.failed(now)
	c.mu.Lock()
	c.stats.Failures++
	c.unlogged++
	failures := c.unlogged
	quiet := !c.loggedAt.IsZero() && now.Sub(c.loggedAt) < logEvery
	if !quiet {
		c.loggedAt, c.unlogged = now, 0
	}
	c.mu.Unlock()
	if !quiet {
		c.log.Warn("bucket cache is failing; what it loses is made anew", "what", what, "err", describe(err), "failures", failures)
	}
}

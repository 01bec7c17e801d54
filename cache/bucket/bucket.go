// Package bucket is the cache tier that nodes share. It keeps entries as objects of a
// bucket on S3, R2 or another store that speaks S3.
//
// For most uses, call [Open] and pass the result to [cache.NewTiered] below the memory and
// disk tiers.
//
// Expired objects aren't deleted at once, since another node may have written a fresh one by then.
// A lifecycle rule of the bucket must remove them, or MaxAge.
package bucket

import (
	"cmp"
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
	// credentials come from the environment, by the rules of AWS's SDKs.
	URL string
	// QueueBytes bounds the entries that wait to be written, in bytes. When the queue is
	// full, entries are dropped. Entries larger than a quarter of it aren't kept. 0 is 64 MiB.
	QueueBytes int64
	// GetTimeout is how long a lookup may take. After that it is a miss. 0 is four times the p99 of
	// lookups, between 250 ms and 1 s.
	GetTimeout time.Duration
	// Cooldown is the pause after three failures in a row. During the pause lookups miss at
	// once and writes wait. After it one request tries the bucket; a failure starts the next
	// pause. 0 is 10 s.
	Cooldown time.Duration
	// SecondUse writes a variant once it is asked for again after it was made, and not at once. It
	// needs a filter.
	SecondUse bool
	// FilterBytes bounds the memory for what the bucket is known to hold: 1.75 bytes a variant. With
	// it, new variants cost no lookup. 0 is no filter.
	FilterBytes int64
	// MaxAge is how long objects stay in the bucket, where no lifecycle rule deletes them: once a day
	// one of all servers deletes what is older. 0 deletes nothing.
	MaxAge time.Duration
	// Reserve is asked before an entry of 64 KiB or more is read. Nil reads every entry.
	Reserve cache.Reserve
	// Log receives failures, once a minute at most. Nil logs nothing.
	Log *slog.Logger

	Clock      func() time.Time // for tests; nil is time.Now. It is for MaxAge only
	SweepPause time.Duration    // for tests; 0 is half a second
}

const (
	defaultQueueBytes = 64 << 20
	defaultCooldown   = 10 * time.Second

	bodyTimeout  = 2 * time.Second // of reading an object that has been found
	writers      = 4
	writeTimeout = 30 * time.Second // of one write with its retries
	maxPending   = 64 << 10         // keys that wait to be written or deleted
	logEvery     = time.Minute

	// overhead is the memory of a queued write beside its body, in bytes.
	overhead = 1 << 10
	// absentFor is how long the bucket isn't asked again for an object that it didn't have, and a Delete
	// is skipped. Requests that come while the variant is made then cost one request to the
	// bucket together, and one for an image that doesn't exist costs one, not two.
	absentFor = 10 * time.Second
	// madeWithin is the longest that a variant takes from its lookup until it is made.
	madeWithin = 2 * time.Minute
	// madeShare is the share of the filter's memory that remembers what was made and isn't written.
	madeShare = 8
)

// A Cache keeps entries in a bucket. Put and Delete return at once, and goroutines write
// to the bucket later. Until then Get answers from memory. Lookups of the same key at the
// same time share one request. When the bucket is slow or fails, lookups miss.
//
// Errors and expired entries aren't kept. A Cache is safe for concurrent use, also by
// several processes with the same bucket.
type Cache struct {
	store      store
	queueBytes int64
	deadline   *deadline // of lookups
	log        *slog.Logger
	breaker    *breaker
	index      *index // what the bucket holds; nil is unknown

	lookups cache.Shared[lookup, *cache.Entry]

	mu      sync.Mutex // guards all fields below; never held during a request
	pending map[cache.Key]*write
	queue   []cache.Key                          // keys of pending writes that no writer has taken, the oldest first
	queued  int64                                // bytes of all pending writes
	wake    sync.Cond                            // signals that the queue has grown, or the cache closes; its lock is mu
	idle    chan struct{}                        // closed when nothing is pending; nil when nobody waits
	epochs  [4096]uint64                         // by the key's first 12 bits: Puts and Deletes so far
	unsure  *simplelru.LRU[cache.Key, struct{}]  // keys whose last write failed: the bucket's object may be outdated
	absent  *simplelru.LRU[cache.Key, time.Time] // keys without an object in the bucket, and when it said so
	made    *filter                              // of variants that were made here and not written; nil writes each at once
	closed  bool
	aborted bool // Close has given up the queue
	stats   cache.Stats
	unasked unasked
	held    uint64 // Puts that wait for a second use

	sweptObjects uint64
	loggedAt     time.Time
	unlogged     int // failures since loggedAt

	clock      func() time.Time
	sweepPause time.Duration

	writing context.Context // context of all writes
	abort   context.CancelFunc
	closing chan struct{} // closed by Close
	stopped chan struct{} // closed once all writers have ended
}

var _ cache.Cache = (*Cache)(nil)

// unasked counts lookups that missed without a request, by reason.
type unasked struct{ filter, again, paused uint64 }

// A lookup is a key and the count of its changes. A Get that comes after a change has
// another count, so it can't share a request from before the change.
type lookup struct {
	key   cache.Key
	epoch uint64
}

// A write replaces or deletes the object of a key.
type write struct {
	entry *cache.Entry // the new entry; nil deletes the object
	size  int64        // its share of queued
	busy  bool         // a writer has taken it
	next  *write       // the write that follows a busy one, or nil
}

// Open returns the cache in a bucket. It waits for no request: a bucket that can't be reached
// is logged at the first failure, and all lookups miss. Call Close at the end.
func Open(cfg Config) (*Cache, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	store, err := openStore(cfg.URL, cfg.Log)
	if err != nil {
		return nil, fmt.Errorf("bucket cache: %w", err)
	}
	store.reserve = cfg.Reserve
	c := &Cache{
		store:      store,
		queueBytes: cfg.QueueBytes,
		deadline:   &deadline{fixed: cfg.GetTimeout},
		log:        cfg.Log,
		clock:      cfg.Clock,
		sweepPause: cmp.Or(cfg.SweepPause, sweepPause),
		pending:    make(map[cache.Key]*write),
		closing:    make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	c.wake.L = &c.mu
	if c.queueBytes <= 0 {
		c.queueBytes = defaultQueueBytes
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
	if cfg.SecondUse && cfg.FilterBytes <= 0 {
		return nil, errors.New("bucket cache: to write variants at their second use takes a filter of what was written")
	}
	if cfg.SecondUse {
		c.made = newFilter(cfg.FilterBytes / madeShare)
		cfg.FilterBytes -= cfg.FilterBytes / madeShare
	}
	if cfg.FilterBytes > 0 {
		c.index = newIndex(store, cfg.FilterBytes, c.log)
	}
	c.start(cfg.MaxAge)
	return c, nil
}

// start starts what writes the queue, exchanges lists with other servers, and sweeps.
func (c *Cache) start(maxAge time.Duration) {
	var running sync.WaitGroup
	for range writers {
		running.Go(c.writeQueue)
	}
	var following sync.WaitGroup
	ctx, stop := context.WithCancel(c.writing)
	if c.index != nil {
		following.Go(func() { c.index.follow(ctx) })
	}
	if maxAge > 0 {
		following.Go(func() { c.sweepDaily(ctx, maxAge) })
	}
	go func() {
		running.Wait()
		stop()
		following.Wait()
		if c.index != nil {
			c.index.last(c.writing)
		}
		c.abort()
		close(c.stopped)
	}()
}

// Exchange tells other servers what this one has written, and learns what they have, as the cache
// does by itself every five minutes.
func (c *Cache) Exchange(ctx context.Context) error {
	if c.index == nil {
		return nil
	}
	_, err := c.index.exchange(ctx, true)
	return err
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
	at, absent := c.absent.Peek(key)
	asked := lookup{key, *c.epoch(key)}
	c.mu.Unlock()
	switch {
	case closed:
		return nil
	case w != nil:
		return w.entry
	case unsure, cache.LocalOnly(ctx):
		return nil
	case absent && time.Since(at) < absentFor:
		c.miss(func(n *unasked) { n.again++ })
		return nil
	}
	if cache.PartAsked(ctx) != nil { // each may ask for another part
		e, err := c.lookUp(ctx, asked)
		if err != nil {
			return nil
		}
		return e
	}
	hold, err := c.lookups.Do(ctx, asked, func(ctx context.Context) (*cache.Entry, error) { return c.lookUp(ctx, asked) })
	if err != nil {
		return nil
	}
	defer hold.Release()
	return hold.Value
}

// miss counts a lookup that asks the bucket nothing.
func (c *Cache) miss(count func(*unasked)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.unasked)
}

// lookUp asks the bucket, unless it is known not to have the key. A nil entry without an error means
// that the bucket has none.
func (c *Cache) lookUp(ctx context.Context, asked lookup) (*cache.Entry, error) {
	if c.index == nil {
		return c.read(ctx, asked)
	}
	look, judged := c.index.ask(asked.key)
	if !look {
		c.miss(func(n *unasked) { n.filter++ })
		c.noteAbsent(asked)
		return nil, nil
	}
	e, err := c.read(ctx, asked)
	if err != nil {
		return nil, err
	}
	if judged {
		c.index.judge(e != nil)
	}
	if e != nil {
		c.index.holds(asked.key)
	}
	return e, nil
}

// read asks the bucket, except during a pause.
func (c *Cache) read(ctx context.Context, asked lookup) (*cache.Entry, error) {
	if ok, _ := c.breaker.allow(time.Now()); !ok {
		c.miss(func(n *unasked) { n.paused++ })
		return nil, errPaused
	}
	begin, most := time.Now(), c.deadline.get()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(most, func() { cancel(errLate) })
	defer late.Stop()
	// What counts is when the answer begins: a large body takes longer, and gets more time.
	found, err := c.store.get(ctx, asked.key, c.maxEntry(), cache.PartAsked(ctx), func() {
		c.deadline.note(time.Since(begin), false)
		late.Reset(max(most, bodyTimeout))
	})
	if errors.Is(context.Cause(ctx), errLate) {
		c.deadline.note(time.Since(begin), true)
		err = errLate
	}
	switch {
	case errors.Is(err, errAbsent):
		c.succeeded()
		c.noteAbsent(asked)
		return nil, nil
	case errors.Is(err, errTooLarge): // written by a node with a larger queue
		c.succeeded()
		return nil, nil
	case errors.Is(err, errNoRoom):
		c.succeeded()
		return cache.NoRoom, nil
	case errors.Is(context.Cause(ctx), context.Canceled):
		return nil, err // nobody waits any more
	case err != nil:
		c.failed("read", err)
		return nil, err
	}
	c.succeeded()
	if found.part != nil {
		return found.part, nil
	}
	e, err := cache.Decode(found.stored, asked.key)
	if err != nil {
		// The object isn't deleted: the variant that is made now overwrites it.
		if errors.Is(err, cache.ErrCorrupt) {
			c.mu.Lock()
			c.stats.Corrupt++
			c.mu.Unlock()
		}
		return nil, err
	}
	return e, nil
}

// noteAbsent remembers that the bucket has no object for a key, or so it seems, unless the key has changed
// since the lookup.
func (c *Cache) noteAbsent(asked lookup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *c.epoch(asked.key) == asked.epoch {
		c.absent.Add(asked.key, time.Now())
	}
}

// Put queues the entry to be written. An entry that can't be kept, or that finds the queue
// full, becomes a Delete. One that another server has made is that server's to write. With SecondUse,
// one that was made for the first time is for Again to write.
func (c *Cache) Put(ctx context.Context, key cache.Key, e *cache.Entry) {
	if e.Elsewhere {
		return
	}
	if e.Code != "" || e.Expired(time.Now()) {
		c.Delete(ctx, key)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holdBack(key) {
		c.held++
		return
	}
	c.put(key, e)
}

// Again writes an entry that a faster tier has, and that was asked for once more, unless the bucket
// has it. It returns false where that isn't known yet. Without SecondUse it does nothing.
func (c *Cache) Again(key cache.Key, e *cache.Entry) (settled bool) {
	if c.made == nil || e.Elsewhere || e.Code != "" || e.Expired(time.Now()) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[key] != nil || c.index.has(key) {
		return true
	}
	// What an earlier process has made is on the disk, and may be in the bucket.
	if c.made.has(printOf(key)) || c.index.lacks(key) {
		c.put(key, e)
		return true
	}
	return !c.index.waits()
}

// Settled implements [cache.Again].
func (c *Cache) Settled(key cache.Key) bool {
	if c.made == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending[key] != nil || c.index.has(key)
}

// holdBack reports whether an entry waits for its second use. It does where it is made for the first
// time, as far as anyone remembers, and where the bucket has no older one. The caller holds mu.
func (c *Cache) holdBack(key cache.Key) bool {
	if c.made == nil || c.pending[key] != nil || c.unsure.Contains(key) || c.index.has(key) {
		return false
	}
	at, absent := c.absent.Peek(key)
	if !(absent && time.Since(at) < madeWithin) && !c.index.lacks(key) {
		return false
	}
	return c.made.add(printOf(key))
}

// put queues an entry. The caller holds mu.
func (c *Cache) put(key cache.Key, e *cache.Entry) {
	// The caller may change its Entry afterwards. The body is shared.
	kept := *e
	w := &write{entry: &kept, size: overhead + int64(cap(e.Body))}
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
	at, absent := c.absent.Peek(key)
	absent = absent && time.Since(at) < absentFor || c.index != nil && !c.unsure.Contains(key) && c.index.lacks(key)
	if absent && c.pending[key] == nil {
		return
	}
	c.enqueue(key, &write{})
}

// enqueue queues a write, which replaces one of the same key that hasn't begun. The caller
// holds mu.
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
	default: // the key is in the queue
		c.queued -= before.size
		c.pending[key] = w
	}
	c.queued += w.size
}

// Drain waits until all writes so far have ended, or returns the error of ctx.
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

// Close writes the queue. When the bucket fails meanwhile, or when ctx ends, the rest of
// the queue is dropped. The error is that of ctx. All lookups of a closed Cache miss.
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
	<-c.stopped // soon, since abort ends the requests
	c.store.close()
	return fmt.Errorf("bucket cache: closed with %d entries not written: %w", left, ctx.Err())
}

// Stats returns the counts so far. Bytes and Entries are 0, since counting a bucket's
// objects would take a listing.
func (c *Cache) Stats() cache.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// maxEntry is the size of the largest entry that is kept, in bytes of its encoding.
func (c *Cache) maxEntry() int64 { return c.queueBytes / 4 }

// epoch counts the changes of a key. The caller holds mu.
func (c *Cache) epoch(key cache.Key) *uint64 { return &c.epochs[int(key[0])<<4|int(key[1])>>4] }

// succeeded records that the bucket has answered.
func (c *Cache) succeeded() {
	if c.breaker.succeeded() {
		c.log.Info("bucket cache answers again")
	}
}

// failed counts a failure of the bucket, and logs it once a minute at most.
func (c *Cache) failed(operation string, err error) {
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
		c.log.Warn("bucket cache is failing; variants that it loses are made again", "what", operation, "err", describe(err), "failures", failures)
	}
}

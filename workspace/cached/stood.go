package cached

import (
	"context"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	pulseEvery = 500 * time.Millisecond

	// stoodStill is the time without a pulse after which the process counts as having stood still.
	// A machine with too much work comes near it, and then the store is asked once more.
	stoodStill = 3 * time.Second

	// wakePatience is how long a Get waits for the store after that. Then memory serves, as in an
	// outage.
	wakePatience = 5 * time.Second
	wakeRetry    = 200 * time.Millisecond // between looks at the feed until one has succeeded
)

// A waking is the time after the process has stood still (SIGSTOP, a virtual machine that was
// paused, a computer that slept) until it is known what has changed meanwhile.
type waking struct {
	began  time.Time
	looked chan struct{} // closed once the feed was read by a look that began after the standstill
}

// pulse notes that the process runs, until the context ends.
func (c *Store) pulse(ctx context.Context) {
	t := time.NewTicker(pulseEvery)
	defer t.Stop()
	defer c.beat.Store(nil)
	for {
		c.awake() // before this pulse hides that there was none
		now := c.now()
		c.beat.Store(&now)
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// clock returns the present time, in nanoseconds, by a clock that only goes forward, and counts the
// time in which the process or the machine stood still. It begins with a year, so that 0 is long ago.
func (c *Store) clock() int64 {
	return int64(365*24*time.Hour+c.now().Sub(c.start)) + c.slept.Load()
}

// awake reports whether what is in memory is as new as the feed keeps it. It isn't after the process
// has stood still, until the feed was read. It costs no allocation.
func (c *Store) awake() bool {
	if w := c.waking.Load(); w != nil {
		return c.woke(w)
	}
	beat := c.beat.Load()
	if beat == nil { // nobody follows the feed
		return true
	}
	now := c.now()
	if workspace.Age(now, *beat) < stoodStill {
		return true
	}
	return c.stood(now, beat)
}

// stood begins a waking, and reports whether there is none after all.
func (c *Store) stood(now time.Time, beat *time.Time) bool {
	c.mu.Lock()
	if c.waking.Load() != nil || c.beat.Load() != beat { // another has noticed it
		c.mu.Unlock()
		return c.waking.Load() == nil
	}
	if asleep := workspace.Age(now, *beat) - now.Sub(*beat); asleep > 0 {
		c.slept.Add(int64(asleep))
	}
	for i := range c.epochs { // what was asked for before may be answered by what was before
		c.epochs[i]++
	}
	clear(c.loads)
	clear(c.domains.asking)
	c.waking.Store(&waking{now, make(chan struct{})})
	c.beat.CompareAndSwap(beat, &now)
	c.mu.Unlock()
	c.tell(nil)
	c.log.Warn("the process stood still: what has changed meanwhile is read before images are answered", "seconds", workspace.Age(now, *beat).Round(time.Second).Seconds())
	select {
	case c.wake <- struct{}{}:
	default: // Run has been told
	}
	return false
}

// woke ends a waking once all that changed during the standstill is read again, or can't be for
// wakePatience, and reports whether it has ended.
func (c *Store) woke(w *waking) bool {
	over := workspace.Age(c.now(), w.began) >= wakePatience
	select {
	case <-w.looked:
		c.mu.Lock()
		over = over || len(c.stale) == 0
		c.mu.Unlock()
	default:
	}
	if over {
		c.waking.CompareAndSwap(w, nil)
	}
	return over
}

// looked notes that a look at the feed that began at a time has read all of it.
func (c *Store) looked(began time.Time) {
	w := c.waking.Load()
	if w == nil || began.Before(w.began) {
		return
	}
	select {
	case <-w.looked:
	default:
		close(w.looked) // only Run's goroutine does
	}
}

// await waits, after a standstill, until it is known what has changed, for wakePatience in all. A
// namespace that did change is read. The error is the context's.
func (c *Store) await(ctx context.Context, namespace string) error {
	w := c.waking.Load()
	if w == nil {
		return nil
	}
	patience, cancel := context.WithTimeout(ctx, wakePatience-workspace.Age(c.now(), w.began))
	defer cancel()
	select {
	case <-w.looked:
	case <-patience.Done():
		return ctx.Err()
	}
	have, ok := c.known.Peek(namespace)
	if !ok || !have.marked.Load() {
		return nil
	}
	c.mu.Lock()
	l := c.load(ctx, namespace, false)
	c.mu.Unlock()
	_, _ = l.wait(patience) // what it has read is in memory then
	return ctx.Err()
}

// again reports whether a question to the store failed since the process stood still meanwhile.
func (c *Store) again(ctx context.Context, err error) bool {
	return unavailable(err) && ctx.Err() == nil && !c.awake()
}

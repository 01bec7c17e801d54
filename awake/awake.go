// Package awake measures the time in which this process runs. The time in which it stands still
// (SIGSTOP, a virtual machine that is paused) isn't counted.
//
// For most uses, call [NewTimer] in place of time.NewTimer: a wait that ends after ten seconds then
// doesn't end because the process stood still for a minute, in which nobody could serve who waits.
// A [Clock] measures how long something of this process took.
package awake

import (
	"sync"
	"time"
)

const (
	// BeatEvery is how often a Clock is to be told that the process runs.
	BeatEvery = 500 * time.Millisecond

	// stoodStill is the time without a beat that counts as a standstill. A machine with too much
	// work comes near it. What took place then seems shorter than it was, which does no harm.
	stoodStill = 3 * time.Second
)

// A Clock tells the time less all that the process stood still. It is safe for concurrent use. The
// zero Clock, and one without beats, tells the time as it is.
type Clock struct {
	mu    sync.Mutex // guards all below
	beat  time.Time  // the last one
	stood time.Duration
}

// Now returns the present time of the clock. Compare it with other times of the same clock only.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.look(now)
	return now.Add(-c.stood)
}

// Since returns how long the process has run since a time of the clock.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Real returns when a future time of the clock will be, if the process doesn't stand still before.
func (c *Clock) Real(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.Add(c.stood)
}

// Beat says that the process runs. Whoever has the clock calls it each BeatEvery.
func (c *Clock) Beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.look(now)
	c.beat = now
}

// look counts a standstill, whoever notices it first. The caller holds mu.
func (c *Clock) look(now time.Time) {
	if gap := now.Sub(c.beat); !c.beat.IsZero() && gap >= stoodStill {
		c.stood += gap
		c.beat = now
	}
}

// A Timer ends once the process has run for some time.
type Timer struct {
	C <-chan struct{} // closed at the end

	end  chan struct{}
	now  func() time.Time
	mu   sync.Mutex // guards all below
	left time.Duration
	from time.Time // the start of the part that runs
	part time.Duration
	next *time.Timer // nil once it was stopped
}

// NewTimer starts a timer. The caller stops it.
func NewTimer(d time.Duration) *Timer { return newTimer(d, time.Now) }

func newTimer(d time.Duration, now func() time.Time) *Timer {
	end := make(chan struct{})
	t := &Timer{C: end, end: end, now: now, left: d, from: now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = min(t.left, BeatEvery)
	t.next = time.AfterFunc(t.part, t.tick)
	return t
}

// Stop stops the timer. C isn't closed afterwards.
func (t *Timer) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next != nil {
		t.next.Stop()
		t.next = nil
	}
}

// tick ends a part of the time. One that took much longer than it should was a standstill.
func (t *Timer) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		return
	}
	now := t.now()
	took := now.Sub(t.from)
	if took >= t.part+stoodStill {
		took = t.part
	}
	t.left, t.from = t.left-took, now
	if t.left <= 0 {
		t.next = nil
		close(t.end)
		return
	}
	t.part = min(t.left, BeatEvery)
	t.next.Reset(t.part)
}

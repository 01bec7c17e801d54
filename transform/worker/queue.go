package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/transform"
)

// Why the queue refuses. All are [transform.ErrOverloaded].
var (
	errFull    = fmt.Errorf("%w: too many transforms wait; try again in a moment", transform.ErrOverloaded)
	errTooLate = fmt.Errorf("%w: this would have to wait too long; try again in a moment", transform.ErrOverloaded)
	errClosed  = fmt.Errorf("%w: it is stopping", transform.ErrOverloaded)
)

// A queue lets in so many claims at a time, as long as the memory that they are
// estimated to take stays within a budget. The others wait, up to a bound, and are
// let in by turns of workspaces: those of one wait for each other, and hardly for
// those of another that has many. In its turn a workspace lets in one that is slow and
// one that isn't alternately. Claims of the background, for which no client waits,
// come after all others.
//
// The next in turn is never passed by a smaller one, so that large ones get their
// turn. One that is larger than the budget runs alone.
//
// Slow claims may hold all places, of one workspace too. While one runs that is slow,
// there is a place more: for claims that aren't, one at a time. So they pass the slow
// ones, and what takes ten seconds costs a core some of its time and nobody an image.
// A claim that was not expected to be slow, and is, counts as slow too; and as long as
// it runs, its workspace has no use of that place, lest it takes that as well.
type queue struct {
	slots   int
	budget  int64 // bytes
	bound   int   // of those that wait
	maxWait time.Duration

	mu      sync.Mutex // guards all below
	closed  bool
	running map[*claim]time.Time // when it was let in; without the one in the place more
	express *claim               // that one; nil is none
	since   time.Time            // when that one was let in
	used    int64                // without it
	held    int64                // bytes of the originals of those that wait
	waiting int
	// What a claim of a workspace holds its place for, in seconds, by speed: a mean over
	// its last few. Of at most mostKnown workspaces.
	service map[string][speeds]float64
	lines   [2][]*line // of workspaces in turn; those of the background second
	refused map[string]int64
	waits   histogram
}

const mostKnown = 1000

// Speeds of claims, as they are expected to be.
const (
	quick = iota
	slow
	speeds
)

// A line is the claims of a workspace that wait, in the order they came, by speed.
type line struct {
	workspace string
	claims    [speeds][]*claim
	last      int // speed of the one that was let in last
}

func (l *line) len() int { return len(l.claims[quick]) + len(l.claims[slow]) }

// next is the speed of the claim that the workspace's next turn is for. There is one.
func (l *line) next() int {
	if other := 1 - l.last; len(l.claims[other]) > 0 {
		return other
	}
	return l.last
}

// A claim is what a job wants of the queue.
type claim struct {
	workspace  string
	background bool
	slow       bool  // it is expected to take longer than slowAfter
	bytes      int64 // of memory that it takes while it runs
	held       int64 // that it holds while it waits
	admitted   chan struct{}
}

func (c *claim) class() int {
	if c.background {
		return 1
	}
	return 0
}

func (c *claim) speed() int {
	if c.slow {
		return slow
	}
	return quick
}

func newQueue(slots, bound int, budget int64, maxWait time.Duration) *queue {
	return &queue{
		slots: slots, bound: bound, budget: budget, maxWait: maxWait, running: map[*claim]time.Time{}, service: map[string][speeds]float64{},
		refused: map[string]int64{"full": 0, "late": 0}, waits: newHistogram(.001, .01, .05, .1, .5, 1, 5, 10),
	}
}

// enter waits for the claim's turn. It returns what gives its place back. Where the
// claim would wait longer than it may, or than until the end of ctx, it is refused
// at once.
func (q *queue) enter(ctx context.Context, c *claim) (leave func(), err error) {
	start := time.Now()
	q.mu.Lock()
	if q.takeNow(c) {
		q.waits.add(0)
		q.mu.Unlock()
		return q.leaves(c), nil
	}
	if err := q.refuse(ctx, c); err != nil {
		q.mu.Unlock()
		return nil, err
	}
	q.add(c)
	q.admit() // it may pass others that wait
	q.mu.Unlock()

	err = q.wait(ctx, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil && !q.remove(c) {
		err = nil // it was let in at the same moment
	}
	switch {
	case err == nil && c.closed():
		return nil, errClosed
	case err == nil:
		q.waits.add(time.Since(start).Seconds())
		return q.leaves(c), nil
	case errors.Is(err, errTooLate):
		q.refused["late"]++
	}
	return nil, err
}

// wait waits until the claim is let in, for as long as it may.
func (q *queue) wait(ctx context.Context, c *claim) error {
	limit := time.NewTimer(q.maxWait)
	defer limit.Stop()
	look := time.NewTicker(slowAfter) // whether one that runs has turned out to be slow
	defer look.Stop()
	for {
		select {
		case <-c.admitted:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return errTooLate
		case <-look.C:
			q.mu.Lock()
			q.admit()
			q.mu.Unlock()
		}
	}
}

// takeNow lets a claim in that has not to wait. The caller holds mu.
func (q *queue) takeNow(c *claim) bool {
	switch {
	case q.closed:
		return false
	case q.waiting == 0 && q.fits(c):
		q.running[c] = time.Now()
		q.used += c.bytes
		return true
	case !q.quickWait() && q.passes(c):
		q.express, q.since = c, time.Now()
		return true
	}
	return false
}

// closed reports whether the queue was closed before the claim was let in.
func (c *claim) closed() bool { return c.bytes < 0 }

// check says whether a claim of this kind would be refused now.
func (q *queue) check(ctx context.Context, c *claim) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && (q.waiting == 0 && len(q.running) < q.slots || !q.quickWait() && q.passes(c)) {
		return nil
	}
	return q.refuse(ctx, c)
}

// refuse says why a claim can't wait. The caller holds mu.
func (q *queue) refuse(ctx context.Context, c *claim) error {
	err := q.why(ctx, c)
	switch err {
	case errFull:
		q.refused["full"]++
	case errTooLate:
		q.refused["late"]++
	}
	return err
}

func (q *queue) why(ctx context.Context, c *claim) error {
	if q.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// No workspace takes more places than it leaves for others: so there is one for
	// whoever comes first, however many somebody else sends.
	own := 0
	if l := q.line(c); l != nil {
		own = l.len()
	}
	if own >= q.bound-q.waiting || q.held+c.held > q.budget && q.waiting > 0 {
		return errFull
	}
	wait := q.maxWait
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)-time.Duration(q.service[c.workspace][c.speed()]*float64(time.Second)))
	}
	if q.expected(c) > wait {
		return errTooLate
	}
	return nil
}

// expected is how long a claim will wait: as long as those before it in turn take. One
// that isn't slow passes those that are, and where all places are theirs, those that
// can't pass them.
func (q *queue) expected(c *claim) time.Duration {
	places, misjudged := q.slots, map[string]bool{}
	passes := !c.slow && !c.background
	for r, since := range q.running {
		if passes && isSlow(r, since) {
			places--
			misjudged[r.workspace] = misjudged[r.workspace] || !r.slow
		}
	}
	own := 0
	if l := q.line(c); l != nil {
		own = len(l.claims[c.speed()])
	}
	wait := 0.0 // seconds
	for class := range c.class() + 1 {
		for _, l := range q.lines[class] {
			for speed, claims := range l.claims {
				before := len(claims)
				if class == c.class() && (l.workspace != c.workspace || speed != c.speed()) {
					before = min(before, own+1)
				}
				if passes && (speed == slow || places <= 0 && misjudged[l.workspace] && l.workspace != c.workspace) {
					before = 0
				}
				wait += float64(before) * q.service[l.workspace][speed]
			}
		}
	}
	return time.Duration(wait / float64(max(places, 1)) * float64(time.Second))
}

func (q *queue) line(c *claim) *line {
	for _, l := range q.lines[c.class()] {
		if l.workspace == c.workspace {
			return l
		}
	}
	return nil
}

// fits reports whether there is a place and memory for the claim.
func (q *queue) fits(c *claim) bool {
	return len(q.running) < q.slots && (len(q.running) == 0 || q.used+c.bytes <= q.budget)
}

// passes reports whether the claim may have the place that there is while slow ones
// run. It adds little to the budget.
func (q *queue) passes(c *claim) bool {
	const most = 8 // of the budget, one part in so many
	if c.slow || c.background || q.express != nil || c.bytes > q.budget/most {
		return false
	}
	slow := false
	for r, since := range q.running {
		if !isSlow(r, since) {
			continue
		}
		slow = true
		if !r.slow && r.workspace == c.workspace {
			return false
		}
	}
	return slow
}

// isSlow reports whether a claim that has run since then is slow, expected or not.
func isSlow(c *claim, since time.Time) bool { return c.slow || time.Since(since) >= slowAfter }

// quickWait reports whether any wait that aren't slow, but for the background's.
func (q *queue) quickWait() bool {
	return slices.ContainsFunc(q.lines[0], func(l *line) bool { return len(l.claims[quick]) > 0 })
}

// leaves is what gives the claim's place back, once.
func (q *queue) leaves(c *claim) func() {
	return sync.OnceFunc(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		since := q.since
		if q.express == c {
			q.express = nil
		} else {
			since = q.running[c]
			delete(q.running, c)
			q.used -= c.bytes
		}
		took := time.Since(since).Seconds()
		mean, known := q.service[c.workspace]
		if !known {
			makeRoom(q.service, mostKnown, func([speeds]float64) bool { return false })
		}
		if mean[c.speed()] == 0 {
			mean[c.speed()] = took
		}
		mean[c.speed()] += (took - mean[c.speed()]) / 16
		q.service[c.workspace] = mean
		q.admit()
	})
}

// add puts the claim at the end of its workspace's line.
func (q *queue) add(c *claim) {
	c.admitted = make(chan struct{})
	l := q.line(c)
	if l == nil {
		l = &line{workspace: c.workspace, last: slow} // so that the first is one that isn't
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	l.claims[c.speed()] = append(l.claims[c.speed()], c)
	q.waiting++
	q.held += c.held
}

// remove takes a claim out that waits, and reports whether it did.
func (q *queue) remove(c *claim) bool {
	l := q.line(c)
	if l == nil {
		return false
	}
	i := slices.Index(l.claims[c.speed()], c)
	if i < 0 {
		return false
	}
	l.claims[c.speed()] = slices.Delete(l.claims[c.speed()], i, i+1)
	q.waiting--
	q.held -= c.held
	if l.len() == 0 {
		q.lines[c.class()] = slices.DeleteFunc(q.lines[c.class()], func(o *line) bool { return o == l })
	}
	q.admit() // what is behind a claim that doesn't fit may fit
	return true
}

// admit lets in as many as there is room for. The caller holds mu.
func (q *queue) admit() {
	for class := range q.lines {
		for len(q.lines[class]) > 0 {
			l := q.lines[class][0]
			c := l.claims[l.next()][0]
			if !q.fits(c) {
				q.admitQuick()
				return
			}
			q.letIn(l, c)
			q.running[c] = time.Now()
			q.used += c.bytes
		}
	}
}

// admitQuick lets the next claim in that passes those that are slow. The caller holds
// mu.
func (q *queue) admitQuick() {
	for _, l := range q.lines[0] {
		if len(l.claims[quick]) > 0 && q.passes(l.claims[quick][0]) {
			c := l.claims[quick][0]
			q.letIn(l, c)
			q.express, q.since = c, time.Now()
			return
		}
	}
}

// letIn takes a claim out of its line, which has had its turn.
func (q *queue) letIn(l *line, c *claim) {
	q.waiting--
	q.held -= c.held
	l.last = c.speed()
	l.claims[l.last] = l.claims[l.last][1:]
	lines := slices.DeleteFunc(q.lines[c.class()], func(o *line) bool { return o == l })
	if l.len() > 0 {
		lines = append(lines, l)
	}
	q.lines[c.class()] = lines
	close(c.admitted)
}

// close refuses everything from now on, and turns away those that wait.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for class := range q.lines {
		for _, l := range q.lines[class] {
			for _, c := range slices.Concat(l.claims[:]...) {
				c.bytes = -1
				close(c.admitted)
			}
		}
		q.lines[class] = nil
	}
	q.waiting, q.held = 0, 0
}

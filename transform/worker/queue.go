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

// The errors of a refused claim. All wrap [transform.ErrOverloaded].
var (
	errFull    = fmt.Errorf("%w: too many transforms wait; try again in a moment", transform.ErrOverloaded)
	errTooLate = fmt.Errorf("%w: this would have to wait too long; try again in a moment", transform.ErrOverloaded)
	errClosed  = fmt.Errorf("%w: it is stopping", transform.ErrOverloaded)
)

// A queue bounds the jobs that run at the same time: by their number, slots, and by the
// memory that they are estimated to take, budget. Other claims wait, up to a bound.
//
// Workspaces take turns, so that a workspace with many claims doesn't delay the others.
// Within a workspace slow and quick claims alternate. Background claims, for which no
// client waits, run after all others.
//
// A small claim never passes the next claim in turn, so that large claims don't starve. A
// claim that is larger than the budget runs alone.
//
// Slow claims may take all slots, even those of one workspace. So while a slow claim runs,
// the queue has one extra slot, the express slot, for one quick claim at a time. It shares
// a core with the slow claims, and quick claims needn't wait for them. A claim that was
// expected to be quick counts as slow after slowAfter. While it runs, its workspace can't
// use the express slot, so that misjudged claims of one workspace don't take that slot too.
type queue struct {
	slots   int
	budget  int64 // bytes
	bound   int   // of waiting claims
	maxWait time.Duration

	mu      sync.Mutex // guards all below
	closed  bool
	running map[*claim]time.Time // the start of each claim, without the express claim
	express *claim               // in the express slot, or nil
	since   time.Time            // the start of the express claim
	used    int64                // estimated bytes of running
	held    int64                // bytes of the originals of waiting claims
	waiting int
	// service is the mean running time of the last claims of a workspace, in seconds, by
	// speed. It has at most mostKnown workspaces.
	service map[string][speeds]float64
	lines   [2][]*line // by class; the workspace whose turn is next comes first
	refused map[string]int64
	waits   histogram
}

const mostKnown = 1000

// Expected speeds of claims.
const (
	quick = iota
	slow
	speeds
)

// A line holds the waiting claims of a workspace, by speed, oldest first.
type line struct {
	workspace string
	claims    [speeds][]*claim
	last      int // speed of the claim that was admitted last
}

func (l *line) len() int { return len(l.claims[quick]) + len(l.claims[slow]) }

// next returns the speed of the claim to admit next. The line must not be empty.
func (l *line) next() int {
	if other := 1 - l.last; len(l.claims[other]) > 0 {
		return other
	}
	return l.last
}

// A claim is a job's request to run.
type claim struct {
	workspace  string
	background bool
	slow       bool  // expected to take longer than slowAfter
	bytes      int64 // of memory while it runs, estimated
	held       int64 // bytes of memory while it waits
	admitted   chan struct{}
}

// class returns the index of the claim's lines: 1 for background claims, which run last.
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

// enter waits until the claim may run. The caller calls leave when the job has ended. A
// claim is refused at once where its expected wait is longer than maxWait or the time until
// the end of ctx.
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
	q.admit() // the claim may use the express slot
	q.mu.Unlock()

	err = q.wait(ctx, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil && !q.remove(c) {
		err = nil // it was admitted at the same moment
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

// wait waits until the claim is admitted, at most for maxWait.
func (q *queue) wait(ctx context.Context, c *claim) error {
	limit := time.NewTimer(q.maxWait)
	defer limit.Stop()
	look := time.NewTicker(slowAfter) // running claims may have become slow, which opens the express slot
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

// takeNow admits a claim that needn't wait. The caller holds mu.
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

// check returns the error that a claim of this kind would get now.
func (q *queue) check(ctx context.Context, c *claim) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && (q.waiting == 0 && len(q.running) < q.slots || !q.quickWait() && q.passes(c)) {
		return nil
	}
	return q.refuse(ctx, c)
}

// refuse returns the error of a claim that can't wait, and counts it. The caller holds mu.
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

// why returns the reason to refuse a claim, or nil. The caller holds mu.
func (q *queue) why(ctx context.Context, c *claim) error {
	if q.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A workspace may have at most as many waiting claims as places are free. So a
	// workspace with many claims leaves places for others.
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

// expected returns the expected wait of a claim: the running time of the claims before it.
// A quick claim passes slow ones. Where slow claims hold all slots, it also passes the
// claims of workspaces that can't use the express slot. The caller holds mu.
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

// fits reports whether a slot and memory are free for the claim.
func (q *queue) fits(c *claim) bool {
	return len(q.running) < q.slots && (len(q.running) == 0 || q.used+c.bytes <= q.budget)
}

// passes reports whether the claim may use the express slot. The claim must be small, since
// its memory comes on top of the budget.
func (q *queue) passes(c *claim) bool {
	const most = 8 // the claim takes at most 1/most of the budget
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

// isSlow reports whether a claim that has run since that time is slow, whether this was
// expected or not.
func isSlow(c *claim, since time.Time) bool { return c.slow || time.Since(since) >= slowAfter }

// quickWait reports whether a quick claim with a client waits.
func (q *queue) quickWait() bool {
	return slices.ContainsFunc(q.lines[0], func(l *line) bool { return len(l.claims[quick]) > 0 })
}

// leaves returns a function that frees the claim's slot. Further calls do nothing.
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
		l = &line{workspace: c.workspace, last: slow} // so that a quick claim is first
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	l.claims[c.speed()] = append(l.claims[c.speed()], c)
	q.waiting++
	q.held += c.held
}

// remove removes a waiting claim. It reports false where the claim doesn't wait.
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
	q.admit() // the claims behind it may fit
	return true
}

// admit admits waiting claims while slots and memory are free. The caller holds mu.
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

// admitQuick admits the next quick claim that may use the express slot. The caller holds
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

// letIn removes a claim from its line, moves the line to the end, and admits the claim.
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

// close refuses all waiting and future claims.
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

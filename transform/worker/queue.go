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
// those of another that has many. What nobody waits for comes last.
//
// The next in turn is never passed by a smaller one, so that large ones get their
// turn. One that is larger than the budget runs alone.
type queue struct {
	slots   int
	budget  int64 // bytes
	bound   int   // of those that wait
	maxWait time.Duration

	mu      sync.Mutex // guards all below
	closed  bool
	running int
	used    int64
	held    int64 // bytes of the originals of those that wait
	waiting int
	// What one claim holds its place for, in seconds: a mean over the last few.
	service float64
	lines   [2][]*line // of workspaces in turn; those of the background second
	refused map[string]int64
	waits   histogram
}

// A line is the claims of a workspace that wait, in the order they came.
type line struct {
	workspace string
	claims    []*claim
}

// A claim is what a job wants of the queue.
type claim struct {
	workspace  string
	background bool
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

func newQueue(slots, bound int, budget int64, maxWait time.Duration) *queue {
	return &queue{
		slots: slots, bound: bound, budget: budget, maxWait: maxWait,
		refused: map[string]int64{}, waits: newHistogram(.001, .01, .05, .1, .5, 1, 5, 10),
	}
}

// enter waits for the claim's turn. It returns what gives its place back. Where the
// claim would wait longer than it may, or than until the end of ctx, it is refused
// at once.
func (q *queue) enter(ctx context.Context, c *claim) (leave func(), err error) {
	start := time.Now()
	q.mu.Lock()
	if q.waiting == 0 && q.fits(c) && !q.closed {
		q.take(c, 0)
		q.mu.Unlock()
		return q.leaves(c), nil
	}
	if err := q.refuse(ctx, c); err != nil {
		q.mu.Unlock()
		return nil, err
	}
	q.add(c)
	q.mu.Unlock()

	limit := time.NewTimer(q.maxWait)
	defer limit.Stop()
	select {
	case <-c.admitted:
		err = nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = errTooLate
	}
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

// closed reports whether the queue was closed before the claim was let in.
func (c *claim) closed() bool { return c.bytes < 0 }

// check says whether a claim of this kind would be refused now.
func (q *queue) check(ctx context.Context, c *claim) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == 0 && q.running < q.slots && !q.closed {
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
		own = len(l.claims)
	}
	if own >= q.bound-q.waiting || q.held+c.held > q.budget && q.waiting > 0 {
		return errFull
	}
	wait := q.maxWait
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)-time.Duration(q.service*float64(time.Second)))
	}
	if q.expected(c) > wait {
		return errTooLate
	}
	return nil
}

// expected is how long a claim will wait: as long as those before it in turn take.
func (q *queue) expected(c *claim) time.Duration {
	own := 0
	if l := q.line(c); l != nil {
		own = len(l.claims)
	}
	before := own
	for class := range c.class() + 1 {
		for _, l := range q.lines[class] {
			switch {
			case class < c.class():
				before += len(l.claims)
			case l.workspace != c.workspace:
				before += min(len(l.claims), own+1)
			}
		}
	}
	return time.Duration(q.service * float64(before) / float64(q.slots) * float64(time.Second))
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
	return q.running < q.slots && (q.running == 0 || q.used+c.bytes <= q.budget)
}

func (q *queue) take(c *claim, waited float64) {
	q.running++
	q.used += c.bytes
	q.waits.add(waited)
}

// leaves is what gives the claim's place back, once.
func (q *queue) leaves(c *claim) func() {
	start := time.Now()
	return sync.OnceFunc(func() {
		took := time.Since(start).Seconds()
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.service == 0 {
			q.service = took
		}
		q.service += (took - q.service) / 16
		q.running--
		q.used -= c.bytes
		q.admit()
	})
}

// add puts the claim at the end of its workspace's line.
func (q *queue) add(c *claim) {
	c.admitted = make(chan struct{})
	l := q.line(c)
	if l == nil {
		l = &line{workspace: c.workspace}
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	l.claims = append(l.claims, c)
	q.waiting++
	q.held += c.held
}

// remove takes a claim out that waits, and reports whether it did.
func (q *queue) remove(c *claim) bool {
	l := q.line(c)
	if l == nil {
		return false
	}
	i := slices.Index(l.claims, c)
	if i < 0 {
		return false
	}
	l.claims = slices.Delete(l.claims, i, i+1)
	q.waiting--
	q.held -= c.held
	if len(l.claims) == 0 {
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
			c := l.claims[0]
			if !q.fits(c) {
				return
			}
			q.running++
			q.used += c.bytes
			q.waiting--
			q.held -= c.held
			l.claims = l.claims[1:]
			q.lines[class] = q.lines[class][1:]
			if len(l.claims) > 0 {
				q.lines[class] = append(q.lines[class], l)
			}
			close(c.admitted)
		}
	}
}

// close refuses everything from now on, and turns away those that wait.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for class := range q.lines {
		for _, l := range q.lines[class] {
			for _, c := range l.claims {
				c.bytes = -1
				close(c.admitted)
			}
		}
		q.lines[class] = nil
	}
	q.waiting, q.held = 0, 0
}

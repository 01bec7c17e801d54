package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
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
// The workspace that has used the least running time is next, so that neither a workspace
// with many claims nor many such workspaces delay the others. This is start-time fair
// queueing: see used. A claim's own time counts too, up to credit, so that the first small
// claim of a workspace comes before the first large ones of many. Within a workspace slow
// and quick claims alternate. Background claims, for which no client waits, run after all
// others.
//
// A small claim never passes the next claim in turn while a slot is free, so that large
// claims don't starve. A claim that is larger than the budget runs alone.
//
// Slow claims may take all slots, even those of one workspace. So while a slow claim runs,
// the queue has one extra slot, the express slot, for one quick claim at a time. It shares
// a core with the slow claims, and quick claims needn't wait for them. A claim that was
// expected to be quick counts as slow after slowAfter. While it runs, its workspace can't
// use the express slot, so that misjudged claims of one workspace don't take that slot too.
// The express slot is also open while a slot is free, but no memory for the next claim.
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
	memory  int64                // estimated bytes of running
	held    int64                // bytes of the originals of waiting claims
	waiting int
	// service is the mean running time of the last claims of a workspace, in seconds, by
	// speed. It has at most mostKnown workspaces.
	service map[string][speeds]float64
	typical [speeds]float64 // service of all workspaces together
	// pace says how many times as long as expected claims take, from 1 to mostPace. It is 1 on
	// an idle machine.
	pace float64
	// used is the running time that a workspace has used, in seconds. now follows that of the
	// workspaces whose claims are admitted. A workspace that was idle starts at most credit
	// before now, so that it can't save up the times in which it asked for nothing. used has at
	// most mostKnown workspaces.
	used    map[string]float64
	now     float64
	lines   [2][]*line // by class; the workspace that had no turn for the longest time comes first
	pending *line      // next in turn, but there is no memory for its claim; or nil
	refused map[string]int64
	waits   histogram
}

const (
	mostKnown = 1000
	credit    = .25 // seconds; a few small transforms
	mostPace  = 4.
)

// Expected speeds of claims.
const (
	quick = iota
	slow
	speeds
)

// A line holds the waiting claims of a workspace, by speed, oldest first.
type line struct {
	workspace string
	held      int64 // bytes of the originals of its claims
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
	expected   time.Duration // running time on an idle machine
	slow       bool          // expected to take longer than slowAfter
	bytes      int64         // of memory while it runs, estimated
	held       int64         // bytes of memory while it waits
	admitted   chan struct{} // closed when it may run, or is refused with err
	err        error
	came       bool    // its workspace was idle when it came
	charged    float64 // seconds that count as used before it has ended
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
		slots: slots, bound: bound, budget: budget, maxWait: maxWait, pace: 1, running: map[*claim]time.Time{}, service: map[string][speeds]float64{}, used: map[string]float64{},
		refused: map[string]int64{"full": 0, "late": 0}, waits: newHistogram(.001, .01, .05, .1, .5, 1, 5, 10),
	}
}

// enter waits until the claim may run. The caller calls leave when the job has ended. A
// claim is refused at once where its expected wait is longer than maxWait or the time until
// the end of ctx.
func (q *queue) enter(ctx context.Context, c *claim) (leave func(), err error) {
	start := time.Now()
	q.mu.Lock()
	q.judge(c)
	if q.takeNow(c) {
		q.waits.add(0)
		q.mu.Unlock()
		return q.leaves(c), nil
	}
	if err := q.refuse(ctx, c); err != nil {
		q.mu.Unlock()
		return nil, err
	}
	if q.full(c) {
		q.displace(q.longest(c))
	}
	for q.holdsTooMuch(c) {
		q.displace(q.heaviest(c))
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
	case err == nil && c.err != nil:
		return nil, c.err
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
		q.come(c)
		q.start(c)
		return true
	case !q.quickWait() && q.passes(c):
		q.come(c)
		q.startExpress(c)
		return true
	}
	return false
}

// start starts a claim in a slot. The caller holds mu.
func (q *queue) start(c *claim) {
	q.now = max(q.now, q.usedBy(c.workspace))
	q.running[c] = time.Now()
	q.memory += c.bytes
	q.charge(c)
}

// startExpress starts a claim in the express slot. The caller holds mu.
func (q *queue) startExpress(c *claim) {
	q.express, q.since = c, time.Now()
	q.charge(c)
}

// come is called for the first claim of a workspace that waits for nothing. The caller holds
// mu.
func (q *queue) come(c *claim) {
	if start := q.now - credit; q.usedBy(c.workspace) <= start {
		c.came = true
		q.use(c.workspace, start)
	}
}

// charge counts a claim that starts as if it took as long as those before it. The caller
// holds mu.
func (q *queue) charge(c *claim) {
	c.charged = q.cost(c)
	q.use(c.workspace, q.usedBy(c.workspace)+c.charged)
}

// judge decides whether a claim that comes is slow. The caller holds mu.
func (q *queue) judge(c *claim) { c.slow = c.slow || q.looksSlow(c) }

// looksSlow reports whether a claim would be slow that started now. A claim that is nearly
// slow on an idle machine is slow on a busy one. Otherwise such claims of many workspaces
// would take turns in the express slot. The caller holds mu.
func (q *queue) looksSlow(c *claim) bool {
	pace := q.pace
	see := func(r *claim, since time.Time) { pace = max(pace, paceOf(r, time.Since(since).Seconds())) }
	for r, since := range q.running {
		see(r, since)
	}
	if q.express != nil {
		see(q.express, q.since)
	}
	return c.expected.Seconds()*pace >= slowAfter.Seconds()
}

// paceOf returns how many times as long as expected a claim took, from 1 to mostPace, or 0
// where the claim is too short to say.
func paceOf(c *claim, seconds float64) float64 {
	if c.expected < slowAfter/10 {
		return 0
	}
	return min(max(seconds/c.expected.Seconds(), 1), mostPace)
}

// cost returns the expected running time of a claim in seconds. The caller holds mu.
func (q *queue) cost(c *claim) float64 {
	if c.expected > 0 {
		return c.expected.Seconds() * q.pace
	}
	return cmp.Or(q.service[c.workspace][c.speed()], q.typical[c.speed()])
}

// settle counts the time that a claim took in place of what it was charged. The caller holds
// mu.
func (q *queue) settle(c *claim, took float64) {
	q.use(c.workspace, q.usedBy(c.workspace)+took-c.charged)
	if c.came {
		// now moves on by each workspace's share. Else new workspaces without end would all come
		// before one that has waited.
		q.now += took / float64(1+len(q.lines[0])+len(q.lines[1]))
	}
	if pace := paceOf(c, took); pace > 0 {
		q.pace += (pace - q.pace) / 16
	}
	mean, known := q.service[c.workspace]
	if !known {
		makeRoom(q.service, mostKnown, func([speeds]float64) bool { return false })
	}
	for _, m := range []*float64{&mean[c.speed()], &q.typical[c.speed()]} {
		if *m == 0 {
			*m = took
		}
		*m += (took - *m) / 16
	}
	q.service[c.workspace] = mean
}

func (q *queue) usedBy(workspace string) float64 {
	if used, ok := q.used[workspace]; ok {
		return used
	}
	return q.now - credit
}

func (q *queue) use(workspace string, seconds float64) {
	if _, ok := q.used[workspace]; !ok {
		makeRoom(q.used, mostKnown, func(used float64) bool { return used <= q.now-credit })
	}
	q.used[workspace] = seconds
}

// check returns the error that a claim of this kind would get now.
func (q *queue) check(ctx context.Context, c *claim) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.judge(c)
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
	if q.full(c) && q.longest(c) == nil || q.holdsTooMuch(c) && q.mayDisplace(c) < q.held+c.held-q.budget {
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

// full reports whether there is no place for the claim. A workspace may have at most as many
// waiting claims as places are free, so that it leaves places for others.
func (q *queue) full(c *claim) bool { return q.own(c) >= q.bound-q.waiting }

// own returns the number of waiting claims of the claim's workspace and class.
func (q *queue) own(c *claim) int {
	if l := q.line(c); l != nil {
		return l.len()
	}
	return 0
}

// longest returns the longest line if its last claim must give its place to the claim: its
// workspace would still have as many waiting claims as that of the claim. Else it returns
// nil. So many workspaces together can't fill the queue.
func (q *queue) longest(c *claim) (longest *line) {
	most := q.own(c) + 1
	for class := c.class(); class < len(q.lines); class++ {
		for _, l := range q.lines[class] {
			if l.workspace != c.workspace && l.len() > most {
				longest, most = l, l.len()
			}
		}
	}
	return longest
}

// holdsTooMuch reports whether the originals of the waiting claims and of this one together
// take too much memory.
func (q *queue) holdsTooMuch(c *claim) bool { return q.held+c.held > q.budget && q.waiting > 0 }

// heaviest returns the line whose claims hold most. It is that of another workspace, which
// holds more than the workspace of the claim would. Else it is nil.
func (q *queue) heaviest(c *claim) (heaviest *line) {
	most := q.ownHeld(c)
	for class := c.class(); class < len(q.lines); class++ {
		for _, l := range q.lines[class] {
			if l.workspace != c.workspace && l.held > most {
				heaviest, most = l, l.held
			}
		}
	}
	return heaviest
}

// mayDisplace returns how many bytes the lines hold from which the claim takes memory, as
// far as each holds more than the claim's workspace would.
func (q *queue) mayDisplace(c *claim) (n int64) {
	own := q.ownHeld(c)
	for class := c.class(); class < len(q.lines); class++ {
		for _, l := range q.lines[class] {
			if l.workspace != c.workspace {
				n += max(l.held-own, 0)
			}
		}
	}
	return n
}

// ownHeld returns the bytes that the workspace's waiting claims would hold with this one.
func (q *queue) ownHeld(c *claim) int64 {
	if l := q.line(c); l != nil {
		return l.held + c.held
	}
	return c.held
}

// displace refuses the last claim of a line.
func (q *queue) displace(l *line) {
	speed := quick
	if len(l.claims[slow]) > len(l.claims[quick]) {
		speed = slow
	}
	c := l.claims[speed][len(l.claims[speed])-1]
	q.remove(c)
	q.refused["full"]++
	c.err = errFull
	close(c.admitted)
}

// expected returns the expected wait of a claim: the running time of the claims before it,
// or the rest of the running claim that ends first, if that is longer. A quick claim passes
// slow ones. Where slow claims hold all slots, it also passes the claims of workspaces that
// can't use the express slot. The caller holds mu.
func (q *queue) expected(c *claim) time.Duration {
	places, misjudged := q.slots, map[string]bool{}
	passes := !c.slow && !c.background
	first := math.Inf(1) // seconds until a slot is free
	for r, since := range q.running {
		if passes && isSlow(r, since) {
			places--
			misjudged[r.workspace] = misjudged[r.workspace] || !r.slow
			first = 0 // the express slot
			continue
		}
		first = min(first, max(q.service[r.workspace][r.speed()]-time.Since(since).Seconds(), 0))
	}
	own, work := 0, 0.0 // work is that of the workspace's claims before this one, in seconds
	if l := q.line(c); l != nil {
		own = len(l.claims[c.speed()])
		work = float64(own) * q.service[c.workspace][c.speed()]
		if !passes {
			work += float64(min(len(l.claims[1-c.speed()]), own+1)) * q.service[c.workspace][1-c.speed()]
		}
	}
	free := q.slotFree() && q.small(c) // then the claim can use the express slot, as other small ones can
	turn, wait := max(q.usedBy(c.workspace), q.now-credit)+work+min(q.cost(c), credit), work
	for class := range c.class() + 1 {
		for _, l := range q.lines[class] {
			if class == c.class() && l.workspace == c.workspace {
				continue
			}
			work, longest := 0.0, 0.0 // longest is the longest time of a claim
			for speed, claims := range l.claims {
				n := len(claims)
				if free {
					n = q.countSmall(claims)
				}
				if n == 0 || passes && (speed == slow || places <= 0 && misjudged[l.workspace]) {
					continue
				}
				each := q.service[l.workspace][speed]
				work += float64(n) * each
				longest = max(longest, each)
			}
			if class == c.class() { // they are before while the workspace will have used less
				work = min(work, max(turn-q.usedBy(l.workspace), 0))
				if work < longest {
					continue
				}
			}
			wait += work
		}
	}
	if len(q.running) < q.slots {
		first = 0
	}
	return time.Duration(max(wait/float64(max(places, 1)), first) * float64(time.Second))
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
	return len(q.running) < q.slots && (len(q.running) == 0 || q.memory+c.bytes <= q.budget)
}

// passes reports whether the claim may use the express slot. The claim must be small, since
// its memory comes on top of the budget.
func (q *queue) passes(c *claim) bool {
	if q.express != nil || !q.small(c) {
		return false
	}
	open := q.slotFree()
	for r, since := range q.running {
		if !isSlow(r, since) {
			continue
		}
		open = true
		if !r.slow && r.workspace == c.workspace {
			return false
		}
	}
	return open
}

// slotFree reports whether a slot is free, but no memory for the next claim.
func (q *queue) slotFree() bool { return q.pending != nil && len(q.running) < q.slots }

// small reports whether a claim takes little enough for the express slot.
func (q *queue) small(c *claim) bool {
	const most = 8 // it takes at most 1/most of the budget
	return !c.slow && !c.background && c.bytes <= q.budget/most && !q.looksSlow(c)
}

func (q *queue) countSmall(claims []*claim) (n int) {
	for _, c := range claims {
		if q.small(c) {
			n++
		}
	}
	return n
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
			q.memory -= c.bytes
		}
		q.settle(c, time.Since(since).Seconds())
		q.admit()
	})
}

// add puts the claim at the end of its workspace's line.
func (q *queue) add(c *claim) {
	c.admitted = make(chan struct{})
	l := q.line(c)
	if l == nil {
		q.come(c)
		l = &line{workspace: c.workspace, last: slow} // so that a quick claim is first
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	l.claims[c.speed()] = append(l.claims[c.speed()], c)
	q.waiting++
	q.held += c.held
	l.held += c.held
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
	l.held -= c.held
	if l.len() == 0 {
		q.drop(l, c.class())
	}
	q.admit() // the claims behind it may fit
	return true
}

// admit admits waiting claims while slots and memory are free. The caller holds mu.
func (q *queue) admit() {
	for class := range q.lines {
		for len(q.lines[class]) > 0 {
			l := q.pending
			if l == nil || !slices.Contains(q.lines[class], l) {
				l = q.next(class, func(l *line) *claim { return l.claims[l.next()][0] })
			}
			c := l.claims[l.next()][0]
			if !q.fits(c) {
				if len(q.running) < q.slots {
					q.pending = l
				}
				q.admitQuick()
				return
			}
			q.start(c)
			q.letIn(l, c)
		}
	}
}

// admitQuick admits the next quick claim that may use the express slot. The caller holds
// mu.
func (q *queue) admitQuick() {
	l := q.next(0, func(l *line) *claim {
		if len(l.claims[quick]) > 0 && q.passes(l.claims[quick][0]) {
			return l.claims[quick][0]
		}
		return nil
	})
	if l != nil {
		c := l.claims[quick][0]
		q.startExpress(c)
		q.letIn(l, c)
	}
}

// next returns the line whose workspace will have used the least, with its next claim, or
// nil. Among equals it is the one that had no turn for the longest time. claim returns the
// claim that a line would be next with, or nil.
func (q *queue) next(class int, claim func(*line) *claim) (next *line) {
	least := math.Inf(1)
	for _, l := range q.lines[class] {
		if c := claim(l); c != nil {
			if used := q.usedBy(l.workspace) + min(q.cost(c), credit); used < least {
				next, least = l, used
			}
		}
	}
	return next
}

// letIn removes a claim from its line, moves the line to the end, and admits the claim.
func (q *queue) letIn(l *line, c *claim) {
	q.waiting--
	q.held -= c.held
	l.held -= c.held
	l.last = c.speed()
	l.claims[l.last] = l.claims[l.last][1:]
	q.drop(l, c.class())
	if l.len() > 0 {
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	close(c.admitted)
}

// drop removes a line.
func (q *queue) drop(l *line, class int) {
	q.lines[class] = slices.DeleteFunc(q.lines[class], func(o *line) bool { return o == l })
	if q.pending == l {
		q.pending = nil
	}
}

// close refuses all waiting and future claims.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for class := range q.lines {
		for _, l := range q.lines[class] {
			for _, c := range slices.Concat(l.claims[:]...) {
				c.err = errClosed
				close(c.admitted)
			}
		}
		q.lines[class] = nil
	}
	q.waiting, q.held = 0, 0
}

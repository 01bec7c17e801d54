package worker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/awake"
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
// The workspace, or in two of three turns the client, that has used the least running time is
// next (see turns), so that neither a workspace with many claims, nor many such workspaces, nor
// a client with many claims delay the others. Within a workspace slow and quick claims
// alternate, and those of one client take at most every second turn. Who may wait is for room
// to say. Background claims, for which no client waits, run after all
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
	maxWait time.Duration
	clock   awake.Clock // of all times here: a standstill is no running time, and nobody's wait

	mu      sync.Mutex // guards all below
	closed  bool
	running map[*claim]time.Time // the start of each claim, without the express claim
	express *claim               // in the express slot, or nil
	since   time.Time            // the start of the express claim
	memory  int64                // estimated bytes of running
	room
	turns
	pending *claim // next in turn, but there is no memory for it; or nil
	refused map[string]int64
	waits   histogram
	times   map[Kind]*histogram // running times
}

// Expected speeds of claims.
const (
	quick = iota
	slow
	speeds
)

// A claim is a job's request to run.
type claim struct {
	kind       Kind
	workspace  string
	client     string // its address, see limit.Client; empty if unknown
	background bool
	expected   time.Duration // running time on an idle machine
	slow       bool          // expected to take longer than slowAfter
	bytes      int64         // of memory while it runs, estimated
	held       int64         // bytes of memory while it waits
	admitted   chan struct{} // closed when it may run, or is refused with err
	err        error
	came       struct{ workspace, client bool } // whether they were idle when it came
	number     int64                            // of those that came to wait
	charged    float64                          // seconds that count as used before it has ended
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
		slots: slots, budget: budget, maxWait: maxWait, running: map[*claim]time.Time{},
		room: room{most: amount{int64(bound), budget}, guests: map[string]*guest{}}, turns: newTurns(),
		refused: map[string]int64{"full": 0, "late": 0}, waits: newHistogram(.001, .01, .05, .1, .5, 1, 5, 10),
		times: map[Kind]*histogram{},
	}
}

// enter waits until the claim may run. The caller calls leave when the job has ended. A
// claim is refused at once where its expected wait is longer than maxWait or the time until
// the end of ctx.
func (q *queue) enter(ctx context.Context, c *claim) (leave func(), err error) {
	start := q.clock.Now()
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
	if q.lacks(c, places) {
		q.displace(q.giver(c, places))
	}
	for q.lacks(c, held) {
		of := q.giver(c, held)
		if of == nil {
			break // a claim that was to give way has just been admitted
		}
		q.displace(of)
	}
	q.add(c)
	q.admit() // the claim may use the express slot
	q.mu.Unlock()

	err = q.wait(ctx, c)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil && !q.withdraw(c) {
		err = nil // it was admitted at the same moment
	}
	switch {
	case err == nil && c.err != nil:
		return nil, c.err
	case err == nil:
		q.waits.add(q.clock.Since(start).Seconds())
		return q.leaves(c), nil
	case errors.Is(err, errTooLate):
		q.refused["late"]++
	}
	return nil, err
}

// wait waits until the claim is admitted, at most for maxWait.
func (q *queue) wait(ctx context.Context, c *claim) error {
	limit := awake.NewTimer(q.maxWait)
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
	case q.taken[places] == 0 && q.fits(c):
		q.come(c)
		q.start(c, false)
		return true
	case !q.quickWait() && q.passes(c):
		q.come(c)
		q.startExpress(c)
		return true
	}
	return false
}

// start starts a claim in a slot. chosen says that others waited too. The caller holds mu.
func (q *queue) start(c *claim, chosen bool) {
	q.begin(c, chosen)
	q.running[c] = q.clock.Now()
	q.memory += c.bytes
	q.charge(c)
}

// startExpress starts a claim in the express slot. The caller holds mu.
func (q *queue) startExpress(c *claim) {
	q.express, q.since = c, q.clock.Now()
	q.charge(c)
}

// come notes a claim of a workspace, or of a client, that waits for nothing.
func (q *queue) come(c *claim) {
	first := q.line(c) == nil
	if first {
		c.came.workspace = q.workspaces.come(c.workspace)
	}
	if c.client == "" && first || c.client != "" && q.guests[c.client] == nil {
		c.came.client = q.clients.come(c.asClient())
	}
}

// judge decides whether a claim that comes is slow. The caller holds mu.
func (q *queue) judge(c *claim) { c.slow = c.slow || q.looksSlow(c) }

// looksSlow reports whether a claim would be slow that started now. A claim that is nearly
// slow on an idle machine is slow on a busy one. Otherwise such claims of many workspaces
// would take turns in the express slot. The caller holds mu.
func (q *queue) looksSlow(c *claim) bool {
	pace := q.pace
	see := func(r *claim, since time.Time) { pace = max(pace, paceOf(r, q.clock.Since(since).Seconds())) }
	for r, since := range q.running {
		see(r, since)
	}
	if q.express != nil {
		see(q.express, q.since)
	}
	return c.expected.Seconds()*pace >= slowAfter.Seconds()
}

// check returns the error that a claim of this kind would get now.
func (q *queue) check(ctx context.Context, c *claim) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.judge(c)
	if !q.closed && (q.taken[places] == 0 && len(q.running) < q.slots || !q.quickWait() && q.passes(c)) {
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
	if q.refuses(c) {
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

// refuses reports whether there is no room for a claim, and none to take from others.
func (q *queue) refuses(c *claim) bool {
	if q.lacks(c, places) && q.giver(c, places) == nil {
		return true
	}
	lacking := q.taken[held] + c.takes()[held] - q.most[held]
	return q.lacks(c, held) && q.mayTake(c, held) < lacking && q.later(c) < lacking
}

// giver returns the waiting claim that gives its room to c, or nil.
func (q *queue) giver(c *claim, kind int) *claim {
	if of := q.room.giver(c, kind); of != nil {
		return of
	}
	var last *claim
	for other := range q.comeLater(c, kind) {
		if last == nil || q.waitingTurn(other) > q.waitingTurn(last) {
			last = other
		}
	}
	return last
}

// later returns the bytes that waiting claims hold whose turns come after c's.
func (q *queue) later(c *claim) (bytes int64) {
	for other := range q.comeLater(c, held) {
		bytes += other.held
	}
	return bytes
}

// comeLater yields the waiting claims of other clients whose turns would come after c's, if
// only clients counted. If c's workspace takes its share already, they are those of this
// workspace only.
func (q *queue) comeLater(c *claim, kind int) iter.Seq[*claim] {
	turn, within := q.clientTurn(c, q.clientTakes(c, places)), q.hasShare(c, kind)
	return func(yield func(*claim) bool) {
		if c.client == "" || q.greedy(c, kind) {
			return
		}
		for class := c.class(); class < len(q.lines); class++ {
			for _, l := range q.lines[class] {
				if within && l.workspace != c.workspace {
					continue
				}
				for other := range l.all() {
					if other.client == "" || other.client == c.client || other.takes()[kind] == 0 || q.waitingTurn(other) <= turn {
						continue
					}
					if !yield(other) {
						return
					}
				}
			}
		}
	}
}

// clientTurn returns what the claim's client will have used once it has run so many claims
// like this one.
func (q *queue) clientTurn(c *claim, claims int64) float64 {
	return max(q.clients.of(c.client), q.clients.start(c.client)) + float64(claims)*min(q.cost(c), credit)
}

// waitingTurn returns the clientTurn of a waiting claim, after all others of its client.
func (q *queue) waitingTurn(c *claim) float64 {
	return q.clientTurn(c, q.guest(c.client).taken[places])
}

// displace refuses a waiting claim.
func (q *queue) displace(c *claim) {
	q.withdraw(c)
	q.refused["full"]++
	c.err = errFull
	close(c.admitted)
}

// expected returns the expected wait of a claim: the running time of the claims before it,
// or the rest of the running claim that ends first, if that is longer. A quick claim passes
// slow ones. Where slow claims hold all slots, it also passes the claims of workspaces that
// can't use the express slot. The caller holds mu.
func (q *queue) expected(c *claim) time.Duration {
	first, wait := q.expectedTurn(c)
	if c.client != "" {
		wait = min(wait, q.expectedClientTurn(c)*orderTurns/(orderTurns-1))
	}
	return time.Duration(max(wait, first) * float64(time.Second))
}

// expectedClientTurn returns the running time of the claims before this one where only clients
// count, in seconds.
func (q *queue) expectedClientTurn(c *claim) (wait float64) {
	of := func(g *guest) (work float64) {
		for speed, n := range g.claims {
			if speed == quick || c.slow { // a quick claim passes slow ones
				work += float64(n) * q.typical[speed]
			}
		}
		return work
	}
	wait = of(q.guest(c.client))
	turn := max(q.clients.of(c.client), q.clients.start(c.client)) + wait + min(q.cost(c), credit)
	for client, g := range q.guests {
		if client != c.client {
			wait += min(of(g), max(turn-q.clients.of(client), 0))
		}
	}
	return wait / float64(q.slots)
}

// expectedTurn returns the time until a slot is free for the claim, and the running time of the
// claims before it where only workspaces count, in seconds.
func (q *queue) expectedTurn(c *claim) (first, wait float64) {
	places, misjudged := q.slots, map[string]bool{}
	passes := !c.slow && !c.background
	first = math.Inf(1)
	for r, since := range q.running {
		if passes && q.isSlow(r, since) {
			places--
			misjudged[r.workspace] = misjudged[r.workspace] || !r.slow
			first = 0 // the express slot
			continue
		}
		first = min(first, max(q.service[r.workspace][r.speed()]-q.clock.Since(since).Seconds(), 0))
	}
	own, work := 0, 0.0 // work is that of the workspace's claims before this one, in seconds
	if l := q.line(c); l != nil {
		own = l.before(c.client, c.speed())
		work = float64(own) * q.service[c.workspace][c.speed()]
		if !passes {
			work += float64(min(len(l.claims[1-c.speed()]), own+1)) * q.service[c.workspace][1-c.speed()]
		}
	}
	free := q.slotFree() && q.small(c) // then the claim can use the express slot, as other small ones can
	turn, wait := max(q.workspaces.of(c.workspace), q.workspaces.start(c.workspace))+work+min(q.cost(c), credit), work
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
				work = min(work, max(turn-q.workspaces.of(l.workspace), 0))
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
	return first, wait / float64(max(places, 1))
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
		if !q.isSlow(r, since) {
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
func (q *queue) isSlow(c *claim, since time.Time) bool {
	return c.slow || q.clock.Since(since) >= slowAfter
}

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
		took := q.clock.Since(since).Seconds()
		q.timesOf(c.kind).add(took)
		q.settle(c, took, len(q.lines[0])+len(q.lines[1]), len(q.guests))
		q.admit()
	})
}

// timesOf returns the running times of a kind of claims. There are as many kinds as tasks and
// formats.
func (q *queue) timesOf(kind Kind) *histogram {
	if q.times[kind] == nil {
		h := newHistogram(.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)
		q.times[kind] = &h
	}
	return q.times[kind]
}

// add puts the claim into its workspace's line.
func (q *queue) add(c *claim) {
	c.admitted = make(chan struct{})
	q.come(c)
	q.room.add(c)
}

// withdraw removes a waiting claim. It reports false where the claim doesn't wait.
func (q *queue) withdraw(c *claim) bool {
	if q.remove(c) == nil {
		return false
	}
	if q.pending == c {
		q.pending = nil
	}
	q.admit() // the claims behind it may fit
	return true
}

// admit admits waiting claims while slots and memory are free. The caller holds mu.
func (q *queue) admit() {
	for class := range q.lines {
		for len(q.lines[class]) > 0 {
			c := q.pending
			if c == nil || c.class() != class {
				c = q.next(class, (*line).next, func(*claim) bool { return true })
			}
			if !q.fits(c) {
				if len(q.running) < q.slots {
					q.pending = c
				}
				q.admitQuick()
				return
			}
			q.start(c, true)
			q.letIn(c)
		}
	}
}

// admitQuick admits the next quick claim that may use the express slot. The caller holds
// mu.
func (q *queue) admitQuick() {
	if q.express != nil {
		return
	}
	first := func(l *line) *claim {
		if c := l.first(quick); c != nil && q.passes(c) {
			return c
		}
		return nil
	}
	if c := q.next(0, first, q.passes); c != nil {
		q.startExpress(c)
		q.letIn(c)
	}
}

// next returns the claim of the workspace that will have used the least, or in two of three
// turns that of such a client, or nil. Among equals it is of the workspace that had no turn for
// the longest time. inTurn returns the next claim of a line, or nil; of the other claims only
// those count that may run.
func (q *queue) next(class int, inTurn func(*line) *claim, may func(*claim) bool) (next *claim) {
	least := [2]float64{math.Inf(1), math.Inf(1)}
	consider := func(c *claim) {
		workspace, client := q.after(c)
		used := [2]float64{workspace, workspace}
		if q.byClient() {
			used[0] = client
		}
		if used[0] < least[0] || used[0] == least[0] && used[1] < least[1] {
			next, least = c, used
		}
	}
	for _, l := range q.lines[class] {
		c := inTurn(l)
		if c != nil {
			consider(c)
		}
		if !q.byClient() {
			continue
		}
		for other := range l.all() {
			if (c == nil || other.client != c.client) && may(other) {
				consider(other)
			}
		}
	}
	return next
}

// letIn takes a claim out of its line, moves the line to the end, and admits the claim.
func (q *queue) letIn(c *claim) {
	l := q.remove(c)
	l.last, l.clients[c.speed()] = c.speed(), c.client
	q.turn = (q.turn + 1) % orderTurns
	if q.pending == c {
		q.pending = nil
	}
	if l.len() > 0 {
		q.drop(l, c.class())
		q.lines[c.class()] = append(q.lines[c.class()], l)
	}
	close(c.admitted)
}

// close refuses all waiting and future claims.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, c := range q.empty() {
		c.err = errClosed
		close(c.admitted)
	}
}

package delivery

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/fault"
)

// Fetches bound how many originals are fetched over the network at the same time. An origin
// that stalls then holds up only the requests for it, and a workspace can't hold up the
// others. Fields that are 0 have the values of [DefaultFetches].
type Fetches struct {
	All          int // of this server
	PerWorkspace int
	PerHost      int // from one host for all workspaces; one workspace may have a quarter of it
	Waiting      int // fetches in the queue; one workspace may have a quarter of it
}

// DefaultFetches are 512 fetches at a time, 128 of one workspace and 128 from one host, with
// 4,096 in the queue.
func DefaultFetches() Fetches {
	return Fetches{All: 512, PerWorkspace: 128, PerHost: 128, Waiting: 4096}
}

func (f Fetches) orDefault() Fetches {
	d := DefaultFetches()
	return Fetches{cmp.Or(f.All, d.All), cmp.Or(f.PerWorkspace, d.PerWorkspace), cmp.Or(f.PerHost, d.PerHost), cmp.Or(f.Waiting, d.Waiting)}
}

var errBusy = &fault.Error{Code: fault.Overloaded, Message: "the server is busy; try again in a second", RetryAfter: 1}

// A bound is one of the limits of a gate.
type bound string

const (
	boundAll           bound = "all"
	boundWorkspace     bound = "workspace"
	boundHost          bound = "host"
	boundWorkspaceHost bound = "workspace_host" // of one workspace from one host
	boundQueue         bound = "queue"
)

// A gate bounds how many fetches, or bodies of requests, run at the same time. A fetch that
// waits holds no slot: it takes a slot of each of its bounds in one step, once all have one
// free. Where it finds none, a fetch that has been running for long, of a workspace or a
// host that has more of them, gives way. A gate is safe for concurrent use.
type gate struct {
	most    Fetches
	refused func(bound) // called for every fetch that is refused, or gives way

	mu      sync.Mutex // guards all fields below
	slots   map[slotKey]*slots
	waiting []*turn // the oldest first
	running map[*turn]struct{}
	sweeps  *time.Timer // of sweep; nil while no fetch waits
}

const (
	longRun    = 500 * time.Millisecond // after which a fetch may have to give way
	sweepEvery = 100 * time.Millisecond
)

// A slotKey says whose slots these are: those of a workspace, a host, a workspace on a host,
// or, where both are empty, everybody's.
type slotKey struct{ workspace, host string }

// slots are those under one bound. They are kept while a fetch runs or waits under it.
type slots struct {
	bound         bound
	taken, most   int
	users, queued int
}

// A turn is one fetch that runs or waits.
type turn struct {
	under    []*slots // the narrowest first; the last two are its workspace's and everybody's
	keys     []slotKey
	admitted chan struct{} // closed once it is
	since    time.Time     // when it was admitted
	end      func()        // ends the fetch with errBusy; nil where it need not give way
	ended    bool
}

func newGate(most Fetches, refused func(bound)) *gate {
	return &gate{most: most.orDefault(), refused: refused, slots: map[slotKey]*slots{}, running: map[*turn]struct{}{}}
}

// enterFetch is enter for a fetch that gives way where others find no slot. It has to use
// the context that is returned: what then ends it is errBusy, as [context.Cause].
func (f *gate) enterFetch(ctx context.Context, workspace, host string, wait time.Duration) (fetch context.Context, leave func(), err error) {
	fetch, cancel := context.WithCancelCause(ctx)
	give, err := f.wait(ctx, workspace, host, wait, func() { cancel(errBusy) })
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	return fetch, func() {
		cancel(nil)
		give()
	}, nil
}

// enter waits for a slot, for at most wait. leave gives the slot back. Without a host, only
// the bounds of the workspace and of the server count.
func (f *gate) enter(ctx context.Context, workspace, host string, wait time.Duration) (leave func(), err error) {
	return f.wait(ctx, workspace, host, wait, nil)
}

func (f *gate) wait(ctx context.Context, workspace, host string, wait time.Duration, end func()) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	mine := f.newTurn(workspace, host)
	mine.end = end
	leave = func() { f.leave(mine) }
	if mine.full() == nil {
		f.admit(mine)
		f.mu.Unlock()
		return leave, nil
	}
	if len(f.waiting) >= f.most.Waiting || mine.ofWorkspace().queued >= max(f.most.Waiting/4, 1) {
		f.drop(mine)
		f.mu.Unlock()
		f.refused(boundQueue)
		return nil, errBusy
	}
	mine.ofWorkspace().queued++
	f.waiting = append(f.waiting, mine)
	if f.sweeps == nil && end != nil {
		f.sweeps = time.AfterFunc(0, f.sweep)
	}
	f.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-mine.admitted:
		return leave, nil
	case <-timer.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-mine.admitted: // just now
		return leave, nil
	default:
	}
	if full := mine.full(); err == errBusy && full != nil {
		f.refused(full.bound)
	}
	f.waiting = slices.DeleteFunc(f.waiting, func(t *turn) bool { return t == mine })
	mine.ofWorkspace().queued--
	f.drop(mine)
	return nil, err
}

// figures are how many fetches run, and how many wait.
func (f *gate) figures() (running, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.running), len(f.waiting)
}

// newTurn registers a fetch under its bounds. The caller holds f.mu.
func (f *gate) newTurn(workspace, host string) *turn {
	t := &turn{
		keys:     []slotKey{{workspace, host}, {"", host}, {workspace, ""}, {}},
		admitted: make(chan struct{}),
	}
	of := []slots{
		{bound: boundWorkspaceHost, most: max(f.most.PerHost/4, 1)},
		{bound: boundHost, most: f.most.PerHost},
		{bound: boundWorkspace, most: f.most.PerWorkspace},
		{bound: boundAll, most: f.most.All},
	}
	if host == "" {
		t.keys, of = t.keys[2:], of[2:]
	}
	for i, key := range t.keys {
		p := f.slots[key]
		if p == nil {
			p = &of[i]
			f.slots[key] = p
		}
		p.users++
		t.under = append(t.under, p)
	}
	return t
}

func (t *turn) ofWorkspace() *slots { return t.under[len(t.under)-2] }

// full returns the first of its bounds without a free slot, or nil. The caller holds mu.
func (t *turn) full() *slots {
	for _, p := range t.under {
		if p.taken >= p.most {
			return p
		}
	}
	return nil
}

// admit takes the slots of a fetch, and lets it run. The caller holds f.mu.
func (f *gate) admit(t *turn) {
	for _, p := range t.under {
		p.taken++
	}
	f.running[t] = struct{}{}
	t.since = time.Now()
	close(t.admitted)
}

// drop forgets a fetch that doesn't run or wait any more. The caller holds f.mu.
func (f *gate) drop(t *turn) {
	for i, p := range t.under {
		if p.users--; p.users == 0 {
			delete(f.slots, t.keys[i])
		}
	}
}

// leave gives back the slots of a fetch, and admits fetches that wait for them.
func (f *gate) leave(t *turn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range t.under {
		p.taken--
	}
	delete(f.running, t)
	f.drop(t)
	for {
		i := f.next()
		if i < 0 {
			return
		}
		next := f.waiting[i]
		f.waiting = slices.Delete(f.waiting, i, i+1)
		next.ofWorkspace().queued--
		f.admit(next)
	}
}

// next is the index of the fetch in the queue that comes next, or -1. Only fetches whose
// bounds all have a free slot count. The workspace with the fewest running fetches comes
// first, of its fetches those from the host with the fewest, and of these the oldest. The
// caller holds f.mu.
func (f *gate) next() int {
	best := -1
	for i, t := range f.waiting {
		if t.full() != nil {
			continue
		}
		if best < 0 || cmp.Or(
			cmp.Compare(t.ofWorkspace().taken, f.waiting[best].ofWorkspace().taken),
			cmp.Compare(t.under[0].taken, f.waiting[best].under[0].taken)) < 0 {
			best = i
		}
	}
	return best
}

// sweep makes room for fetches that wait, one for each workspace and host at a time, and
// comes back as long as there are any.
func (f *gate) sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweeps = nil
	if len(f.waiting) == 0 {
		return
	}
	tried := map[slotKey]bool{}
	for _, t := range f.waiting {
		if t.end != nil && !tried[t.keys[0]] {
			tried[t.keys[0]] = true
			f.makeRoom(t)
		}
	}
	f.sweeps = time.AfterFunc(sweepEvery, f.sweep)
}

// makeRoom ends a fetch under each bound that keeps t waiting. It ends none where one of
// the bounds has none that has to give way. The caller holds f.mu.
func (f *gate) makeRoom(t *turn) {
	var victims []*turn
	var bounds []bound
	for i, p := range t.under {
		if p.taken < p.most {
			continue
		}
		v := f.victim(t, i)
		if v == nil {
			return
		}
		victims, bounds = append(victims, v), append(bounds, p.bound)
	}
	for i, v := range victims {
		if !v.ended { // under a narrower bound
			v.ended = true
			f.refused(bounds[i])
			v.end()
		}
	}
}

// victim is the fetch that gives way to t under one of t's bounds: of a workspace that has
// more fetches there, or, under the bound of t's own workspace, of a host that has. The
// other keeps at least as many as t's has then. Of its fetches the one that has been running
// longest gives way. It is nil where there is none. The caller holds f.mu.
func (f *gate) victim(t *turn, under int) *turn {
	var level int // of the slots that are compared, counted as t.under is
	switch t.under[under].bound {
	case boundHost, boundWorkspace:
		level = 0 // a workspace on a host
	case boundAll:
		level = len(t.under) - 2 // a workspace
	default:
		return nil
	}
	// An original in a folder has no host, and no such bounds.
	same := t.keys[under]
	var victim *turn
	for v := range f.running {
		if v.end == nil || len(v.under) != len(t.under) || v.keys[under] != same || v.under[level] == t.under[level] {
			continue
		}
		if v.ended {
			if v.under[level].taken > t.under[level].taken {
				return v // its slot is about to become free
			}
			continue
		}
		if v.under[level].taken < t.under[level].taken+2 || time.Since(v.since) < longRun {
			continue
		}
		if victim == nil || v.under[level].taken > victim.under[level].taken ||
			v.under[level].taken == victim.under[level].taken && v.since.Before(victim.since) {
			victim = v
		}
	}
	return victim
}

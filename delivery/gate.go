package delivery

import (
	"cmp"
	"context"
	"maps"
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
	Waiting      int // fetches in the queue; one workspace may have a quarter of it, and less where more workspaces fill it
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
// free. If none becomes free, a fetch that has been running for longRun gives way: one of a
// workspace, or from a host, that has more of them. A gate is safe for concurrent use.
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
	mostSwept  = 16
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
	out      chan struct{} // closed when it loses its place in the queue
	since    time.Time     // when it was admitted
	end      func()        // ends the fetch with errBusy; nil in a gate whose bodies don't give way
	ended    bool
}

func newGate(most Fetches, refused func(bound)) *gate {
	return &gate{most: most.orDefault(), refused: refused, slots: map[slotKey]*slots{}, running: map[*turn]struct{}{}}
}

// enterFetch is enter for a fetch that gives way where others find no slot. The fetch must
// use the context that is returned. Where it has to give way, that context is cancelled, and
// its [context.Cause] is errBusy.
func (f *gate) enterFetch(ctx context.Context, workspace, host string, wait time.Duration) (fetch context.Context, leave func(), err error) {
	fetch, cancel := context.WithCancelCause(ctx)
	give, err := f.await(ctx, workspace, host, wait, func() { cancel(errBusy) })
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
	return f.await(ctx, workspace, host, wait, nil)
}

func (f *gate) await(ctx context.Context, workspace, host string, wait time.Duration, end func()) (leave func(), err error) {
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
	if mine.ofWorkspace().queued >= max(f.most.Waiting/4, 1) || len(f.waiting) >= f.most.Waiting && !f.displace(mine) {
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
	case <-mine.out:
		return nil, errBusy
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
	case <-mine.out:
		return nil, errBusy
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

// displace takes the newest fetch of the workspace that has most out of the queue. It reports
// false where that workspace would then have fewer there than t's. So many workspaces
// together can't keep another one out. The caller holds f.mu.
func (f *gate) displace(t *turn) bool {
	last, most := -1, t.ofWorkspace().queued+1
	for i, other := range f.waiting {
		if n := other.ofWorkspace().queued; n > most || last >= 0 && n == most {
			last, most = i, n
		}
	}
	if last < 0 {
		return false
	}
	other := f.waiting[last]
	f.waiting = slices.Delete(f.waiting, last, last+1)
	other.ofWorkspace().queued--
	f.drop(other)
	f.refused(boundQueue)
	close(other.out)
	return true
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
		admitted: make(chan struct{}), out: make(chan struct{}),
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
// bounds all have a free slot count. The caller holds f.mu.
func (f *gate) next() int {
	best := -1
	for i, t := range f.waiting {
		if t.full() == nil && (best < 0 || t.before(f.waiting[best])) {
			best = i
		}
	}
	return best
}

// before reports whether a fetch comes before an older one: its workspace has fewer running
// fetches, or has as many and fewer from its host.
func (t *turn) before(older *turn) bool {
	return cmp.Or(
		cmp.Compare(t.ofWorkspace().taken, older.ofWorkspace().taken),
		cmp.Compare(t.under[0].taken, older.under[0].taken)) < 0
}

// sweep makes room for fetches that wait, and runs again while there are any. It takes the
// first of each workspace, and no more than mostSwept, so that it costs little however long
// the queue is.
func (f *gate) sweep() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweeps = nil
	if len(f.waiting) == 0 {
		return
	}
	firsts := map[*slots]*turn{}
	for _, t := range f.waiting {
		if first := firsts[t.ofWorkspace()]; first == nil || t.before(first) {
			firsts[t.ofWorkspace()] = t
		}
	}
	fewest := slices.SortedFunc(maps.Values(firsts), func(a, b *turn) int { return cmp.Compare(a.ofWorkspace().taken, b.ofWorkspace().taken) })
	for _, t := range fewest[:min(len(fewest), mostSwept)] {
		f.makeRoom(t)
	}
	f.sweeps = time.AfterFunc(sweepEvery, f.sweep)
}

// makeRoom ends one fetch under each bound that keeps t waiting. It ends none if one of these
// bounds has none that has to give way. The caller holds f.mu.
func (f *gate) makeRoom(t *turn) {
	victims := map[*turn]bound{}
	for i, p := range t.under {
		if p.taken < p.most {
			continue
		}
		v := f.victim(t, i)
		if v == nil {
			return
		}
		victims[v] = p.bound
	}
	for v, b := range victims {
		if !v.ended {
			v.ended = true
			f.refused(b)
			v.end()
		}
	}
}

// victim is the fetch that gives way to t under one of t's bounds, or nil. Under the bounds
// of a host and of the server it is one of another workspace, under that of t's workspace it
// is one from another host. That workspace, or host, has at least two more fetches there than
// t's, and the fetch is the one of these that has been running longest. A fetch that is
// ending already is enough. The caller holds f.mu.
func (f *gate) victim(t *turn, under int) *turn {
	level := 0 // in t.under: the slots of a workspace on a host
	switch t.under[under].bound {
	case boundWorkspaceHost:
		return nil
	case boundAll:
		level = len(t.under) - 2 // the slots of a workspace
	}
	var victim *turn
	for v := range f.running {
		theirs, ours := v.under[level], t.under[level]
		if v.keys[under] != t.keys[under] || theirs == ours || theirs.taken < ours.taken+2 {
			continue
		}
		if v.ended {
			return v
		}
		if time.Since(v.since) < longRun {
			continue
		}
		if victim == nil || cmp.Or(cmp.Compare(theirs.taken, victim.under[level].taken), victim.since.Compare(v.since)) > 0 {
			victim = v
		}
	}
	return victim
}

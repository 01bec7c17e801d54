package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
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
// workspace, or from a host, that has more of them, or else one of a client that has more and
// is over a floor. So clients that name many workspaces can't keep others out, nor can one that
// names an origin which stalls. A proxy in front of many people may look like one client, so it
// keeps the floor. A gate is safe for concurrent use.
type gate struct {
	most    Fetches
	refused func(bound) // called for every fetch that is refused, or gives way

	mu      sync.Mutex // guards all fields below
	slots   map[slotKey]*slots
	waiting []*turn // the oldest first
	running map[*turn]struct{}
	sweeps  *time.Timer // of sweep; nil while no fetch waits
	hung    *lru.Cache[hangKey, time.Time]
}

// A hangKey is a client whose fetch of a workspace from a host has hung.
type hangKey struct {
	slotKey
	client string
}

const (
	longRun    = 500 * time.Millisecond // after which a fetch may have to give way
	hangs      = 5 * time.Second        // after which it may have to for a client that has none
	patience   = time.Second            // for which a fetch waits before others from its host give way, see due
	sweepEvery = 100 * time.Millisecond
	mostSwept  = 16
	hungFor    = 10 * time.Minute // for which it counts that a client's fetch has hung
	mostHung   = 8192
	quickFor   = 30 * time.Second // for which the quickest fetch from a host counts
)

// A slotKey says whose slots these are: those of a workspace, a host, a workspace on a host,
// or, where both are empty, everybody's.
type slotKey struct{ workspace, host string }

// slots are those under one bound. They are kept while a fetch runs or waits under it.
type slots struct {
	bound         bound
	taken, most   int
	ending        int // of those taken, whose fetches had to give way
	users, queued int
	clients       map[string]*part
	quickest      time.Duration // of the fetches of clients that have ended by themselves lately
	quickestAt    time.Time
	tried         time.Time // when a fetch last gave way to a client that had none, before one had ended
}

// A part is what a client has of the slots under one bound. It is kept like slots.
type part struct {
	taken, ending, users, queued int
	last                         time.Time // when a fetch was admitted
}

// stay returns how many fetches will go on.
func (p *slots) stay() int { return p.taken - p.ending }
func (k *part) stay() int  { return k.taken - k.ending }

// part returns the part of a client. Each fetch of nobody has one of its own.
func (p *slots) part(client string) *part {
	if client == "" {
		return &part{}
	}
	if p.clients == nil {
		p.clients = map[string]*part{}
	}
	if p.clients[client] == nil {
		p.clients[client] = &part{}
	}
	return p.clients[client]
}

// floor is how many of so many a client never gives to others.
func (p *slots) floor(of int) int { return int(limit.Part(int64(of), len(p.clients))) }

// A turn is one fetch that runs or waits.
type turn struct {
	client   string   // see limit.ClientIn; empty is nobody
	under    []*slots // the narrowest first; the last two are its workspace's and everybody's
	parts    []*part  // of its client, under each of these
	keys     []slotKey
	admitted chan struct{} // closed once it is
	out      chan struct{} // closed when it loses its place in the queue
	came     time.Time     // to the queue
	since    time.Time     // when it was admitted
	end      func()        // ends the fetch with errBusy
	ended    bool
	hung     bool // another of its client has, see gate.took
}

func newGate(most Fetches, refused func(bound)) *gate {
	hung, err := lru.New[hangKey, time.Time](mostHung)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	return &gate{most: most.orDefault(), refused: refused, slots: map[slotKey]*slots{}, running: map[*turn]struct{}{}, hung: hung}
}

// enter waits for a slot, for at most wait. leave gives the slot back. Without a host, only
// the bounds of the workspace and of the server count. The fetch must use the context that is
// returned: where it has to give way to others, that context is cancelled, and its
// [context.Cause] is errBusy.
func (f *gate) enter(ctx context.Context, workspace, host string, wait time.Duration) (fetch context.Context, leave func(), err error) {
	fetch, cancel := context.WithCancelCause(ctx)
	give, err := f.await(ctx, workspace, host, wait, func() { cancel(errBusy) })
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	return fetch, func() {
		whole := fetch.Err() == nil
		cancel(nil)
		give(whole)
	}, nil
}

func (f *gate) await(ctx context.Context, workspace, host string, wait time.Duration, end func()) (leave func(whole bool), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	mine := f.newTurn(limit.ClientIn(ctx), workspace, host)
	mine.end = end
	leave = func(whole bool) { f.leave(mine, whole) }
	if mine.full() == nil {
		f.admit(mine)
		f.mu.Unlock()
		return leave, nil
	}
	ofWorkspace := max(f.most.Waiting/4, 1) // places in the queue
	if mine.ofWorkspace().queued >= ofWorkspace && !f.displaceClient(mine, mine.ofWorkspace(), ofWorkspace) || len(f.waiting) >= f.most.Waiting && !f.displace(mine) {
		f.drop(mine)
		f.mu.Unlock()
		f.refused(boundQueue)
		return nil, errBusy
	}
	mine.came = time.Now()
	f.queued(mine, 1)
	f.waiting = append(f.waiting, mine)
	if f.sweeps == nil {
		f.sweeps = time.AfterFunc(0, f.sweep)
	}
	f.mu.Unlock()

	timer := awake.NewTimer(wait)
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
	f.queued(mine, -1)
	f.drop(mine)
	return nil, err
}

// queued counts a fetch that comes to the queue, or with -1 one that leaves it. The caller
// holds f.mu.
func (f *gate) queued(t *turn, n int) {
	for i, p := range t.under {
		p.queued += n
		t.parts[i].queued += n
	}
}

// displace takes a fetch out of the queue for t: the newest of the workspace that has most
// there, unless that workspace would then have fewer there than t's, or else the newest of the
// client that has most. So neither many workspaces together nor a client that names many can
// keep another one out. It reports false where there is none. The caller holds f.mu.
func (f *gate) displace(t *turn) bool {
	return f.putOutNewest(t.ofWorkspace().queued+1, func(o *turn) int { return o.ofWorkspace().queued }) ||
		f.displaceClient(t, t.under[len(t.under)-1], f.most.Waiting)
}

// displaceClient takes a fetch under one of t's bounds out of the queue for t: the newest of the
// client that has most of so many places, if that is over a floor and more than t's would have.
// For a client that has nothing there, the floor doesn't count, and fetches that run count too:
// more clients than there are parts may have filled all places, each with one. Clients whose
// fetches have hung count for more, see took. It reports false where there is none. The caller holds f.mu.
func (f *gate) displaceClient(t *turn, under *slots, places int) bool {
	i := slices.Index(t.under, under)
	least, isNew := t.parts[i].queued+1, t.isNew(i)
	clean := isNew && !t.hung
	if !isNew {
		least = max(under.floor(places), least)
	}
	return f.putOutNewest(least, func(o *turn) int {
		switch {
		case o.under[i] != under:
			return 0
		case clean && o.hung:
			return o.parts[i].taken + o.parts[i].queued + 1
		case isNew:
			return o.parts[i].taken + o.parts[i].queued
		}
		return o.parts[i].queued
	})
}

// putOutNewest takes the newest fetch out of the queue of those who have most there, and more
// than that. It reports false where there is none. The caller holds f.mu.
func (f *gate) putOutNewest(than int, queued func(*turn) int) bool {
	last, most := -1, than
	for i, other := range f.waiting {
		if n := queued(other); n > most || last >= 0 && n == most {
			last, most = i, n
		}
	}
	if last < 0 {
		return false
	}
	other := f.waiting[last]
	f.waiting = slices.Delete(f.waiting, last, last+1)
	f.queued(other, -1)
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
func (f *gate) newTurn(client, workspace, host string) *turn {
	t := &turn{
		client:   client,
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
	at, ok := f.hung.Get(t.hangKey())
	t.hung = ok && time.Since(at) < hungFor
	for i, key := range t.keys {
		p := f.slots[key]
		if p == nil {
			p = &of[i]
			f.slots[key] = p
		}
		k := p.part(client)
		p.users++
		k.users++
		t.under, t.parts = append(t.under, p), append(t.parts, k)
	}
	return t
}

// isNew reports whether the fetch's client is known, and has no other under a bound.
func (t *turn) isNew(under int) bool {
	return t.client != "" && t.parts[under].queued == 0 && t.parts[under].taken == 0
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

// take takes a slot under each bound, or with -1 gives it back.
func (t *turn) take(n int) {
	for i, p := range t.under {
		p.taken += n
		t.parts[i].taken += n
		if n > 0 {
			t.parts[i].last = time.Now()
		}
	}
}

// ending counts a fetch that has to give way, or with -1 that has done so.
func (t *turn) ending(n int) {
	for i, p := range t.under {
		p.ending += n
		t.parts[i].ending += n
	}
}

// admit takes the slots of a fetch, and lets it run. The caller holds f.mu.
func (f *gate) admit(t *turn) {
	t.take(1)
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
		if t.parts[i].users--; t.parts[i].users == 0 {
			delete(p.clients, t.client)
		}
	}
}

// leave gives back the slots of a fetch, and admits fetches that wait for them. whole says that
// nobody ended the fetch.
func (f *gate) leave(t *turn, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.take(-1)
	if t.ended {
		t.ending(-1)
	}
	if t.client != "" {
		f.took(t, time.Since(t.since), whole)
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
		f.queued(next, -1)
		f.admit(next)
	}
}

// next is the index of the fetch in the queue that comes next, or -1. Only fetches whose
// bounds all have a free slot count. The caller holds f.mu.
func (f *gate) next() int {
	best := -1
	for i, t := range f.waiting {
		if t.full() == nil && (best < 0 || t.compare(f.waiting[best]) < 0) {
			best = i
		}
	}
	return best
}

// greed is the largest part of the slots of a bound that the fetch's client has, if it is over
// the floor.
func (t *turn) greed() (most float64) {
	for i, p := range t.under {
		if n := t.parts[i].taken; p.bound != boundWorkspaceHost && n > p.floor(p.most) {
			most = max(most, float64(n)/float64(p.most))
		}
	}
	return most
}

// has returns how many fetches of its client run. Those of nobody count for their workspace.
func (t *turn) has() int {
	if t.client == "" {
		return t.ofWorkspace().taken
	}
	return t.parts[len(t.parts)-1].taken
}

// compare is negative for a fetch that comes before another, whichever is older: its client is
// less greedy, or none of its fetches has hung, or it has fewer running fetches, its workspace
// has fewer, or has as many and fewer from its host. Where all is equal, its client has waited longer for its turn: a newcomer comes
// before those that have just lost a fetch.
func (t *turn) compare(older *turn) int {
	return cmp.Or(
		cmp.Compare(t.greed(), older.greed()),
		compareBool(t.hung, older.hung),
		cmp.Compare(t.has(), older.has()),
		cmp.Compare(t.ofWorkspace().taken, older.ofWorkspace().taken),
		cmp.Compare(t.under[0].taken, older.under[0].taken),
		t.parts[len(t.parts)-1].last.Compare(older.parts[len(older.parts)-1].last))
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
		if !t.due() {
			continue
		}
		if first := firsts[t.ofWorkspace()]; first == nil || t.compare(first) < 0 {
			firsts[t.ofWorkspace()] = t
		}
	}
	fewest := slices.SortedFunc(maps.Values(firsts), (*turn).compare)
	given := map[*turn]struct{}{}
	for _, t := range fewest[:min(len(fewest), mostSwept)] {
		f.makeRoom(t, given)
	}
	f.sweeps = time.AfterFunc(sweepEvery, f.sweep)
}

// due reports whether others may have to give way to a fetch. Most workspaces have one host, and
// many visitors may ask a slow one at the same time. So where a workspace has all that it may have
// from a host, a fetch first waits for what ends by itself, and longer the more its client has.
func (t *turn) due() bool {
	p := t.under[0]
	return p.bound != boundWorkspaceHost || p.taken < p.most || time.Since(t.came) >= patience*time.Duration(1+t.parts[0].taken)
}

// makeRoom ends one fetch under each bound that keeps t waiting. It ends none if one of these
// bounds has none that has to give way. Those that were given to another fetch don't count. The
// caller holds f.mu.
func (f *gate) makeRoom(t *turn, given map[*turn]struct{}) {
	victims := map[*turn]bound{}
	for i, p := range t.under {
		if p.taken < p.most {
			continue
		}
		v := f.victim(t, i, given)
		if v == nil {
			return
		}
		victims[v] = p.bound
	}
	for v, b := range victims {
		given[v] = struct{}{}
		if !v.ended {
			v.ended = true
			v.ending(1)
			if v.under[0].quickestAt.IsZero() {
				v.under[0].tried = time.Now()
			}
			f.refused(b)
			v.end()
		}
	}
}

// took notes how long a fetch took, and whether it hung. A visitor's first fetch of a slow origin
// isn't ended for another visitor's, so that some get an answer. But clients that had their turn,
// and let it hang, must not together keep out those that had none. The caller holds f.mu.
func (f *gate) took(t *turn, d time.Duration, whole bool) {
	if p := t.under[0]; whole && (d < p.quickest || time.Since(p.quickestAt) >= quickFor) {
		p.quickest, p.quickestAt = d, time.Now()
	}
	if d < hangs {
		return
	}
	key := t.hangKey()
	f.hung.Add(key, time.Now())
	note := func(other *turn) {
		if other.hangKey() == key {
			other.hung = true
		}
	}
	for _, other := range f.waiting {
		note(other)
	}
	for other := range f.running {
		note(other)
	}
}

// hangsFor reports whether a fetch has been running for so long, and for longer than its origin
// needs: for twice as long as the quickest one lately. While none has ended by itself, one fetch in
// five seconds may be taken for one that hangs, to see whether another does better. Otherwise
// visitors of an origin that is slow for all would end each other's fetches, and nobody would get
// an answer.
func (t *turn) hangsFor(d time.Duration) bool {
	p, age := t.under[0], time.Since(t.since)
	switch {
	case p.bound != boundWorkspaceHost: // a body, or a folder
	case p.quickestAt.IsZero():
		return age >= d && time.Since(p.tried) >= hangs
	default:
		d = max(d, 2*p.quickest)
	}
	return age >= d
}

func (t *turn) hangKey() hangKey { return hangKey{t.keys[0], t.client} }

// victim is the fetch that gives way to t under one of t's bounds, or nil. Under the bounds
// of a host and of the server it is one of another workspace, under that of t's workspace it
// is one from another host. That workspace, or host, has at least two more fetches there than
// t's, and the fetch is the one of these that has been running longest. If there is none, it is
// the longest one of a client, see heaviest. A fetch that is ending already is enough. The caller
// holds f.mu.
func (f *gate) victim(t *turn, under int, given map[*turn]struct{}) *turn {
	level := 0 // in t.under: the slots of a workspace on a host
	switch t.under[under].bound {
	case boundWorkspaceHost:
		return f.victimOnHost(t, given)
	case boundAll:
		level = len(t.under) - 2 // the slots of a workspace
	}
	v := f.longest(t, under, given, func(v *turn) int {
		if theirs, ours := v.under[level], t.under[level]; theirs != ours && theirs.stay() >= ours.taken+2 {
			return theirs.stay()
		}
		return 0
	})
	if v != nil {
		return v
	}
	return f.heaviest(t, under, given)
}

// victimOnHost is victim under the bound of t's workspace on its host. A fetch of nobody, such as
// a renewal, gives way to every client, since nobody waits for it, and none gives way to it.
func (f *gate) victimOnHost(t *turn, given map[*turn]struct{}) *turn {
	if t.client == "" {
		return nil
	}
	v := f.longest(t, 0, given, func(v *turn) int {
		if v.client == "" {
			return 1
		}
		return 0
	})
	if v != nil {
		return v
	}
	return f.heaviest(t, 0, given)
}

// heaviest is the longest fetch of a client that has over the floor under one of t's bounds, and
// two more there than t's, or nil. For a client that has none there, it is then one that hangs, of
// the client that has most of several: clients within the floor may together have all slots. Those
// of a workspace on a host are so few that there the fetches that wait count too. Last comes one of
// a client of which another has hung, see took. The caller holds f.mu.
func (f *gate) heaviest(t *turn, under int, given map[*turn]struct{}) *turn {
	least := max(t.under[under].floor(t.under[under].most), t.parts[under].taken+1)
	v := f.longest(t, under, given, func(v *turn) int {
		if n := v.parts[under].stay(); n > least {
			return n
		}
		return 0
	})
	if v != nil || t.client == "" || t.parts[under].taken > 0 {
		return v
	}
	v = f.longest(t, under, given, func(v *turn) int {
		n := v.parts[under].stay()
		if t.under[under].bound == boundWorkspaceHost {
			n += v.parts[under].queued
		}
		if n > 1 && v.hangsFor(hangs) {
			return n
		}
		return 0
	})
	if v != nil || t.hung {
		return v
	}
	return f.longest(t, under, given, func(v *turn) int {
		if v.hung && v.hangsFor(longRun) {
			return 1
		}
		return 0
	})
}

// longest returns a fetch under t's bound that is ending already and was given to nobody. Else it
// returns the fetch for which most is largest, and of these the one that has been running longest,
// or nil. Those for which most is 0 don't count, nor those that began a moment ago.
func (f *gate) longest(t *turn, under int, given map[*turn]struct{}, most func(*turn) int) (longest *turn) {
	n := 0
	for v := range f.running {
		if v.keys[under] != t.keys[under] {
			continue
		}
		if v.ended {
			if _, gone := given[v]; !gone {
				return v
			}
			continue
		}
		if m := most(v); m > 0 && time.Since(v.since) >= longRun && (m > n || m == n && v.since.Before(longest.since)) {
			longest, n = v, m
		}
	}
	return longest
}

package server

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Fetches bound how many originals are fetched over the network at a time, so that an
// origin that stalls holds up nobody but those who ask it, and no workspace all others.
// Zero fields are those of [DefaultFetches].
type Fetches struct {
	All          int // of this server
	PerWorkspace int
	PerHost      int // from one host, of all workspaces; of one workspace a quarter of it
	Waiting      int // for a place; of one workspace a quarter of it
}

// DefaultFetches are 512 at a time, 128 of a workspace and 128 from a host, while 4,096
// wait.
func DefaultFetches() Fetches {
	return Fetches{All: 512, PerWorkspace: 128, PerHost: 128, Waiting: 4096}
}

func (f Fetches) orDefault() Fetches {
	d := DefaultFetches()
	return Fetches{cmp.Or(f.All, d.All), cmp.Or(f.PerWorkspace, d.PerWorkspace), cmp.Or(f.PerHost, d.PerHost), cmp.Or(f.Waiting, d.Waiting)}
}

var errBusy = &Error{Code: "OVERLOADED", Message: "the server is busy; try again in a second", RetryAfter: 1}

// A fetchBound is one of the bounds that a fetch is held to.
type fetchBound string

const (
	boundAll           fetchBound = "all"
	boundWorkspace     fetchBound = "workspace"
	boundHost          fetchBound = "host"
	boundWorkspaceHost fetchBound = "workspace_host" // of one workspace from one host
	boundQueue         fetchBound = "queue"
)

// A fetchGate admits fetches. One that waits holds no place meanwhile: it takes a place
// under each of its bounds in one step, once all have one. It is safe for concurrent
// use.
type fetchGate struct {
	most    Fetches
	refused func(fetchBound) // told of every fetch that was not admitted

	mu      sync.Mutex // guards all below, and what it leads to
	places  map[fetchPlaces]*places
	waiting []*fetchTurn // the oldest first
	running int
}

// fetchPlaces says whose places: of a workspace, of a host, of both, of all.
type fetchPlaces struct{ workspace, host string }

// places exist as long as somebody has one or waits for one.
type places struct {
	bound         fetchBound
	taken, most   int
	users, queued int
}

// A fetchTurn is one fetch that runs or waits.
type fetchTurn struct {
	under    []*places // the narrowest first; the last two are its workspace's and everybody's
	keys     []fetchPlaces
	admitted chan struct{} // closed once it is
}

func newFetchGate(most Fetches, refused func(fetchBound)) *fetchGate {
	return &fetchGate{most: most.orDefault(), refused: refused, places: map[fetchPlaces]*places{}}
}

// enter waits for a place, for up to a time. Where host is empty there is no bound of
// hosts. It returns the call that gives the place back.
func (f *fetchGate) enter(ctx context.Context, workspace, host string, wait time.Duration) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	turn := f.turn(workspace, host)
	leave = func() { f.leave(turn) }
	if turn.full() == nil {
		f.admit(turn)
		f.mu.Unlock()
		return leave, nil
	}
	if len(f.waiting) >= f.most.Waiting || turn.ofWorkspace().queued >= max(f.most.Waiting/4, 1) {
		f.drop(turn)
		f.mu.Unlock()
		f.refused(boundQueue)
		return nil, errBusy
	}
	turn.ofWorkspace().queued++
	f.waiting = append(f.waiting, turn)
	f.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-turn.admitted:
		return leave, nil
	case <-timer.C:
		err = errBusy
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-turn.admitted: // meanwhile
		return leave, nil
	default:
	}
	if full := turn.full(); err == errBusy && full != nil {
		f.refused(full.bound)
	}
	f.waiting = slices.DeleteFunc(f.waiting, func(t *fetchTurn) bool { return t == turn })
	turn.ofWorkspace().queued--
	f.drop(turn)
	return nil, err
}

// figures are the fetches under way, and those that wait.
func (f *fetchGate) figures() (running, waiting int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running, len(f.waiting)
}

// turn is a new fetch under its bounds. f.mu is held.
func (f *fetchGate) turn(workspace, host string) *fetchTurn {
	t := &fetchTurn{
		keys:     []fetchPlaces{{workspace, host}, {"", host}, {workspace, ""}, {}},
		admitted: make(chan struct{}),
	}
	of := []places{
		{bound: boundWorkspaceHost, most: max(f.most.PerHost/4, 1)},
		{bound: boundHost, most: f.most.PerHost},
		{bound: boundWorkspace, most: f.most.PerWorkspace},
		{bound: boundAll, most: f.most.All},
	}
	if host == "" {
		t.keys, of = t.keys[2:], of[2:]
	}
	for i, key := range t.keys {
		p := f.places[key]
		if p == nil {
			p = &of[i]
			f.places[key] = p
		}
		p.users++
		t.under = append(t.under, p)
	}
	return t
}

func (t *fetchTurn) ofWorkspace() *places { return t.under[len(t.under)-2] }

// full is the first of its bounds that has no place; nil is none. f.mu is held.
func (t *fetchTurn) full() *places {
	for _, p := range t.under {
		if p.taken >= p.most {
			return p
		}
	}
	return nil
}

// admit lets a fetch through. f.mu is held.
func (f *fetchGate) admit(t *fetchTurn) {
	for _, p := range t.under {
		p.taken++
	}
	f.running++
	close(t.admitted)
}

// drop lets go of what a fetch is held to. f.mu is held.
func (f *fetchGate) drop(t *fetchTurn) {
	for i, p := range t.under {
		if p.users--; p.users == 0 {
			delete(f.places, t.keys[i])
		}
	}
}

// leave gives the places of a fetch to those who wait.
func (f *fetchGate) leave(t *fetchTurn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range t.under {
		p.taken--
	}
	f.running--
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

// next is the place in the queue of who comes next, or -1: of those whose bounds all
// have room, one of the workspace that has the fewest fetches under way, and of these
// the oldest. f.mu is held.
func (f *fetchGate) next() int {
	best := -1
	for i, t := range f.waiting {
		if t.full() == nil && (best < 0 || t.ofWorkspace().taken < f.waiting[best].ofWorkspace().taken) {
			best = i
		}
	}
	return best
}

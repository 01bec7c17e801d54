package worker

import (
	"cmp"
	"iter"
	"slices"

	"github.com/tintype/tintype/limit"
)

// What a waiting claim takes of the room, by kind.
const (
	places = iota // 1 for each claim
	held          // bytes of its originals
	kinds
)

type amount [kinds]int64

func (c *claim) takes() amount { return amount{places: 1, held: c.held} }

func (a amount) plus(b amount, times int64) amount {
	for kind := range a {
		a[kind] += times * b[kind]
	}
	return a
}

// A room is that of the claims that wait. Where there is none left, a new claim takes it from
// others, in this order:
//
//   - From the workspace that takes most, where that is more than the new claim's workspace
//     would take. So many workspaces together can't keep another one out.
//
//   - From the client that takes most, where that is over a floor and more than the new
//     claim's client would take. So clients that name many workspaces, or fill one, can't keep
//     others out. A workspace takes at most a share of the room like that.
//
//   - From the client whose turn would come last, where that is after the new claim's turn. So
//     clients that have one claim each can't keep out one that has used less than they have, now or
//     within ten minutes.
//
// In the first way, a client over the floor takes only from workspaces over a share. A proxy in
// front of many people may look like one client, so it keeps the floor, whoever comes past it.
type room struct {
	most   amount
	taken  amount
	guests map[string]*guest
	lines  [2][]*line // by class; the workspace that had no turn for the longest time comes first
	came   int64      // claims that have come
}

// A guest is a client of which claims wait.
type guest struct {
	taken  amount
	claims [speeds]int
}

// share is a quarter of the room.
func (r *room) share(kind int) int64 { return max(r.most[kind]/4, 1) }

// floor is the part of the room that a client never gives to others.
func (r *room) floor(kind int) int64 { return limit.Part(r.most[kind], len(r.guests)) }

// A line holds the waiting claims of a workspace, by speed, oldest first.
type line struct {
	workspace string
	taken     amount
	claims    [speeds][]*claim
	last      int            // speed of the claim that was admitted last
	clients   [speeds]string // whose claims were admitted last
}

func (l *line) len() int { return len(l.claims[quick]) + len(l.claims[slow]) }

// next returns the claim to admit next: slow and quick claims alternate. The line must not be
// empty.
func (l *line) next() *claim {
	if c := l.first(1 - l.last); c != nil {
		return c
	}
	return l.first(l.last)
}

// first returns the claim of a speed to admit next, or nil: the oldest one of another client
// than the last. So the claims of one client take at most every second turn where others wait.
func (l *line) first(speed int) *claim {
	claims := l.claims[speed]
	if i := slices.IndexFunc(claims, func(c *claim) bool { return c.client != l.clients[speed] }); i >= 0 {
		return claims[i]
	}
	if len(claims) > 0 {
		return claims[0]
	}
	return nil
}

// before returns how many claims of a speed would be admitted before a new one of the client.
// The client with most of them takes every second turn.
func (l *line) before(client string, speed int) int {
	n, of := map[string]int{}, 0 // of is the largest number of another client
	for _, c := range l.claims[speed] {
		if c.client != client {
			n[c.client]++
			of = max(of, n[c.client])
		}
	}
	rest := len(l.claims[speed]) - of
	return rest + min(of, rest+1)
}

// line returns the line of the claim's workspace and class, or nil.
func (r *room) line(c *claim) *line {
	for _, l := range r.lines[c.class()] {
		if l.workspace == c.workspace {
			return l
		}
	}
	return nil
}

// own returns what the workspace's waiting claims take.
func (r *room) own(c *claim) amount {
	if l := r.line(c); l != nil {
		return l.taken
	}
	return amount{}
}

// lacks reports whether there is no room for a claim. A workspace takes at most as many places
// as it leaves free, for others.
func (r *room) lacks(c *claim, kind int) bool {
	if kind == places {
		return r.own(c)[places] >= r.most[places]-r.taken[places]
	}
	return r.taken[held]+c.takes()[held] > r.most[held] && r.taken[places] > 0
}

// giver returns the waiting claim that gives its room to c, or nil.
func (r *room) giver(c *claim, kind int) *claim {
	if l := r.largestLine(c, kind); l != nil {
		return l.newest()
	}
	if of := r.ofLargestClient(c, kind); len(of) > 0 {
		return slices.MaxFunc(of, byNumber)
	}
	return nil
}

func byNumber(a, b *claim) int { return cmp.Compare(a.number, b.number) }

// largestLine returns the line of another workspace that takes most, or nil where none takes
// more than c's workspace would. Where c's client takes over the floor, only lines over a share
// count.
func (r *room) largestLine(c *claim, kind int) (largest *line) {
	for class := c.class(); class < len(r.lines); class++ {
		for _, l := range r.lines[class] {
			if r.excess(c, l, kind) > 0 && (largest == nil || l.taken[kind] > largest.taken[kind]) {
				largest = l
			}
		}
	}
	return largest
}

// excess returns how much more a line takes than c's workspace would, as far as it has to give
// it to c. For a client's claim, a line within the floor gives nothing: else clients that name
// many workspaces would put out the second image of a page.
func (r *room) excess(c *claim, l *line, kind int) int64 {
	if l.workspace == c.workspace || r.greedy(c, kind) && l.taken[kind] <= r.share(kind) || c.client != "" && l.taken[kind] <= r.floor(kind) {
		return 0
	}
	return max(l.taken[kind]-r.own(c)[kind]-c.takes()[kind], 0)
}

// greedy reports whether the claim's client takes over the floor, with it.
func (r *room) greedy(c *claim, kind int) bool {
	return c.client != "" && r.clientTakes(c, kind) > r.floor(kind)
}

// clientTakes returns what the claim's client takes, with it.
func (r *room) clientTakes(c *claim, kind int) int64 {
	return r.guest(c.client).taken[kind] + c.takes()[kind]
}

// ofLargestClient returns the claims of the client that takes most, where it has to give room
// to c. If c's workspace takes its share already, the claims are those of this workspace only,
// which then gets no more than it has.
func (r *room) ofLargestClient(c *claim, kind int) (claims []*claim) {
	largest, most := "", max(r.floor(kind), r.clientTakes(c, kind))
	for client, g := range r.guests {
		if g.taken[kind] > most {
			largest, most = client, g.taken[kind]
		}
	}
	if largest == "" {
		return nil
	}
	within := r.hasShare(c, kind)
	for class := c.class(); class < len(r.lines); class++ {
		for _, l := range r.lines[class] {
			if within && l.workspace != c.workspace {
				continue
			}
			for other := range l.all() {
				if other.client == largest && other.takes()[kind] > 0 {
					claims = append(claims, other)
				}
			}
		}
	}
	return claims
}

// hasShare reports whether c's workspace would take over a share.
func (r *room) hasShare(c *claim, kind int) bool {
	return r.own(c)[kind]+c.takes()[kind] > r.share(kind)
}

// mayTake returns how much others have to give to c at least.
func (r *room) mayTake(c *claim, kind int) int64 {
	lines, clients := int64(0), int64(0)
	for class := c.class(); class < len(r.lines); class++ {
		for _, l := range r.lines[class] {
			lines += r.excess(c, l, kind)
		}
	}
	if !r.hasShare(c, kind) {
		least := max(r.floor(kind), r.clientTakes(c, kind))
		for _, g := range r.guests {
			clients += max(g.taken[kind]-least, 0)
		}
	}
	return max(lines, clients)
}

// all yields the claims of a line.
func (l *line) all() iter.Seq[*claim] {
	return func(yield func(*claim) bool) {
		for _, claims := range l.claims {
			for _, c := range claims {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// newest returns the newest claim of the client that has most in the line.
func (l *line) newest() (newest *claim) {
	n, most := map[string]int{}, 0
	for c := range l.all() {
		n[c.client]++
		most = max(most, n[c.client])
	}
	for c := range l.all() {
		if n[c.client] == most && (newest == nil || c.number > newest.number) {
			newest = c
		}
	}
	return newest
}

// add puts the claim at the end of its workspace's line.
func (r *room) add(c *claim) {
	l := r.line(c)
	if l == nil {
		l = &line{workspace: c.workspace, last: slow} // so that a quick claim is first
		r.lines[c.class()] = append(r.lines[c.class()], l)
	}
	l.claims[c.speed()] = append(l.claims[c.speed()], c)
	r.came++
	c.number = r.came
	r.count(l, c, 1)
}

// remove takes a claim out of its line, and returns the line, or nil where the claim doesn't
// wait. A line without claims goes.
func (r *room) remove(c *claim) *line {
	l := r.line(c)
	if l == nil {
		return nil
	}
	i := slices.Index(l.claims[c.speed()], c)
	if i < 0 {
		return nil
	}
	l.claims[c.speed()] = slices.Delete(l.claims[c.speed()], i, i+1)
	r.count(l, c, -1)
	if l.len() == 0 {
		r.drop(l, c.class())
	}
	return l
}

// count counts a claim that comes to a line, or with -1 one that leaves it.
func (r *room) count(l *line, c *claim, times int64) {
	r.taken = r.taken.plus(c.takes(), times)
	l.taken = l.taken.plus(c.takes(), times)
	if c.client == "" {
		return
	}
	g := r.guest(c.client)
	g.taken = g.taken.plus(c.takes(), times)
	g.claims[c.speed()] += int(times)
	r.guests[c.client] = g
	if *g == (guest{}) {
		delete(r.guests, c.client)
	}
}

// guest returns what is known of a client. One of which nothing waits is new.
func (r *room) guest(client string) *guest {
	if g := r.guests[client]; g != nil {
		return g
	}
	return &guest{}
}

// drop removes a line.
func (r *room) drop(l *line, class int) {
	r.lines[class] = slices.DeleteFunc(r.lines[class], func(o *line) bool { return o == l })
}

// empty removes all claims, and returns them.
func (r *room) empty() (all []*claim) {
	for class := range r.lines {
		for _, l := range r.lines[class] {
			all = slices.AppendSeq(all, l.all())
		}
		r.lines[class] = nil
	}
	r.taken = amount{}
	clear(r.guests)
	return all
}

package worker

import (
	"cmp"
	"strings"
	"time"
)

// Turns say which claim is next. This is start-time fair queueing, by two orders: in two of
// three turns it is the client that has used the least running time, in the third the workspace
// that has. So a client that names many workspaces has no more than its part of the time where
// others wait. Neither have many clients of one workspace, beside which a proxy in front of
// many people may look like one client. Where all claims are of one client, only workspaces count. All times are in
// seconds.
type turns struct {
	workspaces, clients account
	turn                int // of orderTurns: the order of the next turn
	// service is the mean running time of the last claims of a workspace, by speed. It has at
	// most mostKnown workspaces.
	service map[string][speeds]float64
	typical [speeds]float64 // service of all workspaces together
	// pace says how many times as long as expected claims take, from 1 to mostPace. It is 1 on
	// an idle machine.
	pace float64
}

const (
	mostKnown = 1000
	credit    = .25 // a few small transforms
	lately    = 10 * time.Minute
	mostPace  = 4.
)

const orderTurns = 3 // one for workspaces, the others for clients

func (t *turns) byClient() bool { return t.turn > 0 }

func newTurns() turns {
	return turns{workspaces: newAccount(0), clients: newAccount(credit), service: map[string][speeds]float64{}, pace: 1}
}

// An account holds the running time that each workspace, or client, has used. now follows that
// of those whose claims are admitted. Who was idle starts at most credit before now, so that
// nobody can save up the times in which he asked for nothing. Who used little lately starts up
// to spare before that: so hundreds of addresses that come in turn don't count as new ones. An
// account has at most mostKnown names.
type account struct {
	used  map[string]used
	now   float64
	spare float64
}

type used struct {
	seconds float64
	lately  float64   // of the spare, at that time; it is given back within the time lately
	at      time.Time // of the last claim that was admitted
}

func newAccount(spare float64) account { return account{used: map[string]used{}, spare: spare} }

func (a *account) of(name string) float64 {
	if u, ok := a.used[name]; ok {
		return u.seconds
	}
	return a.start(name)
}

// start returns where a name starts that was idle.
func (a *account) start(name string) float64 {
	if strings.HasPrefix(name, ofNobody) {
		return a.now - credit
	}
	return a.now - credit - a.spare + a.lately(a.used[name])
}

// lately returns how much of the spare a name has used.
func (a *account) lately(u used) float64 {
	back := a.spare * time.Since(u.at).Seconds() / lately.Seconds()
	return min(max(u.lately-back, 0), a.spare)
}

func (a *account) set(name string, seconds float64) {
	u, ok := a.used[name]
	if !ok {
		makeRoom(a.used, mostKnown, func(u used) bool { return u.seconds <= a.now-credit })
	}
	u.seconds = seconds
	a.used[name] = u
}

// add counts the time of a claim that is admitted, and afterwards what it took more or less.
func (a *account) add(name string, seconds float64) {
	a.set(name, a.of(name)+seconds)
	u := a.used[name]
	u.lately, u.at = min(max(a.lately(u)+seconds, 0), a.spare), time.Now()
	a.used[name] = u
}

// come notes that a name that waited for nothing has a claim. It reports whether it was idle.
func (a *account) come(name string) (idle bool) {
	start := a.start(name)
	if a.of(name) > start {
		return false
	}
	a.set(name, start)
	return true
}

// settle counts the time of a claim that has ended. idle says whether it came when its name was
// idle; waiting is the number of names that wait.
func (a *account) settle(name string, seconds, took float64, idle bool, waiting int) {
	a.add(name, seconds)
	if idle {
		// now moves on by each name's share. Else new names without end would all come before one
		// that has waited.
		a.now += took / float64(1+waiting)
	}
}

const ofNobody = "workspace "

// asClient returns the name of the claim's client. A claim of nobody counts for its workspace.
func (c *claim) asClient() string {
	if c.client == "" {
		return ofNobody + c.workspace
	}
	return c.client
}

// begin notes that a claim starts in a slot. Where it was chosen among others, only the order
// that chose it moves on: in the other one it may have come before many.
func (t *turns) begin(c *claim, chosen bool) {
	if !chosen || t.byClient() {
		t.clients.now = max(t.clients.now, t.clients.of(c.asClient()))
	}
	if !chosen || !t.byClient() {
		t.workspaces.now = max(t.workspaces.now, t.workspaces.of(c.workspace))
	}
}

// charge counts a claim that starts as if it took as long as those before it.
func (t *turns) charge(c *claim) {
	c.charged = t.cost(c)
	t.workspaces.add(c.workspace, c.charged)
	t.clients.add(c.asClient(), c.charged)
}

// settle counts the time that a claim took in place of what it was charged. The numbers are of
// the workspaces and of the clients that wait.
func (t *turns) settle(c *claim, took float64, workspaces, clients int) {
	t.workspaces.settle(c.workspace, took-c.charged, took, c.came.workspace, workspaces)
	t.clients.settle(c.asClient(), took-c.charged, took, c.came.client, clients)
	if pace := paceOf(c, took); pace > 0 {
		t.pace += (pace - t.pace) / 16
	}
	mean, known := t.service[c.workspace]
	if !known {
		makeRoom(t.service, mostKnown, func([speeds]float64) bool { return false })
	}
	for _, m := range []*float64{&mean[c.speed()], &t.typical[c.speed()]} {
		if *m == 0 {
			*m = took
		}
		*m += (took - *m) / 16
	}
	t.service[c.workspace] = mean
}

// cost returns the expected running time of a claim.
func (t *turns) cost(c *claim) float64 {
	if c.expected > 0 {
		return c.expected.Seconds() * t.pace
	}
	return cmp.Or(t.service[c.workspace][c.speed()], t.typical[c.speed()])
}

// after returns what the claim's workspace, and its client, will have used with it. The claim
// itself counts up to credit, so that the first small claim of a workspace comes before the
// first large ones of many.
func (t *turns) after(c *claim) (workspace, client float64) {
	cost := min(t.cost(c), credit)
	return t.workspaces.of(c.workspace) + cost, t.clients.of(c.asClient()) + cost
}

// paceOf returns how many times as long as expected a claim took, from 1 to mostPace, or 0
// where the claim is too short to say.
func paceOf(c *claim, seconds float64) float64 {
	if c.expected < slowAfter/10 {
		return 0
	}
	return min(max(seconds/c.expected.Seconds(), 1), mostPace)
}

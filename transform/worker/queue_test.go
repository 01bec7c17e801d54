package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/transform"
)

// A visit is what became of a claim: when it was let in, in the time of the bubble.
type visit struct {
	workspace string
	after     time.Duration
	err       error
}

// A crowd sends claims to a queue and notes in which order they are let in.
type crowd struct {
	t     *testing.T
	q     *queue
	start time.Time
	wg    sync.WaitGroup
	mu    sync.Mutex // guards seen
	seen  []visit
}

func newCrowd(t *testing.T, q *queue) *crowd { return &crowd{t: t, q: q, start: time.Now()} }

// send has a claim hold its place for some time once it is let in.
func (c *crowd) send(ctx context.Context, claim claim, hold time.Duration) {
	c.wg.Go(func() {
		leave, err := c.q.enter(ctx, &claim)
		c.mu.Lock()
		c.seen = append(c.seen, visit{claim.workspace, time.Since(c.start), err})
		c.mu.Unlock()
		if err == nil {
			time.Sleep(hold)
			leave()
			leave() // once more does nothing
		}
	})
	synctest.Wait()
}

// atOnce sends claims one after the other, and fails where one has to wait.
func (c *crowd) atOnce(times int, of claim, hold, pause time.Duration) {
	c.t.Helper()
	for range times {
		asked, one := time.Now(), of
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		leave, err := c.q.enter(ctx, &one)
		cancel()
		if err != nil || time.Since(asked) > 0 {
			c.t.Fatalf("%v after %s", err, time.Since(asked))
		}
		time.Sleep(hold)
		leave()
		time.Sleep(pause)
	}
}

func (c *crowd) order() (names []string) {
	c.wg.Wait()
	for _, v := range c.seen {
		if v.err == nil {
			names = append(names, v.workspace)
		}
	}
	return names
}

func (c *crowd) errs(of error) (n int) {
	c.wg.Wait()
	for _, v := range c.seen {
		if errors.Is(v.err, of) {
			n++
		}
	}
	return n
}

func (q *queue) wantEmpty(t *testing.T) {
	t.Helper()
	if len(q.running) != 0 || q.express != nil || q.memory != 0 || q.taken != (amount{}) || len(q.guests) != 0 || len(q.lines[0])+len(q.lines[1]) != 0 {
		t.Errorf("left behind: %d running, %d bytes, %d waiting, %d held, %v", len(q.running), q.memory, q.taken[places], q.taken[held], q.lines)
	}
}

func TestQueueTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, time.Hour)
		c := newCrowd(t, q)
		for range 6 {
			c.send(t.Context(), claim{workspace: "busy", bytes: 1}, 100*time.Millisecond)
		}
		c.send(t.Context(), claim{workspace: "single", bytes: 1}, 100*time.Millisecond)
		c.send(t.Context(), claim{workspace: "pair", bytes: 1}, 100*time.Millisecond)
		c.send(t.Context(), claim{workspace: "pair", bytes: 1}, 100*time.Millisecond)
		// What runs counts too, so that busy isn't next.
		want := []string{"busy", "single", "pair", "busy", "pair", "busy", "busy", "busy", "busy"}
		if got := c.order(); !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		q.wantEmpty(t)
	})
}

func TestQueueBackgroundComesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, time.Hour)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "first", bytes: 1}, 100*time.Millisecond)
		c.send(t.Context(), claim{workspace: "stale", background: true, bytes: 1}, 100*time.Millisecond)
		c.send(t.Context(), claim{workspace: "a", bytes: 1}, 100*time.Millisecond)
		c.send(t.Context(), claim{workspace: "a", bytes: 1}, 100*time.Millisecond)
		if got, want := c.order(), []string{"first", "a", "a", "stale"}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

func TestQueueBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(4, 100, 100, time.Hour)
		c := newCrowd(t, q)
		for _, v := range []struct {
			name  string
			bytes int64
		}{{"60", 60}, {"30", 30}, {"over", 500}, {"10", 10}, {"80", 80}} {
			c.send(t.Context(), claim{workspace: v.name, bytes: v.bytes}, 100*time.Millisecond)
		}
		c.wg.Wait()
		var got []string
		for _, v := range c.seen {
			got = append(got, fmt.Sprint(v.workspace, " ", v.after))
		}
		// 60 and 30 fit together. What is larger than the budget runs alone, and isn't
		// passed by what is smaller, except in the express slot.
		want := []string{"60 0s", "30 0s", "over 100ms", "10 0s", "80 200ms"}
		slices.Sort(got) // two are let in at the same moment
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		q.wantEmpty(t)
	})
}

func TestQueueBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 8, 1000, time.Hour)
		c := newCrowd(t, q)
		for range 20 { // one runs, four wait, and four places are left for others
			c.send(t.Context(), claim{workspace: "busy", bytes: 1}, 100*time.Millisecond)
		}
		for range 4 { // three wait, the third in the place of one of busy's, and one place is left
			c.send(t.Context(), claim{workspace: "other", bytes: 1}, 100*time.Millisecond)
		}
		c.send(t.Context(), claim{workspace: "third", bytes: 1}, 100*time.Millisecond)
		if err := q.check(t.Context(), &claim{workspace: "busy"}); !errors.Is(err, errFull) {
			t.Errorf("check: %v", err)
		}
		if err := q.check(t.Context(), &claim{workspace: "fourth"}); err != nil {
			t.Errorf("check: %v", err)
		}
		if got, want := c.order(), []string{"busy", "other", "third", "busy", "other", "busy", "other", "busy"}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
		if n := c.errs(transform.ErrOverloaded); n != 17 || q.refused["full"] != 18 {
			t.Errorf("%d refused, %v counted", n, q.refused)
		}
		for _, v := range c.seen {
			if v.err != nil && v.after != 0 {
				t.Errorf("refused after %s", v.after)
			}
		}
	})
}

// TestQueueHoldsNotTooMuch: originals that wait are memory too.
func TestQueueHoldsNotTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1000, 100, time.Hour)
		c := newCrowd(t, q)
		for range 5 {
			c.send(t.Context(), claim{workspace: "a", bytes: 1, held: 40}, time.Second)
		}
		if got := len(c.order()); got != 3 { // one runs, and two hold 80 bytes
			t.Errorf("%d let in", got)
		}
		q.wantEmpty(t)
	})
}

// TestQueueRefusesWhatWouldBeLate: at once, by what the last ones took.
func TestQueueRefusesWhatWouldBeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 100, 1000, 10*time.Second)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "a", bytes: 1}, 4*time.Second)
		c.wg.Wait() // so that a place is held for four seconds
		start := time.Now()
		for range 20 {
			c.send(t.Context(), claim{workspace: "a", bytes: 1}, 4*time.Second)
		}
		if time.Since(start) != 0 {
			t.Errorf("deciding took %s", time.Since(start))
		}
		// Two run; the sixth of those that wait has five before it: ten seconds.
		if got := q.taken[places]; got != 6 {
			t.Errorf("%d wait", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.check(ctx, &claim{workspace: "b"}); !errors.Is(err, errTooLate) {
			t.Errorf("with a deadline: %v", err)
		}
		if err := q.check(t.Context(), &claim{workspace: "b"}); err != nil {
			t.Errorf("another workspace: %v", err)
		}
		c.wg.Wait()
		for _, v := range c.seen {
			if v.err != nil && (!errors.Is(v.err, errTooLate) || v.after > 4*time.Second && v.after < 14*time.Second) {
				t.Errorf("%+v", v)
			}
		}
		q.wantEmpty(t)
	})
}

func TestQueueWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, 3*time.Second)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "long", bytes: 1}, time.Minute)
		c.send(t.Context(), claim{workspace: "late", slow: true, bytes: 1}, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.send(ctx, claim{workspace: "gone", slow: true, bytes: 1, held: 5}, 0)
		c.wg.Wait()
		want := []visit{{"long", 0, nil}, {"gone", time.Second, context.DeadlineExceeded}, {"late", 3 * time.Second, errTooLate}}
		if !slices.Equal(c.seen, want) {
			t.Errorf("got %v, want %v", c.seen, want)
		}
		q.wantEmpty(t)
	})
}

func TestQueueClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, time.Hour)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "runs", bytes: 7}, time.Second)
		c.send(t.Context(), claim{workspace: "waits", bytes: 7, held: 3}, time.Second)
		q.close()
		c.send(t.Context(), claim{workspace: "late", bytes: 7}, time.Second)
		if got := c.order(); !slices.Equal(got, []string{"runs"}) || c.errs(errClosed) != 2 {
			t.Errorf("%v", c.seen)
		}
		q.wantEmpty(t)
	})
}

// TestQueueSlow: one workspace's slow claims hold all places, and those of others that
// aren't slow pass them, one at a time and by turns.
func TestQueueSlow(t *testing.T) {
	for _, c := range []struct {
		name     string
		expected bool // to be slow
	}{{"expected", true}, {"not expected", false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(2, 1000, 1000, 10*time.Second)
				crowd := newCrowd(t, q)
				for range 6 {
					crowd.send(t.Context(), claim{workspace: "slow", slow: c.expected, bytes: 300}, 10*time.Second)
				}
				time.Sleep(5 * time.Second)
				for range 20 {
					for _, name := range []string{"one", "two", "three"} {
						crowd.send(t.Context(), claim{workspace: name, bytes: 20}, 50*time.Millisecond)
					}
				}
				crowd.wg.Wait()
				got := map[string][]time.Duration{}
				for _, v := range crowd.seen {
					if v.workspace == "slow" {
						continue
					}
					if v.err != nil {
						t.Errorf("%s after %s: %v", v.workspace, v.after, v.err)
					}
					got[v.workspace] = append(got[v.workspace], v.after-5*time.Second)
				}
				for name, after := range got {
					for i, d := range after {
						// Those of three workspaces, in turn.
						if most := time.Duration(3*i+3) * 50 * time.Millisecond; len(after) != 20 || d > most {
							t.Errorf("%s: %d let in, number %d after %s, which is past %s", name, len(after), i, d, most)
						}
					}
				}
				q.wantEmpty(t)
			})
		})
	}
}

// TestQueueMisjudged: a workspace whose claims turn out slow, though they were not
// expected to be, doesn't hold the place more as well.
func TestQueueMisjudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 1000, 1000, time.Minute)
		c := newCrowd(t, q)
		for range 5 {
			c.send(t.Context(), claim{workspace: "slow", bytes: 10}, 10*time.Second)
		}
		time.Sleep(3 * time.Second)
		if len(q.running) != 2 || q.express != nil {
			t.Errorf("%d run, and one more: %v", len(q.running), q.express != nil)
		}
		c.send(t.Context(), claim{workspace: "other", bytes: 10}, time.Millisecond)
		c.send(t.Context(), claim{workspace: "other", slow: true, bytes: 10}, time.Millisecond)
		c.wg.Wait()
		var others []string
		for _, v := range c.seen {
			if v.workspace == "other" {
				others = append(others, fmt.Sprint(v.after))
			}
		}
		if want := []string{"3s", "10s"}; !slices.Equal(others, want) {
			t.Errorf("others were let in after %v, want %v", others, want)
		}
		q.wantEmpty(t)
	})
}

// TestQueueSpeeds: what a workspace has of either speed goes alternately.
func TestQueueSpeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1000, 1, time.Hour) // without memory for one that passes
		var order []string
		var wg sync.WaitGroup
		for i, c := range []claim{
			{workspace: "a", slow: true}, {workspace: "a", slow: true}, {workspace: "a", slow: true}, {workspace: "b"}, {workspace: "a"}, {workspace: "a"}, {workspace: "a"},
		} {
			c.bytes = 1
			wg.Go(func() {
				leave, err := q.enter(t.Context(), &c)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, fmt.Sprint(c.workspace, i))
				time.Sleep(time.Second)
				leave()
			})
			synctest.Wait()
		}
		wg.Wait()
		if want := []string{"a0", "b3", "a4", "a1", "a5", "a2", "a6"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		q.wantEmpty(t)
	})
}

// TestQueueLightWorkspace: many workspaces with many claims don't delay the claim of another,
// even where it comes again and again.
func TestQueueLightWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 1000, 1000, time.Hour)
		c := newCrowd(t, q)
		for range 10 {
			for i := range 11 {
				c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i), bytes: 1}, 800*time.Millisecond)
			}
		}
		time.Sleep(10 * time.Second) // so that each has had a turn
		for range 20 {
			asked := time.Since(c.start)
			leave, err := q.enter(t.Context(), &claim{workspace: "light", bytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(c.start) - asked; waited > 800*time.Millisecond {
				t.Errorf("after %s: waited %s, longer than what ran", asked, waited)
			}
			time.Sleep(50 * time.Millisecond)
			leave()
			time.Sleep(350 * time.Millisecond)
		}
		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueShares: workspaces that always have claims share the slots by time, not by number,
// and one that comes later has no more than its share.
func TestQueueShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 10_000, 1000, time.Hour)
		ran := map[string]time.Duration{}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var mu sync.Mutex
		busy := func(name string, hold time.Duration) {
			for range 8 {
				wg.Go(func() {
					for ctx.Err() == nil {
						leave, err := q.enter(ctx, &claim{workspace: name, bytes: 1})
						if err != nil {
							return
						}
						time.Sleep(hold)
						mu.Lock()
						ran[name] += hold
						mu.Unlock()
						leave()
					}
				})
			}
		}
		in := func(d time.Duration) map[string]time.Duration {
			mu.Lock()
			clear(ran)
			mu.Unlock()
			time.Sleep(d)
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(ran)
		}
		busy("short", 30*time.Millisecond)
		busy("long", 600*time.Millisecond)
		for name, d := range in(60 * time.Second) {
			if d < 55*time.Second || d > 65*time.Second {
				t.Errorf("%s ran %s of 120s", name, d)
			}
		}
		busy("late", 300*time.Millisecond)
		for name, d := range in(3 * time.Second) {
			if d < 1200*time.Millisecond || d > 3*time.Second {
				t.Errorf("with late: %s ran %s of the first 6s", name, d)
			}
		}
		cancel()
		wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueNewWorkspaces: workspaces that come for the first time, without end, don't keep
// one that has used a slot from its turn.
func TestQueueNewWorkspaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1000, 1000, time.Minute)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "old", bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "old", bytes: 1}, time.Second)
		for i := range 3 * mostKnown {
			c.send(t.Context(), claim{workspace: fmt.Sprint("new", i), bytes: 1}, 100*time.Millisecond)
			time.Sleep(90 * time.Millisecond)
		}
		c.wg.Wait()
		if len(q.workspaces.used) > mostKnown || len(q.clients.used) > mostKnown || len(q.service) > mostKnown {
			t.Errorf("%d and %d workspaces are known", len(q.workspaces.used), len(q.service))
		}
		for _, v := range c.seen {
			if v.workspace == "old" && v.after > 50*time.Second {
				t.Errorf("old was let in after %s", v.after)
			}
		}
		q.wantEmpty(t)
	})
}

// TestQueueManyFillIt: workspaces that fill the queue together leave a place to another.
func TestQueueManyFillIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 16, 1000, time.Hour)
		c := newCrowd(t, q)
		for i := range 11 {
			for range 20 {
				c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i), bytes: 1}, 10*time.Millisecond)
			}
		}
		if q.taken[places] != 16 {
			t.Errorf("%d wait", q.taken[places])
		}
		if err := q.check(t.Context(), &claim{workspace: "light"}); err != nil {
			t.Errorf("check: %v", err)
		}
		c.send(t.Context(), claim{workspace: "light", bytes: 1}, 10*time.Millisecond)
		if names := c.order(); !slices.Contains(names, "light") || len(names) != 17 {
			t.Errorf("let in: %v", names)
		}
		q.wantEmpty(t)
	})
}

// TestQueueHeldByOthers: the originals of workspaces that hold all memory give way to one of
// another workspace.
func TestQueueHeldByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1000, 100, time.Hour)
		c := newCrowd(t, q)
		for i := range 12 {
			c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i%3), bytes: 1, held: 10}, time.Second)
		}
		if q.taken[held] != 100 {
			t.Errorf("%d bytes are held", q.taken[held])
		}
		if err := q.check(t.Context(), &claim{workspace: "light", held: 25}); err != nil {
			t.Errorf("check: %v", err)
		}
		c.send(t.Context(), claim{workspace: "light", bytes: 1, held: 25}, time.Second)
		for _, held := range []int64{20, 101} { // more than others hold, and more than all may
			if err := q.check(t.Context(), &claim{workspace: "heavy0", held: held}); !errors.Is(err, errFull) {
				t.Errorf("check of %d bytes: %v", held, err)
			}
		}
		names := c.order()
		if !slices.Contains(names, "light") || len(names) != 9 {
			t.Errorf("let in: %v", names)
		}
		q.wantEmpty(t)
	})
}

// TestQueueClientOfManyWorkspaces: one client fills the queue with claims of many workspaces,
// again and again, and so do five. Those of other clients find room, and keep it. A proxy in
// front of many workspaces may look like such a client: it keeps three quarters beside many
// clients of one workspace.
func TestQueueClientOfManyWorkspaces(t *testing.T) {
	for _, addresses := range []int{1, 5} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(1, 64, 1000, time.Hour)
			c := newCrowd(t, q)
			many := func() {
				for i := range 100 {
					c.send(t.Context(), claim{workspace: fmt.Sprint("ws", i), client: fmt.Sprint("many", i%addresses), bytes: 1}, 10*time.Millisecond)
				}
			}
			many()
			for i := range 24 {
				one := claim{workspace: "shop", client: fmt.Sprint("visitor", i%8), bytes: 1}
				if err := q.check(t.Context(), &one); i < 16 && err != nil {
					t.Errorf("check %d: %v", i, err)
				}
				c.send(t.Context(), one, 10*time.Millisecond)
				many()
			}
			q.mu.Lock()
			got := int64(0)
			for i := range addresses {
				got += q.guest(fmt.Sprint("many", i)).taken[places]
			}
			if q.taken[places] != 64 || got != 48 {
				t.Errorf("%d of %d places are the clients'", got, q.taken[places])
			}
			q.mu.Unlock()
			n := 0
			for _, name := range c.order() {
				if name == "shop" {
					n++
				}
			}
			if n != 16 {
				t.Errorf("%d of the visitors' claims were let in", n)
			}
			q.wantEmpty(t)
		})
	}
}

// TestQueueTurnsOfClients: who keeps the queue full has at most half of the time: a client with
// claims of many workspaces, and many clients with claims of one workspace, where a proxy in
// front of others looks like one client.
func TestQueueTurnsOfClients(t *testing.T) {
	for _, tt := range []struct {
		name              string
		workspace, client func(i int) string
		light             func(i int) claim
	}{
		{"one client, many workspaces", func(i int) string { return fmt.Sprint("ws", i) }, func(int) string { return "many" },
			func(int) claim { return claim{workspace: "shop", client: "visitor"} }},
		{"five clients, many workspaces", func(i int) string { return fmt.Sprint("ws", i) }, func(i int) string { return fmt.Sprint("many", i%5) },
			func(int) claim { return claim{workspace: "shop", client: "visitor"} }},
		{"one client, many workspaces, also the same one", func(i int) string { return []string{"shop", fmt.Sprint("ws", i)}[i%2] }, func(int) string { return "many" },
			func(int) claim { return claim{workspace: "shop", client: "visitor"} }},
		{"many clients, one workspace", func(int) string { return "ws" }, func(i int) string { return fmt.Sprint("many", i) },
			func(i int) claim { return claim{workspace: fmt.Sprint("shop", i%5), client: "proxy"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(2, 64, 1000, 10*time.Second)
				c := newCrowd(t, q)
				ctx, cancel := context.WithCancel(t.Context())
				for i := range 100 {
					c.wg.Go(func() {
						for ; ctx.Err() == nil; i += 100 {
							leave, err := q.enter(ctx, &claim{workspace: tt.workspace(i % 400), client: tt.client(i % 400), expected: 20 * time.Millisecond, bytes: 1})
							if err != nil {
								time.Sleep(20 * time.Millisecond)
								continue
							}
							time.Sleep(20 * time.Millisecond)
							leave()
						}
					})
				}
				time.Sleep(3 * time.Second)
				for i := range 30 {
					came, one := time.Now(), tt.light(i)
					one.expected, one.bytes = 20*time.Millisecond, 1
					leave, err := q.enter(t.Context(), &one)
					if waited := time.Since(came); err != nil || waited > 100*time.Millisecond {
						t.Errorf("claim %d: %v after %s", i, err, waited)
					}
					if err == nil {
						time.Sleep(20 * time.Millisecond)
						leave()
					}
					time.Sleep(200 * time.Millisecond)
				}
				cancel()
				c.wg.Wait()
				q.wantEmpty(t)
			})
		})
	}
}

// TestQueueHeavyClients: many clients, or as many as there are places, fill the queue with heavy
// claims of many workspaces. One that
// uses less than its part of the time finds room, and waits for no more than a few turns.
func TestQueueHeavyClients(t *testing.T) {
	for _, clients := range []int{20, 64, 300} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(2, 256, 1<<30, 10*time.Second)
			c := newCrowd(t, q)
			ctx, cancel := context.WithCancel(t.Context())
			for i := range 300 {
				c.wg.Go(func() {
					for n := i; ctx.Err() == nil; n += 401 {
						leave, err := q.enter(ctx, &claim{workspace: fmt.Sprint("ws", i), client: fmt.Sprint("many", i%clients), expected: 200 * time.Millisecond, bytes: 1})
						if err != nil {
							time.Sleep(500 * time.Millisecond) // sooner would cost processor time, and change nothing
							continue
						}
						time.Sleep(time.Duration(200+100*(n%5)) * time.Millisecond)
						leave()
					}
				})
			}
			time.Sleep(3 * time.Second)
			for i := range 180/(clients+10) + 2 {
				came := time.Now()
				leave, err := q.enter(t.Context(), &claim{workspace: "shop", client: "visitor", expected: 12 * time.Millisecond, bytes: 1})
				if waited := time.Since(came); err != nil || waited > 1200*time.Millisecond {
					t.Errorf("%d clients, claim %d: %v after %s", clients, i, err, waited)
				}
				if err == nil {
					time.Sleep(25 * time.Millisecond)
					leave()
				}
				time.Sleep(max(time.Second, time.Duration(clients)*14*time.Millisecond)) // less than its part of the time
			}
			cancel()
			c.wg.Wait()
			q.wantEmpty(t)
		})
	}
}

// TestQueueAddressesOfOneWorkspace: hundreds of addresses have a claim each of one workspace, and
// send the next one when it has run. A visitor of the same workspace who used nothing lately is
// let in, with the same claim, and waits no longer than a newcomer would.
func TestQueueAddressesOfOneWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 40, 1<<30, 10*time.Second)
		c := newCrowd(t, q)
		ctx, cancel := context.WithCancel(t.Context())
		one := func(client string) *claim {
			return &claim{workspace: "shop", client: client, expected: 100 * time.Millisecond, bytes: 1}
		}
		for i := range 60 {
			c.wg.Go(func() {
				for ctx.Err() == nil {
					if leave, err := q.enter(ctx, one(fmt.Sprint("many", i))); err == nil {
						time.Sleep(100 * time.Millisecond)
						leave()
					} else {
						time.Sleep(150 * time.Millisecond)
					}
				}
			})
		}
		time.Sleep(6 * time.Second) // until each of them has had its turn
		for i := range 20 {
			came := time.Now()
			leave, err := q.enter(t.Context(), one(fmt.Sprint("visitor", i%10)))
			if waited := time.Since(came); err != nil || waited > time.Second {
				t.Errorf("claim %d: %v after %s", i, err, waited)
			}
			if err == nil {
				time.Sleep(100 * time.Millisecond)
				leave()
			}
			if time.Sleep(time.Second); i == 9 {
				time.Sleep(time.Minute) // then they used something less lately than the others
			}
		}
		cancel()
		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueUsedAlone: what a client and its workspace used while nobody waited isn't held against
// them once others come: both orders have moved on with them.
func TestQueueUsedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 256, 1000, time.Minute)
		newCrowd(t, q).atOnce(300, claim{workspace: "shop", client: "proxy", bytes: 1}, 100*time.Millisecond, 0)
		for order, a := range map[string]account{"workspaces": q.workspaces, "clients": q.clients} {
			for name, used := range a.used {
				if ahead := used.seconds - a.now; ahead > .2 {
					t.Errorf("%s: %s is %.1f s behind newcomers", order, name, ahead)
				}
			}
		}
		q.wantEmpty(t)
	})
}

// TestQueueClientInWorkspace: one client fills the places of a workspace. Others of the same
// workspace find room, and have every second turn.
func TestQueueClientInWorkspace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 16, 1000, time.Second)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "shop", client: "many", bytes: 1}, 100*time.Millisecond)
		c.wg.Wait() // so that it is known how long they take
		for range 20 {
			c.send(t.Context(), claim{workspace: "shop", client: "many", bytes: 1}, 100*time.Millisecond)
		}
		came := time.Since(c.start)
		for i := range 3 {
			c.wg.Go(func() {
				leave, err := q.enter(t.Context(), &claim{workspace: "shop", client: fmt.Sprint("visitor", i), bytes: 1})
				if waited, most := time.Since(c.start)-came, time.Duration(2*i+2)*100*time.Millisecond; err != nil || waited > most {
					t.Errorf("visitor %d: %v after %s, want %s at most", i, err, waited, most)
				}
				if err == nil {
					time.Sleep(100 * time.Millisecond)
					leave()
				}
			})
			synctest.Wait()
		}
		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueClientHolds: the originals of one client in many workspaces hold all memory. They
// give way to those of others.
func TestQueueClientHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 1000, 100, time.Hour)
		c := newCrowd(t, q)
		for i := range 20 {
			c.send(t.Context(), claim{workspace: fmt.Sprint("ws", i), client: "many", bytes: 1, held: 10}, time.Second)
		}
		for i, want := range []error{nil, nil, errFull} { // a quarter of the memory for one workspace
			one := claim{workspace: "shop", client: fmt.Sprint("visitor", i), bytes: 1, held: 12}
			if err := q.check(t.Context(), &one); err != want {
				t.Errorf("check %d: %v", i, err)
			}
			c.send(t.Context(), one, time.Second)
		}
		if err := q.check(t.Context(), &claim{workspace: "ws50", client: "many", held: 10}); err != errFull {
			t.Errorf("check: %v", err)
		}
		names := c.order()
		if n := len(slices.DeleteFunc(names, func(n string) bool { return n != "shop" })); n != 2 {
			t.Errorf("%d of the visitors were let in", n)
		}
		q.wantEmpty(t)
	})
}

// TestQueueShortOfMemory: claims of many workspaces take so much memory that one slot stays
// free. The small claims of another workspace run there, at once.
func TestQueueShortOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 256, 1000, time.Minute)
		c := newCrowd(t, q)
		for i := range 100 {
			c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i%20), expected: 690 * time.Millisecond, bytes: 600}, 700*time.Millisecond)
		}
		time.Sleep(15 * time.Second) // so that it is known how long those of each workspace take
		c.atOnce(30, claim{workspace: "light", expected: 20 * time.Millisecond, bytes: 50}, 300*time.Millisecond, 200*time.Millisecond)

		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueFirstClaims: a first claim of many workspaces takes long. That of another one is
// quick, and doesn't wait for all of them.
func TestQueueFirstClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 256, 1000, time.Minute)
		c := newCrowd(t, q)
		for i := range 20 {
			c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i), expected: 690 * time.Millisecond, bytes: 600}, 700*time.Millisecond)
		}
		c.send(t.Context(), claim{workspace: "light", expected: 20 * time.Millisecond, bytes: 500}, 20*time.Millisecond)
		if order := c.order(); len(order) != 21 || order[1] != "light" {
			t.Errorf("let in: %v", order)
		}
		q.wantEmpty(t)
	})
}

// TestQueueDrawings: an SVG may take seconds, whatever its size. Those of many workspaces
// take the slots, and quick claims of another one the express slot, at once.
func TestQueueDrawings(t *testing.T) {
	drawing := transform.Job{Originals: []transform.Original{{Header: transform.Header{Format: transform.SVG, Width: 100, Height: 100, Frames: 1, Orientation: 1}}}, Options: transform.Defaults(), Format: transform.PNG}
	photo := transform.Job{Originals: []transform.Original{{Header: transform.Header{Format: transform.JPEG, Width: 600, Height: 400, Frames: 1, Orientation: 1}}}, Options: transform.Defaults(), Format: transform.WebP}
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 256, 1<<30, time.Minute)
		c := newCrowd(t, q)
		for i := range 40 {
			job := drawing
			job.Owner.Workspace = fmt.Sprint("heavy", i%20)
			c.send(t.Context(), *claimOf(&job), 8*time.Second)
		}
		photo.Owner.Workspace = "light"
		c.atOnce(10, *claimOf(&photo), 60*time.Millisecond, 500*time.Millisecond)

		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueuePace: a busy machine takes three times as long as expected. Claims of many
// workspaces that were expected to be just quick enough don't take turns in the express
// slot.
func TestQueuePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 1000, 1000, time.Minute)
		c := newCrowd(t, q)
		for i := range 60 {
			c.send(t.Context(), claim{workspace: fmt.Sprint("heavy", i%20), expected: 800 * time.Millisecond, bytes: 1}, 2400*time.Millisecond)
			time.Sleep(400 * time.Millisecond)
		}
		c.atOnce(10, claim{workspace: "light", expected: 20 * time.Millisecond, bytes: 1}, 60*time.Millisecond, time.Second)

		c.wg.Wait()
		q.wantEmpty(t)
	})
}

// TestQueueLargeAlone: while one that is larger than the budget waits for all others to
// end, and then runs, small ones pass.
func TestQueueLargeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(2, 1000, 100, time.Minute)
		c := newCrowd(t, q)
		c.send(t.Context(), claim{workspace: "a", slow: true, bytes: 60}, 5*time.Second)
		c.send(t.Context(), claim{workspace: "a", slow: true, bytes: 500}, 5*time.Second)
		c.send(t.Context(), claim{workspace: "b", bytes: 10}, time.Second)
		c.send(t.Context(), claim{workspace: "b", bytes: 40}, time.Second)
		time.Sleep(6 * time.Second)
		c.send(t.Context(), claim{workspace: "c", bytes: 10}, time.Second)
		c.wg.Wait()
		got := map[string]bool{}
		for _, v := range c.seen {
			got[fmt.Sprint(v.workspace, " ", v.after)] = true
		}
		for _, want := range []string{"a 0s", "b 0s", "a 5s", "c 6s", "b 10s"} {
			if !got[want] {
				t.Errorf("no %q in %v", want, got)
			}
		}
		q.wantEmpty(t)
	})
}

// TestSlowJobs: which jobs are expected to be slow.
func TestSlowJobs(t *testing.T) {
	for _, c := range []struct {
		name   string
		h      transform.Header
		format transform.Format
		change func(*transform.Options)
		slow   bool
	}{
		{"a photograph", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.WebP, func(o *transform.Options) { o.Width = 800 }, false},
		{"a large one to avif", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.AVIF, func(o *transform.Options) { o.Width = 1000 }, false},
		{"avif of 16 megapixels", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.AVIF, func(o *transform.Options) { o.Width = 4800 }, true},
		{"jxl of 24 megapixels", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.JXL, func(o *transform.Options) {}, true},
		{"webp without loss", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.WebP, func(o *transform.Options) { o.Width, o.Lossless = 3000, true }, true},
		{"a large jxl", transform.Header{Format: transform.JXL, Width: 6000, Height: 4000}, transform.JPEG, func(o *transform.Options) { o.Width = 64 }, true},
		{"a small jxl", transform.Header{Format: transform.JXL, Width: 1200, Height: 800}, transform.JPEG, func(o *transform.Options) { o.Width = 64 }, false},
		{"an animation", transform.Header{Format: transform.GIF, Width: 400, Height: 300, Frames: 20}, transform.WebP, func(o *transform.Options) { o.Width = 200 }, false},
		{"1,000 frames", transform.Header{Format: transform.GIF, Width: 400, Height: 300, Frames: 1000}, transform.WebP, func(o *transform.Options) { o.Blur = 9 }, true},
		{"1,000 frames, the first shown", transform.Header{Format: transform.GIF, Width: 400, Height: 300, Frames: 1000}, transform.WebP, func(o *transform.Options) { o.Anim = false }, false},
		{"avif of 2 megapixels", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.AVIF, func(o *transform.Options) { o.Width = 1730 }, false},
		{"avif of 2 megapixels at the best quality", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.AVIF, func(o *transform.Options) { o.Width, o.Quality = 1730, 100 }, true},
		{"a drawing", transform.Header{Format: transform.SVG, Width: 400, Height: 300}, transform.PNG, func(o *transform.Options) { o.Width = 800 }, false},
		{"faces of a photograph", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.WebP, func(o *transform.Options) {
			o.Width, o.Height, o.Fit, o.Gravity = 300, 300, transform.FitCover, transform.GravityFace
		}, false},
		{"faces of an original that is read whole", transform.Header{Format: transform.PNG, Width: 6000, Height: 4000}, transform.WebP, func(o *transform.Options) {
			o.Width, o.Height, o.Fit, o.Gravity = 300, 300, transform.FitCover, transform.GravityFace
		}, true},
		{"24 megapixels slanted", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.JPEG, func(o *transform.Options) { o.Rotate = 10 }, true},
		{"a blur of 24 megapixels", transform.Header{Format: transform.JPEG, Width: 6000, Height: 4000}, transform.JPEG, func(o *transform.Options) { o.Blur = 50 }, true},
	} {
		c.h.Orientation, c.h.Frames = 1, max(c.h.Frames, 1)
		job := transform.Job{Originals: []transform.Original{{Header: c.h}}, Options: transform.Defaults(), Format: c.format}
		c.change(&job.Options)
		if got := expectedTime(&job); got >= slowAfter != c.slow {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestQueueStandstill: after a standstill of the process, what ran meanwhile doesn't count as slow,
// so that those who come next aren't refused for it.
func TestQueueStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, 10*time.Second)
		beats := func(n int) {
			for range n {
				q.clock.Beat()
				time.Sleep(awake.BeatEvery)
			}
		}
		beats(1)
		leave, err := q.enter(t.Context(), &claim{workspace: "w", bytes: 1, expected: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		beats(1)
		time.Sleep(time.Minute) // without a beat: the process stands still
		beats(1)
		leave()
		if took := q.times[Kind{}].Sum; took > 2 {
			t.Errorf("the job took %v s", took)
		}
		if pace, service := q.pace, q.service["w"][quick]; pace > 1.3 || service > 2 {
			t.Errorf("pace %v, service %v", pace, service)
		}
		leave, err = q.enter(t.Context(), &claim{workspace: "w", bytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the fourth would wait for three minutes
			if err := q.check(t.Context(), &claim{workspace: "w", bytes: 1}); err != nil {
				t.Error(err)
			}
			go func() {
				if leave, err := q.enter(t.Context(), &claim{workspace: "w", bytes: 1}); err == nil {
					leave()
				}
			}()
			synctest.Wait()
		}
		leave()
	})
}

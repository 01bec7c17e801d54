package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
	if q.running != 0 || q.used != 0 || q.waiting != 0 || q.held != 0 || len(q.lines[0])+len(q.lines[1]) != 0 {
		t.Errorf("left behind: %d running, %d bytes, %d waiting, %d held, %v", q.running, q.used, q.waiting, q.held, q.lines)
	}
}

func TestQueueTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 100, 1000, time.Hour)
		c := newCrowd(t, q)
		for range 6 {
			c.send(t.Context(), claim{workspace: "busy", bytes: 1}, time.Second)
		}
		c.send(t.Context(), claim{workspace: "single", bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "pair", bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "pair", bytes: 1}, time.Second)
		want := []string{"busy", "busy", "single", "pair", "busy", "pair", "busy", "busy", "busy"}
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
		c.send(t.Context(), claim{workspace: "first", bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "stale", background: true, bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "a", bytes: 1}, time.Second)
		c.send(t.Context(), claim{workspace: "a", bytes: 1}, time.Second)
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
			c.send(t.Context(), claim{workspace: v.name, bytes: v.bytes}, time.Second)
		}
		c.wg.Wait()
		var got []string
		for _, v := range c.seen {
			got = append(got, fmt.Sprint(v.workspace, " ", v.after))
		}
		// 60 and 30 fit together. What is larger than the budget runs alone, and isn't
		// passed by what is smaller.
		want := []string{"60 0s", "30 0s", "over 1s", "10 2s", "80 2s"}
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
			c.send(t.Context(), claim{workspace: "busy", bytes: 1}, time.Second)
		}
		for range 4 { // two wait, and two places are left
			c.send(t.Context(), claim{workspace: "other", bytes: 1}, time.Second)
		}
		c.send(t.Context(), claim{workspace: "third", bytes: 1}, time.Second)
		if err := q.check(t.Context(), &claim{workspace: "busy"}); !errors.Is(err, errFull) {
			t.Errorf("check: %v", err)
		}
		if err := q.check(t.Context(), &claim{workspace: "fourth"}); err != nil {
			t.Errorf("check: %v", err)
		}
		if got, want := c.order(), []string{"busy", "busy", "other", "third", "busy", "other", "busy", "busy"}; !slices.Equal(got, want) {
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
		c.send(t.Context(), claim{workspace: "known", bytes: 1}, 4*time.Second)
		c.wg.Wait() // so that a place is held for four seconds
		start := time.Now()
		for range 20 {
			c.send(t.Context(), claim{workspace: "a", bytes: 1}, 4*time.Second)
		}
		if time.Since(start) != 0 {
			t.Errorf("deciding took %s", time.Since(start))
		}
		// Two run; the sixth of those that wait has five before it: ten seconds.
		if got := q.waiting; got != 6 {
			t.Errorf("%d wait", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
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
		c.send(t.Context(), claim{workspace: "late", bytes: 1}, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.send(ctx, claim{workspace: "gone", bytes: 1, held: 5}, 0)
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

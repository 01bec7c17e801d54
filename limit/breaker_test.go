package limit_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// stuck is a store that answers nothing while it is down.
type stuck struct{ flaky }

func (h *stuck) Lease(ctx context.Context, r limit.Request) (limit.Grant, error) {
	if h.down.Load() {
		h.asked.Add(1)
		<-ctx.Done()
		return limit.Grant{}, workspace.ErrUnavailable
	}
	return h.flaky.Lease(ctx, r)
}

// TestOneBreaker: while the store hangs, all limits together ask it once in five seconds, and
// after the first three nobody waits. When it answers again, all of them count by it.
func TestOneBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{flaky{Leases: workspacetest.NewMemory()}}
		l := servers(store, 0)[0]
		lim := func(i int) limit.Limit {
			return limit.Limit{Key: fmt.Sprintf("w%d/transforms", i), Window: limit.Day, Max: 1000}
		}
		take := func(i int) {
			t.Helper()
			if d, err := l.Take(t.Context(), lim(i)); err != nil || !d.OK {
				t.Fatal(d, err)
			}
		}
		const limits, minute = 200, 60
		for i := range limits / 2 { // the others are used first in the outage
			take(i)
		}
		for i := range limits / 2 { // no token is left in memory
			for range 62 {
				take(i)
			}
		}
		store.asked.Store(0)
		store.down.Store(true)
		var waited time.Duration
		for range minute {
			for i := range limits {
				began := time.Now()
				take(i)
				waited += time.Since(began)
			}
			time.Sleep(time.Second)
		}
		if !l.Alone() {
			t.Error("it doesn't say that it counts alone")
		}
		if waited > 3*time.Second {
			t.Errorf("requests waited for %v, want 3 s", waited)
		}
		if asked := store.asked.Load(); asked < 3 || asked > 3+minute/5 {
			t.Errorf("the store was asked %d times in a minute", asked)
		}
		store.down.Store(false)
		for range 20 {
			time.Sleep(time.Second)
			for i := range limits {
				take(i)
			}
		}
		synctest.Wait()
		if l.Alone() {
			t.Error("it says that it counts alone")
		}
		for i := range limits { // what was spent alone counts
			g, err := store.Lease(t.Context(), limit.Request{Key: lim(i).Key, Window: limit.Day, Max: 1000})
			spent := int64(minute + 20)
			if i < limits/2 {
				spent += 63
			}
			if err != nil || g.Used < spent {
				t.Fatalf("limit %d: %+v, %v; %d were spent", i, g, err, spent)
			}
		}
	})
}

package cached_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A settable clock goes on by itself, and can be put forward: for a process, time passes like that
// while it is stopped.
type settable struct{ ahead atomic.Int64 }

func (s *settable) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// TestStoodStill: a process that was stopped answers nothing by what was before, as soon as it runs
// again: neither a workspace, nor that there is one, nor whose a domain is.
func TestStoodStill(t *testing.T) {
	clock := &settable{}
	following(t, cached.Config{Now: clock.now}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		put(t, m, "beta", "B")
		put(t, m, "gone", "G")
		time.Sleep(7 * time.Second)
		for range 3 {
			wantName(t, c, "acme", "A")
			wantName(t, c, "gone", "G")
			put(t, m, "acme", "A2")
			if err := m.Delete(t.Context(), "gone", 0); err != nil {
				t.Fatal(err)
			}
			clock.ahead.Add(int64(28 * time.Second))
			began := time.Now()
			wantName(t, c, "acme", "A2")
			wantGetErr(t, c, "gone", workspace.ErrNotFound)
			wantName(t, c, "beta", "B")
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
			put(t, m, "acme", "A")
			put(t, m, "gone", "G")
			time.Sleep(7 * time.Second)
		}
		// A short one is what a busy machine does.
		gets := p.gets.Load()
		clock.ahead.Add(int64(2 * time.Second))
		wantName(t, c, "acme", "A")
		if n := p.gets.Load() - gets; n > 0 {
			t.Errorf("%d reads", n)
		}
	})
}

// TestStoodStillInAnOutage: where the store doesn't answer after a standstill, memory serves, after a
// bounded wait once. What a secret protects isn't shown by what is older than a minute.
func TestStoodStillInAnOutage(t *testing.T) {
	for _, stood := range []time.Duration{28 * time.Second, 90 * time.Second} {
		clock := &settable{}
		following(t, cached.Config{Now: clock.now}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
			put(t, m, "acme", "A")
			time.Sleep(7 * time.Second)
			wantName(t, c, "acme", "A")
			p.down.Store(true)
			put(t, m, "acme", "A2")
			clock.ahead.Add(int64(stood))
			began := time.Now()
			wantName(t, c, "acme", "A")
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("the first took %v", took)
			}
			began = time.Now()
			wantName(t, c, "acme", "A")
			if took := time.Since(began); took > 0 {
				t.Errorf("the second took %v", took)
			}
			_, err := c.Confirm(t.Context(), "acme")
			if refused := errors.Is(err, workspace.ErrUnavailable); refused != (stood > cached.RevocationReach) {
				t.Errorf("after %v: %v", stood, err)
			}
			p.down.Store(false)
			time.Sleep(6 * time.Second)
			synctest.Wait()
			wantName(t, c, "acme", "A2")
		})
	}
}

// TestReadBeforeStandstill: a read that was under way when the process was stopped isn't believed
// afterwards.
func TestReadBeforeStandstill(t *testing.T) {
	clock := &settable{}
	following(t, cached.Config{Now: clock.now}, func(t *testing.T, c *cached.Store, p *probe, m *workspacetest.Memory) {
		put(t, m, "acme", "A")
		time.Sleep(7 * time.Second)
		hold, held := make(chan struct{}), func() {}
		held = func() { <-hold }
		p.afterGet.Store(&held)
		early := make(chan string, 1)
		go func() {
			w, err := c.Get(t.Context(), "acme")
			if err != nil {
				t.Error(err)
			}
			early <- w.Name
		}()
		synctest.Wait()
		p.afterGet.Store(nil)
		put(t, m, "acme", "A2")
		clock.ahead.Add(int64(28 * time.Second))
		wantName(t, c, "acme", "A2")
		close(hold)
		<-early
		wantName(t, c, "acme", "A2")
	})
}

package delivery

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/limit"
)

// stallers are clients that have fetches from one host under way which hang, for ten seconds each.
// Whatever ends, they ask for anew.
func stallers(t *testing.T, f *gate, clients, each int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range clients * each {
		wg.Go(func() {
			for ctx.Err() == nil {
				asked, gone := context.WithTimeout(limit.WithClient(ctx, fmt.Sprint("198.51.100.", i/each)), 10*time.Second)
				fetch, leave, err := f.enter(asked, "shop", "own", 10*time.Second)
				if err == nil {
					<-fetch.Done()
					leave()
				}
				gone()
				time.Sleep(250 * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
		wantIdle(t, f)
		time.Sleep(2 * sweepEvery) // until the last sweep
	}
}

// TestHostPlacesGiveWay: clients have taken all places of a host that their workspace may have, and
// a visitor of it asks for originals from the same host.
func TestHostPlacesGiveWay(t *testing.T) {
	heavy, equal := patience+longRun, hangs+patience
	for _, tt := range []struct {
		clients, each, waiting int
		within                 time.Duration
	}{
		{1, 34, 0, heavy},
		{1, 64, 0, heavy},
		{4, 16, 0, heavy},
		{16, 6, 256, heavy},
		{31, 3, 256, equal},
		{64, 2, 256, 2*hangs - patience},
		{40, 2, 0, equal},
		{64, 2, 128, equal}, // the queue is full too: most have exactly one
		{64, 2, 64, equal},
		{200, 1, 128, 2 * hangs}, // not all have had a turn yet
	} {
		t.Run(fmt.Sprintf("%dx%d", tt.clients, tt.each), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newGate(Fetches{Waiting: tt.waiting}, func(bound) {})
				stop := stallers(t, f, tt.clients, tt.each)
				time.Sleep(time.Duration(1+tt.clients/32)*2*hangs + time.Second) // until each of them has had a turn
				for i := range 5 {
					start := time.Now()
					_, leave, err := f.enter(limit.WithClient(t.Context(), "203.0.113.7"), "shop", "own", 10*time.Second)
					if took := time.Since(start); err != nil || took > tt.within {
						t.Errorf("original %d: %v after %v, want it within %v", i, err, took, tt.within)
					}
					if err == nil {
						leave()
					}
				}
				stop()
			})
		})
	}
}

// TestSlowHostServesMany: visitors ask a host that answers after nearly a second, each for many
// originals. Nothing gives way, since places become free before that.
func TestSlowHostServesMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{}, func(b bound) { t.Errorf("refused by %s", b) })
		var wg sync.WaitGroup
		for visitor := range 6 {
			for range 20 {
				wg.Go(func() {
					fetch, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("203.0.113.", visitor)), "shop", "own", 10*time.Second)
					if err != nil {
						t.Error(err)
						return
					}
					defer leave()
					select {
					case <-fetch.Done():
						t.Error("gave way")
					case <-time.After(900 * time.Millisecond):
					}
				})
			}
			time.Sleep(300 * time.Millisecond)
		}
		wg.Wait()
		time.Sleep(2 * sweepEvery)
	})
}

// TestRenewalsGiveWay: renewals, which nobody waits for, have taken the places of a host. A visitor
// gets one soon. No fetch of a client gives way to a renewal.
func TestRenewalsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{}, func(bound) {})
		places := f.most.PerHost / 4
		var wg sync.WaitGroup
		var gave atomic.Int64
		over := make(chan struct{})
		ask := func(client string) {
			wg.Go(func() {
				fetch, leave, err := f.enter(limit.WithClient(t.Context(), client), "shop", "own", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				defer leave()
				select {
				case <-fetch.Done():
					gave.Add(1)
					if client != "" {
						t.Error("a client's fetch gave way to a renewal")
					}
				case <-over:
				}
			})
			synctest.Wait()
		}
		for range places {
			ask("")
		}
		for i := range places {
			ask(fmt.Sprint("203.0.113.", i))
		}
		time.Sleep(patience + time.Duration(places+5)*sweepEvery)
		if running, waiting := f.figures(); gave.Load() != int64(places) || running != places || waiting != 0 {
			t.Errorf("%d gave way, %d run, %d wait", gave.Load(), running, waiting)
		}
		ask("")
		time.Sleep(2 * hangs)
		close(over)
		wg.Wait()
		wantIdle(t, f)
		time.Sleep(2 * sweepEvery)
	})
}

// TestSlowHostAnswersVisitors: more visitors than a slow host has places for come, one every 200
// ms, each for two originals. Its places go on giving answers: a new visitor doesn't end the fetches
// of those before.
func TestSlowHostAnswersVisitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{}, func(bound) {})
		var wg sync.WaitGroup
		var served, gave atomic.Int64
		const visitors, takes = 300, 8 * time.Second
		for visitor := range visitors {
			for range 2 {
				wg.Go(func() {
					fetch, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("203.0.113.", visitor)), "shop", "own", 10*time.Second)
					if err != nil {
						return
					}
					defer leave()
					select {
					case <-fetch.Done():
						gave.Add(1)
					case <-time.After(takes):
						served.Add(1)
					}
				})
			}
			time.Sleep(200 * time.Millisecond)
		}
		wg.Wait()
		// 32 places for 70 s, 8 s each, are 280. Those that give way take some of that.
		t.Logf("%d of %d were served, %d gave way", served.Load(), 2*visitors, gave.Load())
		if served.Load() < 240 {
			t.Errorf("%d of %d were served, %d gave way", served.Load(), 2*visitors, gave.Load())
		}
		time.Sleep(2 * sweepEvery)
	})
}

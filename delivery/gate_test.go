package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestFetchBounds asks for more than there is of every kind: what is let through is
// exactly what each bound says, and what is left over is refused after the wait.
func TestFetchBounds(t *testing.T) {
	const wait = 10 * time.Second
	most := Fetches{All: 12, PerWorkspace: 6, PerHost: 8} // 2 of a workspace from a host
	tests := []struct {
		name             string
		workspaces, from int // each workspace asks 20 times of each host
		running          int
		bound            bound
	}{
		{"one workspace, one host", 1, 1, 2, boundWorkspaceHost},
		{"one workspace, many hosts", 1, 10, 6, boundWorkspace},
		{"many workspaces, one host", 10, 1, 8, boundHost},
		{"many of both", 10, 10, 12, boundAll},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refused := map[bound]int{} // under the gate's lock, or before all else
				var mu sync.Mutex
				f := newGate(most, func(b bound) { mu.Lock(); refused[b]++; mu.Unlock() })
				hold := make(chan struct{})
				var wg sync.WaitGroup
				busy := make(chan error, 20*tt.workspaces*tt.from)
				for i := range tt.workspaces {
					for j := range tt.from {
						for range 20 {
							wg.Go(func() {
								_, leave, err := f.enter(t.Context(), fmt.Sprint("w", i), fmt.Sprint("h", j), wait)
								if err != nil {
									busy <- err
									return
								}
								<-hold
								leave()
							})
						}
					}
				}
				synctest.Wait()
				asked := 20 * tt.workspaces * tt.from
				if running, waiting := f.figures(); running != tt.running || waiting != asked-tt.running {
					t.Errorf("%d run and %d wait, want %d and %d", running, waiting, tt.running, asked-tt.running)
				}
				time.Sleep(wait)
				synctest.Wait()
				if len(busy) != asked-tt.running {
					t.Errorf("%d refused after the wait, want %d", len(busy), asked-tt.running)
				}
				for range len(busy) {
					if err := <-busy; !errors.Is(err, errBusy) {
						t.Error(err)
					}
				}
				if refused[tt.bound] == 0 {
					t.Errorf("refused by %v, want some by %s", refused, tt.bound)
				}
				close(hold)
				wg.Wait()
				wantIdle(t, f)
			})
		})
	}
}

// TestBodyGate fills the places of one workspace with bodies that don't end.
func TestBodyGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newBodyGate(0)
		for range bodiesPerWorkspace {
			if _, _, err := g.enter(t.Context(), "slow", "", time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := g.enter(t.Context(), "slow", "", time.Second); !errors.Is(err, errBusy) {
			t.Errorf("one more than a workspace may send: %v", err)
		}
		for i := range bodiesAtOnce - bodiesPerWorkspace {
			begun := time.Now()
			if _, _, err := g.enter(t.Context(), fmt.Sprint("other", i), "", time.Minute); err != nil || time.Since(begun) > 0 {
				t.Errorf("another workspace's: %v after %v", err, time.Since(begun))
			}
		}
	})
}

func wantIdle(t *testing.T, f *gate) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.running) != 0 || len(f.waiting) != 0 || len(f.slots) != 0 {
		t.Errorf("at rest: %d run, %d wait, %d kinds of places are known", len(f.running), len(f.waiting), len(f.slots))
	}
}

// TestFetchTurns: a place that is given back goes to the workspace that has the
// fewest, however long the queue of another.
func TestFetchTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{All: 4, PerWorkspace: 4, PerHost: 16}, func(bound) {})
		order := make(chan string, 20)
		give := make(chan struct{})
		var wg sync.WaitGroup
		ask := func(workspace string) {
			wg.Go(func() {
				_, leave, err := f.enter(t.Context(), workspace, "h", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				order <- workspace
				<-give
				leave()
			})
			synctest.Wait()
		}
		for range 10 {
			ask("crowd")
		}
		for _, one := range []string{"b", "c"} {
			ask(one)
		}
		for range 4 {
			<-order // who were there first
		}
		for _, want := range []string{"b", "c"} {
			give <- struct{}{}
			if got := <-order; got != want {
				t.Errorf("the place went to %s, want %s", got, want)
			}
		}
		close(give)
		wg.Wait()
		wantIdle(t, f)
	})
}

// TestFetchGivenUp: who goes away leaves the queue, and a queue that is full refuses at
// once.
func TestFetchGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		f := newGate(Fetches{All: 1}, func(b bound) {
			if b == boundQueue {
				refused++
			}
		})
		_, leave, err := f.enter(t.Context(), "w", "h", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range DefaultFetches().Waiting / 4 {
			wg.Go(func() {
				if _, _, err := f.enter(ctx, "w", "h", time.Minute); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		before := time.Now()
		if _, _, err := f.enter(t.Context(), "w", "other", time.Minute); !errors.Is(err, errBusy) || time.Since(before) > 0 || refused != 1 {
			t.Errorf("past the queue: %v after %v, %d refused", err, time.Since(before), refused)
		}
		wg.Go(func() { // another workspace still has a place in the queue
			_, leave, err := f.enter(t.Context(), "w2", "h", time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			leave()
		})
		synctest.Wait()
		if _, waiting := f.figures(); waiting != DefaultFetches().Waiting/4+1 {
			t.Errorf("%d wait", waiting)
		}
		cancel()
		synctest.Wait()
		if _, waiting := f.figures(); waiting != 1 {
			t.Errorf("%d wait after all but one have gone", waiting)
		}
		leave()
		wg.Wait()
		wantIdle(t, f)
	})
}

// TestManyWorkspacesFillTheQueue: workspaces that fill the queue of fetches together lose
// a place to another one.
func TestManyWorkspacesFillTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		f := newGate(Fetches{All: 1, Waiting: 16}, func(bound) { refused++ })
		_, leave, err := f.enter(t.Context(), "heavy0", "h", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		busy := 0
		var mu sync.Mutex
		for i := range 8 {
			for range 4 {
				wg.Go(func() {
					_, leave, err := f.enter(t.Context(), fmt.Sprint("heavy", i), "h", time.Minute)
					if err == nil {
						leave()
						return
					}
					mu.Lock()
					busy++
					mu.Unlock()
				})
				synctest.Wait()
			}
		}
		if _, waiting := f.figures(); waiting != 16 {
			t.Errorf("%d wait", waiting)
		}
		wg.Go(func() {
			_, leave, err := f.enter(t.Context(), "light", "h", time.Minute)
			if err != nil {
				t.Error("light:", err)
				return
			}
			leave()
		})
		synctest.Wait()
		leave()
		wg.Wait()
		if busy != 17 || refused != 17 {
			t.Errorf("%d were refused, and %d counted", busy, refused)
		}
		wantIdle(t, f)
	})
}

// TestSlowHost: two workspaces ask a host that says nothing for more than it is
// allowed; another host serves both, a third workspace is refused by the slow host
// with Retry-After, and the metrics say why.
func TestSlowHost(t *testing.T) {
	metrics := prometheus.NewRegistry()
	b := newBench(t, func(c *setup) {
		c.Fetches = Fetches{All: 4, PerWorkspace: 3, PerHost: 2}
		c.FetchTimeout = 500 * time.Millisecond // of waiting; the slow host itself has longer
		c.HTTP = origin.NewHTTP(origin.HTTPConfig{
			Guard:  origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			Limits: origin.Limits{Timeout: time.Minute},
		})
		c.Metrics = metrics
	})
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	b.upstream.Serve("/slow/a.jpg", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
		http.NotFound(w, r)
	})
	named := strings.Replace(b.upstream.URL, "127.0.0.1", "localhost", 1)
	for _, name := range []string{"acme", "beta", "gamma"} {
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID = name, ""
			w.Sources = []workspace.Source{
				{Key: "slow", Kind: "http", URL: b.upstream.URL + "/slow/"},
				{Key: "photos", Kind: "http", URL: named + "/photos/"},
			}
		}))
	}
	var wg sync.WaitGroup
	for _, name := range []string{"acme", "beta"} { // all that the slow host may have
		wg.Go(func() { b.get("/" + name + "/slow/a.jpg") })
		<-entered
	}
	if w := b.get("/gamma/slow/a.jpg"); w.Code != 503 || code(t, w) != "OVERLOADED" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, name := range []string{"acme", "beta", "gamma"} {
		if w := b.get("/" + name + "/photos/cat.jpg"); w.Code != 200 {
			t.Errorf("%s from another host: %d %s", name, w.Code, w.Body)
		}
	}
	if got := counts(t, metrics, "tintype_fetches_refused_total"); len(got) != 5 || got["host"] != 1 || got["all"]+got["workspace"]+got["workspace_host"]+got["queue"] != 0 {
		t.Errorf("refused, by bound: %v", got)
	}
	close(hold)
	wg.Wait()
	wantIdle(t, b.fetches)
}

// counts is a counter by its label.
func counts(t *testing.T, from prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byLabel := map[string]float64{}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				byLabel[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return byLabel
}

// TestHostsTakeTurns: a slot that becomes free in a workspace goes to the host with the
// fewest fetches, however long the others have been waiting.
func TestHostsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{All: 100, PerWorkspace: 8, PerHost: 16}, func(bound) {})
		var wg sync.WaitGroup
		over := make(chan struct{})
		for i := range 40 {
			wg.Go(func() {
				ctx, leave, err := f.enter(t.Context(), "w", fmt.Sprint("stalls", i%2), time.Minute)
				if err != nil {
					return
				}
				defer leave()
				select {
				case <-ctx.Done():
				case <-over:
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		for range 3 {
			_, leave, err := f.enter(t.Context(), "w", "own", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			leave()
		}
		if took := time.Since(start); took > longRun+10*sweepEvery {
			t.Errorf("three fetches from a host that answers took %v", took)
		}
		close(over)
		wg.Wait()
		wantIdle(t, f)
		time.Sleep(2 * sweepEvery)
	})
}

// TestLongFetchesGiveWay: fetches that stall have filled a bound. A workspace or host with
// fewer of them gets a slot soon, and what gives way is of the heaviest.
func TestLongFetchesGiveWay(t *testing.T) {
	type fetch struct{ workspace, host string }
	most := Fetches{All: 24, PerWorkspace: 12, PerHost: 16}
	for _, tt := range []struct {
		name   string
		stall  []fetch // four of each
		ask    fetch
		within time.Duration // 0: it finds none
	}{
		{"all", []fetch{{"a", "h1"}, {"a", "h2"}, {"a", "h3"}, {"b", "h1"}, {"b", "h2"}, {"b", "h3"}}, fetch{"shop", "own"}, longRun + sweepEvery},
		{"a host", []fetch{{"a", "own"}, {"b", "own"}, {"c", "own"}, {"d", "own"}}, fetch{"shop", "own"}, longRun + sweepEvery},
		{"a workspace", []fetch{{"shop", "h1"}, {"shop", "h2"}, {"shop", "h3"}}, fetch{"shop", "own"}, longRun + sweepEvery},
		{"a workspace on a host", []fetch{{"shop", "own"}}, fetch{"shop", "own"}, 0},
		{"room", []fetch{{"a", "h1"}}, fetch{"shop", "own"}, time.Nanosecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newGate(most, func(bound) {})
				var wg sync.WaitGroup
				var gave atomic.Int64
				over := make(chan struct{})
				for _, s := range tt.stall {
					for range 4 {
						wg.Go(func() {
							ctx, leave, err := f.enter(t.Context(), s.workspace, s.host, time.Minute)
							if err != nil {
								t.Error(err)
								return
							}
							defer leave()
							select {
							case <-ctx.Done():
								if context.Cause(ctx) != errBusy {
									t.Error(context.Cause(ctx))
								}
								gave.Add(1)
							case <-over:
							}
						})
					}
				}
				synctest.Wait()
				start := time.Now()
				_, leave, err := f.enter(t.Context(), tt.ask.workspace, tt.ask.host, 5*time.Second)
				took := time.Since(start)
				switch {
				case tt.within == 0:
					if err != errBusy || took != 5*time.Second || gave.Load() > 0 {
						t.Errorf("%v after %v, %d gave way", err, took, gave.Load())
					}
				case err != nil || took > tt.within || tt.within > time.Nanosecond && gave.Load() != 1:
					t.Errorf("%v after %v, %d gave way", err, took, gave.Load())
				}
				if err == nil {
					leave()
				}
				close(over)
				wg.Wait()
				wantIdle(t, f)
				time.Sleep(2 * sweepEvery) // until the last sweep
			})
		})
	}
}

// TestFetchesOfFewClients: five clients have filled a bound with stalled fetches, each of another
// workspace. What other clients ask for comes soon, and each keeps one.
func TestFetchesOfFewClients(t *testing.T) {
	for _, tt := range []struct {
		name            string
		most            Fetches
		workspace, host func(i int) string
	}{
		{"all", Fetches{All: 24}, func(i int) string { return fmt.Sprint("ws", i) }, func(i int) string { return fmt.Sprint("h", i) }},
		{"a host", Fetches{PerHost: 24}, func(i int) string { return fmt.Sprint("ws", i) }, func(int) string { return "own" }},
		{"a workspace", Fetches{PerWorkspace: 24}, func(int) string { return "shop" }, func(i int) string { return fmt.Sprint("h", i) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newGate(Fetches{cmp.Or(tt.most.All, 500), cmp.Or(tt.most.PerWorkspace, 500), cmp.Or(tt.most.PerHost, 500), 40}, func(bound) {})
				over := make(chan struct{})
				var wg sync.WaitGroup
				stall := func(client, workspace, host string) {
					wg.Go(func() {
						ctx, leave, err := f.enter(limit.WithClient(t.Context(), client), workspace, host, time.Minute)
						if err != nil {
							return
						}
						defer leave()
						select {
						case <-ctx.Done():
						case <-over:
						}
					})
					synctest.Wait()
				}
				for i := range 60 {
					stall(fmt.Sprint("198.51.100.", i%5), tt.workspace(i), tt.host(i))
				}
				for i := range 10 {
					start := time.Now()
					_, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("192.0.2.", 100+i)), "shop", "own", 5*time.Second)
					if took := time.Since(start); err != nil || took > longRun+2*sweepEvery {
						t.Errorf("fetch %d: %v after %v", i, err, took)
					}
					if err == nil {
						leave()
					}
				}
				for i := range 40 {
					stall(fmt.Sprint("192.0.2.", 100+i), tt.workspace(100+i), tt.host(100+i))
					time.Sleep(longRun)
				}
				f.mu.Lock()
				for i := range 5 {
					if k := f.slots[slotKey{}].clients[fmt.Sprint("198.51.100.", i)]; k == nil || k.taken < 1 {
						t.Errorf("client %d keeps nothing", i)
					}
				}
				f.mu.Unlock()
				close(over)
				wg.Wait()
				wantIdle(t, f)
				time.Sleep(2 * sweepEvery)
			})
		})
	}
}

// BenchmarkGateQueue measures a fetch that ends while 4,000 of 20 clients wait.
// TestFetchesOfManyClients: many clients, one after the other, take all slots with originals of many
// workspaces that stall. A fetch of another client gets one soon, also in one of these workspaces.
func TestFetchesOfManyClients(t *testing.T) {
	for _, clients := range []int{20, 60} {
		synctest.Test(t, func(t *testing.T) {
			f := newGate(Fetches{}, func(bound) {})
			over := make(chan struct{})
			var wg sync.WaitGroup
			for i := range 1200 {
				wg.Go(func() {
					for {
						ctx, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("198.51.100.", i*clients/1200)), fmt.Sprint("ws", i%400), fmt.Sprint("h", i), time.Minute)
						if err == nil {
							select {
							case <-ctx.Done():
							case <-over:
							}
							leave()
						}
						select {
						case <-over:
							return
						case <-time.After(20 * time.Millisecond):
						}
					}
				})
			}
			time.Sleep(longRun)
			for i := range 10 {
				start := time.Now()
				_, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("192.0.2.", i)), fmt.Sprint("ws", i), "own", 5*time.Second)
				if took := time.Since(start); err != nil || took > longRun+2*sweepEvery {
					t.Errorf("%d clients, fetch %d: %v after %v", clients, i, err, took)
				}
				if err == nil {
					leave()
				}
			}
			close(over)
			wg.Wait()
			wantIdle(t, f)
			time.Sleep(2 * sweepEvery)
		})
	}
}

func BenchmarkGateQueue(b *testing.B) {
	f := newGate(Fetches{All: 64, PerWorkspace: 64, PerHost: 64, Waiting: 8192}, func(bound) {})
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	ended, next := make(chan struct{}), make(chan struct{})
	for i := range 4064 {
		wg.Go(func() {
			one := limit.WithClient(ctx, fmt.Sprint("192.0.2.", i%20))
			for {
				_, leave, err := f.enter(one, fmt.Sprint("ws", i%400), fmt.Sprint("h", i%400), time.Hour)
				if err != nil {
					return
				}
				select {
				case <-next:
				case <-ctx.Done():
				}
				leave()
				select {
				case ended <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for running, waiting := f.figures(); running+waiting < 4064; running, waiting = f.figures() {
		time.Sleep(time.Millisecond)
	}
	for b.Loop() {
		next <- struct{}{}
		<-ended
	}
	cancel()
	wg.Wait()
}

// TestFetchesOfClientsWithinTheirPart: more clients than there are parts take all slots and all
// places in the queue with fetches that hang. A client that has none finds room in both.
func TestFetchesOfClientsWithinTheirPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newGate(Fetches{All: 160, Waiting: 400}, func(bound) {})
		ctx, cancel := context.WithCancel(t.Context())
		var fetches sync.WaitGroup
		for i := range 140 * 4 {
			fetches.Go(func() {
				for ctx.Err() == nil {
					fetch, leave, err := f.enter(limit.WithClient(ctx, fmt.Sprint("198.51.100.", i%140)), fmt.Sprint("ws", i%400), fmt.Sprint("h", i), 10*time.Second)
					if err != nil {
						time.Sleep(time.Second)
						continue
					}
					<-fetch.Done()
					leave()
				}
			})
		}
		time.Sleep(20 * time.Second)
		if running, waiting := f.figures(); running != 160 || waiting < 380 {
			t.Errorf("%d run and %d wait", running, waiting)
		}
		for i := range 10 {
			came := time.Now()
			_, leave, err := f.enter(limit.WithClient(t.Context(), fmt.Sprint("192.0.2.", i)), "shop", "own", 5*time.Second)
			if waited := time.Since(came); err != nil || waited > time.Second {
				t.Errorf("visitor %d: %v after %s", i, err, waited)
			}
			if err == nil {
				leave()
			}
			time.Sleep(500 * time.Millisecond)
		}
		cancel()
		fetches.Wait()
	})
}

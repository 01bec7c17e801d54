//go:build cgo && linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
)

// keyRate is how many requests a minute each API key may send to the API.
const keyRate = 100

// A trio is three servers on one table, whose workspaces have a quota.
type trio struct {
	servers [3]*serverProcess
	quota   int // transforms a month, in each of quota-0, quota-1, …
}

// tries is how often a test of an exact limit starts again when the store didn't answer in
// time. Each time it has new servers and another workspace.
const tries = 3

func startTrio(t *testing.T, store, samples string, quota int) *trio {
	t.Helper()
	g := &trio{quota: quota}
	args := []string{"--workers", "1", "--cache-disk", "0"}
	for n := range tries {
		args = append(args, "--dir", fmt.Sprintf("quota-%d/samples=%s", n, samples))
	}
	for i := range g.servers {
		g.servers[i] = serveShared(t, t.TempDir(), store, args...)
		if i > 0 {
			continue
		}
		for n := range tries { // before the others read it
			g.servers[0].mustCall(t, http.StatusOK, "PATCH", fmt.Sprintf("/workspaces/quota-%d", n),
				map[string]any{"limits": map[string]any{"transforms_per_month": quota}})
		}
	}
	return g
}

func (g *trio) kill() {
	for _, s := range g.servers {
		s.kill()
	}
}

// heard reports whether the store has answered all servers in time, ever since.
func (g *trio) heard() bool {
	for _, s := range g.servers {
		if strings.Contains(s.log.String(), "this server counts alone") {
			return false
		}
	}
	return true
}

// race sends n requests from 24 clients, to each server in turn. It returns how many each
// server allowed. Others must be answered 429.
func (g *trio) race(t *testing.T, n int, request func(s *serverProcess, i int) (status int, err error)) (passed [3]int64) {
	t.Helper()
	var next atomic.Int64
	var counts [3]atomic.Int64
	var clients sync.WaitGroup
	for range 24 {
		clients.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				switch status, err := request(g.servers[i%3], i); {
				case err != nil:
					t.Error(err)
				case status == http.StatusOK:
					counts[i%3].Add(1)
				case status != http.StatusTooManyRequests:
					t.Errorf("request %d: %d", i, status)
				}
			}
		})
	}
	clients.Wait()
	for i := range counts {
		passed[i] = counts[i].Load()
	}
	return passed
}

// transforms is race with another variant each time.
func (g *trio) transforms(t *testing.T, namespace, what string, n int) (passed [3]int64) {
	t.Helper()
	return g.race(t, n, func(s *serverProcess, i int) (int, error) {
		return s.image(t.Context(), fmt.Sprintf("/%s/samples/dusk.jpg?w=16&format=jpeg&v=%s-%d", namespace, what, i), "")
	})
}

func total(passed [3]int64) int64 { return passed[0] + passed[1] + passed[2] }

// TestLimitsOfThreeServers: while the store answers in time, servers on one table together
// allow exactly the quota of a workspace and the rate of a key. While it doesn't, each counts
// alone, and allows the limit at most.
func TestLimitsOfThreeServers(t *testing.T) {
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	local := dynamodblocal.Start(t)
	quota := full(3000, 90)
	var g *trio
	var store string
	renew := func(t *testing.T) {
		if g != nil {
			g.kill()
		}
		store = initStore(t, local)
		g = startTrio(t, store, samples, quota)
	}
	renew(t)
	// exactly tests that the requests that passed add up to the limit, where that is sure.
	exactly := func(t *testing.T, passed [3]int64, limit int, sure bool) bool {
		t.Helper()
		for i, n := range passed {
			if n > int64(limit) {
				t.Errorf("server %d alone let %d through", i, n)
			}
		}
		if sure && total(passed) != int64(limit) {
			t.Errorf("%d pass, want %d", total(passed), limit)
		}
		return sure
	}

	for try := range tries {
		began := time.Now().UTC().Month()
		passed := g.transforms(t, "quota-0", "a", 4*quota)
		sure := g.heard() && time.Now().UTC().Month() == began
		t.Logf("a quota of %d: of %d transforms on three servers %v were made, %d in all", quota, 4*quota, passed, total(passed))
		if exactly(t, passed, quota, sure) || try == tries-1 {
			break
		}
		renew(t)
	}
	for try := range tries {
		var made struct{ Key string }
		answer := g.servers[0].mustCall(t, http.StatusCreated, "POST", "/workspaces/quota-1/api-keys", map[string]any{"name": "n", "scopes": []string{"read"}})
		if err := json.Unmarshal(answer, &made); err != nil {
			t.Fatal(err)
		}
		began := time.Now().Truncate(time.Minute)
		passed := g.race(t, 4*keyRate, func(s *serverProcess, _ int) (int, error) {
			status, _, err := s.callWith(t.Context(), made.Key, "GET", "/workspaces/quota-1", nil)
			return status, err
		})
		sameMinute := time.Now().Truncate(time.Minute).Equal(began)
		t.Logf("a rate of %d a minute: of %d requests with a key to three servers %v pass, %d in all (in one minute: %v)", keyRate, 4*keyRate, passed, total(passed), sameMinute)
		if !sameMinute {
			continue // with another key
		}
		if exactly(t, passed, keyRate, g.heard()) || try == tries-1 {
			break
		}
		renew(t)
	}

	before := g.transforms(t, "quota-2", "b", quota/2)
	local.Pause(t)
	during := g.transforms(t, "quota-2", "c", 6*quota)
	local.Resume(t)
	t.Logf("a quota of %d: %v transforms were made before the store stopped, %v without it, %d in all", quota, before, during, total(before)+total(during))
	for i := range before {
		exactly(t, [3]int64{before[i] + during[i]}, quota, false)
	}
	if n := total(before) + total(during); n < int64(quota) {
		t.Errorf("%d transforms were made and the rest refused, of %d", n, quota)
	}
}

//go:build cgo && linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace/cached"
)

// meteredStore returns the URL of the store behind a proxy that counts reads of workspaces,
// domains and API keys.
func meteredStore(t *testing.T, store string) (through string, reads *atomic.Int64) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	endpoint, err := url.Parse(q.Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	reads = &atomic.Int64{}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(endpoint) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}
	meter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetItem") {
			for _, kind := range []string{`"WS#`, `"DOMAIN#`, `"KEY#`} {
				if bytes.Contains(body, []byte(kind)) {
					reads.Add(1)
				}
			}
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(meter.Close)
	q.Set("endpoint", meter.URL)
	u.RawQuery = q.Encode()
	return u.String(), reads
}

// TestUnknownNames: a few clients ask for names that don't exist, as fast as they can:
// namespaces, hosts and API keys. The number of reads from the store is bounded, and other
// clients get images as before. A new workspace is found in time, even if its name was asked
// for before.
func TestUnknownNames(t *testing.T) {
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	store := initStore(t, dynamodblocal.Shared(t))
	through, reads := meteredStore(t, store)
	s := serveShared(t, t.TempDir(), through, "--dir", "acme/samples="+dir, "--trusted-proxies", "127.0.0.0/8")
	other := serveShared(t, t.TempDir(), store)
	get := func(client, path string, header ...string) int {
		res, err := s.get(t.Context(), path, append(header, "X-Forwarded-For", client)...)
		if err != nil {
			t.Error(err)
			return 0
		}
		return res.StatusCode
	}
	const image, owner = "/acme/samples/dusk.jpg?w=16", "203.0.113.200"
	if status := get(owner, image); status != 200 {
		t.Fatalf("%d\n%s", status, s.log.String())
	}
	const shop = "/shop-of-tomorrow" // names no image: 400 if the workspace exists, else 404
	if status := get(owner, shop); status != 404 {
		t.Fatalf("a workspace that isn't there yet: %d", status)
	}
	var quiet []time.Duration
	for range 200 {
		began := time.Now()
		get(owner, image)
		quiet = append(quiet, time.Since(began))
	}

	const clients = 4 // and as many of IPv6, each of which has a /64 and changes its address all the time
	lasts := time.Duration(full(60, 3)) * time.Second
	before, began := reads.Load(), time.Now()
	var asked atomic.Int64
	var refused atomic.Bool // a busy machine takes longer than lasts to use up the allowances
	goesOn := func() bool {
		since := time.Since(began)
		return since < lasts || !refused.Load() && since < lasts+time.Minute
	}
	var attack sync.WaitGroup
	statuses := make([]map[int]int, 2*clients)
	for i := range 2 * clients {
		statuses[i] = map[int]int{}
		attack.Go(func() {
			for n := 0; goesOn() && n < 1_000_000; n++ {
				client := fmt.Sprintf("203.0.113.%d", i)
				if i >= clients {
					client = fmt.Sprintf("2001:db8:0:%d::%x", i, n+1)
				}
				switch n % 4 {
				case 0, 1:
					statuses[i][get(client, fmt.Sprintf("/random-%d-%d/x.jpg", i, n))]++
				case 2:
					statuses[i][get(client, fmt.Sprintf("/photos-%d-%d/x.jpg", i, n), "Host", fmt.Sprintf("random-%d-%d.example", i, n))]++
				case 3: // its own host is nobody's, and serves path form
					statuses[i][get(client, image, "Host", fmt.Sprintf("cdn-%d-%d.example", i, n))]++
				}
				asked.Add(1)
				if statuses[i][429] > 0 {
					refused.Store(true)
				}
			}
		})
	}
	var took []time.Duration
	failed := 0
	var made, seen time.Time
	for time.Since(began) < lasts || seen.IsZero() && time.Since(began) < lasts+time.Minute {
		at := time.Now()
		if status := get(owner, image); status != 200 {
			failed++
		}
		took = append(took, time.Since(at))
		switch {
		case made.IsZero() && time.Since(began) < lasts/2:
			get(owner, shop)
		case made.IsZero():
			other.mustCall(t, 201, "POST", "/workspaces", map[string]any{"namespace": "shop-of-tomorrow"})
			made = time.Now()
		case seen.IsZero() && get(owner, shop) == 400:
			seen = time.Now()
		}
		time.Sleep(2 * time.Millisecond)
	}
	attack.Wait()
	seconds := time.Since(began).Seconds()
	n, most := reads.Load()-before, int64(2*clients*(100+int(seconds)+2)+50)
	counts := map[int]int{}
	for _, m := range statuses {
		for status, k := range m {
			counts[status] += k
		}
	}
	t.Logf("%d requests with unknown names in %.0f s, answered %v: %d reads of the store, %d at most; %d images meanwhile, %d failed, median %v, p99 %v (alone: %v, %v); a new workspace seen within %v",
		asked.Load(), seconds, counts, n, most, len(took), failed, at(took, .5).Round(time.Microsecond), at(took, .99).Round(time.Microsecond),
		at(quiet, .5).Round(time.Microsecond), at(quiet, .99).Round(time.Microsecond), seen.Sub(made).Round(time.Millisecond))
	if n > most {
		t.Errorf("%d reads of the store, %d at most are in the clients' budgets", n, most)
	}
	if seen.IsZero() || soaking && seen.Sub(made) > cached.ChangeReach {
		t.Errorf("a new workspace is seen after %v", seen.Sub(made))
	}
	if failed > 0 || counts[429] == 0 || counts[404] == 0 || counts[500]+counts[503] > 0 {
		t.Errorf("%d images failed, unknown names: %v", failed, counts)
	}
}

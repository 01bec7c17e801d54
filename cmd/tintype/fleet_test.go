//go:build cgo && linux

package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/internal/freeport"
)

// A fleet is servers that share a table and a bucket, an origin, and counts of what these are asked
// for.
type fleet struct {
	servers []*serverProcess
	ops     []string

	fetches, gets, puts atomic.Int64
	lists               atomic.Int64 // requests for lists of what servers have written
	shade               atomic.Int64 // of the originals
}

// startFleet starts four servers that find each other.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.fetches.Add(1)
		servePNG(w, r, f.shade.Load())
	}))
	t.Cleanup(origin.Close)
	s3 := newBucket(t)
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("list-type") || strings.Contains(r.URL.Path, "/v1/puts/"):
			f.lists.Add(1)
		case r.Method == http.MethodGet:
			f.gets.Add(1)
		case r.Method == http.MethodPut:
			f.puts.Add(1)
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(bucket.Close)
	store := initStore(t, dynamodblocal.Shared(t))
	for range 4 {
		ops := freeport.Address(t)
		p, err := startProcessBy(inFleet, t.TempDir(), store, fleetArgs(t, bucket.URL, "--ops-listen", ops)...)
		if err != nil {
			t.Fatal(err)
		}
		p.killAfter(t)
		f.servers, f.ops = append(f.servers, p), append(f.ops, ops)
	}
	f.servers[0].mustCall(t, 201, "POST", "/workspaces", map[string]any{"namespace": "acme", "sources": []map[string]any{{"key": "photos", "kind": "http", "url": origin.URL + "/"}}})
	for i := range f.ops {
		until(t, "the servers see each other", func() bool { return f.figures(t, i)["tintype_peers"] == 4 })
	}
	t.Cleanup(func() {
		for i := range f.ops {
			for line := range strings.Lines(f.servers[i].log.String()) {
				if strings.Contains(line, "another server of the fleet") || strings.Contains(line, `"status":503`) {
					t.Logf("server %d: %s", i, line)
				}
			}
			if t.Failed() && f.servers[i].cmd.ProcessState == nil {
				for name, n := range f.figures(t, i) {
					if strings.HasPrefix(name, "tintype_peer") && n > 0 && !strings.Contains(name, "bucket") {
						t.Logf("server %d: %s %v", i, name, n)
					}
				}
			}
		}
	})
	return f
}

// inFleet is before the command of a server of a fleet.
var inFleet = []string{"env", "TINTYPE_PEER_SECRET=the-secret-of-this-fleet-0123456789"}

// fleetArgs are the flags of a server of a fleet. bucket is the URL of an S3 server.
func fleetArgs(t *testing.T, bucket string, more ...string) []string {
	return append([]string{"--workers", "1", "--allow-cidr", "127.0.0.0/8", "--peer-listen", freeport.Address(t),
		"--cache-bucket", "s3://cache/?region=auto&endpoint=" + bucket, "--drain", "1s"}, more...)
}

// through is a store on DynamoDB that is asked at another endpoint, such as a proxy.
func through(t *testing.T, store, endpoint string) string {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("endpoint", endpoint)
	u.RawQuery = q.Encode()
	return u.String()
}

// servePNG answers with a picture of its own for each path.
func servePNG(w http.ResponseWriter, r *http.Request, shade int64) {
	m, path := image.NewNRGBA(image.Rect(0, 0, 8, 8)), r.URL.Path
	for i := range 64 {
		m.Set(i%8, i/8, color.NRGBA{uint8(shade), path[len(path)-5], path[len(path)-6], 255})
	}
	w.Header().Set("Content-Type", "image/png")
	_ = png.Encode(w, m)
}

func (f *fleet) figures(t *testing.T, server int) map[string]float64 {
	_, text := fetch(t, "http://"+f.ops[server]+"/metrics")
	m := map[string]float64{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m[name], _ = strconv.ParseFloat(value, 64) // comments are of no interest
		}
	}
	return m
}

// together reports whether each server has always had the others make what they own. On a busy
// machine one may be silent for so long that the others make its variants for a while.
func (f *fleet) together() bool {
	return !slices.ContainsFunc(f.servers, func(p *serverProcess) bool {
		return strings.Contains(p.log.String(), "another server of the fleet is asked for nothing for a while")
	})
}

// transforms are those of all servers.
func (f *fleet) transforms(t *testing.T, servers ...int) (n int) {
	for _, i := range servers {
		n += int(f.figures(t, i)[`tintype_transform_seconds_count{endpoint="transform",format="webp"}`])
	}
	return n
}

// ask asks servers for n variants at once, each server for each, and returns how many requests
// failed. midway is called when half of the answers have come; nil is nothing. A busy machine may
// refuse some with 503 and Retry-After; these are sent again, as clients do.
func (f *fleet) ask(t *testing.T, name string, n int, servers []int, midway func()) (failed int64) {
	var bad, busy, answered atomic.Int64
	var wait sync.WaitGroup
	for i := range n {
		for _, s := range servers {
			wait.Go(func() {
				path := fmt.Sprintf("/acme/photos/%s%02d.png?w=4&format=webp", name, i)
				res, err := f.servers[s].get(t.Context(), path)
				for range 10 {
					if err != nil || res.StatusCode != http.StatusServiceUnavailable {
						break
					}
					busy.Add(1)
					<-time.After(time.Second)
					res, err = f.servers[s].get(t.Context(), path)
				}
				if err != nil || res.StatusCode != http.StatusOK {
					if bad.Add(1) == 1 {
						t.Logf("%s of server %d: %+v, %v", path, s, res, err)
					}
				}
				if answered.Add(1) == int64(n*len(servers)/2) && midway != nil {
					midway()
				}
			})
		}
	}
	wait.Wait()
	if n := busy.Load(); n > 0 {
		t.Logf("%s: %d answers were 503 at first", name, n)
	}
	return bad.Load()
}

// body fetches a variant.
func (f *fleet) body(t *testing.T, server int, path string) []byte {
	t.Helper()
	res, err := pooled.Get(f.servers[server].url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("server %d: %s, %v: %s", server, res.Status, err, b)
	}
	return b
}

// TestFleet: four servers, asked for the same 100 new variants at once, make each once, and count it
// once. Nothing fails when one of them is stopped or killed meanwhile. What was purged is gone from
// all, and never comes back.
func TestFleet(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := startFleet(t)
	const variants = 100
	all := []int{0, 1, 2, 3}
	if failed := f.ask(t, "a", variants, all, nil); failed > 0 {
		t.Errorf("%d failed", failed)
	}
	fetches, transforms := f.fetches.Load(), f.transforms(t, all...)
	t.Logf("%d variants asked of 4 servers: %d fetches, %d transforms, %d GETs and %d PUTs of the bucket, %d of lists", variants, fetches, transforms, f.gets.Load(), f.puts.Load(), f.lists.Load())
	spare := full(5, 60) // what a server that is silent for a moment on a busy machine costs
	if f.together() && (int(fetches) > variants+spare || transforms > variants+spare) {
		t.Errorf("%d fetches and %d transforms of %d variants", fetches, transforms, variants)
	}
	// What was made is written once it is asked for again, and what is new is known not to be there.
	if failed := f.ask(t, "a", variants, all, nil); failed > 0 {
		t.Errorf("%d failed", failed)
	}
	until(t, "the bucket has them", func() bool { return !f.together() || int(f.puts.Load()) >= variants-spare })
	if puts, gets := f.puts.Load(), f.gets.Load(); f.together() && (int(puts) > variants+spare || int(gets) > 5+spare) {
		t.Errorf("%d PUTs and %d GETs of the bucket", puts, gets)
	}
	// How much longer it takes where another server has it: asked of one server first.
	if failed := f.ask(t, "b", variants, all[:1], nil); failed > 0 {
		t.Errorf("%d failed", failed)
	}
	took := map[string][]time.Duration{}
	for i := range variants {
		for range 2 {
			begin := time.Now()
			res, err := f.servers[1].get(t.Context(), fmt.Sprintf("/acme/photos/b%02d.png?w=4&format=webp", i))
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatal(res, err)
			}
			how := res.Header.Get("Cache-Status")
			took[how] = append(took[how], time.Since(begin))
		}
	}
	for how, list := range took {
		slices.Sort(list)
		t.Logf("%q: %d, p50 %v, p99 %v", how, len(list), list[len(list)/2], list[len(list)*99/100])
	}
	peer, memory := took["tintype; hit; detail=peer"], took["tintype; hit; detail=memory"]
	if f.together() && len(peer) < variants/2 {
		t.Errorf("%d came from another server", len(peer))
	}
	if soaking && at(peer, .5)-at(memory, .5) > 2*time.Millisecond {
		t.Errorf("p50 %v longer", at(peer, .5)-at(memory, .5))
	}

	f.purge(t)

	stop, kill := f.servers[3].cmd.Process, f.servers[2]
	defer func() { _ = stop.Signal(syscall.SIGCONT) }()
	if failed := f.ask(t, "c", variants/2, all[:3], func() { _ = stop.Signal(syscall.SIGSTOP) }); failed > 0 {
		t.Errorf("%d failed while one server was stopped", failed)
	}
	if failed := f.ask(t, "d", variants/2, all[:2], kill.kill); failed > 0 {
		t.Errorf("%d failed while one server was killed", failed)
	}
}

// purge changes an original and purges it at one server. The others follow in time.
func (f *fleet) purge(t *testing.T) {
	t.Helper()
	const path = "/acme/photos/p00.png?w=4&format=webp"
	old := f.body(t, 0, path)
	for i := range f.servers {
		if !bytes.Equal(f.body(t, i, path), old) {
			t.Fatal("servers show different bytes")
		}
	}
	f.shade.Store(200)
	f.servers[0].mustCall(t, 202, "POST", "/workspaces/acme/purge", map[string]any{"path": "photos/p00.png"})
	if bytes.Equal(f.body(t, 0, path), old) {
		t.Error("the server that purged shows what was before")
	}
	renewed := make([]bool, len(f.servers))
	until(t, "the purge is everywhere", func() bool {
		for i := range f.servers {
			isNew := !bytes.Equal(f.body(t, i, path), old)
			if renewed[i] && !isNew {
				t.Fatalf("server %d shows again what was purged", i)
			}
			renewed[i] = isNew
		}
		return !slices.Contains(renewed, false)
	})
}

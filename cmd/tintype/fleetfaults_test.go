//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/signing"
)

// A route is the way to a service, and what is wrong with it.
type route struct {
	delay    atomic.Int64 // nanoseconds
	throttle atomic.Bool  // every second call
	gone     atomic.Bool
	ahead    atomic.Int64 // nanoseconds by which the service's clock is ahead: how slow that of a node is

	calls atomic.Int64
}

func (n *route) to(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(n.delay.Load())):
		case <-r.Context().Done():
		}
		switch call := n.calls.Add(1); {
		case n.gone.Load():
			panic(http.ErrAbortHandler)
		case n.throttle.Load() && call%2 == 0:
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// fine undoes all.
func (n *route) fine() {
	n.delay.Store(0)
	n.throttle.Store(false)
	n.gone.Store(false)
	n.ahead.Store(0)
}

// A node is a server of the fleet that is killed, stopped and started again.
type node struct {
	args  []string
	data  string
	store string
	way   *route // to the store

	mu      sync.Mutex // guards all below
	p       *serverProcess
	mishaps []*mishap
}

// A mishap is what was wrong with a node for a time.
type mishap struct {
	what        string
	began, over time.Time // over is zero while it lasts
}

// heals is how long after a mishap it still explains what fails.
const heals = 15 * time.Second

func (n *node) start(t *testing.T) {
	for range 20 { // while the store is away too
		p, err := startProcessBy(inFleet, n.data, n.store, n.args...)
		if err == nil {
			n.mu.Lock()
			n.p = p
			n.mu.Unlock()
			return
		}
		t.Logf("a node doesn't start: %v", err)
	}
	t.Error("a node starts no more")
}

func (n *node) process() *serverProcess {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.p
}

// A rule is a right that is given and taken back while clients use it.
type rule struct {
	mu      sync.Mutex
	given   bool
	changed time.Time // when it was acknowledged
	unknown bool      // whether it was changed isn't known
}

func (r *rule) set(given bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given, r.changed, r.unknown = given, time.Now(), err != nil
}

// TestFleetFaults: for half an hour, or the MINUTES of the environment, four nodes are killed, stopped, restarted, and their clocks moved,
// and the store, the bucket and the origin are slow, throttled and gone, while clients ask all nodes for
// images and an owner changes originals and rights. Each image shows what it should: the right original,
// as new as the bounds of purges say, and by rights that are not older than theirs. Each image that
// fails has a code, and a fault that explains it.
func TestFleetFaults(t *testing.T) {
	minutes := full(30, 0)
	if s := os.Getenv("MINUTES"); s != "" {
		minutes, _ = strconv.Atoi(s)
	}
	if minutes == 0 {
		t.Skip("a soak: scripts/soak FleetFaults")
	}
	f := startFaulty(t)
	ctx, stop := context.WithTimeout(t.Context(), time.Duration(minutes)*time.Minute)
	defer stop()
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() { f.ask(ctx) })
	}
	running.Go(func() { f.change(ctx) })
	f.faults(ctx)
	running.Wait()
	for _, n := range f.nodes {
		n.way.fine()
	}
	f.report()
}

// A faulty is the fleet of the test, and what came of it.
type faulty struct {
	t                    *testing.T
	nodes                []*node
	origin, bucket       route
	at                   string // URL of the origin
	versions             [40]atomic.Int64
	purged               [40]rule // when the version was purged; given is unused
	listed               rule
	keys                 []*signingKey
	keysMu               sync.Mutex
	mu                   sync.Mutex
	counts               map[string]int
	wrong                []string
	oldest               map[string]time.Duration
	faultsMade           map[string]int
	originBad, bucketBad atomic.Int64 // until when, in Unix nanoseconds
}

type signingKey struct {
	rule
	secret signing.Secret
	id     string
}

func startFaulty(t *testing.T) *faulty {
	f := &faulty{t: t, counts: map[string]int{}, oldest: map[string]time.Duration{}, faultsMade: map[string]int{}}
	origin := httptest.NewServer(f.origin.to(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		servePNG(w, r, f.versions[numberOf(r.URL.Path)].Load())
	})))
	t.Cleanup(origin.Close)
	f.at = origin.URL
	bucket := httptest.NewServer(f.bucket.to(newBucket(t)))
	t.Cleanup(bucket.Close)
	local := dynamodblocal.Start(t)
	to, err := url.Parse(local.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	table := initStore(t, local)
	for range 4 {
		n := &node{way: &route{}, data: t.TempDir()}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(time.Duration(n.way.ahead.Load())).UTC().Format(http.TimeFormat))
			return nil
		}}
		store := httptest.NewServer(n.way.to(proxy))
		t.Cleanup(store.Close)
		n.store = through(t, table, store.URL)
		n.args = fleetArgs(t, bucket.URL, "--log-level", "warn", "--cache-memory", "1MiB")
		n.start(t)
		t.Cleanup(func() {
			p := n.process()
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			p.kill()
		})
		f.nodes = append(f.nodes, n)
	}
	if n := f.nodes[0].process(); n == nil {
		t.FailNow()
	}
	f.nodes[0].process().mustCall(t, 201, "POST", "/workspaces", map[string]any{
		"namespace": "acme", "allowed_sources": []string{f.at + "/free/"},
		"sources": []map[string]any{{"key": "photos", "kind": "http", "url": f.at + "/photos/"}, {"key": "vault", "kind": "http", "url": f.at + "/vault/", "private": true}},
	})
	f.listed.set(true, nil)
	f.newKey()
	time.Sleep(10 * time.Second) // until all know it
	return f
}

// numberOf is the number in the path of an original, such as /photos/o07.png.
func numberOf(path string) int {
	n, _ := strconv.Atoi(path[len(path)-6 : len(path)-4])
	return n % 40
}

// newKey makes a signing key at some node.
func (f *faulty) newKey() {
	status, answer, err := f.call("POST", "/workspaces/acme/signing-keys", map[string]any{})
	var made struct{ ID, Secret string }
	if err != nil || status != 201 || json.Unmarshal(answer, &made) != nil {
		f.count(fmt.Sprintf("API: a key isn't made: %d", status))
		return
	}
	secret, err := signing.ParseSecret(made.Secret)
	if err != nil {
		f.t.Error(err)
		return
	}
	k := &signingKey{secret: secret, id: made.ID}
	k.set(true, nil)
	f.keysMu.Lock()
	f.keys = append(f.keys, k)
	f.keysMu.Unlock()
}

// call asks a random node's API.
func (f *faulty) call(method, path string, body any) (int, []byte, error) {
	ctx, stop := context.WithTimeout(context.Background(), 15*time.Second)
	defer stop()
	return f.nodes[rand.IntN(len(f.nodes))].process().call(ctx, method, path, body)
}

// change changes originals and rights, as an owner does, until the end.
func (f *faulty) change(ctx context.Context) {
	for tick := time.Tick(2 * time.Second); ; {
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
		switch rand.IntN(6) {
		case 0: // the allowlist
			f.listed.mu.Lock()
			give := !f.listed.given
			f.listed.mu.Unlock()
			list := []string{}
			if give {
				list = []string{f.at + "/free/"}
			}
			f.listed.set(give, errors.New("not yet acknowledged"))
			status, _, err := f.call("PATCH", "/workspaces/acme", map[string]any{"allowed_sources": list})
			f.listed.set(give, acknowledged(status, err, 200))
			f.count(fmt.Sprintf("API: allowlist: %d", status))
		case 1: // a key is replaced
			f.keysMu.Lock()
			last := f.keys[len(f.keys)-1]
			f.keysMu.Unlock()
			if f.newKey(); last == f.keys[len(f.keys)-1] {
				continue
			}
			last.set(false, errors.New("not yet acknowledged"))
			status, _, err := f.call("DELETE", "/workspaces/acme/signing-keys/"+last.id, nil)
			last.set(false, acknowledged(status, err, 204))
			f.count(fmt.Sprintf("API: key revoked: %d", status))
		default: // an original
			n := rand.IntN(len(f.versions))
			f.versions[n].Add(1)
			f.purged[n].set(true, errors.New("not yet acknowledged"))
			status, _, err := f.call("POST", "/workspaces/acme/purge", map[string]any{"path": fmt.Sprintf("photos/o%02d.png", n)})
			f.purged[n].set(true, acknowledged(status, err, 202))
			f.count(fmt.Sprintf("API: purge: %d", status))
		}
	}
}

func acknowledged(status int, err error, want int) error {
	if err == nil && status != want {
		err = fmt.Errorf("%d", status)
	}
	return err
}

// mishap notes that something is wrong with a node, until over is called.
func (n *node) mishap(what string) (over func()) {
	m := &mishap{what: what, began: time.Now()}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mishaps = append(n.mishaps, m)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		m.over = time.Now()
	}
}

// during returns what was wrong with a node in a span of time, or shortly before it.
func (n *node) during(from, to time.Time) (what []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.mishaps {
		if m.began.Before(to) && (m.over.IsZero() || m.over.Add(heals).After(from)) {
			what = append(what, m.what)
		}
	}
	return what
}

// heard returns since when a node could hear of changes, at a time. One that was stopped has no
// excuse.
func (n *node) heard(at time.Time) (since time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.mishaps {
		switch over := m.over; {
		case m.what == "stopped" || m.began.After(at):
		case over.IsZero() || over.After(at):
			return at
		case over.After(since):
			since = over
		}
	}
	return since
}

// faults makes one fault after another.
func (f *faulty) faults(ctx context.Context) {
	wait := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	some := func(least, most int) time.Duration { return time.Duration(least+rand.IntN(most-least)) * time.Second }
	all := func(what string, spoil func(*route), lasts time.Duration) {
		var over []func()
		for _, n := range f.nodes {
			over = append(over, n.mishap(what))
			spoil(n.way)
		}
		wait(lasts)
		for i, n := range f.nodes {
			n.way.fine()
			over[i]()
		}
	}
	kinds := []string{"killed", "stopped", "stopped long", "restarted", "clock an hour slow", "clock an hour fast", "store slow", "store throttled", "store gone", "store gone for one", "bucket slow", "bucket gone", "origin slow", "origin gone"}
	rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	for round := 0; ctx.Err() == nil; round++ {
		kind := kinds[round%len(kinds)]
		f.faultsMade[kind]++
		n := f.nodes[rand.IntN(len(f.nodes))]
		switch kind {
		case "killed":
			over := n.mishap(kind)
			n.process().kill()
			wait(some(1, 5))
			n.start(f.t)
			over()
		case "restarted":
			over := n.mishap(kind)
			p := n.process()
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			_ = p.cmd.Wait()
			n.start(f.t)
			over()
		case "stopped", "stopped long":
			lasts := some(4, 30)
			if kind == "stopped long" {
				lasts = some(60, 75)
			}
			over := n.mishap("stopped")
			p := n.process().cmd.Process
			_ = p.Signal(syscall.SIGSTOP)
			wait(lasts)
			_ = p.Signal(syscall.SIGCONT)
			over()
		case "clock an hour slow", "clock an hour fast":
			n.way.ahead.Store(int64(time.Hour))
			if kind == "clock an hour fast" {
				n.way.ahead.Store(-int64(time.Hour))
			}
			over := n.mishap("clock")
			wait(some(10, 20))
			n.way.fine()
			over()
		case "store slow":
			all(kind, func(w *route) { w.delay.Store(int64(time.Second)) }, some(10, 25))
		case "store throttled":
			all(kind, func(w *route) { w.throttle.Store(true) }, some(10, 25))
		case "store gone":
			all(kind, func(w *route) { w.gone.Store(true) }, some(10, 80))
		case "store gone for one":
			over := n.mishap("store gone")
			n.way.gone.Store(true)
			wait(some(10, 80))
			n.way.fine()
			over()
		case "bucket slow", "bucket gone", "origin slow", "origin gone":
			way, bad := &f.bucket, &f.bucketBad
			if strings.HasPrefix(kind, "origin") {
				way, bad = &f.origin, &f.originBad
			}
			bad.Store(time.Now().Add(time.Hour).UnixNano())
			if strings.HasSuffix(kind, "slow") {
				way.delay.Store(int64(1500 * time.Millisecond))
			} else {
				way.gone.Store(true)
			}
			wait(some(5, 15))
			way.fine()
			bad.Store(time.Now().UnixNano())
		}
		wait(some(3, 12))
	}
}

// ask is a client, until the end.
func (f *faulty) ask(ctx context.Context) {
	client := &http.Client{Timeout: 100 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}}
	for tick := time.Tick(60 * time.Millisecond); ctx.Err() == nil; <-tick {
		n := f.nodes[rand.IntN(len(f.nodes))]
		number, query := rand.IntN(40), fmt.Sprintf("?w=%d&format=png", 2+rand.IntN(6))
		path, kind := fmt.Sprintf("/photos/o%02d.png", number), "public"
		target := "/acme" + path + query
		var key *signingKey
		switch rand.IntN(4) {
		case 0:
			kind, path = "listed", fmt.Sprintf("/free/o%02d.png", number)
			target = "/acme/transform" + query + "&src=" + f.at + path
		case 1:
			kind, path = "private", fmt.Sprintf("/vault/o%02d.png", number)
			f.keysMu.Lock()
			key = f.keys[max(0, len(f.keys)-1-rand.IntN(3))]
			f.keysMu.Unlock()
			signed, err := key.secret.SignUntil("/acme"+path+query, time.Now().Add(3*time.Hour))
			if err != nil {
				f.t.Error(err)
				return
			}
			target = signed
		}
		version := f.versions[number].Load()
		sent := time.Now()
		res, err := client.Get(n.process().url + target)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		f.judge(&viewing{node: n, kind: kind, path: path, number: number, version: version, key: key, sent: sent, came: time.Now()}, res, body, err)
	}
}

// A viewing is a request of a client.
type viewing struct {
	node       *node
	kind, path string
	number     int
	version    int64 // of the original, when it was sent
	key        *signingKey
	sent, came time.Time
}

// slack is for a busy machine, on top of the bounds.
const slack = 3 * time.Second

// judge holds an answer to what it may be.
func (f *faulty) judge(a *viewing, res *http.Response, body []byte, err error) {
	by := a.came.Add(-3 * time.Second) // when it was judged at the latest, see delivery
	if by.Before(a.sent) {
		by = a.sent
	}
	heard, what := a.node.heard(by), fmt.Sprint(a.node.during(a.sent, a.came))
	age := func(r *rule) (time.Duration, bool) { // for how long it should be known
		r.mu.Lock()
		defer r.mu.Unlock()
		since := r.changed
		if heard.After(since) {
			since = heard
		}
		return by.Sub(since), !r.unknown && !r.changed.IsZero()
	}
	switch {
	case err != nil:
		f.failed(a, "no answer: "+shortly(err))
		return
	case res.StatusCode == http.StatusOK:
		f.count(a.kind + ": 200")
	case res.StatusCode == http.StatusForbidden && a.kind != "public":
		f.count(a.kind + ": 403")
	default:
		var said struct{ Error struct{ Code string } }
		_ = json.Unmarshal(body, &said)
		f.failed(a, fmt.Sprintf("%d %s", res.StatusCode, said.Error.Code))
		return
	}
	shown := res.StatusCode == http.StatusOK
	right := &f.listed
	if a.key != nil {
		right = &a.key.rule
	}
	if a.kind != "public" {
		old, known := age(right)
		right.mu.Lock()
		given, changed := right.given, right.changed
		right.mu.Unlock()
		if known && given != shown {
			f.older(a.kind, old)
			if old > 10*time.Second+slack {
				f.isWrong("%s: %d after it was %v for %v; %s", a.kind, res.StatusCode, given, old, what)
			}
			if a.key != nil && shown && by.Sub(changed) > time.Minute+slack {
				f.isWrong("a revoked key opens an image after %v; %s", by.Sub(changed), what)
			}
		}
	}
	if !shown {
		return
	}
	m, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		f.isWrong("%s: no picture: %v", a.path, err)
		return
	}
	r, g, b, _ := m.At(0, 0).RGBA()
	if byte(g>>8) != a.path[len(a.path)-5] || byte(b>>8) != a.path[len(a.path)-6] {
		f.isWrong("%s shows another original: %d %d %d", a.path, r>>8, g>>8, b>>8)
	}
	if old, known := age(&f.purged[a.number]); a.kind == "public" && known && byte(r>>8) < byte(a.version) && old > 0 {
		f.older("purged", old)
		if old > 10*time.Second+slack {
			f.isWrong("%s shows version %d of %d, purged %v ago; %s", a.path, r>>8, a.version, old, what)
		}
	}
}

// explains says which faults explain which failures.
var explains = map[string]string{
	"no answer":             "killed restarted stopped",
	"502 ORIGIN_ERROR":      "origin",
	"504 ORIGIN_TIMEOUT":    "origin stopped",
	"503 OVERLOADED":        "store gone store slow store throttled stopped killed restarted origin",
	"504 TRANSFORM_TIMEOUT": "stopped",
}

// failed counts an image that failed, which something must explain: at the node that was asked, at
// the origin, or at another node, which may own the image.
func (f *faulty) failed(a *viewing, how string) {
	recent := func(end int64) bool { return a.sent.Before(time.Unix(0, end).Add(heals)) }
	causes := a.node.during(a.sent, a.came)
	if recent(f.originBad.Load()) {
		causes = append(causes, "origin")
	}
	first, _, _ := strings.Cut(how, ":")
	if first != "no answer" { // which is of the node itself
		for _, n := range f.nodes {
			causes = append(causes, n.during(a.sent, a.came)...)
		}
	}
	for _, cause := range causes {
		if strings.Contains(explains[first], cause) {
			f.count(fmt.Sprintf("%s: %s: %s", a.kind, how, cause))
			return
		}
	}
	if strings.Contains(how, "Client.Timeout") { // its goroutines say what it waits for, in its log
		_ = a.node.process().cmd.Process.Signal(syscall.SIGQUIT)
	}
	f.count(fmt.Sprintf("%s: %s: not explained", a.kind, how))
	f.isWrong("%s %s at node %d: %s after %v, in the midst of %v", a.kind, a.path, slices.Index(f.nodes, a.node), how, a.came.Sub(a.sent), causes)
}

// shortly is an error without addresses.
func shortly(err error) string {
	for _, s := range []string{"connection refused", "connection reset", "EOF", "Client.Timeout"} {
		if strings.Contains(err.Error(), s) {
			return s
		}
	}
	return err.Error()
}

func (f *faulty) count(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[what]++
}

func (f *faulty) older(what string, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.oldest[what] = max(f.oldest[what], age)
}

func (f *faulty) isWrong(format string, a ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, a...))
}

func (f *faulty) report() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(f.counts)) {
		f.t.Logf("%6d %s", f.counts[what], what)
	}
	f.t.Logf("%d images; faults: %v; the oldest that was gone by: %v; %d wrong", sum(f.counts), f.faultsMade, f.oldest, len(f.wrong))
	for i, w := range f.wrong {
		if i < 40 {
			f.t.Error(w)
		}
	}
	for i, n := range f.nodes {
		if f.t.Failed() {
			said := n.process().log.String()
			f.t.Logf("node %d said:\n%s", i, said[max(0, len(said)-200_000):])
		}
	}
}

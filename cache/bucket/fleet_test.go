package bucket_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/cache/bucket"
)

// A counter counts the requests that a bucket is billed for.
type counter struct {
	asking sync.RWMutex // locked while a fleet is asked: what is written waits

	mu sync.Mutex // guards n
	n  map[string]int
}

func (c *counter) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method
		switch q := r.URL.Query(); {
		case q.Has("list-type"):
			what = "LIST"
		case q.Has("delete"):
			what = "batch DELETE"
		case strings.Contains(r.URL.Path, "/v1/puts/"):
			what += " of lists"
		}
		c.mu.Lock()
		if c.n == nil {
			c.n = map[string]int{}
		}
		c.n[what]++
		c.mu.Unlock()
		if what == "PUT" {
			c.asking.RLock()
			defer c.asking.RUnlock()
		}
		h.ServeHTTP(w, r)
	})
}

// take returns the counts since the last call.
func (c *counter) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.n
	c.n = nil
	return maps.Clone(n)
}

// A node is a server of a fleet with peer fill: who doesn't own a variant asks the one that does.
type node struct {
	*bucket.Cache
	loader *cache.Loader
}

type fleet struct {
	nodes []node
	made  atomic.Int32
}

func startFleet(t *testing.T, nodes int, c bucket.Config) *fleet {
	f := &fleet{}
	for range nodes {
		f.join(t, c)
	}
	return f
}

func (f *fleet) join(t *testing.T, c bucket.Config) {
	b := open(t, c)
	f.nodes = append(f.nodes, node{b, &cache.Loader{Cache: cache.NewTiered(cache.NewMemory(64<<20), b)}})
}

func (f *fleet) make(context.Context, *cache.Entry) (*cache.Entry, error) {
	f.made.Add(1)
	return entry(strings.Repeat("picture", 100)), nil
}

// get asks a node for a variant.
func (f *fleet) get(ctx context.Context, at int, key cache.Key) (string, error) {
	owner := int(key[1]) % len(f.nodes)
	fill := f.make
	if owner != at {
		ctx = cache.WithLocalOnly(ctx, func() bool { return true })
		fill = func(ctx context.Context, _ *cache.Entry) (*cache.Entry, error) {
			e, _, err := f.nodes[owner].loader.Load(cache.WithLocalOnly(ctx, nil), key, f.make)
			if err != nil {
				return nil, err
			}
			sent := *e
			sent.Elsewhere = true
			return &sent, nil
		}
	}
	_, outcome, err := f.nodes[at].loader.Load(ctx, key, fill)
	return outcome.Tier, err
}

// variants are keys, as the hashes that they are.
func variants(name string, n int) (keys []cache.Key) {
	for i := range n {
		keys = append(keys, sha256.Sum256(fmt.Append(nil, name, i)))
	}
	return keys
}

// ask asks all nodes for all variants at once, and waits until the bucket has what is written. The
// bucket gets it when all have been answered. Else it would be read by requests that looked into the
// memory before a variant was there, and the machine would decide how many these are.
func (f *fleet) ask(t *testing.T, c *counter, keys []cache.Key, nodes ...int) {
	t.Helper()
	c.asking.Lock()
	var wait sync.WaitGroup
	for _, key := range keys {
		for _, at := range nodes {
			wait.Go(func() {
				if _, err := f.get(t.Context(), at, key); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	c.asking.Unlock()
	for _, n := range f.nodes {
		flush(n.Cache)
	}
}

// TestRequests counts what a bucket is asked for 100 variants by four servers: by servers that write
// all at once and know nothing of the bucket, and by those that do. The bounds leave room for requests
// that come a moment too late to join another's, which a busy machine has more of; a fault asks once
// for each variant, or four times.
func TestRequests(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	all := []int{0, 1, 2, 3}
	for _, test := range []struct {
		name                             string
		second                           bool
		filter                           int64
		puts, gets, putsLater, getsLater int // at most
	}{
		{"always, no filter", false, 0, 100, 150, 0, 0},
		{"always", false, 1 << 20, 100, 20, 0, 0},
		{"second use", true, 1 << 20, 100, 20, 100, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c counter
			config := bucket.Config{URL: fake(t, c.wrap), GetTimeout: time.Minute, SecondUse: test.second, FilterBytes: test.filter}
			f := startFleet(t, 4, config)
			f.exchange(t)
			c.take()
			keys := variants("new", 100)
			f.ask(t, &c, keys, all...)
			n := c.take()
			t.Logf("new, asked of four servers at once: %d made, %v", f.made.Load(), n)
			if f.made.Load() != 100 || n["PUT"] > test.puts || n["GET"] > test.gets {
				t.Errorf("%d made, %v", f.made.Load(), n)
			}
			f.ask(t, &c, keys, all...)
			later := c.take()
			t.Logf("asked again: %v", later)
			if later["PUT"] > test.putsLater || later["GET"] > test.getsLater || n["PUT"]+later["PUT"] != 100 {
				t.Errorf("again: %v", later)
			}
			f.ask(t, &c, keys, all...)
			if n := c.take(); n["GET"]+n["PUT"] > 0 {
				t.Errorf("once more: %v", n)
			}

			// Servers that start anew find in the bucket what was written.
			f.exchange(t)
			c.take()
			f.made.Store(0)
			after := startFleet(t, 4, config)
			after.exchange(t)
			n = c.take()
			t.Logf("four servers start anew: %v", n)
			after.ask(t, &c, keys, all...)
			n = c.take()
			t.Logf("asked of them: %d made, %v", after.made.Load(), n)
			if after.made.Load() != 0 || n["GET"] > 200 || n["PUT"] > 0 {
				t.Errorf("after a start: %d made, %v", after.made.Load(), n)
			}
			for more := range slices.Chunk(variants("more", 300), 20) {
				after.ask(t, &c, more, all...)
			}
			n = c.take()
			t.Logf("300 more: %v", n)
			if test.filter > 0 && n["GET"] > 300/15 {
				t.Errorf("300 more: %v", n)
			}
		})
	}
}

func (f *fleet) exchange(t *testing.T) {
	t.Helper()
	for _, n := range f.nodes {
		if err := n.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStrangers: servers that know nothing of each other, behind a front that spreads requests as it
// likes, soon don't believe their filters, and find what others have written.
func TestStrangers(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	config := bucket.Config{URL: fake(t, unchanged), GetTimeout: time.Minute, FilterBytes: 1 << 20}
	f := startFleet(t, 2, config)
	f.exchange(t)
	found := 0
	const n = 800
	for i, key := range variants("new", n) {
		f.nodes[0].Put(t.Context(), key, entry("picture"))
		flush(f.nodes[0].Cache)
		if e, _ := f.nodes[1].Get(t.Context(), key); e != nil && i >= n/2 {
			found++
		}
	}
	if found < n/2*9/10 {
		t.Errorf("%d of %d were found", found, n/2)
	}
}

// TestOlderBucket: a bucket that was filled by a version without lists is made use of.
func TestOlderBucket(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	var c counter
	url := fake(t, c.wrap)
	older := open(t, bucket.Config{URL: url})
	keys := variants("old", 200)
	for _, key := range keys {
		older.Put(t.Context(), key, entry("picture"))
	}
	flush(older)
	c.take()
	newer := open(t, bucket.Config{URL: url, GetTimeout: time.Minute, SecondUse: true, FilterBytes: 1 << 20})
	if err := newer.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if e, _ := newer.Get(t.Context(), key); e == nil {
			t.Fatal("what is in the bucket isn't found")
		}
		newer.Again(key, entry("picture"))
	}
	flush(newer)
	if n := c.take(); n["PUT"] > 0 {
		t.Errorf("written once more: %v", n)
	}
}

// TestSecondUse: what is written when.
func TestSecondUse(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	var c counter
	url := fake(t, c.wrap)
	config := bucket.Config{URL: url, GetTimeout: time.Minute, SecondUse: true, FilterBytes: 1 << 20}
	b := open(t, config)
	if err := b.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	wrote := func(what string, want int, do func()) {
		t.Helper()
		c.take()
		do()
		flush(b)
		if n := c.take(); n["PUT"] != want {
			t.Errorf("%s: %v, want %d writes", what, n, want)
		}
	}
	keys := variants("new", 10)
	elsewhere := entry("picture")
	elsewhere.Elsewhere = true
	put := func(i int) func() { return func() { b.Put(t.Context(), keys[i], entry("picture")) } }
	again := func(i int) func() { return func() { b.Again(keys[i], entry("picture")) } }
	wrote("made", 0, put(0))
	wrote("asked for again", 1, again(0))
	wrote("and again", 0, again(0))
	wrote("renewed", 1, put(0))
	wrote("made", 0, put(1))
	wrote("made again, since no tier had it", 1, put(1))
	wrote("of a disk, from before the start", 1, again(2))
	wrote("of another server", 0, func() { b.Put(t.Context(), keys[3], elsewhere); b.Again(keys[3], elsewhere) })
	wrote("an error", 0, func() {
		b.Put(t.Context(), keys[4], &cache.Entry{Code: "NOT_FOUND", ExpiresAt: time.Now().Add(time.Minute)})
		b.Again(keys[4], &cache.Entry{Code: "NOT_FOUND", ExpiresAt: time.Now().Add(time.Minute)})
	})
	if _, err := bucket.Open(bucket.Config{URL: url, SecondUse: true}); err == nil {
		t.Error("second use without a filter")
	}
}

// TestListsOfStrangers: an object among the lists that is none, and one that can't be read, keep no
// other list from being read.
func TestListsOfStrangers(t *testing.T) {
	setCredentials(t, accessKey, secretKey)
	at := fake(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/v1/puts/archived") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	config := bucket.Config{URL: at, GetTimeout: time.Minute, FilterBytes: 1 << 14}
	first := open(t, config)
	keys := variants("told", 10)
	for _, key := range keys {
		first.Put(t.Context(), key, entry("picture"))
	}
	flush(first)
	if err := first.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	where, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"archived": 100, "huge": 1 << 20} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, where.Query().Get("endpoint")+"/"+where.Host+where.Path+"/v1/puts/"+name, bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		res.Body.Close()
	}
	next := open(t, config)
	if err := next.Exchange(t.Context()); err == nil || !strings.Contains(err.Error(), "v1/puts/archived") {
		t.Errorf("the error doesn't name the list: %v", err)
	}
	for _, key := range keys {
		if e, _ := next.Get(t.Context(), key); e == nil {
			t.Fatal("what was told isn't known")
		}
	}
}

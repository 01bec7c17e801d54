package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

func imageSize(t *testing.T, b []byte) string {
	t.Helper()
	c, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dx%d", c.Width, c.Height)
}

func TestSpellingsOfAVariantShareIt(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	first := b.get("/acme/photos/cat.jpg?w=40&h=20&fit=cover&q=80")
	for _, target := range []string{
		"/acme/photos/cat.jpg?h=20&w=40&fit=cover",
		"/acme/transform/photos/cat.jpg?width=40&height=20&fit=cover&utm_source=x",
		"/acme?src=photos/cat.jpg&w=40&h=20&fit=cover&gravity=center",
		"/acme?src=" + b.upstream.URL + "/photos/cat.jpg&w=40&h=20&fit=cover",
		"/acme/photos/cat.jpg?w=40&h=20&fit=cover&dl=cat.jpg",
		"/acme/photos/c%61t.jpg?w=40&h=20&fit=cover",
	} {
		w := b.get(target)
		if w.Header().Get("Cache-Status") != "tintype; hit; detail=memory" || !bytes.Equal(w.Body.Bytes(), first.Body.Bytes()) {
			t.Errorf("%s: %s", target, w.Header().Get("Cache-Status"))
		}
	}
	for _, target := range []string{
		"/acme/photos/cat.jpg?w=40&h=20&fit=cover&v=2",
		"/acme/photos/cat.jpg?w=41&h=20&fit=cover",
		"/acme?src=" + b.upstream.URL + "/photos/cat.jpg%3Fx=1&w=40&h=20&fit=cover",
	} {
		if w := b.get(target); w.Header().Get("Cache-Status") != "tintype; fwd=miss; stored" {
			t.Errorf("%s: %s", target, w.Header().Get("Cache-Status"))
		}
	}
}

func TestWorkspacesShareNothing(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "other", "" }))
	b.get("/acme/photos/cat.jpg?w=40")
	if w := b.get("/other/photos/cat.jpg?w=40"); w.Header().Get("Cache-Status") != "tintype; fwd=miss; stored" {
		t.Errorf("another workspace's variant: %s", w.Header().Get("Cache-Status"))
	}
	// A workspace that is made anew under the same name starts with nothing.
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.ID = "second" }))
	if w := b.get("/acme/photos/cat.jpg?w=40"); w.Header().Get("Cache-Status") != "tintype; fwd=miss; stored" {
		t.Errorf("a deleted workspace's variant: %s", w.Header().Get("Cache-Status"))
	}
}

func TestChangesOfAWorkspaceCountAtOnce(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.upstream.Serve("/moved/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 60, 60)))
	b.get("/acme/photos/cat.jpg?w=40")
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].URL = b.upstream.URL + "/moved/" }))
	if got := sizeOf(t, b.get("/acme/photos/cat.jpg?w=40")); got != "40x40" {
		t.Errorf("after the source moved: %s", got)
	}
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].Private = true }))
	if w := b.get("/acme/photos/cat.jpg?w=40"); w.Code != 401 {
		t.Errorf("after the source became private: %d", w.Code)
	}
}

// A thousand identical misses are one fetch and one transform, and variants of one
// original that are asked for at the same time share one fetch.
func TestSingleFlight(t *testing.T) {
	b := newBench(t)
	b.engine.Block = make(chan struct{})
	b.registry.Set(t, b.acme())
	const same, others = 1000, 5
	answers := make([]*httptest.ResponseRecorder, same+others)
	var wg sync.WaitGroup
	for i := range answers {
		target := "/acme/photos/cat.jpg?w=50"
		if i >= same {
			target = fmt.Sprintf("/acme/photos/cat.jpg?w=%d", 50+i-same+1)
		}
		wg.Go(func() { answers[i] = b.get(target) })
	}
	for b.engine.Runs.Load() < others+1 {
		time.Sleep(time.Millisecond) // until all are under way
	}
	close(b.engine.Block)
	wg.Wait()
	misses := 0
	for i, w := range answers {
		if w.Code != 200 {
			t.Fatalf("answer %d: %d %s", i, w.Code, w.Body)
		}
		if w.Header().Get("Cache-Status") == "tintype; fwd=miss; stored" {
			misses++
		}
	}
	if got := b.engine.Runs.Load(); got != others+1 {
		t.Errorf("%d transforms, want %d", got, others+1)
	}
	if got := b.upstream.Count("/photos/cat.jpg"); got != 1 {
		t.Errorf("%d fetches, want 1", got)
	}
	if misses != others+1 {
		t.Errorf("%d answers say that they were the miss", misses)
	}
}

func TestConditionalAndRange(t *testing.T) {
	t.Run("whole entries", func(t *testing.T) { testConditionalAndRange(t, newBench(t)) })
	t.Run("parts", func(t *testing.T) {
		parts := &partTier{Memory: cache.NewMemory(1 << 20)}
		testConditionalAndRange(t, newBench(t, func(c *setup) { c.Cache = cache.NewTiered(cache.NewMemory(0), parts) }))
		// Twelve HEADs, three ranges behind the end, and four conditions that hold take nothing.
		if all, none := parts.parts.Load(), parts.none.Load(); all-none < 5 || none != 19 {
			t.Errorf("%d parts, %d of them none", all, none)
		}
	})
}

// A partTier returns the part of a body that is asked for, as a bucket does with a large one.
type partTier struct {
	*cache.Memory
	parts, none atomic.Int32
}

func (c *partTier) Get(ctx context.Context, key cache.Key) (*cache.Entry, string) {
	e, tier := c.Memory.Get(ctx, key)
	part := cache.PartAsked(ctx)
	if e == nil || part == nil {
		return e, tier
	}
	known := *e
	known.Body = nil
	first, last, ok := part(&known, int64(len(e.Body)))
	if !ok {
		return e, tier
	}
	if first > last {
		first, last = 0, -1
		c.none.Add(1)
	}
	c.parts.Add(1)
	known.Body, known.Part = e.Body[first:last+1], &cache.Part{First: first, Size: int64(len(e.Body))}
	return &known, "bucket"
}

func testConditionalAndRange(t *testing.T, b *bench) {
	b.registry.Set(t, b.acme())
	first := b.get("/acme/photos/cat.jpg?w=50")
	etag, all := first.Header().Get("ETag"), first.Body.Bytes()
	fetches, runs := b.upstream.Count("/photos/cat.jpg"), b.engine.Runs.Load()
	tests := []struct {
		header, value string
		status        int
		body          []byte
	}{
		{"If-None-Match", etag, 304, nil},
		{"If-None-Match", "W/" + etag, 304, nil},
		{"If-None-Match", `"x", ` + etag, 304, nil},
		{"If-None-Match", "*", 304, nil},
		{"If-None-Match", `"x"`, 200, all},
		{"Range", "bytes=0-9", 206, all[:10]},
		{"Range", "bytes=-4", 206, all[len(all)-4:]},
		{"Range", "bytes=99999999-", 416, nil},
		{"Range", "bytes=5-", 206, all[5:]},
		{"Range", "bytes=0-99999999999999999999", 206, all},
		{"Range", "bytes=-0", 416, nil},
		{"Range", "bytes=-99999999", 206, all},
		{"Range", "bytes=0-1,3-4", 200, all},
		{"Range", "bytes=5-2", 200, all},
		{"Range", "bytes=abc", 200, all},
		{"Range", "bytes=", 200, all},
		{"Range", "lines=1-2", 200, all},
		{"If-Match", `"x"`, 200, all},
	}
	for _, tt := range tests {
		w := b.get("/acme/photos/cat.jpg?w=50", tt.header, tt.value)
		if w.Code != tt.status || tt.body != nil && !bytes.Equal(w.Body.Bytes(), tt.body) {
			t.Errorf("%s: %s: %d, %d bytes", tt.header, tt.value, w.Code, w.Body.Len())
		}
		if tt.header == "Range" { // is for GET alone
			w := b.send("HEAD", "/acme/photos/cat.jpg?w=50", tt.header, tt.value)
			h := w.Header()
			if w.Code != 200 || h.Get("Content-Range") != "" || h.Get("Content-Length") != fmt.Sprint(len(all)) || h.Get("ETag") != etag || w.Body.Len() != 0 {
				t.Errorf("HEAD, %s: %s: %d, %d bytes, %v", tt.header, tt.value, w.Code, w.Body.Len(), h)
			}
		}
		if tt.status == 304 && (w.Header().Get("ETag") != etag || w.Header().Get("Cache-Control") == "" || w.Body.Len() != 0) {
			t.Errorf("304: %v", w.Header())
		}
	}
	if w := b.get("/acme/photos/cat.jpg?w=50", "Range", "bytes=0-9", "If-Range", etag); w.Code != 206 {
		t.Errorf("If-Range of this version: %d", w.Code)
	}
	if w := b.get("/acme/photos/cat.jpg?w=50", "Range", "bytes=0-9", "If-Range", `"x"`); w.Code != 200 {
		t.Errorf("If-Range of another version: %d", w.Code)
	}
	if w := b.get("/acme/photos/cat.jpg?w=50", "Range", "bytes=99999999-"); code(t, w) != "RANGE_NOT_SATISFIABLE" || w.Header().Get("Content-Range") != fmt.Sprintf("bytes */%d", len(all)) || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("416: %v", w.Header())
	}
	if b.upstream.Count("/photos/cat.jpg") != fetches || b.engine.Runs.Load() != runs {
		t.Error("a conditional request touched the origin or the engine")
	}
}

// Errors that the next request would meet again are remembered for a minute; those
// that may pass are not.
func TestErrorsRemembered(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	whole := deliverytest.Photo(t, 200, 200)
	b.upstream.Serve("/photos/page.jpg", deliverytest.Body([]byte("<!doctype html><title>x</title>")))
	b.upstream.Serve("/photos/half.jpg", deliverytest.Body(whole[:len(whole)/2]))
	b.upstream.Serve("/photos/down.jpg", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	b.upstream.Serve("/photos/cut.jpg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(whole[:100])
		panic(http.ErrAbortHandler)
	})
	b.upstream.Serve("/photos/denied.jpg", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	b.upstream.Serve("/photos/large.jpg", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999999") })
	tests := []struct {
		name       string
		status     int
		code       string
		remembered bool
	}{
		{"none.jpg", 404, "NOT_FOUND", true},
		{"page.jpg", 415, "UNSUPPORTED_FORMAT", true},
		{"half.jpg", 422, "IMAGE_CORRUPT", false},
		{"down.jpg", 502, "ORIGIN_ERROR", false},
		{"cut.jpg", 502, "ORIGIN_ERROR", false},
		{"denied.jpg", 502, "ORIGIN_ERROR", false},
		{"large.jpg", 413, "ORIGINAL_TOO_LARGE", false},
	}
	for _, tt := range tests {
		w := b.get("/acme/photos/" + tt.name)
		fetches := b.upstream.Count("/photos/" + tt.name)
		again := b.get("/acme/photos/" + tt.name)
		if w.Code != tt.status || code(t, w) != tt.code || again.Code != tt.status {
			t.Errorf("%s: %d %s, then %d", tt.name, w.Code, w.Body, again.Code)
		}
		if got := b.upstream.Count("/photos/"+tt.name) == fetches; got != tt.remembered {
			t.Errorf("%s: remembered %v, want %v", tt.name, got, tt.remembered)
		}
		got, left := again.Header().Get("Cache-Control"), 0
		if _, err := fmt.Sscanf(got, "public, max-age=%d", &left); tt.remembered && (err != nil || left < 1 || left > 60) || !tt.remembered && got != "no-store" {
			t.Errorf("%s: Cache-Control %q", tt.name, got)
		}
	}
	b.upstream.Serve("/photos/none.jpg", deliverytest.Body(whole))
	b.clock.Add(61)
	if w := b.get("/acme/photos/none.jpg"); w.Code != 200 {
		t.Errorf("a minute later: %d", w.Code)
	}
}

func TestRevalidation(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/r.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 30), "ETag", `"one"`))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Sources[0].Revalidate, w.Sources[0].TTL = 60, 3600 }))
	get := func() (string, string) {
		w := b.get("/acme/photos/r.jpg")
		return w.Header().Get("Cache-Status"), sizeOf(t, w)
	}
	settle := func(fetches int) {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for b.upstream.Count("/photos/r.jpg") < fetches {
			if time.Now().After(deadline) {
				t.Fatalf("%d fetches, want %d", b.upstream.Count("/photos/r.jpg"), fetches)
			}
			time.Sleep(time.Millisecond)
			// A fresh entry is there a moment before its revalidation has ended, and a request
			// in that moment starts no other. So a later one asks again.
			b.clock.Add(6)
			get()
		}
	}
	fresh := func() {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for {
			if s, _ := get(); s == "tintype; hit; detail=memory" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("it stays stale")
			}
			time.Sleep(time.Millisecond)
		}
	}
	get()
	b.clock.Add(61)
	if s, _ := get(); s != "tintype; hit; ttl=-1; detail=memory" {
		t.Errorf("stale: %s", s)
	}
	settle(2)
	fresh()
	if n := b.engine.Runs.Load(); n != 1 {
		t.Errorf("an unchanged original was transformed %d times", n)
	}
	// The original changes: the stale variant is served once more, then the new one.
	b.upstream.Serve("/photos/r.jpg", deliverytest.Body(deliverytest.Photo(t, 50, 50), "ETag", `"two"`))
	b.clock.Add(61)
	if _, size := get(); size != "30x30" {
		t.Errorf("while it is asked for: %s", size)
	}
	settle(3)
	fresh()
	if _, size := get(); size != "50x50" {
		t.Errorf("afterwards: %s", size)
	}
	// Past its TTL it is gone. A request joins no revalidation that is about to end.
	if err := b.loader.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.clock.Add(3601)
	if s, _ := get(); s != "tintype; fwd=miss; stored" {
		t.Errorf("past the TTL: %s", s)
	}
}

func TestCacheControl(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "told", Kind: "http", URL: b.upstream.URL + "/photos/", CacheControl: "public, max-age=7"})
	}))
	for target, want := range map[string]string{
		"/acme/photos/cat.jpg":     cacheControlDefault,
		"/acme/photos/cat.jpg?v=1": cacheControlVersioned,
		"/acme/told/cat.jpg":       "public, max-age=7",
		"/acme/told/cat.jpg?v=1":   "public, max-age=7",
		"/acme/photos/cat.jpg?w=x": "no-store",
		"/acme/nowhere/cat.jpg":    "no-store",
	} {
		if got := b.get(target).Header().Get("Cache-Control"); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// TestFullQueueIsRefusedAtOnce: before anything is fetched for it.
func TestFullQueueIsRefusedAtOnce(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	if w := b.get("/acme/photos/cat.jpg?w=1"); w.Code != 200 {
		t.Fatalf("%d", w.Code)
	}
	fetches := b.upstream.Count("/photos/cat.jpg")
	b.engine.Full = fmt.Errorf("%w: too many wait", transform.ErrOverloaded)
	w := b.get("/acme/photos/cat.jpg?w=2")
	if w.Code != 503 || code(t, w) != "OVERLOADED" || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if n := b.upstream.Count("/photos/cat.jpg"); n != fetches {
		t.Errorf("%d fetches for what was refused", n-fetches)
	}
	if w := b.get("/acme/photos/cat.jpg?w=1"); w.Code != 200 {
		t.Errorf("a hit: %d", w.Code)
	}
}

// TestEngineFailures: what the engine says about a job that it could not do, and that
// none of it is remembered as what the original is.
func TestEngineFailures(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	for _, c := range []struct {
		err    error
		status int
		code   string
		says   string
	}{
		{fmt.Errorf("%w: too many wait", transform.ErrOverloaded), 503, "OVERLOADED", "the server is busy: too many wait"},
		{transform.ErrTimeout, 504, "TRANSFORM_TIMEOUT", "took too long"},
		{transform.ErrFailed, 502, "WORKER_FAILED", "could not be processed"},
		{errors.New("vips: secret detail"), 500, "INTERNAL_ERROR", "something went wrong on our side"},
	} {
		b.engine.Fails = c.err
		w := b.get("/acme/photos/cat.jpg?w=1")
		if w.Code != c.status || code(t, w) != c.code || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
	}
	b.engine.Fails = nil
	if w := b.get("/acme/photos/cat.jpg?w=1"); w.Code != 200 {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// TestOwners: an engine is told for whom it works, of which original, and whether
// anybody waits.
func TestOwners(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources[0].Revalidate = 10
	}))
	etag := `"one"`
	b.upstream.Serve("/photos/cat.jpg", func(w http.ResponseWriter, r *http.Request) {
		deliverytest.Body(deliverytest.Photo(t, 30, 20), "ETag", etag)(w, r)
	})
	for _, target := range []string{"/acme/photos/cat.jpg?w=1", "/acme/photos/cat.jpg?w=2", "/acme?w=3&src=" + b.upstream.URL + "/elsewhere.jpg"} {
		b.upstream.Serve("/elsewhere.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
		if w := b.get(target); w.Code != 200 {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	etag = `"two"`
	b.clock.Store(20)
	b.get("/acme/photos/cat.jpg?w=1")
	_ = b.Close(t.Context()) // once it is revalidated
	got := b.engine.Owners()
	if len(got) != 4 {
		t.Fatalf("%d jobs", len(got))
	}
	for i, want := range []transform.Owner{
		{Workspace: "acme", Source: "photos", Client: "192.0.2.1"}, {Workspace: "acme", Source: "photos", Client: "192.0.2.1"},
		{Workspace: "acme", Client: "192.0.2.1"},
		{Workspace: "acme", Source: "photos", Background: true},
	} {
		if got[i] != want {
			t.Errorf("job %d: %+v", i, got[i])
		}
	}
	if ids := b.engine.Originals(); ids[0] != ids[1] || ids[0] == ids[2] || ids[0] == ids[3] || ids[0] == "" {
		t.Errorf("originals: %+v", ids)
	}
}

func TestTransformTimeout(t *testing.T) {
	b := newBench(t, func(c *setup) { c.TransformTimeout = 20 * time.Millisecond })
	b.engine.Block = make(chan struct{})
	b.registry.Set(t, b.acme())
	if w := b.get("/acme/photos/cat.jpg?w=1"); w.Code != 504 || code(t, w) != "TRANSFORM_TIMEOUT" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

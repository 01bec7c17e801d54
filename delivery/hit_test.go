package delivery

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// discard is a ResponseWriter that keeps nothing, so that a benchmark measures the
// handler.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkHit is a memory hit through the whole handler, without a socket: the log
// line is written, to nowhere.
func BenchmarkHit(b *testing.B) {
	bb := newBench(b, func(c *setup) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	bb.registry.Set(b, bb.acme())
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI = "/acme/photos/cat.jpg?w=100&h=80&fit=cover&q=75"
	r.Header.Set("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36")
	w := httptest.NewRecorder()
	bb.handler.ServeHTTP(w, r)
	if w.Code != 200 {
		b.Fatal(w.Code, w.Body)
	}
	b.ReportAllocs()
	for b.Loop() {
		bb.handler.ServeHTTP(&discard{http.Header{}}, r)
	}
}

// heapEngine notes how much the heap holds while an original is transformed.
type heapEngine struct {
	deliverytest.Engine
	during uint64
}

func (e *heapEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.during = heap()
	return e.Engine.Transform(ctx, job)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestOneCopyOfAnOriginal: while it is transformed the process holds an original
// once, and afterwards not at all. With and without Content-Length.
func TestOneCopyOfAnOriginal(t *testing.T) {
	const size = 20 << 20
	large := append(deliverytest.Photo(t, 100, 100), make([]byte, size)...) // what follows a JPEG's end is ignored
	for _, chunked := range []bool{false, true} {
		e := &heapEngine{}
		b := newBench(t, func(c *setup) { c.Engine = e })
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.ID = "x" }))
		b.upstream.Serve("/photos/large.jpg", func(w http.ResponseWriter, _ *http.Request) {
			if !chunked {
				w.Header().Set("Content-Length", strconv.Itoa(len(large)))
			}
			for i := 0; i < len(large); i += 1 << 20 {
				_, _ = w.Write(large[i:min(i+1<<20, len(large))])
				if chunked {
					w.(http.Flusher).Flush()
				}
			}
		})
		before := heap()
		if w := b.get("/acme/photos/large.jpg?w=10"); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		after := heap()
		if got := int64(e.during) - int64(before); got > size*3/2 { // less than two, with room for a buffer that grows
			t.Errorf("chunked %v: %d bytes more on the heap while an original of %d is transformed", chunked, got, size)
		}
		if got := int64(after) - int64(before); got > size/4 {
			t.Errorf("chunked %v: %d bytes more on the heap afterwards", chunked, got)
		}
	}
	runtime.KeepAlive(large)
}

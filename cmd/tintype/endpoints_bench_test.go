//go:build cgo

package main

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// BenchmarkEndpoints makes what the endpoints answer, from the URL to the body, with the
// real engine in this process. Compare the pairs by least-cpu-ms/op of one run:
//
//	info          a 24 megapixel JPEG's facts      ≤ its variant of 512 pixels
//	grid          of four JPEGs of 2000 pixels     ≤ 1.1 × the four transforms to its cells
//	blurhash-64   a placeholder of 64×48           ≤ 2 ms
//	blurhash-2048 a placeholder of 2048²           ≤ a transform to that size
func BenchmarkEndpoints(b *testing.B) {
	engine, err := newEngine(slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	photos := map[string][]byte{}
	for name, side := range map[string][2]int{"/large.jpg": {6000, 4000}, "/a.jpg": {2000, 1500}, "/b.jpg": {2000, 1500}, "/c.jpg": {2000, 1500}, "/d.jpg": {2000, 1500}} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, samples.Portrait(side[0], side[1]), &jpeg.Options{Quality: 85}); err != nil {
			b.Fatal(err)
		}
		photos[name] = out.Bytes()
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(photos[r.URL.Path]) }))
	b.Cleanup(upstream.Close)
	w := workspace.New("acme")
	w.ID, w.Sources = "acme", []workspace.Source{{Key: "p", Kind: "http", URL: upstream.URL + "/"}}
	images := delivery.New(delivery.Config{
		Workspaces: oneWorkspace{w}, Engine: engine,
		HTTP: origin.NewHTTP(origin.HTTPConfig{
			Guard:  origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			Limits: origin.Limits{Bytes: 32 << 20, Timeout: 10 * time.Second, Connect: time.Second},
		}),
		Cache: cache.NewMemory(256 << 20), Formats: transform.AcceptAVIF | transform.AcceptWebP, Limits: transform.DefaultLimits(),
		TransformTimeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	b.Cleanup(func() { _ = images.Close(context.Background()) })
	handler := server.New(server.Config{Delivery: images, Log: slog.New(slog.DiscardHandler)}).Handler()
	version := 0
	for _, c := range []struct {
		name    string
		targets []string // made one after the other
	}{
		{"info", []string{"/info/p/large.jpg?"}},
		{"info-variant", []string{"/p/large.jpg?w=512&format=jpeg"}},
		{"grid", []string{"/grid?src=p/a.jpg&src=p/b.jpg&src=p/c.jpg&src=p/d.jpg&w=1200&h=900&type=classic&format=jpeg"}},
		{"grid-transforms", []string{"/p/a.jpg?w=600&h=450&fit=cover&format=jpeg", "/p/b.jpg?w=600&h=450&fit=cover&format=jpeg", "/p/c.jpg?w=600&h=450&fit=cover&format=jpeg", "/p/d.jpg?w=600&h=450&fit=cover&format=jpeg"}},
		{"blurhash-64", []string{"/placeholder/blurhash?blurhash=LEHV6nWB2yk8pyo0adR*.7kCMdnj&w=64&h=48&format=webp"}},
		{"blurhash-2048", []string{"/placeholder/blurhash?blurhash=LEHV6nWB2yk8pyo0adR*.7kCMdnj&w=2048&h=2048&format=webp"}},
		{"blurhash-2048-transform", []string{"/p/large.jpg?w=2048&h=2048&fit=cover&format=webp"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			best := math.Inf(1)
			for b.Loop() {
				start := spent(b)
				for _, target := range c.targets {
					version++
					r := httptest.NewRequest("GET", "/", nil)
					r.RequestURI = fmt.Sprintf("/acme%s&v=%d", target, version)
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Fatal(r.RequestURI, w.Code, w.Body)
					}
				}
				best = min(best, float64(spent(b)-start)/1e6)
			}
			b.ReportMetric(best, "least-cpu-ms/op")
		})
	}
}

// spent is the processor time of this process.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

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
// real engine in this process, and in turn with each what it is held to. ratio is the least
// processor time of the one by the least of the other:
//
//	info           a 24 megapixel JPEG's facts   ≤ its variant of 512 pixels
//	grid           of four JPEGs of 2000 pixels  ≤ 1.1 × the four transforms to its cells
//	blurhash-64    a placeholder of 64×48        ≤ 2 ms
//	blurhash-2048  a placeholder of 2048²        ≤ a transform to that size
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
	cost := func(b *testing.B, targets []string) float64 {
		start := spent(b)
		for _, target := range targets {
			version++
			r := httptest.NewRequest("GET", "/", nil)
			r.RequestURI = fmt.Sprintf("/acme%s&v=%d", target, version)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Fatal(r.RequestURI, w.Code, w.Body)
			}
		}
		return float64(spent(b)-start) / 1e6
	}
	const blurhash, cell = "/placeholder/blurhash?blurhash=LEHV6nWB2yk8pyo0adR*.7kCMdnj", "?w=600&h=450&fit=cover&format=jpeg"
	for _, c := range []struct {
		name     string
		is, than []string
	}{
		{"info", []string{"/info/p/large.jpg?"}, []string{"/p/large.jpg?w=512&format=jpeg"}},
		{"grid", []string{"/grid?src=p/a.jpg&src=p/b.jpg&src=p/c.jpg&src=p/d.jpg&w=1200&h=900&type=classic&format=jpeg"}, []string{"/p/a.jpg" + cell, "/p/b.jpg" + cell, "/p/c.jpg" + cell, "/p/d.jpg" + cell}},
		{"blurhash-64", []string{blurhash + "&w=64&h=48&format=webp"}, nil},
		{"blurhash-2048", []string{blurhash + "&w=2048&h=2048&format=webp"}, []string{"/p/large.jpg?w=2048&h=2048&fit=cover&format=webp"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			is, than := math.Inf(1), math.Inf(1)
			for b.Loop() { // in turn, since the machine's speed changes
				is, than = min(is, cost(b, c.is)), min(than, cost(b, c.than))
			}
			b.ReportMetric(is, "cpu-ms")
			if c.than != nil {
				b.ReportMetric(than, "bound-cpu-ms")
				b.ReportMetric(is/than, "ratio")
			}
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

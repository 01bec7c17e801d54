package delivery

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// hitBench is a server whose log goes nowhere, and the request for a target, which has been
// answered once. The target is written with the base URL of the origin, for those that hold
// a full URL.
func hitBench(b *testing.B, write func(upstream string) string) (*bench, *http.Request) {
	b.Helper()
	bb := newBench(b, func(c *setup) { c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) })
	bb.registry.Set(b, bb.acme())
	target := write(bb.upstream.URL)
	r := httptest.NewRequest("GET", "/", nil)
	r.RequestURI = target
	r.Header.Set("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8")
	w := httptest.NewRecorder()
	bb.handler.ServeHTTP(w, r)
	if w.Code != 200 {
		b.Fatal(target, w.Code, w.Body)
	}
	return bb, r
}

// BenchmarkRouteHit is BenchmarkHit for every endpoint and dialect, to compare in one run.
func BenchmarkRouteHit(b *testing.B) {
	for _, r := range routes(b) {
		if r.secret {
			continue
		}
		target := func(upstream string) string {
			image := "photos/cat.jpg"
			if !r.takes(image) { // thumbor and weserv have full URLs only
				image = upstream + "/" + image
			}
			return "/acme" + r.write(image)
		}
		b.Run(strings.ReplaceAll(r.name, " ", "_"), func(b *testing.B) {
			bb, request := hitBench(b, target)
			b.ReportAllocs()
			for b.Loop() {
				bb.handler.ServeHTTP(&discard{http.Header{}}, request)
			}
		})
	}
}

// sameURLs ask for the same variant, natively and in each dialect that has its options.
// next and its like have a width and a quality only.
var sameURLs = map[string][2]string{ // the native URL, and the other
	"next":       {"/photos/cat.jpg?w=640&q=75&q-avif=55", "/_next/image?url=%2Fphotos%2Fcat.jpg&w=640&q=75"},
	"vercel":     {"/photos/cat.jpg?w=640&q=75&q-avif=55", "/_vercel/image?url=%2Fphotos%2Fcat.jpg&w=640&q=75"},
	"netlify":    {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75", "/.netlify/images?url=%2Fphotos%2Fcat.jpg&w=400&h=300&fit=cover&q=75"},
	"cloudflare": {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75&gravity=north", "/cdn-cgi/image/width=400,height=300,fit=cover,quality=75,gravity=top/photos/cat.jpg"},
	"ipx":        {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75&gravity=north", "/_ipx/s_400x300,fit_cover,q_75,position_top/photos/cat.jpg"},
	"imgix":      {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75&gravity=north&format=webp", "/imgix/photos/cat.jpg?w=400&h=300&fit=crop&q=75&crop=top&fm=webp"},
	"imgproxy":   {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75&gravity=north&format=webp", "/imgproxy/unsafe/rs:fill:400:300/q:75/g:no/plain/photos/cat.jpg@webp"},
	"thumbor":    {"?src=https%3A%2F%2Fexample.com%2Fcat.jpg&w=400&h=300&fit=cover&q=75&gravity=north", "/thumbor/unsafe/400x300/top/filters:quality(75)/https%3A%2F%2Fexample.com%2Fcat.jpg"},
	"cloudinary": {"/photos/cat.jpg?w=400&h=300&fit=cover&q=75&gravity=north", "/cloudinary/demo/image/upload/c_fill,w_400,h_300,g_north,q_75/photos/cat.jpg"},
	"weserv":     {"?src=https%3A%2F%2Fexample.com%2Fcat.jpg&w=400&h=300&fit=cover&q=75&gravity=north&format=webp", "/weserv/?url=https%3A%2F%2Fexample.com%2Fcat.jpg&w=400&h=300&fit=cover&q=75&a=top&output=webp"},
}

// BenchmarkReadURL reads URLs that mean about the same natively and in each dialect, to
// options, original and marks. A dialect may take twice the time.
func BenchmarkReadURL(b *testing.B) {
	bb := newBench(b)
	bb.registry.Set(b, bb.acme())
	c, err := bb.site(b.Context(), "acme")
	if err != nil {
		b.Fatal(err)
	}
	for name, urls := range sameURLs {
		for i, grammar := range []string{"native", "dialect"} {
			path, query, _ := strings.Cut(urls[i], "?")
			target := Target{"acme", path, query}
			if _, err := c.read(target, false, nil); err != nil {
				b.Fatal(urls[i], err)
			}
			b.Run(fmt.Sprintf("%s/%s", name, grammar), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = c.read(target, false, nil)
				}
			})
		}
	}
}

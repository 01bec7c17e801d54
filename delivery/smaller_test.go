package delivery

import (
	"context"
	"net/http"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/transform"
)

// webpEngine answers with WebP wherever it may.
type webpEngine struct{ deliverytest.Engine }

func (e *webpEngine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if job.OrWebP {
		job.Format = transform.WebP
	}
	return e.Engine.Transform(ctx, job)
}

// TestSmallerFormat: the smaller of AVIF and WebP may be the answer to a client that names
// both, for a URL that leaves the choice. The cache keeps it with its type.
func TestSmallerFormat(t *testing.T) {
	b := newBench(t, func(c *setup) { c.Engine = &webpEngine{} })
	b.registry.Set(t, b.acme())
	for _, c := range []struct{ url, accept, want string }{
		{"/acme/photos/cat.jpg?w=20", "image/avif,image/webp", "image/webp"},
		{"/acme/photos/cat.jpg?w=20", "image/avif", "image/avif"},
		{"/acme/photos/cat.jpg?w=20", "image/webp", "image/webp"},
		{"/acme/photos/cat.jpg?w=20&format=avif", "image/avif,image/webp", "image/avif"},
	} {
		for range 2 {
			a := b.get(c.url, "Accept", c.accept)
			if got := a.Header().Get("Content-Type"); a.Code != http.StatusOK || got != c.want {
				t.Errorf("%s for %s: %d %s, want %s", c.url, c.accept, a.Code, got, c.want)
			}
		}
	}
}

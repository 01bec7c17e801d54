//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"testing"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// TestOrWebP: a client that accepts AVIF and WebP gets the smaller file of drawings and of
// small pictures, and never more bytes than it would get in AVIF.
func TestOrWebP(t *testing.T) {
	chart, landscape := pngBytes(t, samples.Chart(800, 500)), jpegBytes(t, samples.Scene(800, 533))
	for _, c := range []struct {
		original []byte
		query    string
		want     transform.Format // none: whichever is smaller
	}{
		{chart, "", transform.WebP},
		{chart, "q=auto", ""},
		{chart, "w=100", ""},
		{landscape, "w=400", transform.AVIF},
		{landscape, "w=400&q=auto", transform.AVIF},
		{landscape, "w=100", ""},
		{landscape, "w=16", transform.WebP},
		{landscape, "w=16&q=auto", transform.WebP},
		{landscape, "w=3", transform.WebP},
		{pngBytes(t, disc(300, red)), "", ""},
		{pngBytes(t, image.NewGray(image.Rect(0, 0, 90, 90))), "w=50", ""},
	} {
		j := job(t, c.original, c.query, transform.AVIF)
		one := func(orWebP bool) transform.Image {
			t.Helper()
			j.OrWebP = orWebP
			out, err := vips.New().Transform(t.Context(), j)
			if err != nil {
				t.Fatalf("%q: %v", c.query, err)
			}
			return out
		}
		avif, out := one(false), one(true)
		if avif.Format != transform.AVIF || header.Sniff(out.Data) != out.Format || out.Width != avif.Width {
			t.Errorf("%q: %s, %s that is %s", c.query, avif.Format, out.Format, header.Sniff(out.Data))
		}
		if c.want != "" && out.Format != c.want || len(out.Data) > len(avif.Data) {
			t.Errorf("%q: %d bytes in %s, and %d in AVIF; want %s", c.query, len(out.Data), out.Format, len(avif.Data), c.want)
		}
		if out.Format == transform.AVIF && !bytes.Equal(out.Data, avif.Data) || out.Format == transform.AVIF && out.Quality != avif.Quality {
			t.Errorf("%q: another AVIF than without the choice", c.query)
		}
		if again := one(true); !bytes.Equal(again.Data, out.Data) {
			t.Errorf("%q: other bytes the second time", c.query)
		}
	}
}

//go:build cgo

package vips_test

import (
	"encoding/binary"
	"image/color"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// TestFiveBands: every step that needs the whole picture works for CMYK with alpha, which has
// five bands until its colours are converted.
func TestFiveBands(t *testing.T) {
	drawn := scene(96, 64, true)
	five := storedTIFF(drawn, tiffWriter{order: binary.LittleEndian, photometric: 5, bits: slices.Repeat([]uint16{8}, 5), extra: []uint16{2}},
		func(c color.NRGBA) []byte { return []byte{255 - c.R, 255 - c.G, 255 - c.B, 0, c.A} })
	four := rgbaPNG(t, drawn)
	for _, query := range []string{
		"rotate=90", "rotate=90&w=40", "rotate=180&w=40", "rotate=270&flip=h", "flip=v", "w=10", "w=9&h=40&fit=squeeze&rotate=90",
		"rotate=90&blur=3", "rotate=90&sharpen=3", "pixelate=8", "rotate=90&pixelate=8&w=40", "w=30&h=30&fit=cover&gravity=attention&rotate=90",
		"w=30&h=30&fit=cover&gravity=entropy", "rotate=20", "rotate=20&w=40", "rotate=90&radius=9", "rotate=90&sepia&pad=5",
	} {
		for _, format := range []transform.Format{transform.PNG, transform.WebP, transform.AVIF, transform.JPEG} {
			got, want := run(t, five, query, format), run(t, four, query, format)
			if format != transform.PNG {
				continue
			}
			if d := difference(t, decode(t, got.Data), decode(t, want.Data)); d > 3 {
				t.Errorf("%s: %.2f levels off", query, d)
			}
		}
	}
}

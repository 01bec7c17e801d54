//go:build cgo

package vips_test

import (
	"image"
	"image/color"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// TestWebPEffort: a small picture, for which it costs little, has fewer bytes than with the
// effort of large ones, and so has an animation.
func TestWebPEffort(t *testing.T) {
	usual := func(source []byte, quality, pages int) int {
		t.Helper()
		p := govips.NewImportParams()
		p.NumPages.Set(pages)
		m, err := govips.LoadImageFromBuffer(source, p)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		data, _, err := m.ExportWebp(&govips.WebpExportParams{
			Quality: quality, ReductionEffort: 2, StripMetadata: true,
			MaxKeyFrames: int(^uint32(0) >> 1), MinKeyFrames: int(^uint32(0)>>1) - 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(data)
	}
	for _, c := range []struct{ width, percent int }{{100, 97}, {200, 99}, {400, 101}} {
		source := pngBytes(t, samples.SceneSeed(c.width, c.width*2/3, samples.Dusk))
		own, large := len(run(t, source, "q=80", transform.WebP).Data), usual(source, 85, 1)
		if own*100 > large*c.percent {
			t.Errorf("%d pixels wide: %d bytes, and %d with effort 2", c.width, own, large)
		}
	}
	orbit := encodeFrames(t, 6, func(i int) *image.Paletted {
		m := samples.SceneSeed(160, 120, samples.Noon)
		out := image.NewPaletted(m.Bounds(), palette(6))
		for y := range 120 {
			for x := range 160 {
				out.Set(x, y, m.At((x+9*i)%160, y))
			}
		}
		return out
	})
	if own, large := len(run(t, orbit, "q=80", transform.WebP).Data), usual(orbit, 85, -1); own*100 > large*99 { // a newer libwebp saves 1.5 %
		t.Errorf("an animation: %d bytes, and %d with effort 2", own, large)
	}
}

// palette has n levels of each colour.
func palette(n int) (p color.Palette) {
	for r := range n {
		for g := range n {
			for b := range n {
				p = append(p, color.NRGBA{uint8(r * 255 / (n - 1)), uint8(g * 255 / (n - 1)), uint8(b * 255 / (n - 1)), 255})
			}
		}
	}
	return p
}

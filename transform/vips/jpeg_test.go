//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// TestJPEGTables compares with what libvips writes, as it does for a picture with metadata: at
// the same q there are fewer bytes, and the score is about as good. It is the same in the mean of
// photographs; these pictures have more grain. From 90 on there is no difference.
func TestJPEGTables(t *testing.T) {
	scenes := map[string]*image.NRGBA{"dusk": toNRGBA(samples.SceneSeed(512, 341, samples.Dusk)), "noon": toNRGBA(samples.SceneSeed(512, 341, samples.Noon))}
	for name, m := range scenes {
		source := pngBytes(t, m)
		for _, c := range []struct {
			q       string
			percent int // of the bytes, at most
		}{{"q=20", 98}, {"q=50", 97}, {"q=80", 97}, {"q=95", 100}} {
			own := run(t, source, c.q, transform.JPEG).Data
			usual := run(t, source, c.q+"&metadata=keep", transform.JPEG).Data
			got, want := scoreOf(t, m, decode(t, own)), scoreOf(t, m, decode(t, usual))
			if got < want-2.5 || len(own)*100 > len(usual)*c.percent {
				t.Errorf("%s, %s: score %.1f in %d bytes, and %.1f in %d of libvips", name, c.q, got, len(own), want, len(usual))
			}
		}
	}
}

// TestJPEGKinds: all kinds and sizes of pictures are what another decoder sees.
func TestJPEGKinds(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 40}, {40, 1}, {17, 16}, {130, 70}} {
		w, h := size[0], size[1]
		grey := image.NewGray(image.Rect(0, 0, w, h))
		for i := range grey.Pix {
			grey.Pix[i] = uint8(100 + i%w)
		}
		coloured := samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{uint8(40 + x), uint8(60 + y), 90, 255} })
		for _, m := range []image.Image{grey, coloured} {
			want := toNRGBA(m)
			for _, query := range []string{"q=85", "q=95", "q=85&progressive"} {
				got, err := jpeg.Decode(bytes.NewReader(run(t, pngBytes(t, m), query, transform.JPEG).Data))
				if err != nil {
					t.Fatalf("%T %v %s: %v", m, size, query, err)
				}
				if _, is := got.(*image.Gray); is != (m == image.Image(grey)) {
					t.Errorf("%T %v: decoded to a %T", m, size, got)
				}
				if d := difference(t, toNRGBA(got), want); d > 4 {
					t.Errorf("%T %v %s: levels are off by %.1f", m, size, query, d)
				}
			}
		}
	}
}

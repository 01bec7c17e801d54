//go:build cgo

package vips_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
)

// TestPNGIsExact: another decoder sees every pixel of every kind of picture, whichever
// filters its rows have.
func TestPNGIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	level := func() uint8 { return uint8(random.Uint32()) }
	kinds := map[string]func(w, h int) image.Image{
		"noise": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{level(), level(), level(), 255} })
		},
		"noise with alpha": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{level(), level(), level(), 1 | level()} })
		},
		"grey": func(w, h int) image.Image {
			m := image.NewGray(image.Rect(0, 0, w, h))
			for i := range m.Pix {
				m.Pix[i] = level() & 0xf0
			}
			return m
		},
		"across": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{uint8(7 * x), uint8(3 * x), 9, 255} })
		},
		"down": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{uint8(7 * y * y), uint8(3 * y), 9, 255} })
		},
		"plane": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA {
				return color.NRGBA{uint8(x + 2*y), uint8(x*y/9 + x), uint8(5*x - y), uint8(200 + x%50)}
			})
		},
		"drawn": func(w, h int) image.Image {
			return samplesOf(w, h, func(x, y int) color.NRGBA { return color.NRGBA{uint8(x / 8 * 40), uint8(y / 16 * 60), 0, 255} })
		},
		"scattered": func(w, h int) image.Image { // repeats, but not beside itself
			return samplesOf(w, h, func(x, y int) color.NRGBA { v := uint8(x * x % 7 * 30); return color.NRGBA{v, v, v / 2, 255} })
		},
	}
	for name, draw := range kinds {
		for _, size := range [][2]int{{1, 1}, {1, 40}, {40, 1}, {2, 3}, {33, 16}, {130, 70}} {
			source := draw(size[0], size[1])
			data := run(t, pngBytes(t, source), "gamma=1&invert", transform.PNG).Data // changes every pixel, so that the original isn't kept
			got, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatalf("%s %v: %v", name, size, err)
			}
			want := toNRGBA(source)
			for i := range want.Pix {
				if i%4 < 3 {
					want.Pix[i] = 255 - want.Pix[i]
				}
			}
			if d := farthest(t, toNRGBA(got), want); d > 0 {
				t.Errorf("%s %v: levels are off by up to %d", name, size, d)
			}
		}
	}
}

func samplesOf(w, h int, at func(x, y int) color.NRGBA) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, at(x, y))
		}
	}
	return m
}

// TestPNGIsSmall compares with what libvips writes, as it does for a picture with metadata: a
// photograph has a few percent fewer bytes, and a drawing, which has whole areas of one
// colour, far fewer.
func TestPNGIsSmall(t *testing.T) {
	for name, c := range map[string]struct {
		picture image.Image
		percent int // at most
	}{
		"landscape": {samples.Scene(512, 341), 97},
		"chart":     {samples.Chart(512, 341), 85},
	} {
		source := pngBytes(t, c.picture)
		own := len(run(t, source, "invert", transform.PNG).Data)
		usual := len(run(t, source, "invert&metadata=keep", transform.PNG).Data)
		if own*100 > usual*c.percent {
			t.Errorf("%s: %d bytes, and %d of libvips", name, own, usual)
		}
	}
}

// TestPNGWays: what libvips writes by itself is still right, and all ways show the same.
func TestPNGWays(t *testing.T) {
	source := pngBytes(t, scene(200, 150, true))
	want := picture(t, source, "w=100")
	for _, query := range []string{"w=100&progressive", "w=100&metadata=keep"} {
		if d := farthest(t, decode(t, run(t, source, query, transform.PNG).Data), want); d > 0 {
			t.Errorf("%s: levels are off by up to %d", query, d)
		}
	}
	// More than is held in memory.
	big := run(t, pngBytes(t, scene(60, 40, false)), "w=2400&fit=contain", transform.PNG)
	got, err := png.Decode(bytes.NewReader(big.Data))
	if err != nil || fmt.Sprint(got.Bounds()) != fmt.Sprint(image.Rect(0, 0, big.Width, big.Height)) {
		t.Errorf("a large picture: %v", err)
	}
}

//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"

	"github.com/tintype/tintype/transform"
)

// shifts are how many levels each format may move the mean colour of a flat patch,
// at the default quality: YCbCr in whole numbers, and quantised.
var shifts = map[transform.Format]float64{transform.PNG: 0, transform.JPEG: 2, transform.WebP: 2.5, transform.AVIF: 3.5}

// TestFlatColours: no format shifts colours, at the original's size or at half.
func TestFlatColours(t *testing.T) {
	patches := []color.NRGBA{
		white, black, red, green, blue, gold,
		{128, 128, 128, 255}, {16, 16, 16, 255}, {235, 235, 235, 255}, {255, 0, 0, 255},
		{0, 255, 0, 255}, {0, 0, 255, 255}, {250, 215, 190, 255}, {60, 90, 70, 255}, {5, 5, 40, 255}, {255, 255, 0, 255},
	}
	const side = 64
	m := image.NewNRGBA(image.Rect(0, 0, 4*side, 4*side))
	at := func(i, scale int) image.Rectangle {
		return image.Rect(i%4*side/scale, i/4*side/scale, (i%4+1)*side/scale, (i/4+1)*side/scale)
	}
	for i, c := range patches {
		draw.Draw(m, at(i, 1), image.NewUniform(c), image.Point{}, draw.Src)
	}
	source := pngBytes(t, m)
	for format, tolerance := range shifts {
		for _, scale := range []int{1, 2} {
			got := decode(t, run(t, source, fmt.Sprintf("w=%d", 4*side/scale), format).Data)
			for i, want := range patches {
				mean := meanOf(got, at(i, scale).Inset(10)) // away from the neighbours
				for c, level := range []uint8{want.R, want.G, want.B} {
					if d := math.Abs(mean[c] - float64(level)); d > tolerance {
						t.Errorf("%s at 1/%d: %v has become %.1f", format, scale, want, mean)
						break
					}
				}
			}
		}
	}
}

// TestGradients: a slow gradient, as skies are, has no steps that show. Each
// column's mean stays near the line, and its lightness near its neighbours'.
func TestGradients(t *testing.T) {
	const w, h = 1024, 128
	for name, colour := range map[string]func(u float64) color.NRGBA{
		"grey": func(u float64) color.NRGBA { v := uint8(60 + 80*u + .5); return color.NRGBA{v, v, v, 255} },
		"sky": func(u float64) color.NRGBA {
			return color.NRGBA{uint8(90 + 60*u + .5), uint8(140 + 50*u + .5), uint8(200 + 40*u + .5), 255}
		},
		"dark": func(u float64) color.NRGBA { v := uint8(40*u + .5); return color.NRGBA{v, v, v, 255} },
	} {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for x := range w {
			draw.Draw(m, image.Rect(x, 0, x+1, h), image.NewUniform(colour(float64(x)/w)), image.Point{}, draw.Src)
		}
		source := pngBytes(t, m)
		for format := range shifts {
			got := decode(t, run(t, source, "w=512", format).Data)
			before := 0.0
			worst, step := 0.0, 0.0
			for x := range 512 {
				mean := meanOf(got, image.Rect(x, 0, x+1, got.Rect.Dy()))
				want := colour((float64(x) + .5) / 512)
				for c, level := range []uint8{want.R, want.G, want.B} {
					worst = max(worst, math.Abs(mean[c]-float64(level)))
				}
				lightness := 0.299*mean[0] + 0.587*mean[1] + 0.114*mean[2]
				if x > 0 {
					step = max(step, math.Abs(lightness-before))
				}
				before = lightness
			}
			limit := 3.0
			if format == transform.JPEG { // a step of a single colour, of which lightness has little
				limit = 4
			}
			if worst > limit || step > 2.1 {
				t.Errorf("%s in %s: off by up to %.1f levels, steps of up to %.1f", name, format, worst, step)
			}
		}
	}
}

// TestNoRinging: a hard edge keeps its contrast, and beside it there is no more
// than the kernel's own overshoot, which is under a tenth.
func TestNoRinging(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 800, 200))
	draw.Draw(m, m.Rect, image.NewUniform(color.NRGBA{60, 60, 60, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(400, 0, 800, 200), image.NewUniform(color.NRGBA{200, 200, 200, 255}), image.Point{}, draw.Src)
	for _, source := range map[string][]byte{"png": pngBytes(t, m), "jpeg": jpegBytes(t, m)} {
		got := picture(t, source, "w=200")
		for x := range 200 {
			level := float64(got.NRGBAAt(x, 25).R)
			if level < 60-14 || level > 200+14 {
				t.Errorf("column %d is %.0f, beyond the kernel's overshoot", x, level)
			}
			if x < 99 && level > 60+14 || x > 100 && level < 200-14 {
				t.Errorf("column %d is %.0f: the edge is smeared", x, level)
			}
		}
	}
}

// meanOf is the mean colour of a part, in levels.
func meanOf(m *image.NRGBA, r image.Rectangle) (mean [3]float64) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := m.NRGBAAt(x, y)
			mean[0] += float64(c.R)
			mean[1] += float64(c.G)
			mean[2] += float64(c.B)
		}
	}
	for c := range mean {
		mean[c] /= float64(r.Dx() * r.Dy())
	}
	return mean
}

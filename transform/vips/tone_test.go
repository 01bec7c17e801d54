//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// cube holds colours from all over the RGB cube.
func cube() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 72, 8))
	for r := range 8 {
		for g := range 9 {
			for b := range 8 {
				m.SetNRGBA(g*8+b, r, color.NRGBA{uint8(r * 255 / 7), uint8(g * 255 / 8), uint8(b * 255 / 7), 255})
			}
		}
	}
	return m
}

// A filter is what CSS's Filter Effects Module says of a function, on levels 0–1.
type filter func(c [3]float64) [3]float64

func each(f func(float64) float64) filter {
	return func(c [3]float64) [3]float64 { return [3]float64{f(c[0]), f(c[1]), f(c[2])} }
}

func weighed(m [3][3]float64) filter {
	return func(c [3]float64) (out [3]float64) {
		for i, row := range m {
			out[i] = row[0]*c[0] + row[1]*c[1] + row[2]*c[2]
		}
		return out
	}
}

func cssSaturate(s float64) filter {
	return weighed([3][3]float64{
		{0.213 + 0.787*s, 0.715 - 0.715*s, 0.072 - 0.072*s},
		{0.213 - 0.213*s, 0.715 + 0.285*s, 0.072 - 0.072*s},
		{0.213 - 0.213*s, 0.715 - 0.715*s, 0.072 + 0.928*s},
	})
}

var (
	cssGrayscale = weighed([3][3]float64{{0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}})
	cssSepia     = weighed([3][3]float64{{0.393, 0.769, 0.189}, {0.349, 0.686, 0.168}, {0.272, 0.534, 0.131}})
	cssInvert    = each(func(v float64) float64 { return 1 - v })
)

func cssBrightness(b float64) filter { return each(func(v float64) float64 { return v * b }) }
func cssContrast(c float64) filter   { return each(func(v float64) float64 { return v*c - 0.5*c + 0.5 }) }
func gamma(g float64) filter         { return each(func(v float64) float64 { return math.Pow(v, 1/g) }) }

func filtered(m *image.NRGBA, filters ...filter) *image.NRGBA {
	out := image.NewNRGBA(m.Rect)
	for i := 0; i < len(m.Pix); i += 4 {
		c := [3]float64{float64(m.Pix[i]) / 255, float64(m.Pix[i+1]) / 255, float64(m.Pix[i+2]) / 255}
		for _, f := range filters {
			c = f(c)
			for k := range c {
				c[k] = min(max(c[k], 0), 1)
			}
		}
		for k := range c {
			out.Pix[i+k] = uint8(math.Round(255 * c[k]))
		}
		out.Pix[i+3] = m.Pix[i+3]
	}
	return out
}

// farthest is the largest difference of any channel of any pixel.
func farthest(t testing.TB, a, b *image.NRGBA) int {
	t.Helper()
	wantSize(t, a, b.Rect.Dx(), b.Rect.Dy())
	most := 0
	for i := range a.Pix {
		most = max(most, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return most
}

func TestTone(t *testing.T) {
	drawn := cube()
	faded := cube()
	for i := range faded.Pix {
		if i%4 == 3 {
			faded.Pix[i] = uint8(i)
		}
	}
	for query, filters := range map[string][]filter{
		"brightness=0":                           {cssBrightness(0)},
		"brightness=0.5":                         {cssBrightness(0.5)},
		"brightness=3":                           {cssBrightness(3)},
		"contrast=0":                             {cssContrast(0)},
		"contrast=1.7":                           {cssContrast(1.7)},
		"saturation=0":                           {cssSaturate(0)},
		"saturation=0.4":                         {cssSaturate(0.4)},
		"saturation=3":                           {cssSaturate(3)},
		"gamma=0.1":                              {gamma(0.1)},
		"gamma=2.2":                              {gamma(2.2)},
		"grayscale":                              {cssGrayscale},
		"sepia":                                  {cssSepia},
		"invert":                                 {cssInvert},
		"invert&contrast=2":                      {cssContrast(2), cssInvert},
		"sepia&invert":                           {cssSepia, cssInvert},
		"grayscale&sepia":                        {cssGrayscale, cssSepia},
		"saturation=3&sepia":                     {cssSaturate(3), cssSepia},
		"saturation=2&grayscale&invert":          {cssSaturate(2), cssGrayscale, cssInvert},
		"saturation=0.5&grayscale&sepia&invert":  {cssSaturate(0.5), cssGrayscale, cssSepia, cssInvert},
		"brightness=2&contrast=0.5&saturation=2": {cssBrightness(2), cssContrast(0.5), cssSaturate(2)},
		"invert&sepia&grayscale&saturation=3&contrast=1.5&brightness=1.2&gamma=1.4": {
			gamma(1.4), cssBrightness(1.2), cssContrast(1.5), cssSaturate(3), cssGrayscale, cssSepia, cssInvert},
	} {
		for name, m := range map[string]*image.NRGBA{"opaque": drawn, "faded": faded} {
			if d := farthest(t, picture(t, pngBytes(t, m), query), filtered(m, filters...)); d > 1 {
				t.Errorf("%s, %s: %d levels off", query, name, d)
			}
		}
	}
}

func TestToneOfGrey(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i)
	}
	for query, filters := range map[string][]filter{
		"saturation=3&grayscale": {},
		"invert&brightness=1.5":  {cssBrightness(1.5), cssInvert},
		"sepia":                  {cssSepia},
		"metadata=keep&sepia":    {cssSepia},
	} {
		for _, format := range []transform.Format{transform.PNG, transform.TIFF} {
			out := run(t, pngBytes(t, grey), query, format)
			if d := farthest(t, decode(t, out.Data), filtered(toNRGBA(grey), filters...)); d > 1 {
				t.Errorf("%s to %s: %d levels off", query, format, d)
			}
		}
	}
}

// A step that changes no pixel leaves the picture to the last bit.
func TestNeutralTone(t *testing.T) {
	drawn := cube()
	got := picture(t, pngBytes(t, drawn), "brightness=1&contrast=1&saturation=1&gamma=1&grayscale=0&blur=0&sharpen=0&pixelate=1")
	if d := farthest(t, got, drawn); d != 0 {
		t.Errorf("%d levels off", d)
	}
}

func TestToneOfAnimation(t *testing.T) {
	data := run(t, animation(t), "invert&lossless", transform.WebP).Data
	for i, want := range []color.NRGBA{red, green, blue} {
		m := webpFrames(t, data)[i]
		wantFrame(t, m, m.Rect, color.NRGBA{255 - want.R, 255 - want.G, 255 - want.B, 255})
	}
}

// Effects are on the picture, not on what is laid around and under it.
func TestEffectsSpareTheBackground(t *testing.T) {
	navy := color.NRGBA{0, 0, 128, 255}
	for _, query := range []string{"invert", "blur=3", "pixelate=7", "sharpen=50"} {
		got := picture(t, pngBytes(t, disc(40, red)), query+"&pad=10&bg=navy")
		wantColor(t, got, 5, 5, navy, 0)
		wantColor(t, got, 11, 11, navy, 2)
		got = picture(t, jpegBytes(t, quadrants(40, 40)), query+"&pad=10")
		wantColor(t, got, 5, 5, clear, 0)
	}
}

func TestEffectsOnOnePixel(t *testing.T) {
	one := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	one.SetNRGBA(0, 0, gold)
	for _, query := range []string{"blur=1", "blur=100", "sharpen=100", "pixelate=2", "pixelate=1024", "trim=0", "trim=255", "trim=0&blur=9&pixelate=3"} {
		for _, format := range append(slices.Clone(outputs), transform.TIFF) {
			t.Run(fmt.Sprintf("%s %s", query, format), func(t *testing.T) {
				out := run(t, pngBytes(t, one), query+"&q=100", format)
				wantColor(t, decode(t, out.Data), 0, 0, gold, 6)
			})
		}
	}
}

//go:build cgo

package vips_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// drawing is an SVG of four quadrants and a hole in the middle, and its header.
func drawing(w, h float64) ([]byte, transform.Header) {
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%v" height="%v" viewBox="0 0 100 100" preserveAspectRatio="none">
<path fill="#e61e1e" d="M0 0h50v50H0z"/><path fill="#1ec81e" d="M50 0h50v50H50z"/>
<path fill="#1e1ee6" d="M0 50h50v50H0z"/><path fill="#dcc81e" d="M50 50h40v50H50z"/></svg>`, w, h)
	return []byte(svg), transform.Header{Format: transform.SVG, Width: int(w + .5), Height: int(h + .5), Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
}

func drawn(t testing.TB, w, h float64, query string) *image.NRGBA {
	t.Helper()
	svg, header := drawing(w, h)
	out, err := vips.New().Transform(t.Context(), jobOf(t, svg, header, query, transform.PNG))
	if err != nil {
		t.Fatalf("%v×%v %q: %v", w, h, query, err)
	}
	return decode(t, out.Data)
}

// Edges are as sharp at every size as they are in the drawing: no pixel but those
// on an edge is a mixture.
func TestSVGIsDrawnAtItsSize(t *testing.T) {
	for _, size := range [][2]float64{{24, 24}, {100, 50}, {10.4, 7.8}, {3000, 1500}} {
		for _, query := range []string{"w=400&h=400&fit=contain", "w=97&fit=contain", "h=640&fit=contain", "w=200&h=100&fit=cover", "rect=25%25,25%25,50%25,50%25&w=300&fit=contain", "w=31&rotate=90"} {
			got := drawn(t, size[0], size[1], query)
			mixed := 0
			for i := 0; i < len(got.Pix); i += 4 {
				c := color.NRGBA{got.Pix[i], got.Pix[i+1], got.Pix[i+2], got.Pix[i+3]}
				if c != red && c != green && c != blue && c != gold && c.A != 0 {
					mixed++
				}
			}
			most := 2*(got.Rect.Dx()+got.Rect.Dy()) + 4
			if size[0] != math.Trunc(size[0]) {
				most *= 5 // stretched by the rounding in the header
			}
			if mixed > most {
				t.Errorf("%v %s: %d of %v pixels are mixtures, at most %d lie on edges", size, query, mixed, got.Rect.Size(), most)
			}
		}
	}
}

func TestSVGGeometry(t *testing.T) {
	for query, want := range map[string]struct {
		w, h    int
		corners [4]color.NRGBA
	}{
		"":                                   {100, 50, [4]color.NRGBA{red, green, blue, gold}},
		"w=400":                              {100, 50, [4]color.NRGBA{red, green, blue, gold}},
		"w=400&fit=contain":                  {400, 200, [4]color.NRGBA{red, green, blue, gold}},
		"w=30&h=90&fit=squeeze":              {30, 90, [4]color.NRGBA{red, green, blue, gold}},
		"w=900&h=30&fit=squeeze":             {900, 30, [4]color.NRGBA{red, green, blue, gold}},
		"rotate=90&w=200&fit=contain":        {200, 400, [4]color.NRGBA{blue, red, gold, green}},
		"flip=h":                             {100, 50, [4]color.NRGBA{green, red, gold, blue}},
		"rect=50,0,40,25&w=400&fit=contain":  {400, 250, [4]color.NRGBA{green, green, green, green}},
		"w=300&h=300&fit=cover&gravity=west": {300, 300, [4]color.NRGBA{red, red, blue, blue}},
		"w=64&h=64&fit=cover&fp-x=0.25&fp-y=0.75&fp-z=10": {64, 64, [4]color.NRGBA{blue, blue, blue, blue}},
		"w=8000&h=8&fit=cover&fp-x=0.7&fp-y=0.1&fp-z=10":  {8000, 8, [4]color.NRGBA{green, green, green, green}},
		"w=60&h=60&fit=pad&bg=navy&pad=2":                 {64, 64, [4]color.NRGBA{red, green, blue, gold}},
		"rect=0,0,1,1&w=8000&h=1&fit=squeeze":             {8000, 1, [4]color.NRGBA{red, red, red, red}},
	} {
		got := drawn(t, 100, 50, query)
		if got.Rect.Size() != image.Pt(want.w, want.h) {
			t.Errorf("%s: %v, want %d×%d", query, got.Rect.Size(), want.w, want.h)
			continue
		}
		if query == "w=60&h=60&fit=pad&bg=navy&pad=2" {
			wantColor(t, got, 10, 10, color.NRGBA{0, 0, 128, 255}, 0)
			continue
		}
		wantCorners(t, got, want.corners)
	}
}

func TestTrimOfSVG(t *testing.T) {
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100"><path fill="#e61e1e" d="M20 20h60v40H20z"/></svg>`)
	header := transform.Header{Format: transform.SVG, Width: 200, Height: 100, Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
	for query, want := range map[string]image.Point{"trim=0": {60, 40}, "trim=9&w=600&fit=contain": {600, 400}, "trim=0&rect=0,0,50,100": {30, 40}} {
		out, err := vips.New().Transform(t.Context(), jobOf(t, svg, header, query, transform.PNG))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		m := decode(t, out.Data)
		wantSize(t, m, want.X, want.Y)
		wantFrame(t, m, m.Rect, red)
	}
}

func TestSVGSmartCrop(t *testing.T) {
	for _, gravity := range []string{"attention", "entropy"} {
		wantSize(t, drawn(t, 100, 50, "w=120&h=90&fit=cover&gravity="+gravity), 120, 90)
	}
}

func TestSVGToEveryFormat(t *testing.T) {
	svg, header := drawing(100, 50)
	for _, format := range append(outputsOf(), transform.TIFF) {
		out, err := vips.New().Transform(t.Context(), jobOf(t, svg, header, "w=80&q=95", format))
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		got := decode(t, out.Data)
		wantColor(t, got, 10, 10, red, 12)
		if want := white; format == transform.JPEG {
			wantColor(t, got, 78, 38, want, 12)
		} else {
			wantColor(t, got, 78, 38, clear, 12)
		}
	}
}

func outputsOf() []transform.Format { return append([]transform.Format(nil), outputs...) }

func TestSVGErrors(t *testing.T) {
	svg, header := drawing(100, 50)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := vips.New().Transform(ended, jobOf(t, svg, header, "", transform.PNG)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	lie := header
	lie.Height = 400
	for name, j := range map[string]transform.Job{
		"another size": jobOf(t, svg, lie, "", transform.PNG),
		"cut short":    jobOf(t, svg[:len(svg)/2], header, "", transform.PNG),
		"no SVG":       jobOf(t, []byte("<svg"), header, "", transform.PNG),
	} {
		if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

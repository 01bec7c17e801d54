//go:build cgo

package vips_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// TestTranslucentBackground: a background that is translucent itself lies behind
// transparent pixels as it does around the picture.
func TestTranslucentBackground(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	m.SetNRGBA(0, 0, color.NRGBA{200, 0, 0, 255}) // opaque
	m.SetNRGBA(1, 0, color.NRGBA{200, 0, 0, 128}) // half
	m.SetNRGBA(2, 0, color.NRGBA{})               // clear
	out, err := vips.New().Transform(t.Context(), job(t, pngBytes(t, m), "bg=00f8&pad=0,1", transform.PNG))
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(out.Data))
	if err != nil {
		t.Fatal(err)
	}
	over := func(c color.NRGBA) color.NRGBA { // by the formula of Porter and Duff
		a, b := float64(c.A)/255, float64(0x88)/255
		alpha := a + b*(1-a)
		mix := func(top, bottom uint8) uint8 { return uint8((float64(top)*a+float64(bottom)*b*(1-a))/alpha + .5) }
		return color.NRGBA{mix(c.R, 0), mix(c.G, 0), mix(c.B, 255), uint8(alpha*255 + .5)}
	}
	want := []color.NRGBA{{0, 0, 255, 0x88}, over(m.NRGBAAt(0, 0)), over(m.NRGBAAt(1, 0)), {0, 0, 255, 0x88}, {0, 0, 255, 0x88}}
	for x, w := range want {
		g := color.NRGBAModel.Convert(got.At(x, 0)).(color.NRGBA)
		for _, d := range [][2]uint8{{g.R, w.R}, {g.G, w.G}, {g.B, w.B}, {g.A, w.A}} {
			if diff := int(d[0]) - int(d[1]); diff < -2 || diff > 2 {
				t.Errorf("pixel %d: %v, want %v", x, g, w)
				break
			}
		}
	}
}

package facts

import (
	"fmt"
	"image"
	"image/color"

	"github.com/tintype/tintype/transform"
)

// Draw draws a drawing that has a hash or a colour. The result is the middle of d.Whole.
// For a wrong hash it returns the error of the parser.
func Draw(d transform.Drawing) (*image.NRGBA, error) {
	if d.Output.W <= 0 || d.Output.H <= 0 || d.Whole.W < d.Output.W || d.Whole.H < d.Output.H {
		return nil, fmt.Errorf("a drawing of %d×%d pixels can't be the middle of %d×%d", d.Output.W, d.Output.H, d.Whole.W, d.Whole.H)
	}
	to := image.NewNRGBA(image.Rect(0, 0, d.Output.W, d.Output.H))
	x0, y0 := (d.Whole.W-d.Output.W)/2, (d.Whole.H-d.Output.H)/2
	punch := d.Punch
	if punch == 0 {
		punch = 1
	}
	switch d.Of {
	case transform.DrawBlurHash:
		h, err := ParseBlurHash(d.Hash)
		if err != nil {
			return nil, err
		}
		h.draw(to, d.Whole.W, d.Whole.H, x0, y0, punch)
	case transform.DrawThumbHash:
		h, err := ParseThumbHash([]byte(d.Hash))
		if err != nil {
			return nil, err
		}
		h.draw(to, d.Whole.W, d.Whole.H, x0, y0, punch)
	case transform.DrawColor:
		c := color.NRGBA{R: d.Color.R, G: d.Color.G, B: d.Color.B, A: d.Color.A}
		row := to.Pix[:to.Stride]
		for x := range d.Output.W {
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, c.A
		}
		for y := 1; y < d.Output.H; y++ {
			copy(to.Pix[y*to.Stride:], row)
		}
	default:
		return nil, fmt.Errorf("there is no drawing of %q", d.Of)
	}
	return to, nil
}

// Drawn fills a drawing from a picture: it sets the hash or the main colour.
func Drawn(d transform.Drawing, picture *image.NRGBA) transform.Drawing {
	switch d.Of {
	case transform.DrawBlurHash:
		d.Hash = blurHashOf(at0(picture))
	case transform.DrawThumbHash:
		d.Hash = string(thumbHashOf(at0(picture)))
	case transform.DrawColor:
		d.Color = transform.Color{}
		if groups := groupsOf(at0(picture)); len(groups) > 0 {
			c := merged(groups)[0].rgb()
			d.Color = transform.Color{R: c[0], G: c[1], B: c[2], A: 255, Set: true}
		}
	}
	return d
}

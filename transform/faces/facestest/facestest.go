// Package facestest draws faces for tests, so that no test needs the photograph of a person.
package facestest

import (
	"image"
	"image/color"
	"math"
)

// Draw draws a face that [faces.Find] finds: a light oval with dark hair, brows, eyes, a nose
// and a mouth. size is the height from above the brows to the chin, in pixels, and middle is
// the middle of that.
func Draw(m *image.NRGBA, middle image.Point, size float64) {
	reach := int(math.Ceil(size))
	around := image.Rectangle{middle, middle}.Inset(-reach).Intersect(m.Rect)
	for y := around.Min.Y; y < around.Max.Y; y++ {
		for x := around.Min.X; x < around.Max.X; x++ {
			p := pixel{u: (float64(x) + .5 - float64(middle.X)) / size, v: (float64(y) + .5 - float64(middle.Y)) / size, size: size}
			c := m.NRGBAAt(x, y)
			p.level = 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)
			if !p.draw() {
				continue
			}
			level := uint8(min(max(p.level, 0), 255) + .5)
			m.SetNRGBA(x, y, color.NRGBA{level, level, level, 255})
		}
	}
}

// A pixel is a place on a face, measured in its size from its middle.
type pixel struct {
	u, v, size, level float64
	drawn             bool
}

func (p *pixel) draw() bool {
	skin := 195 - 55*math.Abs(p.u) - 25*max(p.v, 0)
	p.oval(45, 1, 0, -.15, .58, .72)  // hair
	p.oval(skin, 1, 0, .08, .45, .62) // face
	for _, side := range []float64{-1, 1} {
		p.oval(120, .8, side*.2, -.13, .16, .09) // socket
		p.oval(60, 1, side*.21, -.24, .15, .035) // brow
		p.oval(40, 1, side*.2, -.12, .085, .045) // eye
		p.oval(90, .7, side*.07, .17, .045, .03) // nostril
	}
	p.oval(225, .5, 0, .02, .05, .18) // nose
	p.oval(120, .5, 0, .2, .13, .04)  // its shadow
	p.oval(85, 1, 0, .36, .19, .05)   // mouth
	p.oval(130, .5, 0, .47, .12, .03) // its shadow
	return p.drawn
}

// oval lays a level on the pixel, as far as it is in the oval, with a smooth edge.
func (p *pixel) oval(level, opacity, x, y, rx, ry float64) {
	inside := (1-math.Hypot((p.u-x)/rx, (p.v-y)/ry))*min(rx, ry)*p.size + .5
	if inside <= 0 {
		return
	}
	p.level += (level - p.level) * opacity * min(inside, 1)
	p.drawn = true
}

package samples

import (
	"image"
	"math"
)

// Portrait draws a hot-air balloon in a plain sky, w × h pixels. It tests the search for a
// subject: there is one clear subject, well below the middle and to the left. It is made for
// upright formats.
func Portrait(w, h int) image.Image {
	w, h = max(w, 1), max(h, 1)
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	unit := 1 / float32(min(w, h))
	n := newNoise(5)
	sky := ramp{
		{0, rgb{44, 108, 182}}, {0.4, rgb{104, 164, 216}}, {0.75, rgb{176, 208, 230}}, {1, rgb{236, 226, 212}},
	}
	for y := range h {
		v := (float32(y) + 0.5) / float32(h)
		c := sky.colour(v)
		row := m.Pix[y*m.Stride:]
		for x := range w {
			veil := float32(0)
			if v > 0.55 { // thin mist low down
				veil = 12 * smooth(0.55, 1, v) * n.fractal(float32(x)*unit*2, v*9, 3)
			}
			grain := 3 * (hash(uint32(x), uint32(y), 1) + hash(uint32(x), uint32(y), 2) - 1)
			c.add(rgb{1, 1, 1}, veil+grain).put(row[4*x:])
		}
	}
	b := balloon{m, point{0.31 * float32(w), 0.68 * float32(h)}, 0.19 / unit}
	b.drawBasket()
	b.drawEnvelope()
	return m
}

// A balloon is drawn around the middle of the widest part of its envelope.
type balloon struct {
	out    *image.RGBA
	middle point
	radius float32
}

const (
	gores  = 12   // strips of cloth seen from one side
	throat = 1.28 // where the envelope ends, in radii below its middle
)

// half returns half the envelope's width, in radii. y is the depth below its middle.
func (balloon) half(y float32) float32 {
	switch {
	case y < -1 || y > throat:
		return 0
	case y < 0:
		return sqrt(1 - y*y)
	}
	return float32(math.Pow(math.Cos(float64(y/throat)*math.Pi/2*0.925), 0.82))
}

func (b balloon) drawEnvelope() {
	cloth := [...]rgb{{214, 48, 49}, {245, 129, 38}, {252, 206, 62}, {250, 244, 228}, {38, 166, 154}, {35, 84, 158}}
	r := box(b.middle.x, b.middle.y, b.middle.x, b.middle.y, b.radius*1.35)
	pixel := 1 / b.radius
	paint(b.out, r, func(px, py float32) (rgb, float32) {
		var c rgb
		var cover float32
		// Four samples in each pixel keep seams and edges smooth.
		for _, d := range [...]point{{-0.25, -0.25}, {0.25, -0.25}, {-0.25, 0.25}, {0.25, 0.25}} {
			x, y := (px+d.x-b.middle.x)*pixel, (py+d.y-b.middle.y)*pixel
			half := b.half(y)
			if half == 0 || abs(x) > half {
				continue
			}
			s := b.clothAt(cloth[:], x/half, y)
			c = rgb{c.r + s.r, c.g + s.g, c.b + s.b}
			cover++
		}
		if cover == 0 {
			return rgb{}, 0
		}
		return c.times(1 / cover), cover / 4
	})
}

// clothAt returns the colour at a point: x from −1 to 1 across, y in radii.
func (b balloon) clothAt(cloth []rgb, x, y float32) rgb {
	around := float32(math.Asin(float64(x)))/math.Pi + 0.5 // 0 to 1 from edge to edge
	strip := around * gores
	i := int(strip)
	within := strip - float32(i) // 0 to 1 across the strip

	c := cloth[i%len(cloth)]
	if zig := abs(within-0.5) * 0.28; y > 0.06+zig && y < 0.3+zig {
		c = cloth[(i+3)%len(cloth)]
	}
	if y > throat-0.1 {
		c = rgb{70, 44, 40}
	}
	// Light from the upper right; each strip bulges, and is sewn to the next.
	nz := sqrt(1 - x*x)
	bright := 0.5 + 0.62*max(0.55*x-0.5*y*0.8+0.55*nz, -0.25)
	bright *= 0.9 + 0.12*float32(math.Sin(float64(within)*math.Pi))
	bright *= 0.72 + 0.28*smooth(0, 0.035, min(within, 1-within)*nz+0.012)
	return c.times(bright).add(rgb{150, 176, 214}, 0.08*(1-nz))
}

func (b balloon) drawBasket() {
	at := func(x, y float32) point { return point{b.middle.x + x*b.radius, b.middle.y + y*b.radius} }
	rope := rgb{72, 56, 48}
	for _, x := range [...]float32{-1, -0.4, 0.4, 1} {
		stroke(b.out, rope, max(b.radius*0.009, 0.7), at(x*0.17, throat-0.02), at(x*0.115, 1.56))
	}
	top, bottom := at(-0.125, 1.55), at(0.125, 1.76)
	round := b.radius * 0.025
	r := box(top.x, top.y, bottom.x, bottom.y, 1)
	middle := point{(top.x + bottom.x) / 2, (top.y + bottom.y) / 2}
	paint(b.out, r, func(x, y float32) (rgb, float32) {
		dx := max(abs(x-middle.x)-(bottom.x-top.x)/2+round, 0)
		dy := max(abs(y-middle.y)-(bottom.y-top.y)/2+round, 0)
		cover := clamp(round - sqrt(dx*dx+dy*dy) + 0.5)
		weave := math.Sin(float64((x-top.x)/b.radius)*260) * math.Sin(float64((y-top.y)/b.radius)*260)
		c := rgb{150, 102, 58}.times(0.82 + 0.14*float32(weave) + 0.9*(x-middle.x)/b.radius)
		if (y-top.y)/b.radius < 0.035 {
			c = rgb{92, 58, 36}
		}
		return c, cover
	})
}

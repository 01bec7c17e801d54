package samples

import (
	"cmp"
	"image"
	"image/color"
	"image/gif"
	"math"
	"slices"
)

const (
	hues   = 7
	shades = 36
)

var hueColours = [hues]rgb{
	{255, 158, 74}, {88, 204, 255}, {255, 104, 132}, {150, 226, 112}, {196, 140, 255}, {255, 222, 96}, {96, 236, 206},
}

// Animation draws moons on their orbits around a planet. Its frames have w × h opaque
// pixels, and last 50 ms each. They loop for ever without a jump.
func Animation(w, h, frames int) *gif.GIF {
	w, h, frames = max(w, 1), max(h, 1), max(frames, 1)
	g := &gif.GIF{Config: image.Config{ColorModel: orbitPalette(), Width: w, Height: h}}
	for i := range frames {
		g.Image = append(g.Image, orbitFrame(w, h, float64(i)/float64(frames)))
		g.Delay = append(g.Delay, 5)
		g.Disposal = append(g.Disposal, gif.DisposalNone)
	}
	return g
}

// orbitPalette returns the background, then a ramp for each hue. A ramp goes from the
// background over the colour to near white.
func orbitPalette() color.Palette {
	back := rgb{17, 20, 40}
	p := color.Palette{back.opaque()}
	for _, c := range hueColours {
		r := ramp{{0, back}, {0.72, c}, {1, c.mix(rgb{255, 255, 255}, 0.72)}}
		for i := range shades {
			p = append(p, r.colour(float32(i+1)/shades).opaque())
		}
	}
	return p
}

func (c rgb) opaque() color.RGBA { return color.RGBA{channel(c.r), channel(c.g), channel(c.b), 255} }

// A ball is a lit sphere. z grows towards the eye.
type ball struct {
	at        point
	z, radius float32
	hue       int
	glow      float32 // brightness of the unlit side; 0 for a moon
}

// orbitFrame draws the frame at a moment from 0 to 1.
func orbitFrame(w, h int, moment float64) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, w, h), orbitPalette())
	unit := float32(min(float64(w)/480, float64(h)/320))
	middle := point{float32(w) / 2, float32(h) / 2}

	balls := []ball{{at: middle, radius: 46 * unit}}
	for i := 1; i < hues; i++ {
		size := (62 + 25*float64(i)) * float64(unit)
		tilt := -0.5 + 0.17*float64(i)
		turns := []int{0, 3, 2, 2, 1, 1, 1}[i]
		for t := range 720 {
			p, _ := onOrbit(middle, size, tilt, 2*math.Pi*float64(t)/720)
			light(m, p, i, 0.14)
		}
		a := 2*math.Pi*moment*float64(turns) + float64(i)*2.1
		p, z := onOrbit(middle, size, tilt, a)
		near := 1 + 0.3*z
		balls = append(balls, ball{at: p, z: z, radius: (5.5 + 1.1*float32(i)) * unit * near, hue: i})
		const tail = 40
		for t := 1; t <= tail; t++ {
			p, behind := onOrbit(middle, size, tilt, a-float64(t)*0.016)
			fade := 1 - float32(t)/(tail+1)
			balls = append(balls, ball{p, min(z, behind) - 0.001*float32(t), 3.6 * unit * near * fade, i, 0.2 + 0.35*fade})
		}
	}
	slices.SortStableFunc(balls, func(a, b ball) int { return cmp.Compare(a.z, b.z) })
	for _, b := range balls {
		b.draw(m)
	}
	return m
}

// onOrbit returns a point on an ellipse around the middle, and its z, −1 to 1.
func onOrbit(middle point, size, tilt, angle float64) (point, float32) {
	x, y, z := math.Cos(angle)*size, math.Sin(angle)*size*0.32, math.Sin(angle)
	sin, cos := math.Sincos(tilt)
	return point{middle.x + float32(x*cos-y*sin), middle.y + float32(x*sin+y*cos)}, float32(z)
}

func (b ball) draw(m *image.Paletted) {
	r := box(b.at.x, b.at.y, b.at.x, b.at.y, b.radius).Intersect(m.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			nx, ny := (float32(x)+0.5-b.at.x)/b.radius, (float32(y)+0.5-b.at.y)/b.radius
			flat := nx*nx + ny*ny
			cover := clamp((1-sqrt(flat))*b.radius + 0.5)
			if cover == 0 {
				continue
			}
			if b.glow > 0 {
				shade(m, x, y, b.hue, b.glow*cover, cover)
				continue
			}
			// Light from the upper left.
			nz := sqrt(max(1-flat, 0))
			bright := 0.16 + 0.66*max(-0.5*nx-0.55*ny+0.67*nz, 0)
			gleam := max(-0.32*nx-0.36*ny+0.876*nz, 0)
			gleam *= gleam
			gleam *= gleam * gleam * gleam
			shade(m, x, y, b.hue, (bright+0.3*gleam*gleam*gleam)*cover, cover)
		}
	}
}

// light brightens the pixel at p.
func light(m *image.Paletted, p point, hue int, bright float32) {
	shade(m, int(p.x), int(p.y), hue, bright, 1)
}

// shade sets a pixel. Edges fade into the background, where every ramp begins. Over other
// things they are cut off.
func shade(m *image.Paletted, x, y, hue int, bright, cover float32) {
	if !(image.Point{x, y}).In(m.Rect) {
		return
	}
	i := m.PixOffset(x, y)
	if cover < 0.5 && m.Pix[i] != 0 {
		return
	}
	level := int(clamp(bright)*shades + 0.5)
	if level == 0 {
		return
	}
	m.Pix[i] = uint8(hue*shades + level)
}

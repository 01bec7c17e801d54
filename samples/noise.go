package samples

import (
	"math"
	"math/rand/v2"
)

// A noise has smooth random values over the plane. The same seed gives the same values.
type noise struct {
	value [256]float32 // −1 to 1
	perm  [512]uint8
}

func newNoise(seed uint64) *noise {
	r := rand.New(rand.NewPCG(seed, 0x7470796574))
	var n noise
	for i, p := range r.Perm(256) {
		n.perm[i], n.perm[i+256] = uint8(p), uint8(p)
		n.value[i] = r.Float32()*2 - 1
	}
	return &n
}

// at returns the value at a point, −1 to 1. Features are about one unit apart.
func (n *noise) at(x, y float32) float32 {
	xf, yf := floor(x), floor(y)
	fx, fy := x-xf, y-yf
	xi, yi := int(xf)&255, int(yf)&255
	fx, fy = fx*fx*(3-2*fx), fy*fy*(3-2*fy)
	left, right := int(n.perm[xi]), int(n.perm[xi+1])
	a, b := n.value[n.perm[left+yi]], n.value[n.perm[right+yi]]
	c, d := n.value[n.perm[left+(yi+1)&255]], n.value[n.perm[right+(yi+1)&255]]
	top, bottom := a+(b-a)*fx, c+(d-c)*fx
	return top + (bottom-top)*fy
}

// fractal sums octaves of noise, each of half the size and half the strength.
func (n *noise) fractal(x, y float32, octaves int) float32 {
	var sum float32
	strength := float32(0.5)
	for range octaves {
		sum += strength * n.at(x, y)
		strength /= 2
		x, y = x*2.03+17.3, y*2.03+41.9
	}
	return sum
}

// ridged returns fractal noise that is folded into sharp crests, 0 to 1.
func (n *noise) ridged(x, y float32, octaves int) float32 {
	var sum float32
	strength := float32(0.5)
	for range octaves {
		v := n.at(x, y)
		sum += strength * (1 - abs(v)*1.4)
		strength *= 0.47
		x, y = x*2.07+5.1, y*2.07+31.7
	}
	return clamp(sum)
}

// hash returns a random value for a point of the integer grid, 0 to 1.
func hash(x, y, seed uint32) float32 {
	h := x*0x9e3779b1 ^ y*0x85ebca77 ^ seed*0xc2b2ae3d
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	h ^= h >> 15
	return float32(h>>8) / (1 << 24)
}

func floor(x float32) float32 {
	f := float32(int(x))
	if f > x {
		f--
	}
	return f
}

func abs(x float32) float32        { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
func clamp(x float32) float32      { return min(max(x, 0), 1) }
func lerp(a, b, t float32) float32 { return a + (b-a)*t }
func exp(x float32) float32        { return float32(math.Exp(float64(x))) }
func sqrt(x float32) float32       { return float32(math.Sqrt(float64(x))) }

// smooth rises from 0 at a to 1 at b.
func smooth(a, b, x float32) float32 {
	t := clamp((x - a) / (b - a))
	return t * t * (3 - 2*t)
}

// A rgb is a colour with channels from 0 to 255. Channels may be larger while light is added.
type rgb struct{ r, g, b float32 }

func (c rgb) mix(d rgb, t float32) rgb {
	return rgb{lerp(c.r, d.r, t), lerp(c.g, d.g, t), lerp(c.b, d.b, t)}
}

func (c rgb) add(d rgb, t float32) rgb {
	return rgb{c.r + d.r*t, c.g + d.g*t, c.b + d.b*t}
}

func (c rgb) times(t float32) rgb { return rgb{c.r * t, c.g * t, c.b * t} }

// put stores an opaque pixel.
func (c rgb) put(pix []byte) {
	_ = pix[3]
	pix[0], pix[1], pix[2], pix[3] = channel(c.r), channel(c.g), channel(c.b), 255
}

func channel(v float32) byte { return byte(min(max(v+0.5, 0), 255)) }

// A ramp is colours at rising positions.
type ramp []struct {
	at     float32
	colour rgb
}

func (r ramp) colour(x float32) rgb {
	for i := 1; i < len(r); i++ {
		if x < r[i].at {
			return r[i-1].colour.mix(r[i].colour, clamp((x-r[i-1].at)/(r[i].at-r[i-1].at)))
		}
	}
	return r[len(r)-1].colour
}

package facts

import "math"

// A target is a kind of colour in a palette, in HSL: the preferred values, and their
// bounds. Values and weights are those of Android's Palette.
type target struct {
	of                           func(*Palette) **Swatch
	leastSat, sat, mostSat       float64
	leastLight, light, mostLight float64
}

// Weights of the parts of a target.
const (
	weighSat   = 0.24
	weighLight = 0.52
	weighArea  = 0.24
)

// targets are the kinds of colours, in the order in which they choose.
var targets = []target{
	{func(p *Palette) **Swatch { return &p.LightVibrant }, 0.35, 1, 1, 0.55, 0.74, 1},
	{func(p *Palette) **Swatch { return &p.Vibrant }, 0.35, 1, 1, 0.3, 0.5, 0.7},
	{func(p *Palette) **Swatch { return &p.DarkVibrant }, 0.35, 1, 1, 0, 0.26, 0.45},
	{func(p *Palette) **Swatch { return &p.LightMuted }, 0, 0.3, 0.4, 0.55, 0.74, 1},
	{func(p *Palette) **Swatch { return &p.Muted }, 0, 0.3, 0.4, 0.3, 0.5, 0.7},
	{func(p *Palette) **Swatch { return &p.DarkMuted }, 0, 0.3, 0.4, 0, 0.26, 0.45},
}

func (p *Palette) swatches() (all []**Swatch) {
	for _, t := range targets {
		all = append(all, t.of(p))
	}
	return all
}

// leastSwatch is the minimum fraction of the picture that a colour of the palette covers.
const leastSwatch = 0.001

// paletteOf chooses a colour for each target. It uses each colour once. As in Android, it
// skips colours near black, near white, and the reds and browns of skin.
func paletteOf(groups []group) (p Palette) {
	used := make([]bool, len(groups))
	most := 0.0
	for _, g := range groups {
		most = max(most, g.area)
	}
	for _, t := range targets {
		best, score := -1, math.Inf(-1)
		for i, g := range groups {
			hue, sat, light := hsl(g.rgb())
			switch {
			case used[i], g.area < leastSwatch, light <= 0.05, light >= 0.95, hue >= 10 && hue <= 37 && sat <= 0.82,
				sat < t.leastSat, sat > t.mostSat, light < t.leastLight, light > t.mostLight:
				continue
			}
			if s := weighSat*(1-math.Abs(sat-t.sat)) + weighLight*(1-math.Abs(light-t.light)) + weighArea*g.area/most; s > score {
				best, score = i, s
			}
		}
		if best >= 0 {
			used[best] = true
			*t.of(&p) = &Swatch{Hex: groups[best].hex()}
		}
	}
	return p
}

// hsl returns the hue of a colour in degrees, its saturation and its lightness.
func hsl(c [3]uint8) (hue, sat, light float64) {
	r, g, b := float64(c[0])/255, float64(c[1])/255, float64(c[2])/255
	high, low := max(r, g, b), min(r, g, b)
	light = (high + low) / 2
	if high == low {
		return 0, 0, light
	}
	d := high - low
	sat = d / (1 - math.Abs(2*light-1))
	switch high {
	case r:
		hue = math.Mod((g-b)/d+6, 6)
	case g:
		hue = (b-r)/d + 2
	default:
		hue = (r-g)/d + 4
	}
	return hue * 60, min(sat, 1), light
}

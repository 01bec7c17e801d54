package facts

import (
	"math"
	"sort"
)

// linear is the linear light of each sRGB level.
var linear = func() (light [256]float64) {
	for i := range light {
		light[i] = toLinear(float64(i) / 255)
	}
	return light
}()

func toLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func fromLinear(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// lowest is the smallest light that rounds to each level. guess is the level for the light
// i/4096, or one less.
var lowest, guess = func() (light [257]float64, level [4097]uint8) {
	for i := range 256 {
		light[i] = toLinear((float64(i) - 0.5) / 255)
	}
	light[0], light[256] = math.Inf(-1), math.Inf(1)
	for i := range level {
		v := float64(i) / 4096
		level[i] = uint8(sort.Search(256, func(n int) bool { return light[n] > v }) - 1)
	}
	return light, level
}()

// toSRGB returns the sRGB level of a light, clamped to 0–1. It uses a table instead of a
// power, since a picture has millions of pixels.
func toSRGB(v float64) uint8 {
	switch {
	case !(v > 0): // NaN too
		return 0
	case v >= 1:
		return 255
	}
	level := guess[int(v*4096)]
	for v >= lowest[int(level)+1] {
		level++
	}
	return level
}

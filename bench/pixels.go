//go:build cgo

package main

import (
	"fmt"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// pixels is a decoded picture: sRGB levels 0–255, three per pixel, row by row. Transparent
// pixels are laid over mid-grey.
type pixels struct {
	w, h int
	rgb  []float32
}

// decode decodes all frames of a picture.
func decode(data []byte) ([]*pixels, error) {
	params := govips.NewImportParams()
	switch govips.DetermineImageType(data) {
	case govips.ImageTypeGIF, govips.ImageTypeWEBP:
		params.NumPages.Set(-1)
	}
	image, err := govips.LoadImageFromBuffer(data, params)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if image.Bands() < 3 || image.BandFormat() != govips.BandFormatUchar {
		if err := image.ToColorSpace(govips.InterpretationSRGB); err != nil {
			return nil, err
		}
	}
	if image.HasAlpha() {
		if err := image.Flatten(&govips.Color{R: 128, G: 128, B: 128}); err != nil {
			return nil, err
		}
	}
	if err := image.Cast(govips.BandFormatUchar); err != nil {
		return nil, err
	}
	levels, err := image.ToBytes()
	if err != nil {
		return nil, err
	}
	w, h, count := image.Width(), image.PageHeight(), image.Height()/image.PageHeight()
	if image.Bands() != 3 || len(levels) != 3*w*h*count {
		return nil, fmt.Errorf("decoded to %d bytes in %d bands", len(levels), image.Bands())
	}
	frames := make([]*pixels, count)
	for i := range frames {
		frames[i] = &pixels{w, h, make([]float32, 3*w*h)}
		for at, level := range levels[i*3*w*h : (i+1)*3*w*h] {
			frames[i].rgb[at] = float32(level)
		}
	}
	return frames, nil
}

// resized returns the reference that scores compare with: resized with the Lanczos kernel
// of three lobes over all pixels, in floating point and without linear light, as browsers
// do it, and without shrink-on-load.
func (p *pixels) resized(w, h int) *pixels {
	if p.w == w && p.h == h {
		return p
	}
	across := &pixels{w, p.h, make([]float32, 3*w*p.h)}
	lanczos(p.w, w, func(x, from int, weights []float32) {
		for y := range p.h {
			sum(across.rgb[3*(y*w+x):], p.rgb[3*(y*p.w+from):], 3, weights)
		}
	})
	out := &pixels{w, h, make([]float32, 3*w*h)}
	lanczos(p.h, h, func(y, from int, weights []float32) {
		for x := range w {
			sum(out.rgb[3*(y*w+x):], across.rgb[3*(from*w+x):], 3*w, weights)
		}
	})
	for i, level := range out.rgb {
		out.rgb[i] = min(max(level, 0), 255)
	}
	return out
}

// resizedInLight is resized in linear light. Its levels are whole ones, as decode gives them.
func (p *pixels) resizedInLight(w, h int) *pixels {
	var lights [256]float32
	for i := range lights {
		lights[i] = light(float32(i)*(1.0/255)) * 255
	}
	light := &pixels{p.w, p.h, make([]float32, len(p.rgb))}
	for i, level := range p.rgb {
		light.rgb[i] = lights[uint8(level)]
	}
	out := light.resized(w, h)
	for i, v := range out.rgb {
		v := float64(v) / 255
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		out.rgb[i] = float32(v * 255)
	}
	return out
}

// lanczos calls do for each output pixel of a side, with the first original pixel that
// contributes to it and the weights from there on.
func lanczos(from, to int, do func(at, from int, weights []float32)) {
	scale := float64(from) / float64(to)
	wide := max(scale, 1)
	for at := range to {
		centre := (float64(at)+0.5)*scale - 0.5
		first := max(int(math.Ceil(centre-3*wide)), 0)
		last := min(int(math.Floor(centre+3*wide)), from-1)
		weights := make([]float32, last-first+1)
		total := 0.0
		for i := range weights {
			v := lanczos3((float64(first+i) - centre) / wide)
			weights[i] = float32(v)
			total += v
		}
		for i := range weights {
			weights[i] /= float32(total)
		}
		do(at, first, weights)
	}
}

func lanczos3(x float64) float64 {
	if x == 0 {
		return 1
	}
	if x <= -3 || x >= 3 {
		return 0
	}
	x *= math.Pi
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}

func sum(to, from []float32, step int, weights []float32) {
	var r, g, b float32
	for i, weight := range weights {
		r += weight * from[i*step]
		g += weight * from[i*step+1]
		b += weight * from[i*step+2]
	}
	to[0], to[1], to[2] = r, g, b
}

// linear returns the picture in linear light, 0–1.
func (p *pixels) linear() linearImage {
	m := linearImage{w: p.w, h: p.h}
	for c := range m.plane {
		m.plane[c] = make([]float32, p.w*p.h)
		for i := range m.plane[c] {
			m.plane[c][i] = light(p.rgb[3*i+c] * (1.0 / 255))
		}
	}
	return m
}

// light returns an sRGB value in linear light, by a quotient of polynomials.
func light(v float32) float32 {
	if v <= 0.04045 {
		return v * float32(1/float32(12.92))
	}
	over := [5]float32{2.200248328e-04, 1.043637593e-02, 1.624820318e-01, 7.961564959e-01, 8.210152774e-01}
	under := [5]float32{2.631846970e-01, 1.076976492e+00, 4.987528350e-01, -5.512498495e-02, 6.521209011e-03}
	p, q := over[4], under[4]
	for i := 3; i >= 0; i-- {
		p, q = fma(p, v, over[i]), fma(q, v, under[i])
	}
	return p / q
}

// compareFrames returns the mean score of a variant's frames against the original's. Of an
// animation it compares the first, the middle and the last frame.
func compareFrames(references []*pixels, variant []byte) (float64, error) {
	got, err := decode(variant)
	if err != nil {
		return 0, err
	}
	if len(got) != len(references) {
		return 0, fmt.Errorf("%d frames of %d", len(got), len(references))
	}
	at := []int{0}
	if n := len(got); n > 2 {
		at = []int{0, n / 2, n - 1}
	}
	total := 0.0
	for _, i := range at {
		total += score(references[i].resized(got[i].w, got[i].h), got[i])
	}
	return total / float64(len(at)), nil
}

//go:build cgo

package vips

import (
	"context"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// tone changes the colours of each pixel, but not alpha: gamma, brightness, contrast,
// saturation, grayscale, sepia, invert, in this order. Except for gamma these are the
// filter functions of CSS (Filter Effects Module Level 1 §9), which use encoded sRGB
// levels. Where the output keeps a profile, they use the levels of the profile.
func (t *task) tone(_ context.Context, f *frame) error {
	o := t.job.Options
	if o.Sepia {
		if err := f.toColour(); err != nil {
			return err
		}
	}
	curve, mixes := colourWork(o, f.colours() == 3)
	if curve != nil {
		if err := f.applyCurve(curve); err != nil {
			return err
		}
	}
	for _, m := range mixes {
		if err := f.applyMix(m); err != nil {
			return err
		}
	}
	return nil
}

// colourWork returns the curve for single levels, or nil, and then the mixes of the levels
// of a pixel.
//
// As in CSS, the result of each function is clipped before the next. Mixes that don't need
// to be clipped in between are combined.
func colourWork(o transform.Options, colour bool) (curve *[256]byte, mixes []mix) {
	add := func(m mix) {
		if last := len(mixes) - 1; last >= 0 && mixes[last].inRange() {
			mixes[last] = mixes[last].then(m)
		} else {
			mixes = append(mixes, m)
		}
	}
	if colour {
		if o.Saturation != 1 {
			add(saturate(o.Saturation))
		}
		if o.Grayscale {
			add(saturate(0))
		}
		if o.Sepia {
			add(sepia)
		}
	}
	invert := o.Invert
	if invert && len(mixes) > 0 {
		// The negative of a clipped level is the clipped negative.
		last := len(mixes) - 1
		mixes[last] = mixes[last].then(negative)
		invert = false
	}
	if o.Gamma == 1 && o.Brightness == 1 && o.Contrast == 1 && !invert {
		return nil, mixes
	}
	curve = new([256]byte)
	for i := range curve {
		v := math.Pow(float64(i)/255, 1/o.Gamma)
		v = min(v*o.Brightness, 1)
		v = min(max((v-0.5)*o.Contrast+0.5, 0), 1)
		if invert {
			v = 1 - v
		}
		curve[i] = byte(math.Round(255 * v))
	}
	return curve, mixes
}

// A mix computes each of red, green and blue from all three: the product with a row, plus a
// constant.
type mix struct {
	rows [3][3]float64
	add  [3]float64 // levels, 0–255
}

var (
	sepia    = mix{rows: [3][3]float64{{0.393, 0.769, 0.189}, {0.349, 0.686, 0.168}, {0.272, 0.534, 0.131}}}
	negative = mix{[3][3]float64{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}}, [3]float64{255, 255, 255}}
)

// saturate returns the mix for a saturation, where 0 is grey. The weights of lightness are
// those of Rec. 709.
func saturate(s float64) mix {
	weights := [3]float64{0.2126, 0.7152, 0.0722}
	var m mix
	for i := range m.rows {
		for j, w := range weights {
			m.rows[i][j] = w * (1 - s)
		}
		m.rows[i][i] += s
	}
	return m
}

// then returns m followed by n.
func (m mix) then(n mix) mix {
	var both mix
	for i, row := range n.rows {
		both.add[i] = n.add[i]
		for j, w := range row {
			both.add[i] += w * m.add[j]
			for k := range both.rows[i] {
				both.rows[i][k] += w * m.rows[j][k]
			}
		}
	}
	return both
}

// inRange reports whether no result needs to be clipped to 0–255.
func (m mix) inRange() bool {
	const slack = 0.01
	for i, row := range m.rows {
		least, most := m.add[i], m.add[i]
		for _, w := range row {
			least += min(0, w*255)
			most += max(0, w*255)
		}
		if least < -slack || most > 255+slack {
			return false
		}
	}
	return true
}

// applyCurve applies a curve to each level of the colours.
func (f *frame) applyCurve(curve *[256]byte) error {
	bands := f.Bands()
	pixels := make([]byte, 0, 256*bands)
	for i, v := range curve {
		for range f.colours() {
			pixels = append(pixels, v)
		}
		if f.HasAlpha() {
			pixels = append(pixels, byte(i))
		}
	}
	lut, err := govips.NewImageFromMemory(pixels, 256, 1, bands, govips.BandFormatUchar, f.Interpretation())
	if err != nil {
		return fault("colour", err)
	}
	defer lut.Close()
	if err := f.Maplut(lut); err != nil {
		return fault("colour", err)
	}
	return nil
}

// applyMix mixes the colours of an RGB picture.
func (f *frame) applyMix(m mix) error {
	rows := make([][]float64, 3)
	scale, add := []float64{1, 1, 1}, make([]float64, 3)
	for i := range rows {
		rows[i] = m.rows[i][:]
		add[i] = m.add[i] + 0.5 // casting rounds down
	}
	if f.HasAlpha() {
		scale, add = append(scale, 1), append(add, 0.5)
	}
	space := f.Interpretation()
	for _, step := range []func() error{
		func() error { return f.Recomb(rows) },
		func() error { return f.Linear(scale, add) },
		func() error { return f.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			return fault("colour", err)
		}
	}
	if f.Interpretation() != space {
		return f.reinterpret(space)
	}
	return nil
}

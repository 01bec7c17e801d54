//go:build cgo

package vips

import (
	"context"
	"image"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// spreads reports whether a step mixes neighbouring pixels. They must be weighted with
// alpha.
func (t *task) spreads() bool {
	o := t.job.Options
	return o.Blur > 0 || o.Sharpen > 0 || o.Pixelate > 1
}

// blur applies a Gaussian. The option's value is the standard deviation in pixels of the
// output. Beyond the edges the outermost pixels are repeated.
//
// The time of a convolution grows with the deviation. So for a large deviation blur shrinks
// the picture, blurs it and enlarges it again. The difference isn't visible, since a
// blurred picture has no detail.
func (t *task) blur(_ context.Context, f *frame) error {
	sigma := t.job.Options.Blur
	if sigma == 0 {
		return nil
	}
	const direct, small = 4, 2 // largest deviation without shrinking, and smallest after shrinking
	if sigma <= direct {
		return t.spaced(f, gaussReach(sigma), gaussReach(sigma), func() error {
			if err := f.gauss(sigma); err != nil {
				return err
			}
			return f.castBytes("blur")
		})
	}
	// The factor is a power of two, since libvips interpolates in steps of 1/64.
	size, by := t.frameSize(f), 2
	for sigma/float64(2*by) >= small {
		by *= 2
	}
	deviation := sigma / float64(by)
	for _, step := range []func() error{
		func() error {
			return t.cut(f, image.Rect(0, 0, (size.Dx()+by-1)/by*by, (size.Dy()+by-1)/by*by), turn{})
		},
		func() error { return t.resizeSpaced(f, 1/float64(by), govips.KernelLanczos3, 4*by) },
		// Rounded to bytes, the few pixels would show as a grid after enlarging.
		func() error { return f.Cast(govips.BandFormatFloat) },
		func() error {
			return t.spaced(f, gaussReach(deviation), gaussReach(deviation), func() error { return f.gauss(deviation) })
		},
		func() error { return t.resizeSpaced(f, float64(by), govips.KernelCubic, 4) },
		func() error { return t.cut(f, size, turn{}) },
		func() error { return f.Linear1(1, 0.5) },
		func() error { return f.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			return fault("blur", err)
		}
	}
	return nil
}

// resizeSpaced resizes frames by a factor. reach is the reach of the kernel in pixels.
func (t *task) resizeSpaced(f *frame, by float64, kernel govips.Kernel, reach int) error {
	return t.spaced(f, reach, int(float64(reach)*by), func() error {
		if err := f.ResizeWithVScale(by, by, kernel); err != nil {
			return err
		}
		return f.onePage()
	})
}

// gaussReach returns an upper bound of the reach of gauss, in pixels.
func gaussReach(sigma float64) int { return int(math.Ceil(3 * sigma)) }

// gauss convolves with a Gaussian, down to a fortieth of the weight in the middle. It
// converts bytes to short integers, since libvips rounds the result for bytes wrongly by a
// level or two, which darkens or lightens whole pictures.
func (f *frame) gauss(sigma float64) error {
	if f.BandFormat() == govips.BandFormatUchar {
		if err := f.Cast(govips.BandFormatShort); err != nil {
			return fault("blur", err)
		}
	}
	if err := f.GaussianBlur(sigma, 0.025); err != nil {
		return fault("blur", err)
	}
	return nil
}

func (f *frame) castBytes(step string) error {
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault(step, err)
	}
	return nil
}

// sharpen is an unsharp mask. It adds the difference between the picture and a slightly
// blurred one. A curve bounds the difference, so that hard edges get no halo.
func (t *task) sharpen(_ context.Context, f *frame) error {
	if t.job.Options.Sharpen == 0 {
		return nil
	}
	reach := gaussReach(sharpenSigma)
	return t.spaced(f, reach, reach, func() error { return t.addDetail(f) })
}

func (t *task) addDetail(f *frame) error {
	curve, err := differenceCurve(sharpenCurve(t.job.Options.Sharpen))
	if err != nil {
		return err
	}
	defer curve.Close()
	blurred, err := f.Copy()
	if err != nil {
		return fault("sharpen", err)
	}
	defer blurred.Close()
	if err := (&frame{blurred}).gauss(sharpenSigma); err != nil {
		return err
	}
	detail, err := f.Copy()
	if err != nil {
		return fault("sharpen", err)
	}
	defer detail.Close()
	for _, step := range []func() error{
		func() error { return detail.Subtract(blurred) },
		func() error { return detail.Linear1(1, 255) },
		func() error { return detail.Cast(govips.BandFormatUshort) },
		func() error { return detail.Maplut(curve) },
		func() error { return f.Add(detail) },
		func() error { return f.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			return fault("sharpen", err)
		}
	}
	return nil
}

const sharpenSigma = 1.0

// sharpenCurve returns the function from a difference in levels to the levels to add.
func sharpenCurve(value float64) func(difference float64) float64 {
	gain, most := value/20, 6+value*0.6
	return func(d float64) float64 { return most * math.Tanh(gain*d/most) }
}

// differenceCurve returns a table of a function of differences. Index 0 is the difference
// −255, and index 510 is 255.
func differenceCurve(of func(float64) float64) (*govips.ImageRef, error) {
	pixels := make([]byte, 0, 2*511)
	for d := -255; d <= 255; d++ {
		v := int16(math.Round(of(float64(d))))
		pixels = append(pixels, byte(v), byte(v>>8))
	}
	curve, err := govips.NewImageFromMemory(pixels, 511, 1, 1, govips.BandFormatShort, govips.InterpretationMultiband)
	if err != nil {
		return nil, fault("sharpen", err)
	}
	return curve, nil
}

// pixelate makes squares of one colour, beginning at the top left. A square that the right
// or lower edge cuts gets the mean of its visible part.
func (t *task) pixelate(ctx context.Context, f *frame) error {
	edge := t.job.Options.Pixelate
	if edge < 2 {
		return nil
	}
	if err := t.materialise(ctx, f); err != nil {
		return err
	}
	size := t.frameSize(f)
	width, height, bands := size.Dx(), size.Dy(), f.Bands()
	across, down := (width+edge-1)/edge, (height+edge-1)/edge
	sums, means := make([]int, across*bands), make([]byte, 0, across*down*t.frames*bands)
	err := t.eachRow(ctx, f, image.Rect(0, 0, width, f.Height()), func(y int, row []byte) {
		y %= height
		for x := range width {
			sum, pixel := sums[x/edge*bands:][:bands], row[x*bands:][:bands]
			for i, v := range pixel {
				sum[i] += int(v)
			}
		}
		if y+1 < height && (y+1)%edge != 0 {
			return
		}
		rows := y%edge + 1
		for i, sum := range sums {
			pixels := rows * min(edge, width-i/bands*edge)
			means = append(means, byte((sum+pixels/2)/pixels))
		}
		clear(sums)
	})
	if err != nil {
		return err
	}
	blocks, err := govips.NewImageFromMemory(means, across, down*t.frames, bands, govips.BandFormatUchar, f.Interpretation())
	if err != nil {
		return fault("pixelate", err)
	}
	defer blocks.Close()
	if err := blocks.Zoom(edge, edge); err != nil {
		return fault("pixelate", err)
	}
	if err := t.cut(&frame{blocks}, size, turn{}); err != nil {
		return err
	}
	// Insert keeps the metadata of the picture.
	if err := f.Insert(blocks, 0, 0, false, nil); err != nil {
		return fault("pixelate", err)
	}
	return nil
}

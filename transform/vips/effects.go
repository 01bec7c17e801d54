//go:build cgo

package vips

import (
	"context"
	"image"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// spreads reports whether a step mixes neighbouring pixels, which their alpha has
// to weight.
func (t *task) spreads() bool {
	o := t.job.Options
	return o.Blur > 0 || o.Sharpen > 0 || o.Pixelate > 1
}

// blur is a Gaussian whose standard deviation is the option's value in pixels of
// the output. Beyond the edges the picture goes on as it is there.
//
// The time of a convolution grows with the deviation, so that with a large one a
// shrunken picture is blurred and enlarged again, of which nothing shows: it holds
// no detail any more.
func (t *task) blur(_ context.Context, f *frame) error {
	sigma := t.job.Options.Blur
	if sigma == 0 {
		return nil
	}
	const direct, small = 4, 2 // deviations that are convolved as they are, and after shrinking
	if sigma <= direct {
		return t.spaced(f, gaussReach(sigma), gaussReach(sigma), func() error {
			if err := f.gauss(sigma); err != nil {
				return err
			}
			return f.castBytes("blur")
		})
	}
	// By a power of two, since libvips interpolates at steps of a 64th.
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
		// In whole levels the few pixels left would show as a grid.
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

// resizeSpaced resizes frames by a factor, by a kernel that reaches no further than
// so many pixels.
func (t *task) resizeSpaced(f *frame, by float64, kernel govips.Kernel, reach int) error {
	return t.spaced(f, reach, int(float64(reach)*by), func() error {
		if err := f.ResizeWithVScale(by, by, kernel); err != nil {
			return err
		}
		return f.onePage()
	})
}

// gaussReach is how far gauss looks, in pixels: no less.
func gaussReach(sigma float64) int { return int(math.Ceil(3 * sigma)) }

// gauss convolves with a Gaussian out to where its weight is a fortieth of the
// middle's. Bytes become short integers, since libvips rounds those of bytes off by
// a level or two, which darkens or lightens whole pictures.
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

// sharpen is an unsharp mask: what a slight blur takes from the picture is added
// to it, by a curve that grows with the option's value but is bounded, so that
// hard edges get no halo.
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

// sharpenCurve is what a difference of so many levels is answered with.
func sharpenCurve(value float64) func(difference float64) float64 {
	gain, most := value/20, 6+value*0.6
	return func(d float64) float64 { return most * math.Tanh(gain*d/most) }
}

// differenceCurve is a table of a function of differences, −255–255, which it
// holds from 0 up.
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

// pixelate makes squares of one colour, from the top left. Those that the right
// and lower edges cut are the mean of what is there.
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
	// Laid over all of the picture, so that its metadata stays.
	if err := f.Insert(blocks, 0, 0, false, nil); err != nil {
		return fault("pixelate", err)
	}
	return nil
}

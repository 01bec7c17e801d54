//go:build cgo

package vips

import (
	"context"
	"image"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// cutRegion cuts out what the rect option keeps. In an original that was shrunk
// as it was decoded the edges are rounded to whole pixels, which are still no
// larger than those of the output.
func (t *task) cutRegion(_ context.Context, f *frame) error {
	if t.reduced {
		return nil
	}
	size := t.frameSize(f)
	region := t.regionIn(size.Dx(), size.Dy())
	if region == size {
		return nil
	}
	return t.cut(f, region, turn{})
}

// regionIn is where the region lies in a frame of the original as it was decoded.
func (t *task) regionIn(width, height int) image.Rectangle {
	within := t.region.Sub(t.loaded.Min)
	left, right := t.shrunkSpan(within.Min.X, within.Max.X, t.loaded.Dx(), width)
	top, bottom := t.shrunkSpan(within.Min.Y, within.Max.Y, t.loaded.Dy(), height)
	return image.Rect(left, top, right, bottom)
}

// shrunkSpan is where a span of a side lies once the side has shrunk; at least
// one pixel of it. A pixel that is partly border is border.
func (t *task) shrunkSpan(from, to, side, shrunk int) (int, int) {
	scale := float64(shrunk) / float64(side)
	first, last := float64(from)*scale, float64(to)*scale
	if t.trimmed {
		first, last = math.Ceil(first-0.01), math.Floor(last+0.01)
	}
	from = min(int(math.Round(first)), shrunk-1)
	to = min(max(int(math.Round(last)), from+1), shrunk)
	return from, to
}

// premultiply weights the colours of a picture whose pixels are still to be mixed
// with their alpha: else transparent pixels, which are mostly black, would darken the
// edges.
//
// The result is bytes, since libvips resizes those much faster than the floating
// point that it premultiplies in, and bears no colour space: so that neither
// libvips nor govips takes the last band for alpha and multiplies once more.
func (t *task) premultiply(_ context.Context, f *frame) error {
	if !f.HasAlpha() || (t.reduced || t.unchanged()) && !t.spreads() && !t.slanted() {
		return nil
	}
	return t.weigh(f)
}

// weigh premultiplies.
func (t *task) weigh(f *frame) error {
	t.weighted, t.space = true, f.Interpretation()
	if err := f.PremultiplyAlpha(); err != nil {
		return fault("premultiply", err)
	}
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault("premultiply", err)
	}
	return f.reinterpret(govips.InterpretationMultiband)
}

// unpremultiply undoes premultiply, rounding to the nearest level where govips's
// own rounds down, which turns white into grey.
func (t *task) unpremultiply(_ context.Context, f *frame) error {
	if !t.weighted {
		return nil
	}
	colours := f.Bands() - 1
	alpha, err := f.ExtractBandToImage(colours, 1)
	if err != nil {
		return fault("unpremultiply", err)
	}
	defer alpha.Close()
	for _, step := range []func() error{
		func() error { return f.ExtractBand(0, colours) },
		func() error { return f.Linear1(255, 0) },
		func() error { return f.Divide(alpha) }, // by zero is zero in libvips
		func() error { return f.Linear1(1, 0.5) },
		func() error { return f.Cast(govips.BandFormatUchar) },
		func() error { return f.BandJoin(alpha) },
	} {
		if err := step(); err != nil {
			return fault("unpremultiply", err)
		}
	}
	return f.reinterpret(t.space)
}

// reinterpret changes what the bands stand for, not their values.
func (f *frame) reinterpret(space govips.Interpretation) error {
	same, err := f.CopyChangingInterpretation(space)
	if err != nil {
		return fault("reinterpret", err)
	}
	f.replace(same)
	return nil
}

// resize brings the region to its final size where reduce can't: in five bands,
// CMYK with alpha, of which there are only stills.
func (t *task) resize(_ context.Context, f *frame) error {
	if t.reduced || sizeOf(t.frameSize(f)) == t.scaled {
		return nil
	}
	horizontal := float64(t.scaled.W) / float64(f.Width())
	vertical := float64(t.scaled.H) / float64(f.Height())
	if err := f.ResizeWithVScale(horizontal, vertical, govips.KernelLanczos3); err != nil {
		return fault("resize", err)
	}
	if f.Width() != t.scaled.W || f.Height() != t.scaled.H {
		// Rounding inside libvips: repeat or drop a last row or column.
		if err := f.Embed(0, 0, t.scaled.W, t.scaled.H, govips.ExtendCopy); err != nil {
			return fault("resize", err)
		}
	}
	return f.onePage()
}

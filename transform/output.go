package transform

import "fmt"

// CheckOutput returns an error that wraps [ErrOutputTooLarge] if an output of this many
// frames exceeds a limit of l, or the longest side of its format. It also refuses
// intermediate images that are too large.
func (Options) CheckOutput(p Plan, f Format, frames int, l Limits) error {
	frames = max(frames, 1)
	side := max(p.Output.W, p.Output.H)
	if longest := f.longestSide(); side > longest {
		return fmt.Errorf("%w: %d×%d pixels, but %s allows sides of at most %d; ask for a smaller w, h or dpr",
			ErrOutputTooLarge, p.Output.W, p.Output.H, f, longest)
	}
	if max(p.Scaled.W, p.Scaled.H, p.Inner.W, p.Inner.H) > maxScaled {
		return fmt.Errorf("%w: it needs a scaling to %d×%d pixels, but a side can have at most %d; ask for a smaller w, h, dpr or fp-z",
			ErrOutputTooLarge, p.Scaled.W, p.Scaled.H, maxScaled)
	}
	limit, of := l.OutputPixels, "an output"
	if f == AVIF && l.AVIFPixels > 0 && (limit == 0 || l.AVIFPixels < limit) {
		limit, of = l.AVIFPixels, "avif"
	}
	if limit == 0 {
		return nil
	}
	if s := p.Inner; s != (Size{}) && s.W > limit/frames/max(s.H, 1) {
		return fmt.Errorf("%w: this rotation needs a scaling to %d×%d pixels in %d frame(s), but the limit is %s over all frames; ask for a smaller w, h or dpr, or a rotation by right angles",
			ErrOutputTooLarge, s.W, s.H, frames, megapixels(limit))
	}
	if s := p.Output; s.W*s.H > limit/frames {
		return fmt.Errorf("%w: %d×%d pixels in %d frame(s), but the limit of %s is %s over all frames; ask for a smaller w, h or dpr",
			ErrOutputTooLarge, s.W, s.H, frames, of, megapixels(limit))
	}
	// To find the crop, the engine reads every pixel of the scaled image.
	if s := p.Scaled; p.Smart && s.W*s.H > limit/frames {
		return fmt.Errorf("%w: this gravity reads a scaling to %d×%d pixels in %d frame(s), but the limit is %s over all frames; ask for a smaller w, h or dpr, or another gravity",
			ErrOutputTooLarge, s.W, s.H, frames, megapixels(limit))
	}
	return nil
}

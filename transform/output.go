package transform

import "fmt"

// CheckOutput refuses an output of so many frames that is over a limit, in an
// error that names it and wraps [ErrOutputTooLarge]. A format's own longest side
// counts, and so does what must be made on the way to the output.
func (Options) CheckOutput(p Plan, f Format, frames int, l Limits) error {
	frames = max(frames, 1)
	side := max(p.Output.W, p.Output.H)
	if longest := f.longestSide(); side > longest {
		return fmt.Errorf("%w: %d×%d pixels, and a side of %s has %d at most; ask for a smaller w, h or dpr",
			ErrOutputTooLarge, p.Output.W, p.Output.H, f, longest)
	}
	if max(p.Scaled.W, p.Scaled.H, p.Inner.W, p.Inner.H) > maxScaled {
		return fmt.Errorf("%w: it takes a scaling to %d×%d pixels, and a side has %d at most; ask for a smaller w, h, dpr or fp-z",
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
		return fmt.Errorf("%w: to rotate the image takes a scaling to %d×%d pixels in %d frame(s), and the limit is %s over all frames; ask for a smaller w, h or dpr, or a rotation by right angles",
			ErrOutputTooLarge, s.W, s.H, frames, megapixels(limit))
	}
	if s := p.Output; s.W*s.H > limit/frames {
		return fmt.Errorf("%w: %d×%d pixels in %d frame(s), and the limit of %s is %s over all frames; ask for a smaller w, h or dpr",
			ErrOutputTooLarge, s.W, s.H, frames, of, megapixels(limit))
	}
	// Finding what to keep looks at every pixel of the scaled image.
	if s := p.Scaled; p.Smart && s.W*s.H > limit/frames {
		return fmt.Errorf("%w: this gravity looks at a scaling to %d×%d pixels in %d frame(s), and the limit is %s over all frames; ask for a smaller w, h or dpr, or another gravity",
			ErrOutputTooLarge, s.W, s.H, frames, megapixels(limit))
	}
	return nil
}

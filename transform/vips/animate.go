package vips

import (
	"context"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// eachFrame takes the roll of frames apart, has each made, and returns the
// output's roll, with the delays and the loop count of the original. The frames
// are lazy: each is decoded as the encoder comes to it, in order, so that an
// animation takes hardly more memory than a still.
func (t *task) eachFrame(ctx context.Context, roll *govips.ImageRef, make func(context.Context, *frame) error) (*govips.ImageRef, error) {
	delays, err := roll.PageDelay()
	if err != nil {
		return nil, fault("read delays", err)
	}
	loop := roll.Loop()
	// From here on govips and libvips must not see pages: they would treat
	// parts of a frame as such.
	if err := onePage(roll); err != nil {
		return nil, err
	}

	var frames []*govips.ImageRef
	done := false
	defer func() {
		for i, f := range frames {
			if i > 0 || !done {
				f.Close()
			}
		}
	}()
	height := roll.Height() / t.frames
	for i := range t.frames {
		image, err := roll.Copy()
		if err != nil {
			return nil, fault("copy", err)
		}
		f := &frame{image}
		if err = t.cutFrame(f, i*height, height); err == nil {
			err = make(ctx, f)
		}
		frames = append(frames, f.ImageRef)
		if err != nil {
			return nil, err
		}
	}

	first := frames[0]
	if t.frames > 1 {
		if err := joinFrames(frames, delays, loop); err != nil {
			return nil, err
		}
	}
	done = true
	return first, nil
}

func (t *task) cutFrame(f *frame, top, height int) error {
	if t.frames == 1 {
		return nil
	}
	if err := f.ExtractArea(0, top, f.Width(), height); err != nil {
		return fault("cut frame", err)
	}
	return f.onePage()
}

// joinFrames makes the first frame the roll of all.
func joinFrames(frames []*govips.ImageRef, delays []int, loop int) error {
	roll, height := frames[0], frames[0].Height()
	if err := roll.ArrayJoin(frames[1:], 1); err != nil {
		return fault("join frames", err)
	}
	if err := roll.SetPageHeight(height); err != nil {
		return fault("join frames", err)
	}
	if err := roll.SetPages(len(frames)); err != nil {
		return fault("join frames", err)
	}
	if err := roll.SetPageDelay(delays); err != nil {
		return fault("join frames", err)
	}
	if err := roll.SetLoop(loop); err != nil {
		return fault("join frames", err)
	}
	return nil
}

func (f *frame) onePage() error { return onePage(f.ImageRef) }

// onePage makes an image count as a single page, whatever its height has become.
func onePage(image *govips.ImageRef) error {
	if image.Pages() != 1 {
		if err := image.SetPages(1); err != nil {
			return fault("set pages", err)
		}
	}
	if image.PageHeight() != image.Height() {
		if err := image.SetPageHeight(image.Height()); err != nil {
			return fault("set pages", err)
		}
	}
	return nil
}

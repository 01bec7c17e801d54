//go:build cgo

package vips

import (
	"context"
	"image"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// eachFrame does what has to be done to every frame for itself, so that no frame
// bleeds into the next: it takes the roll apart and joins the results, with the
// delays and the loop count of the original. Steps that look at one pixel at a
// time are done to whole rolls instead, since describing a step to libvips takes
// longer than small frames do.
//
// The frames are lazy: each is decoded as the encoder comes to it, in order, so
// that an animation takes hardly more memory than a still.
func (t *task) eachFrame(ctx context.Context, roll *frame) error {
	if t.frames == 1 {
		if err := roll.onePage(); err != nil {
			return err
		}
		return t.makeFrame(ctx, roll)
	}
	if t.framesDone() {
		return nil
	}
	delays, err := roll.PageDelay()
	if err != nil {
		return fault("read delays", err)
	}
	loop := roll.Loop()
	// From here on govips and libvips must not see pages: they would treat
	// parts of a frame as such.
	if err := roll.onePage(); err != nil {
		return err
	}

	frames := make([]*govips.ImageRef, 0, t.frames)
	defer func() {
		for _, f := range frames {
			f.Close()
		}
	}()
	height := roll.Height() / t.frames
	for i := range t.frames {
		copied, err := roll.Copy()
		if err != nil {
			return fault("cut frame", err)
		}
		f := &frame{copied}
		if err = f.ExtractArea(0, i*height, f.Width(), height); err != nil {
			err = fault("cut frame", err)
		} else {
			err = t.makeFrame(ctx, f)
		}
		frames = append(frames, f.ImageRef)
		if err != nil {
			return err
		}
	}
	if err := joinFrames(frames, delays, loop); err != nil {
		return err
	}
	roll.replace(frames[0])
	frames = frames[1:]
	return nil
}

// framesDone reports whether nothing is left to be done to frames for themselves.
func (t *task) framesDone() bool {
	return (t.reduced || t.region == t.loaded && t.unchanged()) && !t.spreads() &&
		!t.plan.Smart && t.kept == image.Rect(0, 0, t.scaled.W, t.scaled.H) && t.turn == (turn{})
}

// makeFrame is what is done to a single frame.
func (t *task) makeFrame(ctx context.Context, f *frame) error {
	for _, step := range []func(context.Context, *frame) error{
		t.cutRegion,
		t.resize,
		t.crop,
		t.turnUpright,
		t.smartCrop,
		t.blur,
		t.sharpen,
		t.pixelate,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx, f); err != nil {
			return err
		}
	}
	return nil
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

// onePage makes a picture count as a single page, whatever its height has become.
func (f *frame) onePage() error {
	if f.Pages() != 1 {
		if err := f.SetPages(1); err != nil {
			return fault("set pages", err)
		}
	}
	if f.PageHeight() != f.Height() {
		if err := f.SetPageHeight(f.Height()); err != nil {
			return fault("set pages", err)
		}
	}
	return nil
}

package vips

// #cgo pkg-config: vips
// #include "roll.h"
import "C"

import (
	"context"
	"errors"
	"image"
)

// geometry does what looks at more than one pixel at a time: to whole rolls of
// frames, since describing a step to libvips takes longer than small frames do, but
// such that no frame bleeds into the next. Until it is done libvips and govips must
// not see frames: they would take parts of one for another.
func (t *task) geometry(ctx context.Context, roll *frame) error {
	if t.frames == 1 {
		if err := roll.onePage(); err != nil {
			return err
		}
	} else if t.framesDone() {
		return nil
	}
	delays, err := t.delays(roll)
	if err != nil {
		return err
	}
	loop := roll.Loop()
	if err := roll.onePage(); err != nil {
		return err
	}
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
		if err := step(ctx, roll); err != nil {
			return err
		}
	}
	if t.frames == 1 {
		return nil
	}
	return t.makeRoll(roll, delays, loop)
}

// framesDone reports whether geometry has nothing to do.
func (t *task) framesDone() bool {
	kept := t.reduced || t.region == t.loaded && t.unchanged() && t.kept == image.Rect(0, 0, t.scaled.W, t.scaled.H)
	return kept && !t.spreads() && !t.plan.Smart && t.turn == (turn{})
}

// delays are those of the original's frames, in milliseconds.
func (t *task) delays(roll *frame) ([]int, error) {
	if t.frames == 1 {
		return nil, nil
	}
	delays, err := roll.PageDelay()
	if err != nil {
		return nil, fault("read delays", err)
	}
	return delays, nil
}

// makeRoll makes a picture count as an animation again.
func (t *task) makeRoll(f *frame, delays []int, loop int) error {
	for _, step := range []func() error{
		func() error { return f.SetPageHeight(f.Height() / t.frames) },
		func() error { return f.SetPages(t.frames) },
		func() error { return f.SetPageDelay(delays) },
		func() error { return f.SetLoop(loop) },
	} {
		if err := step(); err != nil {
			return fault("join frames", err)
		}
	}
	return nil
}

// cut keeps a part of every frame, which may reach beyond it: its outermost pixels
// go on there; and turns that.
func (t *task) cut(f *frame, part image.Rectangle, by turn) error {
	c := C.TintypeCut{
		frames: C.int(t.frames),
		left:   C.int(part.Min.X), top: C.int(part.Min.Y), width: C.int(part.Dx()), height: C.int(part.Dy()),
		quarters: C.int(by.quarters),
	}
	if by.mirrored {
		c.mirrored = 1
	}
	var out *C.VipsImage
	if C.tintype_cut(vipsImage(f.ImageRef), &out, &c) != 0 {
		return fault("cut", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	return f.onePage()
}

// spaced does something that looks at so many pixels above and below each, `before`
// of them; which are `after` by then.
func (t *task) spaced(f *frame, before, after int, do func() error) error {
	if t.frames == 1 {
		return do()
	}
	size := t.frameSize(f)
	if err := t.cut(f, image.Rect(0, -before, size.Dx(), size.Dy()+before), turn{}); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	size = t.frameSize(f)
	return t.cut(f, image.Rect(0, after, size.Dx(), size.Dy()-after), turn{})
}

// frameSize is a frame of the roll.
func (t *task) frameSize(f *frame) image.Rectangle {
	return image.Rect(0, 0, f.Width(), f.Height()/t.frames)
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

package vips

// #cgo pkg-config: vips
// #include "roll.h"
import "C"

import (
	"context"
	"errors"
	"image"
)

// geometry runs the steps that read neighbouring pixels. They process whole rolls, since
// for small frames a description per frame takes longer than the pixels. The steps keep
// frames from mixing. Meanwhile the roll counts as a single page, since libvips and govips
// would treat the frames as pages at wrong heights.
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
		t.slant,
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
	return kept && !t.spreads() && !t.plan.Smart && !t.slanted() && t.turn == (turn{})
}

// delays returns the delays of the original's frames, in milliseconds.
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

// makeRoll marks a picture as an animation again.
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

// cut keeps a part of every frame, and turns it. Where the part reaches beyond the frame,
// its outermost pixels are repeated.
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

// spaced runs a step that reads up to `before` pixels above and below each pixel. It
// extends every frame by that many rows for the step, which scales them to `after` rows,
// and then removes them.
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

// frameSize returns the bounds of a frame of the roll.
func (t *task) frameSize(f *frame) image.Rectangle {
	return image.Rect(0, 0, f.Width(), f.Height()/t.frames)
}

// onePage marks a picture as a single page.
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

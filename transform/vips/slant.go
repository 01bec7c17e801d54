package vips

// #cgo pkg-config: vips
// #include "slant.h"
import "C"

import (
	"context"
	"errors"
	"image"

	"github.com/tintype/tintype/transform"
)

// slanted reports whether the picture is turned by another angle than right angles.
func (t *task) slanted() bool { return t.plan.Inner != transform.Size{} }

// slant turns the picture by the EXIF orientation, and then by any angle, mirrors it, and
// crops it: see slant.c. The picture has the size of its final pixels by then. Its corners
// become transparent, for flatten to fill.
func (t *task) slant(ctx context.Context, f *frame) error {
	if !t.slanted() {
		return nil
	}
	if err := t.materialise(ctx, f); err != nil {
		return err
	}
	kept := t.plan.Crop
	if t.plan.Smart { // smartCrop crops later
		kept = image.Rect(0, 0, t.plan.Scaled.W, t.plan.Scaled.H)
	}
	back := t.job.Options.Slant(t.plan).After(exifTurn(t.header.Orientation).linear()).Inverse()
	s := C.TintypeSlant{
		frames: C.int(t.frames),
		xx:     C.double(back.XX), xy: C.double(back.XY), yx: C.double(back.YX), yy: C.double(back.YY),
		across: C.int(t.plan.Scaled.W), down: C.int(t.plan.Scaled.H),
		left: C.int(kept.Min.X), top: C.int(kept.Min.Y), width: C.int(kept.Dx()), height: C.int(kept.Dy()),
	}
	alpha := C.int(0)
	if t.weighted {
		alpha = 1
	}
	var out *C.VipsImage
	if C.tintype_slant(vipsImage(f.ImageRef), &out, &s, alpha) != 0 {
		return fault("slant", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	if err := f.onePage(); err != nil {
		return err
	}
	if !t.weighted && t.spreads() {
		return t.weigh(f)
	}
	return nil
}

// linear returns the turn as a map of distances to the middle.
func (t turn) linear() transform.Linear {
	m := transform.Linear{XX: 1, YY: 1}
	if t.mirrored {
		m.XX = -1
	}
	for range t.quarters {
		m = transform.Linear{XY: -1, YX: 1}.After(m)
	}
	return m
}

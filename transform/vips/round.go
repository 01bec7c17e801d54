package vips

// #cgo pkg-config: vips
// #include "round.h"
import "C"

import (
	"context"
	"errors"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// round rounds the corners of the output: see round.c. What it cuts off is transparent, or
// has the colour of the background in formats without transparency.
func (t *task) round(_ context.Context, f *frame) error {
	if t.plan.Radius == 0 {
		return nil
	}
	var fill *C.double
	if t.job.Format.Alpha() {
		if err := f.AddAlpha(); err != nil { // it keeps an existing alpha
			return fault("round", err)
		}
	} else {
		if err := f.takeColour(t.fill); err != nil {
			return err
		}
		levels := [...]C.double{C.double(t.fill.R), C.double(t.fill.G), C.double(t.fill.B)}
		fill = &levels[0]
	}
	var out *C.VipsImage
	if C.tintype_round(vipsImage(f.ImageRef), &out, C.int(t.plan.Output.H), C.double(t.plan.Radius), fill) != 0 {
		return fault("round", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// takeColour makes sure that the picture can hold a colour.
func (f *frame) takeColour(c govips.ColorRGBA) error {
	if c.R == c.G && c.G == c.B {
		return nil
	}
	return f.toColour()
}

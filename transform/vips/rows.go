package vips

// #cgo pkg-config: vips
// #include "rows.h"
import "C"

import (
	"context"
	"errors"
	"image"
	"runtime"
	"unsafe"
)

// eachRow computes a part of a picture of bytes, and calls do for each row from top to
// bottom. It holds only a few rows in memory. For an original that is read in order, a
// further call must be for a part below.
func (t *task) eachRow(ctx context.Context, f *frame, part image.Rectangle, do func(y int, row []byte)) error {
	strip, err := f.Copy()
	if err != nil {
		return fault("read", err)
	}
	defer strip.Close()
	if err := (&frame{strip}).onePage(); err != nil {
		return err
	}
	if err := strip.ExtractArea(part.Min.X, part.Min.Y, part.Dx(), part.Dy()); err != nil {
		return fault("read", err)
	}
	// A region belongs to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	region := C.vips_region_new(vipsImage(strip))
	if region == nil {
		return fault("read", errors.New(lastError()))
	}
	defer C.g_object_unref(C.gpointer(region))

	const most = 1 << 20 // bytes at a time
	length := part.Dx() * f.Bands()
	step := max(most/length&^15, 16)
	pixels := make([]byte, min(step, part.Dy())*length)
	for top := 0; top < part.Dy(); top += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := min(step, part.Dy()-top)
		err := t.evaluate(ctx, strip, func() error {
			if C.tintype_rows(region, C.int(top), C.int(rows), (*C.uchar)(unsafe.Pointer(&pixels[0]))) != 0 {
				return errors.New(lastError())
			}
			return nil
		})
		if err != nil {
			return err
		}
		for y := range rows {
			do(part.Min.Y+top+y, pixels[y*length:][:length])
		}
	}
	return nil
}

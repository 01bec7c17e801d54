package vips

// #cgo pkg-config: vips
// #cgo LDFLAGS: -lm
// #include "reduce.h"
import "C"

import (
	"context"
	"errors"
	"image"
	"reflect"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// reduce cuts the region out of every frame, brings it to its final size and crops
// it, for all frames at once: see reduce.c. It leaves alone what has the right size,
// and bands that it can't hold, which resize does.
func (t *task) reduce(_ context.Context, f *frame) error {
	height := f.Height() / t.frames
	region := t.regionIn(f.Width(), height)
	to := t.scaled
	if f.Bands() > 4 || sizeOf(region) == to {
		return nil
	}
	kept := t.kept
	if t.plan.Smart { // the place isn't known yet
		kept = image.Rect(0, 0, to.W, to.H)
	}
	r := C.TintypeReduction{
		frames: C.int(t.frames),
		left:   C.int(region.Min.X), top: C.int(region.Min.Y),
		width: C.int(region.Dx()), height: C.int(region.Dy()),
		to_width: C.int(to.W), to_height: C.int(to.H),
		x: C.int(kept.Min.X), y: C.int(kept.Min.Y),
		kept_width: C.int(kept.Dx()), kept_height: C.int(kept.Dy()),
	}
	if f.HasAlpha() {
		r.weigh = 1
	}
	var out *C.VipsImage
	if C.tintype_reduce(vipsImage(f.ImageRef), &out, &r) != 0 {
		return fault("reduce", errors.New(C.GoString(C.vips_error_buffer())))
	}
	setVipsImage(f.ImageRef, out)
	t.reduced = true
	return nil
}

// unchanged reports whether the original is shown at the size that it has.
func (t *task) unchanged() bool {
	return t.scaled == sizeOf(t.region)
}

// imageField is where govips keeps the image that an ImageRef stands for. It offers
// no other way to apply an operation that it doesn't know.
var imageField = func() uintptr {
	field, ok := reflect.TypeFor[govips.ImageRef]().FieldByName("image")
	if !ok || field.Type.Kind() != reflect.Pointer || field.Type.Elem().Size() != C.sizeof_VipsImage {
		panic("vips: this version of govips keeps its images elsewhere: adapt imageField")
	}
	return field.Offset
}()

func vipsImageField(ref *govips.ImageRef) **C.VipsImage {
	return (**C.VipsImage)(unsafe.Add(unsafe.Pointer(ref), imageField))
}

// vipsImage is the image that ref stands for, on loan from it.
func vipsImage(ref *govips.ImageRef) *C.VipsImage { return *vipsImageField(ref) }

// setVipsImage makes ref stand for another image, which it takes over.
func setVipsImage(ref *govips.ImageRef, image *C.VipsImage) {
	field := vipsImageField(ref)
	C.g_object_unref(C.gpointer(unsafe.Pointer(*field)))
	*field = image
}

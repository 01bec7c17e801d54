package vips

// #cgo pkg-config: vips libjpeg
// #cgo LDFLAGS: -lm
// #include "planes.h"
// #include "reduce.h"
import "C"

import (
	"context"
	"errors"
	"image"
	"reflect"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// reduce cuts the region out of every frame, resizes it to its final size and crops it, for
// all frames at once: see reduce.c. It does nothing where the size is already right. It
// leaves pictures with more than four bands to resize.
func (t *task) reduce(_ context.Context, f *frame) error {
	if t.planes {
		return t.reducePlanes(f)
	}
	height := f.Height() / t.frames
	region := t.regionIn(f.Width(), height)
	to := t.scaled
	if f.Bands() > 4 || sizeOf(region) == to {
		return nil
	}
	r := t.reduction(region)
	if f.HasAlpha() {
		r.weigh = 1
	}
	if t.inLight(f) {
		r.light = 1
	}
	var out *C.VipsImage
	if C.tintype_reduce(vipsImage(f.ImageRef), &out, &r) != 0 {
		return fault("reduce", errors.New(C.GoString(C.vips_error_buffer())))
	}
	setVipsImage(f.ImageRef, out)
	t.reduced = true
	return nil
}

// reduction describes to C what becomes of a region of each frame.
func (t *task) reduction(region image.Rectangle) C.TintypeReduction {
	to, kept := t.scaled, t.kept
	if t.plan.Smart { // smartCrop crops later
		kept = image.Rect(0, 0, to.W, to.H)
	}
	return C.TintypeReduction{
		frames: C.int(t.frames),
		left:   C.int(region.Min.X), top: C.int(region.Min.Y),
		width: C.int(region.Dx()), height: C.int(region.Dy()),
		to_width: C.int(to.W), to_height: C.int(to.H),
		x: C.int(kept.Min.X), y: C.int(kept.Min.Y),
		kept_width: C.int(kept.Dx()), kept_height: C.int(kept.Dy()),
	}
}

// hasPlanes reports whether the original is a JPEG that gets smaller, and whose planes
// reducePlanes can decode.
func (t *task) hasPlanes(jpeg []byte) bool {
	const most = 64 // times the size, after libjpeg has shrunk it
	return t.shrinks() && !t.job.Best &&
		t.scaled.W*8*most >= t.region.Dx() && t.scaled.H*8*most >= t.region.Dy() &&
		C.tintype_has_planes(unsafe.Pointer(&jpeg[0]), C.size_t(len(jpeg))) != 0
}

// inLight reports whether reduce mixes colours in linear light. An enlarged picture would
// get wide dark edges. Levels of a profile are taken for those of sRGB, whose curve most
// profiles come close to.
func (t *task) inLight(f *frame) bool {
	space := f.Interpretation()
	return t.job.Best && t.shrinks() && (space == govips.InterpretationSRGB || space == govips.InterpretationBW)
}

// shrinks reports whether the region gets smaller, and in no direction larger.
func (t *task) shrinks() bool {
	return sizeOf(t.region) != t.scaled && t.scaled.W <= t.region.Dx() && t.scaled.H <= t.region.Dy()
}

// reducePlanes decodes a JPEG and does what reduce does, for each of its planes: see
// planes.c. f has its metadata.
func (t *task) reducePlanes(f *frame) error {
	r, lenient := t.reduction(t.region), C.int(0)
	if t.lenient {
		lenient = 1
	}
	var out *C.VipsImage
	if C.tintype_reduce_planes(vipsImage(f.ImageRef), &out, unsafe.Pointer(&t.jpeg[0]), C.size_t(len(t.jpeg)), C.int(t.shrink), lenient, &r) != 0 {
		return fault("planes", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	t.reduced = true
	return nil
}

// mostChecked is the most pixels of a picture that dropOpaque computes in memory.
const mostChecked = 4 << 20

// dropOpaque removes an alpha that is opaque everywhere. PNG and TIFF then write a quarter
// less, AVIF and JPEG XL no second image, and no later step weights colours. To find out
// takes little: the pixels are computed anyway. WebP finds out by itself, and other formats
// have no use for it. It leaves CMYK with alpha, in five bands, alone.
func (t *task) dropOpaque(ctx context.Context, f *frame) error {
	switch t.job.Format {
	case transform.PNG, transform.TIFF, transform.AVIF, transform.JXL:
	default:
		return nil
	}
	if t.frames > 1 || !f.HasAlpha() || f.Bands() > 4 || f.Width()*f.Height() > mostChecked {
		return nil
	}
	if err := t.materialise(ctx, f); err != nil {
		return err
	}
	var opaque C.int
	if C.tintype_is_opaque(vipsImage(f.ImageRef), &opaque) != 0 {
		return fault("alpha", errors.New(lastError()))
	}
	if opaque == 0 {
		return nil
	}
	if err := f.ExtractBand(0, f.Bands()-1); err != nil {
		return fault("alpha", err)
	}
	return nil
}

// unchanged reports whether the output shows the original at its own size.
func (t *task) unchanged() bool {
	return t.scaled == sizeOf(t.region)
}

// imageField is the offset of the C image in a govips ImageRef. govips has no other way to
// apply an operation that it doesn't know.
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

// vipsImage returns the image of ref. ref still owns it.
func vipsImage(ref *govips.ImageRef) *C.VipsImage { return *vipsImageField(ref) }

// setVipsImage replaces the image of ref, which takes ownership of the new one.
func setVipsImage(ref *govips.ImageRef, image *C.VipsImage) {
	field := vipsImageField(ref)
	C.g_object_unref(C.gpointer(unsafe.Pointer(*field)))
	*field = image
}

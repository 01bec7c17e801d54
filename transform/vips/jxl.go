package vips

// #cgo pkg-config: vips libjxl
// #include "jxlfile.h"
//
// static int
// save_jxl(VipsImage *image, void **data, size_t *size, double distance, int effort, int lossless, int strip)
// {
//   return vips_jxlsave_buffer(image, data, size,
//     "distance", distance, "effort", effort, "lossless", lossless, "strip", strip, NULL);
// }
import "C"

import (
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

const jxlEffort = 3

// mostPlainJXL is the number of pixels up to which a JPEG XL without metadata or a profile is not
// written by libvips, which may use several threads for one.
const mostPlainJXL = transform.MostChecked

// encodeJXL sets the colour space of grey pictures, since libvips 8.14 reads beyond the
// bands where the colour space has more. From 8.15 on, libvips adds an EXIF block to a
// picture without one, unless it strips metadata.
func (t *task) encodeJXL(picture *frame) ([]byte, error) {
	if picture.Bands() < 3 && picture.Interpretation() != govips.InterpretationBW {
		if err := picture.reinterpret(govips.InterpretationBW); err != nil {
			return nil, err
		}
	}
	image := vipsImage(picture.ImageRef)
	var data unsafe.Pointer
	var size C.size_t
	flag := map[bool]C.int{true: 1}
	distance, lossless := C.double(jxlDistance(t.quality)), flag[t.job.Options.Lossless]
	var failed C.int
	if t.strip && !picture.HasICCProfile() && t.plan.Output.W*t.plan.Output.H <= mostPlainJXL && C.tintype_jxl_takes(image) != 0 {
		failed = C.tintype_jxl(image, distance, jxlEffort, lossless, &data, &size)
	} else {
		failed = C.save_jxl(image, &data, &size, distance, jxlEffort, lossless, flag[t.strip])
	}
	if failed != 0 {
		return nil, errors.New(lastError())
	}
	defer C.g_free(C.gpointer(data))
	return C.GoBytes(data, C.int(size)), nil
}

// jxlDistance returns the distance for a quality, as JPEG XL's own tools define it. A
// distance of 1 is a just noticeable difference.
func jxlDistance(quality int) float64 {
	q := float64(quality)
	if quality >= 30 {
		return 0.1 + (100-q)*0.09
	}
	return min(53.0/3000*q*q-23.0/20*q+25, 15)
}

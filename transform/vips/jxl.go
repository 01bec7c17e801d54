package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
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
)

const jxlEffort = 3

// encodeJXL makes sure of the colour space: where that claims more bands than there
// are, libvips 8.14 reads beyond them. From 8.15 on, libvips makes up an EXIF block
// where there is none, unless it is to strip.
func (t *task) encodeJXL(picture *frame) ([]byte, error) {
	if picture.Bands() < 3 && picture.Interpretation() != govips.InterpretationBW {
		if err := picture.reinterpret(govips.InterpretationBW); err != nil {
			return nil, err
		}
	}
	var data unsafe.Pointer
	var size C.size_t
	flag := map[bool]C.int{true: 1}
	if C.save_jxl(vipsImage(picture.ImageRef), &data, &size, C.double(jxlDistance(jxlQuality.of(t.job.Options.Quality))), jxlEffort,
		flag[t.job.Options.Lossless], flag[t.strip]) != 0 {
		return nil, errors.New(lastError())
	}
	defer C.g_free(C.gpointer(data))
	return C.GoBytes(data, C.int(size)), nil
}

// jxlDistance is how far JPEG XL may stray for one of its own tools' qualities, in
// units of a difference that just shows.
func jxlDistance(quality int) float64 {
	q := float64(quality)
	if quality >= 30 {
		return 0.1 + (100-q)*0.09
	}
	return min(53.0/3000*q*q-23.0/20*q+25, 15)
}

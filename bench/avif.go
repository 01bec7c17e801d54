//go:build cgo

package main

// #cgo pkg-config: vips
// #include <vips/vips.h>
//
// static int
// save(void *levels, int w, int h, int bands, int q, int effort, int full, void **data, size_t *size)
// {
//   VipsImage *image = vips_image_new_from_memory(levels, (size_t) w * h * bands, w, h, bands, VIPS_FORMAT_UCHAR);
//   if (!image)
//     return -1;
//   image->Type = VIPS_INTERPRETATION_sRGB;
//   int result = vips_heifsave_buffer(image, data, size, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
//     "bitdepth", 8, "Q", q, "effort", effort,
//     "subsample_mode", full ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_AUTO, NULL);
//   g_object_unref(image);
//   return result;
// }
import "C"

import (
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// trustAll lets libvips read and write JPEG XL, which it treats as untrusted. The benchmark
// reads only files that it wrote.
func trustAll() { C.vips_block_untrusted_set(0) }

// exportAVIF writes an AVIF. It exists because govips treats effort 0 as libvips's default.
func exportAVIF(picture *govips.ImageRef, s settings) ([]byte, error) {
	levels, err := picture.ToBytes()
	if err != nil {
		return nil, err
	}
	var data unsafe.Pointer
	var size C.size_t
	full := C.int(0)
	if s.full {
		full = 1
	}
	if C.save(unsafe.Pointer(&levels[0]), C.int(picture.Width()), C.int(picture.Height()), C.int(picture.Bands()),
		C.int(s.quality), C.int(s.effort), full, &data, &size) != 0 {
		return nil, errors.New(C.GoString(C.vips_error_buffer()))
	}
	defer C.g_free(C.gpointer(data))
	return C.GoBytes(data, C.int(size)), nil
}

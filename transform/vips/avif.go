package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
//
// static int
// save_avif(VipsImage *image, void **data, size_t *size, int q, int effort, int lossless, int full, int strip)
// {
//   return vips_heifsave_buffer(image, data, size,
//     "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "bitdepth", 8,
//     "Q", q, "effort", effort, "lossless", lossless, "strip", strip,
//     "subsample_mode", full ? VIPS_FOREIGN_SUBSAMPLE_OFF : VIPS_FOREIGN_SUBSAMPLE_AUTO, NULL);
// }
//
// // Whether libaom takes a picture of bytes in memory for a screen: more than a tenth of it are blocks
// // of 16×16 pixels with two to four levels of luma. An eleventh here, since libaom counts after a
// // conversion of its own.
// static int
// like_a_screen(VipsImage *image)
// {
//   const int bands = image->Bands;
//   long few = 0;
//   for (int top = 0; top + 16 <= image->Ysize; top += 16)
//     for (int left = 0; left + 16 <= image->Xsize; left += 16) {
//       unsigned char seen[256] = { 0 };
//       int levels = 0;
//       for (int y = top; y < top + 16; y++) {
//         const unsigned char *p = VIPS_IMAGE_ADDR(image, left, y);
//         for (int x = 0; x < 16; x++, p += bands) {
//           int luma = bands < 3 ? p[0] : (299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000;
//           levels += !seen[luma];
//           seen[luma] = 1;
//         }
//       }
//       few += levels > 1 && levels <= 4;
//     }
//   return few * 16 * 16 * 11 > (long) image->Xsize * image->Ysize;
// }
import "C"

import (
	"context"
	"errors"
	"unsafe"

	"github.com/tintype/tintype/transform"
)

// chooseEffort chooses the effort of the encoder. At the same quality, effort 1 looks as 0, saves 7
// to 15 % of the bytes and takes three times the time: up to 512×512 pixels, 3 to 22 ms more. Higher
// efforts save little more, but of what libaom takes for a screen: drawings and smooth skies. It tries palettes
// there, which libaom 3.12 chooses badly at effort 1, for up to 27 times the bytes of effort 0. Effort 2 saves up to
// half of these. govips can't set 0, which means libvips's default there.
func (t *task) chooseEffort(ctx context.Context, picture *frame) error {
	t.effort = 0
	if t.plan.Output.W*t.plan.Output.H > transform.MostEffort || t.job.Options.Lossless {
		return nil
	}
	if err := t.materialise(ctx, picture); err != nil {
		return err
	}
	t.effort = 1 + int(C.like_a_screen(vipsImage(picture.ImageRef)))
	return nil
}

func (t *task) encodeAVIF(picture *frame) ([]byte, error) {
	var data unsafe.Pointer
	var size C.size_t
	flag := map[bool]C.int{true: 1}
	if C.save_avif(vipsImage(picture.ImageRef), &data, &size, C.int(t.quality), C.int(t.effort),
		flag[t.job.Options.Lossless], flag[t.full], flag[t.strip]) != 0 {
		return nil, errors.New(lastError())
	}
	defer C.g_free(C.gpointer(data))
	return C.GoBytes(data, C.int(size)), nil
}

//go:build cgo

package vips

// #cgo pkg-config: vips libjpeg libwebp
// #include <stdlib.h>
// #include <vips/vips.h>
// #include "again.h"
// #include "detail.h"
//
// // Decodes a file of w×h pixels that was just encoded. Strips of 16 lines take less time than
// // what libvips does by itself. The caller frees the pixels.
// static int
// tintype_again(void *data, size_t size, int w, int h, TintypePicture *out)
// {
//   VipsImage *image = vips_image_new_from_buffer(data, size, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
//   VipsRegion *region = image ? vips_region_new(image) : NULL;
//   uint8_t *pixels = NULL;
//   int result = -1;
//   if (region && image->Xsize == w && image->Ysize == h && image->BandFmt == VIPS_FORMAT_UCHAR && image->Bands <= 4 &&
//     (pixels = malloc((size_t) w * h * image->Bands))) {
//     const size_t line = (size_t) w * image->Bands;
//     result = 0;
//     for (int y = 0; y < h && !result; y += 16) {
//       VipsRect strip = { 0, y, w, VIPS_MIN(16, h - y) };
//       result = vips_region_prepare(region, &strip);
//       for (int i = 0; i < strip.height && !result; i++)
//         memcpy(pixels + (y + i) * line, VIPS_REGION_ADDR(region, 0, y + i), line);
//     }
//     *out = (TintypePicture) { pixels, line, image->Bands };
//   }
//   if (result)
//     free(pixels);
//   VIPS_UNREF(region);
//   VIPS_UNREF(image);
//   return result;
// }
import "C"

import (
	"context"
	"errors"
	"math"
	"runtime"
	"unsafe"

	"github.com/tintype/tintype/transform"
)

// leastScored is the shortest side of a picture whose score can be measured, in pixels.
const leastScored = 8

// nearEnough is how far from the target an encoding may be to be the output. Another one
// would cost as much time again. What follows one that is farther than farOff is scored too,
// up to mostAttempts.
const nearEnough, farOff, mostAttempts = 1.8, 5, 5

// encodeAuto encodes the picture with the lowest quality whose score reaches the target. A
// model predicts it from the picture's detail. The encoding is decoded again and scored, and
// where it isn't near the target, the picture is encoded once more with the quality that the
// model then gives, rarely more often. A picture beyond transform.MostChecked is encoded once,
// as predicted, and its AVIF halves the resolution of colours, which takes half of the memory.
// The same picture always gets the same quality.
func (t *task) encodeAuto(ctx context.Context, picture *frame) ([]byte, error) {
	if err := t.materialise(ctx, picture); err != nil {
		return nil, err
	}
	w, h, target := t.plan.Output.W, t.plan.Output.H, float64(t.job.Options.QualityTarget)
	look, err := detailOf(pixelsOf(vipsImage(picture.ImageRef)), w, h, probeFor(t.job.Format))
	if err != nil {
		return nil, err
	}
	checked := w*h <= transform.MostChecked
	guess := predict(t.job.Format, look, w*h, target, checked || t.job.Format != transform.AVIF)
	t.full = guess.full
	defer func() { t.found = t.scale().reaching(t.quality) }()
	if !checked {
		return t.encodeAt(ctx, picture, guess.own)
	}
	off, nearest := math.Inf(1), math.Inf(1)
	var best []byte
	var bestOwn int
	for attempt := 1; ; attempt++ {
		data, err := t.encodeAt(ctx, picture, guess.own)
		if err != nil || off <= farOff {
			return data, err
		}
		score, err := t.scoreOf(data, picture)
		if err != nil {
			return nil, err
		}
		if off = math.Abs(score - target); off < nearest {
			best, bestOwn, nearest = data, guess.own, off
		}
		if off <= nearEnough || attempt == mostAttempts || !guess.correct(score) {
			t.quality = bestOwn
			return best, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// scoreOf returns the score of an encoding of the picture, whose pixels are in memory.
func (t *task) scoreOf(data []byte, picture *frame) (float64, error) {
	return scoreOfFile(pixelsOf(vipsImage(picture.ImageRef)), t.plan.Output.W, t.plan.Output.H, t.job.Format, data)
}

// scoreOfFile returns the score of a picture that is in a file.
func scoreOfFile(reference C.TintypePicture, w, h int, f transform.Format, data []byte) (float64, error) {
	forgetErrors()
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(&data[0])
	bytes, size := unsafe.Pointer(&data[0]), C.size_t(len(data))
	var decoded C.TintypePicture
	var failed C.int
	switch f {
	case transform.JPEG:
		failed = C.tintype_jpeg_again(bytes, size, C.int(w), C.int(h), &decoded)
	case transform.WebP:
		failed = C.tintype_webp_again(bytes, size, C.int(w), C.int(h), 1-reference.bands%2, &decoded)
	case transform.JXL:
		failed = C.tintype_jxl_again(bytes, size, C.int(w), C.int(h), &decoded)
	default:
		failed = C.tintype_again(bytes, size, C.int(w), C.int(h), &decoded)
	}
	if failed != 0 {
		return 0, fault("score", errors.New("the output can't be decoded: "+lastError()))
	}
	defer C.free(unsafe.Pointer(decoded.pixels))
	return score(reference, decoded, w, h, true)
}

#ifndef TINTYPE_STAMP_H
#define TINTYPE_STAMP_H

#include <vips/vips.h>

#include <stdint.h>

/* A picture to lay on each frame, once or repeated in all directions. `across` and `down`
 * are the distances of the repetitions in pixels.
 */
typedef struct {
	const uint8_t *rgba; /* not premultiplied */
	int left, top, width, height;
	int across, down; /* 0, 0: once */
} TintypeStamp;

/* Lays pictures on each frame of an image of bytes, the first picture lowest. Frames have
 * `frame` rows. The image is grey or RGB, with or without alpha. On a grey image only the
 * first colour of the pictures is used. Only lines with a picture on them are copied. The
 * pictures must stay in place until the output is computed. Returns 0, or -1 with the error
 * in libvips's buffer.
 */
int tintype_stamp(VipsImage *in, VipsImage **out, int frame, const TintypeStamp *stamps, int count);

#endif

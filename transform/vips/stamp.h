#ifndef TINTYPE_STAMP_H
#define TINTYPE_STAMP_H

#include <vips/vips.h>

#include <stdint.h>

/* A picture to lay on each frame: at a place, or repeated from there in all
 * directions, `across` and `down` pixels from one to the next.
 */
typedef struct {
	const uint8_t *rgba; /* colours not multiplied with alpha */
	int left, top, width, height;
	int across, down; /* 0, 0: once */
} TintypeStamp;

/* Describes an image of bytes with pictures laid on each of its frames, which are
 * `frame` rows high, the first picture lowest. The image is grey or RGB, with or
 * without alpha; of grey ones the first colour of the pictures counts. Only the
 * lines that pictures lie on are copied. The pictures must stay where they are for
 * as long as the output is computed. 0, or -1 with the error in libvips's buffer.
 */
int tintype_stamp(VipsImage *in, VipsImage **out, int frame, const TintypeStamp *stamps, int count);

#endif

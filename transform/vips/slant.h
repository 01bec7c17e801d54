#ifndef TINTYPE_SLANT_H
#define TINTYPE_SLANT_H

#include <vips/vips.h>

/* A turn of each frame of a roll by any angle, around its middle. */
typedef struct {
	int frames;
	/* From a distance to the middle of an output of across × down pixels to the distance to
	 * the middle of a frame of the input. */
	double xx, xy, yx, yy;
	int across, down;
	/* The part of this output that is made. */
	int left, top, width, height;
} TintypeSlant;

/* Turns the frames of an image of bytes. Outside of them the output is transparent, with
 * smooth edges. Where the last band of the input is alpha, the other bands are premultiplied,
 * and those of the output are too. Else the output has another band, alpha, and colours that
 * are not premultiplied. Every frame of the input must be in memory, or cheap to read in any
 * order. Returns 0, or -1 with the error in libvips's buffer.
 */
int tintype_slant(VipsImage *in, VipsImage **out, const TintypeSlant *slant, int has_alpha);

#endif

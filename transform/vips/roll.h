#ifndef TINTYPE_ROLL_H
#define TINTYPE_ROLL_H

#include <vips/vips.h>

/* The part of each frame to keep, in pixels, and its orientation: mirrored left to right,
 * and then turned clockwise by quarters. Where the part reaches beyond a frame, its
 * outermost pixels are repeated.
 */
typedef struct {
	int frames;
	int left, top, width, height;
	int mirrored, quarters;
} TintypeCut;

/* Cuts and turns a roll of frames, one above the other. Returns 0, or -1 with the error
 * in libvips's buffer. The output holds a reference to the input.
 */
int tintype_cut(VipsImage *in, VipsImage **out, const TintypeCut *cut);

#endif

#ifndef TINTYPE_ROLL_H
#define TINTYPE_ROLL_H

#include <vips/vips.h>

/* What of each frame is kept, in pixels, and how that is laid then: mirrored left to
 * right or not, and turned clockwise by quarters. It may reach beyond a frame,
 * whose outermost pixels go on there.
 */
typedef struct {
	int frames;
	int left, top, width, height;
	int mirrored, quarters;
} TintypeCut;

/* Describes the cutting of a roll of frames, one above the other. 0, or -1 with the
 * error in libvips's buffer. The output holds a reference to the input.
 */
int tintype_cut(VipsImage *in, VipsImage **out, const TintypeCut *cut);

#endif

#ifndef TINTYPE_REDUCE_H
#define TINTYPE_REDUCE_H

#include <vips/vips.h>

/* What of each frame is reduced to what size. Frames lie one above the other in
 * the input, and will in the output; none sees its neighbours. All in pixels.
 */
typedef struct {
	int frames;
	int left, top, width, height; /* of each frame of the input */
	int to_width, to_height;	  /* neither above the above */
	int weigh;					  /* the last band is alpha: weigh colours with it */
} TintypeReduction;

/* Describes the reduction of an image of bytes, in one to four bands, with a
 * Lanczos kernel of three lobes. 0, or -1 with the error in libvips's buffer.
 * The output holds a reference to the input.
 */
int tintype_reduce(VipsImage *in, VipsImage **out, const TintypeReduction *reduction);

#endif

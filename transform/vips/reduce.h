#ifndef TINTYPE_REDUCE_H
#define TINTYPE_REDUCE_H

#include <vips/vips.h>

/* What of each frame is brought to what size, and what is kept of the result.
 * Frames lie one above the other in the input, and will in the output; none sees
 * its neighbours. All in pixels.
 */
typedef struct {
	int frames;
	int left, top, width, height;		  /* of each frame of the input */
	int to_width, to_height;			  /* what that is brought to */
	int x, y, kept_width, kept_height;	  /* of the size that it is brought to */
	int weigh;							  /* the last band is alpha: weigh colours with it */
} TintypeReduction;

/* Describes the resizing of an image of bytes, in one to four bands: down with a
 * Lanczos kernel of three lobes, up with a cubic one. 0, or -1 with the error in
 * libvips's buffer. The output holds a reference to the input.
 */
int tintype_reduce(VipsImage *in, VipsImage **out, const TintypeReduction *reduction);

#endif

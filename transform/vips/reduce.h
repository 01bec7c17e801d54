#ifndef TINTYPE_REDUCE_H
#define TINTYPE_REDUCE_H

#include <vips/vips.h>

/* The region of each frame, the size that it is resized to, and the part of the result
 * to keep, in pixels. Frames lie one above the other in the input and the output. They
 * don't mix.
 */
typedef struct {
	int frames;
	int left, top, width, height;		  /* the region of each frame of the input */
	int to_width, to_height;			  /* the size of the resized region */
	int x, y, kept_width, kept_height;	  /* the part to keep of the resized region */
	int weigh;							  /* the last band is alpha, with which colours are weighted */
	int light;							  /* colours of sRGB are mixed in linear light */
} TintypeReduction;

/* Resizes an image of bytes with one to four bands: down with a Lanczos kernel of three
 * lobes, up with a cubic one. Returns 0, or -1 with the error in libvips's buffer. The output holds a reference to the input.
 */
int tintype_reduce(VipsImage *in, VipsImage **out, const TintypeReduction *reduction);

/* Reports whether the last band of an image of bytes is 255 everywhere. Returns 0, or -1 with
 * the error in libvips's buffer.
 */
int tintype_is_opaque(VipsImage *in, int *opaque);

#endif

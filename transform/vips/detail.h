#ifndef TINTYPE_DETAIL_H
#define TINTYPE_DETAIL_H

#include "score.h"

/* By scale, 1:1 to 1:4, of a pixel's differences from its neighbours on the left and above,
 * in levels of lightness: the mean, the mean square, and the share of pixels that differ by
 * two levels at most. And the mean difference of colour from the neighbour on the left.
 */
typedef struct {
	double mean[3], square[3], flat[3];
	double colour;
} TintypeDetail;

/* Returns 0, or -1 where there is no memory. */
int tintype_detail(TintypePicture picture, int width, int height, TintypeDetail *out);

#endif

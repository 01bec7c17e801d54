#ifndef TINTYPE_ROUND_H
#define TINTYPE_ROUND_H

#include <vips/vips.h>

/* Rounds the corners of each frame of an image of bytes, which has `frame` rows. The last
 * band of an image with alpha fades there. The colours of an image without alpha change to
 * fill, which has as many values as the image has bands, or is NULL otherwise. Returns 0, or
 * -1 with the error in libvips's buffer.
 */
int tintype_round(VipsImage *in, VipsImage **out, int frame, double radius, const double *fill);

#endif

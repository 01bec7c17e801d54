#ifndef TINTYPE_ROWS_H
#define TINTYPE_ROWS_H

#include <vips/vips.h>

/* Computes the rows from top to top + rows of the region's picture into out, without gaps.
 * libvips drops what it has decoded and not yet passed on at the end of an evaluation, but
 * not between two reads of a region. So reads may end within a strip of the original.
 */
int tintype_rows(VipsRegion *region, int top, int rows, unsigned char *out);

#endif

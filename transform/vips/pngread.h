#ifndef TINTYPE_PNGREAD_H
#define TINTYPE_PNGREAD_H

#include <stddef.h>
#include <vips/vips.h>

/* The most bytes of pixels that tintype_read_png takes, since it holds all of them. */
#define TINTYPE_PNG_MOST_READ ((size_t) 16 << 20)

/* Decodes a PNG that libvips has opened. The result is in memory. Returns -1, with no error
 * text, where libvips has to do it: the PNG is damaged or large, or not of bytes in rows from
 * top to bottom.
 */
int tintype_read_png(VipsImage *opened, const void *data, size_t size, VipsImage **out);

#endif

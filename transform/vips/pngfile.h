#ifndef TINTYPE_PNGFILE_H
#define TINTYPE_PNGFILE_H

#include <vips/vips.h>

/* The most bytes of pixels that tintype_png takes, since it holds them twice. */
#define TINTYPE_PNG_MOST ((size_t) 12 << 20)

/* Whether tintype_png can write the image: 1 to 4 bands of bytes, and no more than
 * TINTYPE_PNG_MOST of them.
 */
int tintype_png_takes(const VipsImage *image);

/* Writes the image as a PNG without metadata. The caller frees data with g_free. Returns 0, or
 * -1 with an error of libvips.
 */
int tintype_png(VipsImage *image, void **data, size_t *size);

/* Whether the image, of bytes that are in memory, looks like a drawing: it has few colours, and
 * large areas of one.
 */
int tintype_drawn(VipsImage *image);

#endif

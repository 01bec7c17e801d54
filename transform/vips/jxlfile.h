#ifndef TINTYPE_JXLFILE_H
#define TINTYPE_JXLFILE_H

#include <vips/vips.h>

/* Whether tintype_jxl can write the image: grey or RGB in bytes, with alpha or without. */
int tintype_jxl_takes(const VipsImage *image);

/* Writes the image as a JPEG XL of sRGB without metadata. The caller frees data with g_free. Returns 0,
 * or -1 with an error of libvips.
 */
int tintype_jxl(VipsImage *image, double distance, int effort, int lossless, void **data, size_t *size);

#endif

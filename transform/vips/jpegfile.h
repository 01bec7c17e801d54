#ifndef TINTYPE_JPEGFILE_H
#define TINTYPE_JPEGFILE_H

#include <vips/vips.h>

/* Whether tintype_jpeg can write the image: grey or RGB, in bytes. */
int tintype_jpeg_takes(const VipsImage *image);

/* Writes the image as a JPEG without metadata. quality scales the tables as libjpeg does; tuned
 * chooses ours instead of those of the standard, which the same quality makes look differently.
 * full keeps the full resolution of colours. The caller frees data with free. Returns 0, or -1
 * with an error of libvips.
 */
int tintype_jpeg(VipsImage *image, int quality, int tuned, int full, int progressive, void **data, size_t *size);

#endif

#ifndef TINTYPE_JPEGFILE_H
#define TINTYPE_JPEGFILE_H

#include <vips/vips.h>

/* Whether jpegli is the encoder. */
#ifndef TINTYPE_JPEGLI
#define TINTYPE_JPEGLI 0
#endif

/* Whether tintype_jpeg can write the image: grey or RGB, in bytes. */
int tintype_jpeg_takes(const VipsImage *image);

/* Writes the image as a JPEG without metadata. quality scales the tables of the standard as libjpeg
 * does, or, if tuned, our own, which the same quality makes look differently. A distance above 0
 * has jpegli use its tables for colours instead; without jpegli it must be 0. full keeps the full
 * resolution of colours. The caller frees data with free. Returns 0, or -1 with an error of libvips.
 */
int tintype_jpeg(VipsImage *image, int quality, double distance, int tuned, int full, int progressive, void **data, size_t *size);

#endif

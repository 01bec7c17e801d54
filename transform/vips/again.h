#ifndef TINTYPE_AGAIN_H
#define TINTYPE_AGAIN_H

#include "score.h"

#include <stddef.h>

/* Decodes a JPEG that an encoder has just made: 1 or 3 bands. Returns 0, or -1 where it isn't
 * one of width×height pixels, or where there is no memory. The caller frees the pixels.
 */
int tintype_jpeg_again(const void *data, size_t size, int width, int height, TintypePicture *out);

/* The same for a WebP: 3 bands, or 4 with alpha. */
int tintype_webp_again(const void *data, size_t size, int width, int height, int alpha, TintypePicture *out);

/* The same for a JPEG XL of sRGB: 1 to 4 bands. */
int tintype_jxl_again(const void *data, size_t size, int width, int height, TintypePicture *out);

#endif

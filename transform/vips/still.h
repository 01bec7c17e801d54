#ifndef TINTYPE_STILL_H
#define TINTYPE_STILL_H

#include <stddef.h>
#include <vips/vips.h>

/* Decodes a WebP that libvips has opened, at the size at which it was opened. The result is in
 * memory. Returns -1, with no error text, where libvips has to do it: the WebP is animated or
 * damaged.
 */
int tintype_still_webp(VipsImage *opened, const void *data, size_t size, VipsImage **out);

#endif

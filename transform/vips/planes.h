#ifndef TINTYPE_PLANES_H
#define TINTYPE_PLANES_H

#include "reduce.h"

/* Reports whether tintype_reduce_planes can decode a JPEG: whether it is grey, or has
 * luma and chroma of 8 bits.
 */
int tintype_has_planes(const void *data, size_t size);

/* Decodes a JPEG and reduces it, as tintype_reduce does, in both directions. `in` is the
 * JPEG as libvips opens it. It gives its metadata, but no pixels. libjpeg shrinks by
 * `shrink`: 1, 2, 4 or 8. It fails at the first warning, if it isn't lenient. The data must stay as long as the output. Returns 0, or -1 with
 * the error in libvips's buffer.
 */
int tintype_reduce_planes(VipsImage *in, VipsImage **out, const void *data, size_t size, int shrink, int lenient,
	const TintypeReduction *reduction);

#endif

#ifndef TINTYPE_CODED_H
#define TINTYPE_CODED_H

#include <stdint.h>
#include <vips/vips.h>

/* What the levels of a picture mean. */
typedef struct {
	int curve;		   /* one of these */
	double to_srgb[9]; /* from its primaries to those of sRGB, in linear light, by rows */
	double luma[3];	   /* how bright each of its primaries is */
	double peak;	   /* cd/m² of its brightest pixel; of HDR only */
} TintypeCoding;

enum { TINTYPE_SRGB, TINTYPE_PQ, TINTYPE_HLG };

/* Converts grey or RGB of 8 or 16 bits, with alpha or without, to 8 bits of sRGB. Returns 0,
 * or -1 with the error in libvips's buffer.
 */
int tintype_decode_colours(VipsImage *in, VipsImage **out, const TintypeCoding *coding);

#endif

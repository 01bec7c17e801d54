#ifndef TINTYPE_SPAN_H
#define TINTYPE_SPAN_H

#include <stdint.h>
#include <vips/vips.h>

/* For factors above twice this, blocks of pixels are averaged first, as in libvips. */
#define GAP 2.0

/* A side of the input that is resized. It has `from` places for a length of `length`, which
 * begins `offset` places before or after the first one, since places at its ends may be
 * incomplete. It is resized to `to` places. Only `keep` of them are computed, from `skip` on.
 */
typedef struct {
	int from;
	double offset, length;
	int to, skip, keep;
} TintypeSide;

/* A span holds the kernel of each place on a side of the output: `points` places of the
 * input from `first` on, with their weights. The last weights may be zero.
 */
typedef struct {
	int points; /* a multiple of what was asked for */
	int *first;
	int16_t *weights;
} TintypeSpan;

/* Fills the span of a side, down with a Lanczos kernel of three lobes, up with a cubic one.
 * `owner` frees it. Returns 0, or -1 with the error in libvips's buffer.
 *
 * Beyond the edges the outermost place is repeated, as in libvips. The weights of a place
 * add up to exactly one, so that flat colours don't change.
 */
int tintype_make_span(VipsImage *owner, TintypeSpan *span, TintypeSide side, int multiple);

/* The size of the blocks that are averaged first, for a side that is reduced from one
 * length to another. 1 means no averaging.
 */
int tintype_block(int from, int to);

#endif

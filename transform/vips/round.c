/* A libvips operation that rounds the corners of all frames of a roll. A mask would take as
 * much memory as a picture.
 */
#include "round.h"

#include <math.h>

typedef struct {
	int frame;
	double radius;
	double fill[8];
	int has_fill;
} Round;

/* The distance of the middle of a pixel to the straight part of its side, 0 beside it. */
static inline double
beyond(int at, int side, double radius)
{
	double middle = at + 0.5;

	return VIPS_MAX(0, VIPS_MAX(radius - middle, middle - (side - radius)));
}

static void
round_pixels(const Round *round, VipsPel *line, int left, int from, int end, int width, double down, int bands)
{
	for (int x = from; x < end; x++) {
		const double out = hypot(beyond(x, width, round->radius), down) - round->radius + 0.5;
		if (out <= 0)
			continue;
		const double stays = VIPS_MAX(0, 1 - out);
		VipsPel *p = line + (size_t) (x - left) * bands;
		if (!round->has_fill) {
			p[bands - 1] = (VipsPel) (p[bands - 1] * stays + 0.5);
			for (int c = 0; c < bands && p[bands - 1] == 0; c++)
				p[c] = 0; /* what nobody sees takes no bytes */
			continue;
		}
		for (int c = 0; c < bands; c++)
			p[c] = (VipsPel) (p[c] * stays + round->fill[c] * (1 - stays) + 0.5);
	}
}

static int
round_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	VipsRegion *in_region = vseq;
	const Round *round = b;
	const VipsRect *want = &out_region->valid;
	const int width = out_region->im->Xsize, bands = out_region->im->Bands, right = VIPS_RECT_RIGHT(want);
	const int corner = (int) ceil(round->radius);
	int straight = 1;

	if (vips_region_prepare(in_region, want))
		return -1;
	for (int y = want->top; y < VIPS_RECT_BOTTOM(want) && straight; y++)
		straight = beyond(y % round->frame, round->frame, round->radius) == 0;
	if (straight)
		return vips_region_region(out_region, in_region, want, want->left, want->top);
	vips_region_copy(in_region, out_region, want, want->left, want->top);
	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		const double down = beyond(y % round->frame, round->frame, round->radius);
		VipsPel *line = VIPS_REGION_ADDR(out_region, want->left, y);
		if (down == 0)
			continue;
		const int end = VIPS_MIN(right, corner);
		round_pixels(round, line, want->left, want->left, end, width, down, bands);
		round_pixels(round, line, want->left, VIPS_MAX(VIPS_MAX(want->left, end), width - corner), right, width, down, bands);
	}
	return 0;
}

int
tintype_round(VipsImage *in, VipsImage **out, int frame, double radius, const double *fill)
{
	if (vips_check_uncoded("round", in) ||
		vips_check_format("round", in, VIPS_FORMAT_UCHAR))
		return -1;
	if (in->Bands > 8 || frame < 1 || in->Ysize % frame || radius < 0 || radius > VIPS_MIN(in->Xsize, frame)) {
		vips_error("round", "not an image with such corners");
		return -1;
	}
	VipsImage *rounded = vips_image_new();
	Round *round = VIPS_NEW(VIPS_OBJECT(rounded), Round);
	if (!round) {
		g_object_unref(rounded);
		return -1;
	}
	round->frame = frame;
	round->radius = radius;
	round->has_fill = fill != NULL;
	for (int i = 0; fill && i < in->Bands; i++)
		round->fill[i] = fill[i];
	g_object_ref(in);
	vips_object_local(rounded, in);
	if (vips_image_pipelinev(rounded, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL) ||
		vips_image_generate(rounded, vips_start_one, round_gen, vips_stop_one, in, round)) {
		g_object_unref(rounded);
		return -1;
	}
	*out = rounded;
	return 0;
}

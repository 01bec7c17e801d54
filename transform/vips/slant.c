/* A libvips operation that turns all frames of a roll by any angle. libvips's own operation
 * knows no frames, and leaves dark or jagged edges.
 */
#include "slant.h"

#include <math.h>

#include "exact.h"

#define MOST_BANDS 6

typedef struct {
	VipsImage *in;
	TintypeSlant s;
	int has_alpha;
	int frame; /* rows of a frame of the input */
	int fine_x, fine_y; /* samples for each pixel, where the turn also shrinks */
} Slant;

/* Weights of four neighbours at a distance of 0–1 behind the second: Catmull and Rom's. */
static inline void
weigh(float t, float *w)
{
	w[0] = t * (-0.5f + t * (1.0f - 0.5f * t));
	w[1] = 1.0f + t * t * (-2.5f + 1.5f * t);
	w[2] = t * (0.5f + t * (2.0f - 1.5f * t));
	w[3] = t * t * (-0.5f + 0.5f * t);
}

/* Adds a sample to sums, multiplied with the part of the sample's pixel that the frame
 * covers, and returns that part. Beyond the edges the outermost pixels are repeated, so that
 * edges get their colour from the picture alone.
 */
static inline float
sample(const VipsPel *frame, size_t stride, int width, int height, int bands, double u, double v, float *sums)
{
	/* The frame reaches from -0.5 to width - 0.5. */
	double across = VIPS_MIN(u, width - 1 - u) + 1, down = VIPS_MIN(v, height - 1 - v) + 1;
	if (across <= 0 || down <= 0)
		return 0;
	const float cover = (float) (VIPS_MIN(across, 1) * VIPS_MIN(down, 1));

	const int x = (int) floor(u), y = (int) floor(v);
	float wx[4], wy[4];
	weigh((float) (u - x), wx);
	weigh((float) (v - y), wy);
	size_t column[4];
	for (int i = 0; i < 4; i++)
		column[i] = (size_t) VIPS_CLIP(0, x - 1 + i, width - 1) * bands;
	float value[MOST_BANDS] = { 0 };
	for (int j = 0; j < 4; j++) {
		const VipsPel *row = frame + (size_t) VIPS_CLIP(0, y - 1 + j, height - 1) * stride;
		for (int b = 0; b < bands; b++)
			value[b] += wy[j] * (wx[0] * row[column[0] + b] + wx[1] * row[column[1] + b] +
				wx[2] * row[column[2] + b] + wx[3] * row[column[3] + b]);
	}
	for (int b = 0; b < bands; b++)
		sums[b] += cover * VIPS_CLIP(0, value[b], 255);
	return cover;
}

static int
slant_gen(VipsRegion *out_region, void *vregion, void *a, void *b, gboolean *stop)
{
	VipsRegion *region = vregion;
	const Slant *slant = b;
	const TintypeSlant *s = &slant->s;
	const VipsRect *want = &out_region->valid;
	const int bands = slant->in->Bands, width = slant->in->Xsize, height = slant->frame;
	const int fine_x = slant->fine_x, fine_y = slant->fine_y;
	const float samples = (float) fine_x * fine_y;
	int prepared = -1;

	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		const int frame = y / s->height;
		if (frame != prepared) {
			VipsRect need = { 0, frame * height, width, height };
			if (vips_region_prepare(region, &need))
				return -1;
			prepared = frame;
		}
		const VipsPel *from = VIPS_REGION_ADDR(region, 0, frame * height);
		const size_t stride = VIPS_REGION_LSKIP(region);
		VipsPel *to = VIPS_REGION_ADDR(out_region, want->left, y);

		for (int x = want->left; x < VIPS_RECT_RIGHT(want); x++, to += bands + !slant->has_alpha) {
			float sums[MOST_BANDS] = { 0 }, cover = 0;
			for (int j = 0; j < fine_y; j++) {
				const double down = s->top + y % s->height + (j + 0.5) / fine_y - s->down / 2.0;
				for (int i = 0; i < fine_x; i++) {
					const double across = s->left + x + (i + 0.5) / fine_x - s->across / 2.0;
					cover += sample(from, stride, width, height, bands,
						s->xx * across + s->xy * down + (width - 1) / 2.0,
						s->yx * across + s->yy * down + (height - 1) / 2.0, sums);
				}
			}
			if (slant->has_alpha) {
				for (int c = 0; c < bands; c++)
					to[c] = (VipsPel) (sums[c] / samples + 0.5f);
				continue;
			}
			for (int c = 0; c < bands; c++)
				to[c] = cover > 0 ? (VipsPel) VIPS_MIN(sums[c] / cover + 0.5f, 255) : 0;
			to[bands] = (VipsPel) VIPS_MIN(cover / samples * 255 + 0.5f, 255);
		}
	}
	return 0;
}

int
tintype_slant(VipsImage *in, VipsImage **out, const TintypeSlant *s, int has_alpha)
{
	if (vips_check_uncoded("slant", in) ||
		vips_check_format("slant", in, VIPS_FORMAT_UCHAR))
		return -1;
	if (s->frames < 1 || in->Ysize % s->frames || in->Bands > MOST_BANDS || s->width < 1 || s->height < 1 ||
		VIPS_MAX(s->width, s->height) > VIPS_MAX_COORD / s->frames) {
		vips_error("slant", "not an image that can be turned");
		return -1;
	}
	VipsImage *turned = vips_image_new();
	Slant *slant = VIPS_NEW(VIPS_OBJECT(turned), Slant);
	if (!slant ||
		vips_image_pipelinev(turned, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(turned);
		return -1;
	}
	slant->in = in;
	slant->s = *s;
	slant->has_alpha = has_alpha;
	slant->frame = in->Ysize / s->frames;
	slant->fine_x = VIPS_CLIP(1, (int) ceil(hypot(s->xx, s->yx) - 0.1), slant->in->Xsize + slant->frame);
	slant->fine_y = VIPS_CLIP(1, (int) ceil(hypot(s->xy, s->yy) - 0.1), slant->in->Xsize + slant->frame);
	/* The input lives as long as the output. */
	g_object_ref(in);
	vips_object_local(turned, in);
	turned->Xsize = s->width;
	turned->Ysize = s->height * s->frames;
	turned->Bands = in->Bands + !has_alpha;
	turned->Xoffset = turned->Yoffset = 0;
	if (vips_image_generate(turned, vips_start_one, slant_gen, vips_stop_one, in, slant)) {
		g_object_unref(turned);
		return -1;
	}
	*out = turned;
	return 0;
}

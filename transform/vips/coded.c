/* A libvips operation that converts HDR and wide colours to sRGB.
 *
 * HDR is tone-mapped by ITU-R BT.2390: what is darker than about half of white stays as it
 * is, and what is brighter is compressed below white. White is 203 cd/m² (ITU-R BT.2408). The
 * largest of the three colours decides for all three, so that hues stay.
 *
 * Each pixel takes a few look-ups, in tables that are made for the picture.
 */
#include "coded.h"
#include "light.h"

#include <math.h>

#include "exact.h"

#define WHITE 203.0 /* cd/m² */
#define HLG_PEAK 1000.0 /* cd/m², what a level of 1 means */
#define CODES 4096 /* levels of 12 bits */
#define STEPS 4096

typedef struct {
	TintypeCoding coding;
	int bands, colours;
	float light[CODES];	  /* of a level; 1 is white, for HLG the scene's */
	float most;			  /* the brightest light; above it all is as bright */
	float gain[STEPS];	  /* of the tone curve, by the root of the brightest colour's light */
	float system[STEPS];  /* HLG: light of the display for that of the scene, by the root of luma */
	VipsPel level[STEPS]; /* of sRGB, by the root of light */
} Coded;

/* SMPTE ST 2084. */
static double
pq_light(double level)
{
	const double p = pow(level, 1 / 78.84375);

	return 10000 / WHITE * pow(VIPS_MAX(p - 0.8359375, 0) / (18.8515625 - 18.6875 * p), 1 / 0.1593017578125);
}

static double
pq_level(double light)
{
	const double p = pow(light * WHITE / 10000, 0.1593017578125);

	return pow((0.8359375 + 18.8515625 * p) / (1 + 18.6875 * p), 78.84375);
}

/* ITU-R BT.2100: the light of the scene. */
static double
hlg_light(double level)
{
	const double a = 0.17883277, b = 0.28466892, c = 0.55991073;

	return level <= 0.5 ? level * level / 3 : (exp((level - c) / a) + b) / 12;
}

/* ITU-R BT.2390 §5.4: how bright a light of the picture is shown. White is 1, and the brightest is `peak`. */
static double
tone(double light, double peak)
{
	const double top = pq_level(peak), white = pq_level(1) / top, knee = 1.5 * white - 0.5;
	const double level = pq_level(VIPS_MIN(light, peak)) / top;

	if (level < knee)
		return light;
	const double t = (level - knee) / (1 - knee), t2 = t * t, t3 = t2 * t;
	return pq_light(top * ((2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (3 * t2 - 2 * t3) * white));
}

static void
fill_tables(Coded *c)
{
	const double peak = c->coding.curve == TINTYPE_SRGB ? 1 : VIPS_MAX(1, c->coding.peak / WHITE);

	for (int i = 0; i < CODES; i++) {
		const double level = i / (CODES - 1.0);
		c->light[i] = c->coding.curve == TINTYPE_PQ ? pq_light(level)
			: c->coding.curve == TINTYPE_HLG		? hlg_light(level)
													: tintype_srgb_light(level);
	}
	c->most = peak;
	for (int i = 0; i < STEPS; i++) {
		const double root = i / (STEPS - 1.0), light = root * root;
		c->level[i] = lrint(255 * tintype_srgb_level(light));
		c->gain[i] = peak > 1 && i > 0 ? tone(light * peak, peak) / (light * peak) : 1;
		c->system[i] = HLG_PEAK / WHITE * pow(light, 0.2);
	}
}

static inline int
step_of(float share)
{
	return (int) (sqrtf(VIPS_CLIP(0, share, 1)) * (STEPS - 1) + 0.5F);
}

static inline void
convert(const Coded *c, float *rgb)
{
	const TintypeCoding *coding = &c->coding;
	float gain = 1;

	if (coding->curve == TINTYPE_HLG) {
		const float system = c->system[step_of(coding->luma[0] * rgb[0] + coding->luma[1] * rgb[1] + coding->luma[2] * rgb[2])];
		for (int i = 0; i < 3; i++)
			rgb[i] *= system;
	}
	if (coding->curve != TINTYPE_SRGB) {
		for (int i = 0; i < 3; i++)
			rgb[i] = VIPS_MIN(rgb[i], c->most);
		gain = c->gain[step_of(VIPS_MAX(VIPS_MAX(rgb[0], rgb[1]), rgb[2]) / c->most)];
	}
	const float r = rgb[0] * gain, g = rgb[1] * gain, b = rgb[2] * gain;
	for (int i = 0; i < 3; i++)
		rgb[i] = (float) coding->to_srgb[i * 3] * r + (float) coding->to_srgb[i * 3 + 1] * g + (float) coding->to_srgb[i * 3 + 2] * b;
}

static int
coded_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	VipsRegion *in_region = vseq;
	const Coded *c = b;
	const VipsRect *want = &out_region->valid;
	const int deep = in_region->im->BandFmt == VIPS_FORMAT_USHORT;

	if (vips_region_prepare(in_region, want))
		return -1;
	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		const VipsPel *from = VIPS_REGION_ADDR(in_region, want->left, y);
		const uint16_t *wide = (const uint16_t *) from;
		VipsPel *to = VIPS_REGION_ADDR(out_region, want->left, y);
		for (int x = 0; x < want->width; x++, from += c->bands, wide += c->bands, to += c->bands) {
			float rgb[3];
			for (int i = 0; i < c->colours; i++)
				rgb[i] = c->light[deep ? wide[i] >> 4 : (from[i] * (CODES - 1) + 127) / 255];
			if (c->colours == 1)
				rgb[1] = rgb[2] = rgb[0];
			convert(c, rgb);
			for (int i = 0; i < c->colours; i++)
				to[i] = c->level[step_of(rgb[i])];
			if (c->bands > c->colours)
				to[c->colours] = deep ? (wide[c->colours] + 128) / 257 : from[c->colours];
		}
	}
	return 0;
}

int
tintype_decode_colours(VipsImage *in, VipsImage **out, const TintypeCoding *coding)
{
	if (vips_check_uncoded("colours", in) ||
		vips_check_u8or16("colours", in))
		return -1;
	if (in->Bands > 4) {
		vips_error("colours", "more than four bands");
		return -1;
	}
	VipsImage *decoded = vips_image_new();
	Coded *c = VIPS_NEW(VIPS_OBJECT(decoded), Coded);
	if (!c) {
		g_object_unref(decoded);
		return -1;
	}
	c->coding = *coding;
	c->bands = in->Bands;
	c->colours = in->Bands < 3 ? 1 : 3;
	fill_tables(c);
	g_object_ref(in);
	vips_object_local(decoded, in);
	if (vips_image_pipelinev(decoded, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(decoded);
		return -1;
	}
	decoded->BandFmt = VIPS_FORMAT_UCHAR;
	decoded->Type = c->colours == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	if (vips_image_generate(decoded, vips_start_one, coded_gen, vips_stop_one, in, c)) {
		g_object_unref(decoded);
		return -1;
	}
	*out = decoded;
	return 0;
}

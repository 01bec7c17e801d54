/* Linear light, for the best looks: mixing the levels of sRGB, as everybody does, darkens
 * fine detail.
 */
#include "light.h"
#include "kernels.h"

#include <math.h>
#include <vips/vips.h>

/* The sample of white. The darkest levels are five samples apart. */
#define WHITE (255 << SAMPLE_BITS)

static int16_t lights[256];
static uint8_t levels[WHITE + 1];

double
tintype_srgb_light(double level)
{
	return level <= 0.04045 ? level / 12.92 : pow((level + 0.055) / 1.055, 2.4);
}

double
tintype_srgb_level(double light)
{
	return light <= 0.0031308 ? light * 12.92 : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

static void *
fill_tables(void *unused)
{
	for (int i = 0; i < 256; i++)
		lights[i] = lrint(WHITE * tintype_srgb_light(i / 255.0));
	for (int i = 0; i <= WHITE; i++)
		levels[i] = lrint(255 * tintype_srgb_level((double) i / WHITE));
	return NULL;
}

static void
need_tables(void)
{
	static GOnce once = G_ONCE_INIT;
	g_once(&once, fill_tables, NULL);
}

void
tintype_lighten(const uint8_t *from, int n, int bands, int alpha, int16_t *to)
{
	need_tables();
	if (!alpha) {
		for (int i = 0; i < n * bands; i++)
			to[i] = lights[from[i]];
		return;
	}
	for (int x = 0; x < n; x++, from += bands, to += bands) {
		int share = from[bands - 1];
		for (int c = 0; c < bands - 1; c++)
			to[c] = (lights[from[c]] * share + 127) / 255;
		to[bands - 1] = share << SAMPLE_BITS;
	}
}

static inline uint8_t
level_of(int light)
{
	return levels[VIPS_CLIP(0, light, WHITE)];
}

void
tintype_darken(const int16_t *from, int n, int bands, int alpha, uint8_t *to)
{
	const int half = 1 << (SAMPLE_BITS - 1);

	need_tables();
	for (int x = 0; x < n; x++, from += 4, to += bands) {
		if (!alpha) {
			for (int c = 0; c < bands; c++)
				to[c] = level_of(from[c]);
			continue;
		}
		int share = from[bands - 1], visible = VIPS_CLIP(0, (share + half) >> SAMPLE_BITS, 255);
		for (int c = 0; c < bands - 1; c++)
			to[c] = visible ? level_of(((int64_t) from[c] * WHITE + share / 2) / share) : 0;
		to[bands - 1] = visible;
	}
}

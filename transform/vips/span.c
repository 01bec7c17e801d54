/* The kernels of reductions: see reduce.c. */
#include "span.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

#define LOBES 3

/* The reach of the cubic kernel (Keys, a = -1/2), in pixels. It overshoots less at edges
 * than a longer kernel.
 */
#define CUBIC_REACH 2

static double
lanczos(double x)
{
	if (x == 0)
		return 1;
	if (fabs(x) >= LOBES)
		return 0;
	x *= VIPS_PI;
	return LOBES * sin(x) * sin(x / LOBES) / (x * x);
}

/* The kernel in steps of 1/LANCZOS_STEPS. To compute it for each point of each span would
 * take much of the time of a small picture.
 */
#define LANCZOS_STEPS 1024
static double lanczos_table[LOBES * LANCZOS_STEPS + 2];

static void *
fill_lanczos_table(void *unused)
{
	for (int i = 0; i < LOBES * LANCZOS_STEPS + 2; i++)
		lanczos_table[i] = lanczos((double) i / LANCZOS_STEPS);
	return NULL;
}

static double
lanczos_lookup(double x)
{
	x = fabs(x) * LANCZOS_STEPS;
	if (x >= LOBES * LANCZOS_STEPS)
		return 0;
	int i = x;
	return lanczos_table[i] + (lanczos_table[i + 1] - lanczos_table[i]) * (x - i);
}

static double
cubic(double x)
{
	x = fabs(x);
	if (x < 1)
		return (1.5 * x - 2.5) * x * x + 1;
	if (x < CUBIC_REACH)
		return ((-0.5 * x + 2.5) * x - 4) * x + 2;
	return 0;
}

int
tintype_make_span(VipsImage *owner, TintypeSpan *span, TintypeSide side, int multiple)
{
	static GOnce once = G_ONCE_INIT;
	g_once(&once, fill_lanczos_table, NULL);

	double scale = side.length / side.to;
	/* Where nothing is resized, one point has all the weight. */
	double wide = scale < 1 ? CUBIC_REACH : scale == 1 ? 0.5 : LOBES * scale;
	int reach = (int) ceil(2 * wide); /* at its ends a kernel is zero */
	int points = VIPS_MIN(reach, side.from);
	points = (points + multiple - 1) / multiple * multiple;
	if (points > 65536 / LOBES) {
		vips_error("reduce", "factor too large");
		return -1;
	}
	span->points = points;
	span->first = VIPS_ARRAY(VIPS_OBJECT(owner), side.keep, int);
	span->weights = VIPS_ARRAY(VIPS_OBJECT(owner), (size_t) side.keep * points, int16_t);
	double *exact = VIPS_ARRAY(NULL, points, double);
	if (!span->first || !span->weights || !exact) {
		g_free(exact);
		return -1;
	}
	for (int at = 0; at < side.keep; at++) {
		double centre = side.offset + (side.skip + at + 0.5) * scale - 0.5;
		int low = (int) ceil(centre - wide);
		int high = (int) floor(centre + wide);
		/* All points lie on the side, but for the last of a short or an odd side. */
		int first = VIPS_CLIP(0, low, VIPS_MAX(0, side.from - points));
		int last = VIPS_MIN(first + points, side.from) - 1;
		double total = 0;
		memset(exact, 0, points * sizeof(double));
		for (int i = low; i <= high; i++) {
			double w = scale < 1 ? cubic(i - centre) : lanczos_lookup((i - centre) / scale);
			exact[VIPS_CLIP(first, i, last) - first] += w;
			total += w;
		}
		int16_t *weights = span->weights + (size_t) at * points;
		int rest = 1 << WEIGHT_BITS, most = 0;
		for (int i = 0; i < points; i++) {
			weights[i] = lrint(exact[i] / total * (1 << WEIGHT_BITS));
			rest -= weights[i];
			if (weights[i] > weights[most])
				most = i;
		}
		weights[most] += rest;
		span->first[at] = first;
	}
	g_free(exact);
	return 0;
}

int
tintype_block(int from, int to)
{
	return VIPS_CLIP(1, (int) (from / to / GAP), MOST_AVERAGED);
}

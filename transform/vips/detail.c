/* What a predictor of quality reads of a picture: how much neighbouring pixels differ, at
 * three scales and in colour. It reads each pixel once, in whole numbers, so that the result
 * is the same on every processor.
 */
#ifndef __clang__
#pragma GCC optimize("O3")
#endif

#include "detail.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 3

typedef struct {
	int width, height, rows;
	int16_t *before, *row;
	uint64_t sum, squares, flat, pixels;
} Step;

/* Lightness in quarters of a level, and twice the difference of red and blue from green. */
static void
lighten(const uint8_t *from, int bands, int width, int16_t *light, int16_t *warm, int16_t *cold)
{
	if (bands < 3) {
		for (int x = 0; x < width; x++)
			light[x] = 4 * from[(long) x * bands];
		memset(warm, 0, width * sizeof *warm);
		memset(cold, 0, width * sizeof *cold);
	} else
		for (int x = 0; x < width; x++) {
			int r = from[(long) x * bands], g = from[(long) x * bands + 1], b = from[(long) x * bands + 2];
			light[x] = r + 2 * g + b;
			warm[x] = r - g;
			cold[x] = b - g;
		}
	if (bands % 2 == 0) /* transparent pixels are all the same */
		for (int x = 0; x < width; x++) {
			int a = from[(long) x * bands + bands - 1];
			light[x] = (light[x] * a + 512 * (255 - a)) / 255;
			warm[x] = warm[x] * a / 255;
			cold[x] = cold[x] * a / 255;
		}
}

static inline int
away(int a, int b)
{
	return a < b ? b - a : a - b;
}

static void
differ(Step *s)
{
	uint32_t sum = 0, squares = 0, flat = 0;

	for (int x = 1; x < s->width; x++) {
		int across = away(s->row[x], s->row[x - 1]), down = away(s->row[x], s->before[x]);
		sum += across + down;
		squares += (across * across + down * down) >> 4;
		flat += across + down <= 8;
	}
	s->sum += sum, s->squares += squares, s->flat += flat;
	s->pixels += s->width - 1;
}

/* Takes the row that is in steps[0].row. */
static void
take(Step *steps)
{
	for (int i = 0; i < STEPS; i++) {
		Step *s = &steps[i];
		if (s->rows++)
			differ(s);
		if (i + 1 < STEPS && s->rows % 2 == 0) {
			Step *next = &steps[i + 1];
			for (int x = 0; x < next->width; x++)
				next->row[x] = (s->before[2 * x] + s->before[2 * x + 1] + s->row[2 * x] + s->row[2 * x + 1] + 2) >> 2;
		}
		int16_t *row = s->row;
		s->row = s->before, s->before = row;
		if (s->rows % 2)
			break;
	}
}

int
tintype_detail(TintypePicture picture, int width, int height, TintypeDetail *out)
{
	Step steps[STEPS] = { 0 };
	const size_t room = width + 1;
	int16_t *memory = calloc((2 * STEPS + 2) * room, sizeof *memory), *warm, *cold;
	uint64_t colours = 0;

	memset(out, 0, sizeof *out);
	if (!memory)
		return -1;
	warm = memory + 2 * STEPS * room, cold = warm + room;
	for (int i = 0; i < STEPS; i++) {
		steps[i].width = width >> i, steps[i].height = height >> i;
		steps[i].row = memory + 2 * i * room, steps[i].before = steps[i].row + room;
	}
	for (int y = 0; y < height; y++) {
		uint32_t sum = 0;
		lighten(picture.pixels + y * picture.stride, picture.bands, width, steps[0].row, warm, cold);
		for (int x = 1; x < width; x++)
			sum += away(warm[x], warm[x - 1]) + away(cold[x], cold[x - 1]);
		colours += sum;
		take(steps);
	}
	for (int i = 0; i < STEPS; i++) {
		double n = steps[i].pixels ? steps[i].pixels : 1;
		out->mean[i] = steps[i].sum / n / 4;
		out->square[i] = steps[i].squares / n;
		out->flat[i] = steps[i].flat / n;
	}
	out->colour = colours / ((double) width * height);
	free(memory);
	return 0;
}

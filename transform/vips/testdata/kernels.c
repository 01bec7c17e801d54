/* Holds every kind of kernels to the plain ones, bit for bit, with pictures of 1–70 pixels
 * and one to four bands. All buffers have exactly the size that the kernels may touch, for
 * a sanitizer to see more. Prints the kinds.
 */
#include "../kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;

static uint32_t
roll(uint32_t n)
{
	state = state * 1664525 + 1013904223;
	return (uint32_t) ((uint64_t) state * n >> 32);
}

static void *
fill(size_t size)
{
	uint8_t *buffer = malloc(size);
	int mode = roll(4); /* noise, or mostly the extremes */
	for (size_t i = 0; i < size; i++)
		buffer[i] = mode ? roll(256) : 255 * roll(2);
	return buffer;
}

/* Weights of one place, which add up to one, with lobes below zero. */
static void
weigh(int16_t *weights, int points)
{
	int rest = 1 << WEIGHT_BITS;
	for (int k = 0; k < points; k++) {
		weights[k] = (int) roll((1 << WEIGHT_BITS) / points) * (roll(4) ? 1 : -1);
		rest -= weights[k];
	}
	if (rest < 1 << WEIGHT_BITS)
		weights[roll(points)] += rest;
}

static void
check(const char *name, const char *what, const void *got, const void *want, size_t size, int n, int points, int bands)
{
	if (memcmp(got, want, size)) {
		printf("%s: %s of %d, %d points, %d bands, isn't what plain C makes\n", name, what, n, points, bands);
		exit(1);
	}
}

static void
down(const TintypeKernels *kernels, const TintypeKernels *plain, int n, int points)
{
	const uint8_t *bytes[points];
	const int16_t *samples[points];
	int16_t *weights = malloc(points * sizeof(int16_t));
	int16_t *got = malloc(n * sizeof(int16_t)), *want = malloc(n * sizeof(int16_t));

	weigh(weights, points);
	for (int k = 0; k < points; k++) {
		bytes[k] = fill(n);
		samples[k] = fill(n * sizeof(int16_t));
	}
	kernels->down_bytes(bytes, weights, points, n, got);
	plain->down_bytes(bytes, weights, points, n, want);
	check(kernels->name, "down_bytes", got, want, n * sizeof(int16_t), n, points, 1);
	kernels->down_samples(samples, weights, points, n, got);
	plain->down_samples(samples, weights, points, n, want);
	check(kernels->name, "down_samples", got, want, n * sizeof(int16_t), n, points, 1);
	for (int k = 0; k < points; k++) {
		free((void *) bytes[k]);
		free((void *) samples[k]);
	}
	free(weights), free(got), free(want);
}

static void
across(const TintypeKernels *kernels, const TintypeKernels *plain, int length, int points, int bands)
{
	const int width = 1 + roll(70), from = roll(1000), half = roll(2) ? 1 << 19 : (1 << 19) + (1 << 13);
	const size_t size = width * bands;
	const int16_t *rows[ROWS];
	uint8_t *got[ROWS], *want[ROWS];
	int16_t *samples[ROWS], *wanted[ROWS];
	int *first = malloc(width * sizeof(int));
	int16_t *weights = malloc((size_t) width * points * sizeof(int16_t));

	for (int x = 0; x < width; x++) {
		first[x] = from + roll(length - points + 1);
		weigh(weights + x * points, points);
	}
	for (int r = 0; r < ROWS; r++) {
		rows[r] = fill((length * bands + ROOM) * sizeof(int16_t));
		got[r] = malloc(size), want[r] = malloc(size);
		samples[r] = malloc(width * 4 * sizeof(int16_t)), wanted[r] = malloc(width * 4 * sizeof(int16_t));
	}
	kernels->across_bytes(rows, first, from, weights, points, bands, width, half, got);
	plain->across_bytes(rows, first, from, weights, points, bands, width, half, want);
	kernels->across_samples(rows, first, from, weights, points, bands, width, samples);
	plain->across_samples(rows, first, from, weights, points, bands, width, wanted);
	for (int r = 0; r < ROWS; r++) {
		check(kernels->name, "across_bytes", got[r], want[r], size, width, points, bands);
		for (int x = 0; x < width; x++)
			check(kernels->name, "across_samples", samples[r] + 4 * x, wanted[r] + 4 * x, bands * sizeof(int16_t), width, points, bands);
		free((void *) rows[r]), free(got[r]), free(want[r]), free(samples[r]), free(wanted[r]);
	}
	free(first), free(weights);
}

static void
dots(const TintypeKernels *kernels, const TintypeKernels *plain, int length, int points)
{
	const int width = 1 + roll(70);
	const int16_t *rows[ROWS];
	int16_t *got[ROWS], *want[ROWS];
	int *first = malloc(width * sizeof(int));
	int16_t *weights = malloc((size_t) width * points * sizeof(int16_t));

	for (int x = 0; x < width; x++) {
		first[x] = roll(length - points + 1);
		weigh(weights + x * points, points);
	}
	for (int r = 0; r < ROWS; r++) {
		rows[r] = fill(length * sizeof(int16_t));
		got[r] = malloc(width * sizeof(int16_t)), want[r] = malloc(width * sizeof(int16_t));
	}
	kernels->dots(rows, first, weights, points, width, got);
	plain->dots(rows, first, weights, points, width, want);
	for (int r = 0; r < ROWS; r++) {
		check(kernels->name, "dots", got[r], want[r], width * sizeof(int16_t), width, points, 1);
		free((void *) rows[r]), free(got[r]), free(want[r]);
	}
	free(first), free(weights);
}

static void
weighing(const TintypeKernels *kernels, int n, int bands)
{
	const uint8_t *from = fill(n * bands);
	int16_t *got = malloc(n * bands * sizeof(int16_t)), *want = malloc(n * bands * sizeof(int16_t));

	kernels->weigh(from, n, bands, got);
	for (int i = 0; i < n * bands; i++)
		want[i] = i % bands == bands - 1
			? from[i] << SAMPLE_BITS
			: ((from[i] * from[i / bands * bands + bands - 1] << SAMPLE_BITS) + 127) / 255;
	check(kernels->name, "weigh", got, want, n * bands * sizeof(int16_t), n, 1, bands);
	free((void *) from), free(got), free(want);
}

static void
means(const TintypeKernels *kernels, const TintypeKernels *plain, int n, int across, int bands)
{
	const int width = n / 10 + 1, count = 1 + roll(8);
	const uint8_t *lines[8], *row = fill((size_t) width * across * bands + ROOM);
	uint16_t *sums = malloc(n * sizeof(uint16_t)), *wanted = malloc(n * sizeof(uint16_t));
	const size_t size = width * bands > n ? width * bands : n;
	uint8_t *got = malloc(size), *want = malloc(size);

	for (int k = 0; k < count; k++)
		lines[k] = fill(n);
	for (int i = 0; i < n; i++)
		sums[i] = wanted[i] = roll((255 - count) * across);
	kernels->add_lines(sums, lines, count, n);
	plain->add_lines(wanted, lines, count, n);
	check(kernels->name, "add_lines", sums, wanted, n * sizeof(uint16_t), n, count, 1);
	for (int i = 0; i < n; i++)
		sums[i] = roll(255 * across + across / 2 + 1);
	kernels->means(sums, n, tintype_share(across), got);
	for (int i = 0; i < n; i++)
		want[i] = sums[i] / across;
	check(kernels->name, "means", got, want, n, n, across, 1);
	free(got), free(want);
	got = malloc(width * bands), want = malloc(width * bands);
	kernels->means_across(row, across, bands, width, got);
	plain->means_across(row, across, bands, width, want);
	check(kernels->name, "means_across", got, want, width * bands, width, across, bands);
	for (int k = 0; k < count; k++)
		free((void *) lines[k]);
	free((void *) row), free(sums), free(wanted), free(got), free(want);
}

static void
adding(const TintypeKernels *kernels, const TintypeKernels *plain, int n)
{
	const int count = 1 + roll(8);
	const int16_t *lines[8];
	int32_t *sums = malloc(n * sizeof(int32_t)), *wanted = malloc(n * sizeof(int32_t));

	for (int k = 0; k < count; k++) {
		int16_t *line = malloc(n * sizeof(int16_t));
		for (int i = 0; i < n; i++)
			line[i] = roll((255 << SAMPLE_BITS) + 1);
		lines[k] = line;
	}
	for (int i = 0; i < n; i++)
		sums[i] = wanted[i] = roll((255 << SAMPLE_BITS) * (MOST_AVERAGED - count));
	kernels->add_samples(sums, lines, count, n);
	plain->add_samples(wanted, lines, count, n);
	check(kernels->name, "add_samples", sums, wanted, n * sizeof(int32_t), n, count, 1);
	for (int k = 0; k < count; k++)
		free((void *) lines[k]);
	free(sums), free(wanted);
}

static void
colours(const TintypeKernels *kernels, const TintypeKernels *plain, int n)
{
	const int16_t *planes[3];
	uint8_t *got = malloc(3 * n), *want = malloc(3 * n);

	for (int i = 0; i < 3; i++) {
		int16_t *plane = fill(n * sizeof(int16_t));
		for (int x = 0; x < n && n % 2; x++) /* as of pictures, a little beyond black and white */
			plane[x] = (int) roll(400 << SAMPLE_BITS) - (72 << SAMPLE_BITS);
		planes[i] = plane;
	}
	kernels->colours(planes[0], planes[1], planes[2], n, got);
	plain->colours(planes[0], planes[1], planes[2], n, want);
	check(kernels->name, "colours", got, want, 3 * n, n, 1, 3);
	for (int i = 0; i < 3; i++)
		free((void *) planes[i]);
	free(got), free(want);
}

int
main(void)
{
	const TintypeKernels *const *all = tintype_kernels();
	const TintypeKernels *plain = all[0];

	for (int i = 1; all[i]; i++)
		plain = all[i];
	for (int i = 0; all[i]; i++) {
		printf("%s\n", all[i]->name);
		for (int n = 1; n <= 70; n++) {
			weighing(all[i], n, 2);
			adding(all[i], plain, n);
			colours(all[i], plain, n);
			for (int k = 0; k < 20; k++)
				weighing(all[i], n, 4);
			for (int bands = 1; bands <= 4; bands++)
				means(all[i], plain, n, 2 + roll(roll(2) ? 9 : MOST_AVERAGED - 1), bands);
			for (int points = 8; points <= 48; points += 8)
				dots(all[i], plain, points + roll(n), points);
			for (int points = 2; points <= 20; points += 2) {
				down(all[i], plain, n, points);
				for (int bands = 1; bands <= 4; bands++)
					across(all[i], plain, points + roll(n), points, bands);
			}
		}
	}
	return 0;
}

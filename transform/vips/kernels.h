#ifndef TINTYPE_KERNELS_H
#define TINTYPE_KERNELS_H

#include <stdint.h>

/* Samples between the two passes of a reduction have SAMPLE_BITS fractional bits, and
 * weights WEIGHT_BITS.
 */
#define SAMPLE_BITS 6
#define WEIGHT_BITS 14

/* The rows that a pass across works on at once. */
#define ROWS 4

/* What kernels read beyond the last pixel of a row of samples or bytes, at most. */
#define ROOM 16

/* The most numbers that a mean is of. */
#define MOST_AVERAGED 128

/* A division by n as a multiplication: x / n is x * by >> 16 >> shift, for every sum x of n
 * bytes and n / 2. n is 2–MOST_AVERAGED.
 */
typedef struct {
	uint16_t by;
	int shift;
} TintypeShare;

TintypeShare tintype_share(int n);

/* The inner loops of a reduction, for one kind of processor. All kinds give the same
 * results. `points` is always even.
 */
typedef struct {
	const char *name;

	/* Colours weighted with alpha, the last band, and alpha, as samples. */
	void (*weigh)(const uint8_t *from, int n, int bands, int16_t *to);

	/* n samples of a row from lines of bytes, or of samples. */
	void (*down_bytes)(const uint8_t *const *lines, const int16_t *weights, int points, int n, int16_t *to);
	void (*down_samples)(const int16_t *const *lines, const int16_t *weights, int points, int n, int16_t *to);

	/* `width` pixels of up to four bands, of ROWS rows of samples. A pixel is the sum of
	 * `points` pixels of a row from first[x] - from on, plus `half`, without its last `shift`
	 * bits. Bytes are clamped to 0–255; samples have four bands a pixel.
	 */
	void (*across_bytes)(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
		int points, int bands, int width, int half, uint8_t *const to[ROWS]);
	void (*across_samples)(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
		int points, int bands, int width, int16_t *const to[ROWS]);

	/* `width` samples of one band, of ROWS rows. A sample is the sum of `points`, a multiple of
	 * 8, of a row from first[x] on.
	 */
	void (*dots)(const int16_t *const rows[ROWS], const int *first, const int16_t *weights, int points, int width,
		int16_t *const to[ROWS]);

	/* Adds lines of n bytes to sums. Then the means of sums, which begin with half of a share. */
	void (*add_lines)(uint16_t *sums, const uint8_t *const *lines, int count, int n);
	void (*means)(const uint16_t *sums, int n, TintypeShare share, uint8_t *to);

	/* Adds lines of n samples, none of which is negative, to sums. */
	void (*add_samples)(int32_t *sums, const int16_t *const *lines, int count, int n);

	/* `width` pixels, each the mean of `across` ones, 2 to MOST_AVERAGED. */
	void (*means_across)(const uint8_t *row, int across, int bands, int width, uint8_t *to);

	/* n pixels of red, green and blue from samples of luma and chroma, as JFIF defines them. */
	void (*colours)(const int16_t *luma, const int16_t *blue, const int16_t *red, int n, uint8_t *to);
} TintypeKernels;

/* The kinds that this processor can run, best first, then NULL. */
const TintypeKernels *const *tintype_kernels(void);

#endif

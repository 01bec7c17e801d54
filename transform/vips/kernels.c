/* The inner loops of a reduction. All arithmetic is exact in 32 bits, so that every kind of
 * processor gets the same results in its own order: the sum of all positive weights of a
 * place is below 2.
 */
#include "kernels.h"

#include <string.h>

static inline int
clamp(int low, int v, int high)
{
	return v < low ? low : v > high ? high : v;
}

static inline int
least(int a, int b)
{
	return a < b ? a : b;
}

/* Writes the bytes of a pixel, of which there are always four. Those beyond the pixel are
 * overwritten by the next one. `rest` is the room in bytes.
 */
static inline void
put_bytes(uint8_t *to, uint32_t pixel, int bands, int rest)
{
	if (rest >= 4)
		memcpy(to, &pixel, 4);
	else
		memcpy(to, &pixel, bands);
}

/* x / 255, rounded, as a sample, of the product x of two bytes. A sample is x / 4 + x / 1020,
 * so that 16 bits are enough.
 */
static inline int
weighed(int x)
{
	return (x >> 2) + ((x >> 2) + (x % 4 << SAMPLE_BITS) + 127) / 255;
}

/* Plain C: for processors without code of their own, for what is left over at the end of a
 * row, and what the tests compare with.
 */
static void
weigh_plain(const uint8_t *from, int first, int n, int bands, int16_t *to)
{
	for (int x = first; x < n; x++)
		for (int c = 0; c < bands; c++)
			to[x * bands + c] = weighed(from[x * bands + c] * (c < bands - 1 ? from[(x + 1) * bands - 1] : 255));
}

static void
plain_weigh(const uint8_t *from, int n, int bands, int16_t *to)
{
	weigh_plain(from, 0, n, bands, to);
}

static void
down_bytes_plain(const uint8_t *const *lines, const int16_t *weights, int points, int from, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS - SAMPLE_BITS;

	for (int i = from; i < n; i++) {
		int sum = 1 << (shift - 1);
		for (int k = 0; k < points; k++)
			sum += weights[k] * lines[k][i];
		to[i] = clamp(INT16_MIN, sum >> shift, INT16_MAX);
	}
}

static void
down_samples_plain(const int16_t *const *lines, const int16_t *weights, int points, int from, int n, int16_t *to)
{
	for (int i = from; i < n; i++) {
		int sum = 1 << (WEIGHT_BITS - 1);
		for (int k = 0; k < points; k++)
			sum += weights[k] * lines[k][i];
		to[i] = clamp(INT16_MIN, sum >> WEIGHT_BITS, INT16_MAX);
	}
}

static void
plain_down_bytes(const uint8_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	down_bytes_plain(lines, weights, points, 0, n, to);
}

static void
plain_down_samples(const int16_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	down_samples_plain(lines, weights, points, 0, n, to);
}

static inline int
plain_sum(const int16_t *row, const int16_t *weights, int points, int bands, int sum)
{
	for (int k = 0; k < points; k++)
		sum += weights[k] * row[k * bands];
	return sum;
}

static void
plain_across_bytes(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int half, uint8_t *const to[ROWS])
{
	for (int r = 0; r < ROWS; r++)
		for (int x = 0; x < width; x++)
			for (int c = 0; c < bands; c++)
				to[r][x * bands + c] = clamp(0, plain_sum(rows[r] + (first[x] - from) * bands + c,
					weights + (long) x * points, points, bands, half) >> (WEIGHT_BITS + SAMPLE_BITS), 255);
}

static void
plain_across_samples(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int16_t *const to[ROWS])
{
	for (int r = 0; r < ROWS; r++)
		for (int x = 0; x < width; x++)
			for (int c = 0; c < bands; c++)
				to[r][x * 4 + c] = clamp(INT16_MIN, plain_sum(rows[r] + (first[x] - from) * bands + c,
					weights + (long) x * points, points, bands, 1 << (WEIGHT_BITS - 1)) >> WEIGHT_BITS, INT16_MAX);
}

static void
plain_dots(const int16_t *const rows[ROWS], const int *first, const int16_t *weights, int points, int width,
	int16_t *const to[ROWS])
{
	for (int r = 0; r < ROWS; r++)
		for (int x = 0; x < width; x++)
			to[r][x] = clamp(INT16_MIN, plain_sum(rows[r] + first[x], weights + (long) x * points, points, 1,
				1 << (WEIGHT_BITS - 1)) >> WEIGHT_BITS, INT16_MAX);
}

TintypeShare
tintype_share(int n)
{
	int shift = 0;

	while (2 << shift < n)
		shift++;
	return (TintypeShare) { ((65536u << shift) + n - 1) / n, shift };
}

static void
add_lines_plain(uint16_t *sums, const uint8_t *const *lines, int count, int from, int n)
{
	for (int i = from; i < n; i++)
		for (int k = 0; k < count; k++)
			sums[i] += lines[k][i];
}

static void
plain_add_lines(uint16_t *sums, const uint8_t *const *lines, int count, int n)
{
	add_lines_plain(sums, lines, count, 0, n);
}

static void
add_samples_plain(int32_t *sums, const int16_t *const *lines, int count, int from, int n)
{
	for (int i = from; i < n; i++)
		for (int k = 0; k < count; k++)
			sums[i] += lines[k][i];
}

static void
plain_add_samples(int32_t *sums, const int16_t *const *lines, int count, int n)
{
	add_samples_plain(sums, lines, count, 0, n);
}

static void
means_plain(const uint16_t *sums, int from, int n, TintypeShare share, uint8_t *to)
{
	for (int i = from; i < n; i++)
		to[i] = (uint32_t) sums[i] * share.by >> 16 >> share.shift;
}

static void
plain_means(const uint16_t *sums, int n, TintypeShare share, uint8_t *to)
{
	means_plain(sums, 0, n, share, to);
}

static void
means_across_plain(const uint8_t *row, int across, int bands, int from, int width, uint8_t *to)
{
	const TintypeShare share = tintype_share(across);

	for (int x = from; x < width; x++)
		for (int c = 0; c < bands; c++) {
			uint32_t sum = across / 2;
			for (int k = 0; k < across; k++)
				sum += row[((long) x * across + k) * bands + c];
			to[x * bands + c] = sum * share.by >> 16 >> share.shift;
		}
}

static void
plain_means_across(const uint8_t *row, int across, int bands, int width, uint8_t *to)
{
	means_across_plain(row, across, bands, 0, width, to);
}

/* The shares of the colours, in 14 bits, as JFIF defines them. */
#define COLOUR_BITS 14
#define RED_OF_RED 22970
#define GREEN_OF_BLUE (-5638)
#define GREEN_OF_RED (-11700)
#define BLUE_OF_BLUE 29032

static void
plain_colours(const int16_t *luma, const int16_t *blue, const int16_t *red, int n, uint8_t *to)
{
	const int shift = COLOUR_BITS + SAMPLE_BITS, grey = 128 << SAMPLE_BITS;

	for (int x = 0; x < n; x++, to += 3) {
		int y = luma[x] * (1 << COLOUR_BITS) + (1 << (shift - 1));
		int b = clamp(INT16_MIN, blue[x] - grey, INT16_MAX), r = clamp(INT16_MIN, red[x] - grey, INT16_MAX);
		to[0] = clamp(0, (y + RED_OF_RED * r) >> shift, 255);
		to[1] = clamp(0, (y + GREEN_OF_BLUE * b + GREEN_OF_RED * r) >> shift, 255);
		to[2] = clamp(0, (y + BLUE_OF_BLUE * b) >> shift, 255);
	}
}

static const TintypeKernels plain = {
	"plain", plain_weigh, plain_down_bytes, plain_down_samples, plain_across_bytes, plain_across_samples, plain_dots,
	plain_add_lines, plain_means, plain_add_samples, plain_means_across, plain_colours
};

#ifdef __x86_64__
#include <immintrin.h>

/* Two weights, in every lane. */
static inline __m128i
sse2_pair(const int16_t *weights)
{
	int32_t both;
	memcpy(&both, weights, 4);
	return _mm_set1_epi32(both);
}

/* weighed of two pixels of four bands. */
static inline __m128i
sse2_weighed(__m128i v)
{
	const __m128i one = _mm_set1_epi64x(0x00ff000000000000); /* what alpha is multiplied with */
	__m128i alpha = _mm_shufflehi_epi16(_mm_shufflelo_epi16(v, 0xff), 0xff);
	__m128i x = _mm_mullo_epi16(v, _mm_or_si128(alpha, one));
	__m128i rest = _mm_slli_epi16(_mm_and_si128(x, _mm_set1_epi16(3)), SAMPLE_BITS);
	x = _mm_srli_epi16(x, 2);
	__m128i part = _mm_add_epi16(_mm_add_epi16(x, rest), _mm_set1_epi16(127));
	/* A division by 255, exact in 16 bits. */
	return _mm_add_epi16(x, _mm_srli_epi16(_mm_mulhi_epu16(part, _mm_set1_epi16((int16_t) 0x8081)), 7));
}

static void
sse2_weigh(const uint8_t *from, int n, int bands, int16_t *to)
{
	const __m128i zero = _mm_setzero_si128();
	int x = 0;

	if (bands == 4)
		for (; x + 4 <= n; x += 4) {
			__m128i v = _mm_loadu_si128((const __m128i *) (from + 4 * x));
			_mm_storeu_si128((__m128i *) (to + 4 * x), sse2_weighed(_mm_unpacklo_epi8(v, zero)));
			_mm_storeu_si128((__m128i *) (to + 4 * x + 8), sse2_weighed(_mm_unpackhi_epi8(v, zero)));
		}
	weigh_plain(from, x, n, bands, to);
}

static void
sse2_down_bytes(const uint8_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS - SAMPLE_BITS;
	const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(1 << (shift - 1));

	/* The last ones overlap those before. */
	for (int x = 0; x < n && n >= 16; x += 16) {
		const int i = least(x, n - 16);
		__m128i sum0 = half, sum1 = half, sum2 = half, sum3 = half;
		for (int k = 0; k < points; k += 2) {
			__m128i w = sse2_pair(weights + k);
			__m128i a = _mm_loadu_si128((const __m128i *) (lines[k] + i));
			__m128i b = _mm_loadu_si128((const __m128i *) (lines[k + 1] + i));
			__m128i low = _mm_unpacklo_epi8(a, b), high = _mm_unpackhi_epi8(a, b);
			sum0 = _mm_add_epi32(sum0, _mm_madd_epi16(_mm_unpacklo_epi8(low, zero), w));
			sum1 = _mm_add_epi32(sum1, _mm_madd_epi16(_mm_unpackhi_epi8(low, zero), w));
			sum2 = _mm_add_epi32(sum2, _mm_madd_epi16(_mm_unpacklo_epi8(high, zero), w));
			sum3 = _mm_add_epi32(sum3, _mm_madd_epi16(_mm_unpackhi_epi8(high, zero), w));
		}
		_mm_storeu_si128((__m128i *) (to + i),
			_mm_packs_epi32(_mm_srai_epi32(sum0, shift), _mm_srai_epi32(sum1, shift)));
		_mm_storeu_si128((__m128i *) (to + i + 8),
			_mm_packs_epi32(_mm_srai_epi32(sum2, shift), _mm_srai_epi32(sum3, shift)));
	}
	if (n < 16)
		down_bytes_plain(lines, weights, points, 0, n, to);
}

static void
sse2_down_samples(const int16_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const __m128i half = _mm_set1_epi32(1 << (WEIGHT_BITS - 1));
	int i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i sum0 = half, sum1 = half;
		for (int k = 0; k < points; k += 2) {
			__m128i w = sse2_pair(weights + k);
			__m128i a = _mm_loadu_si128((const __m128i *) (lines[k] + i));
			__m128i b = _mm_loadu_si128((const __m128i *) (lines[k + 1] + i));
			sum0 = _mm_add_epi32(sum0, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), w));
			sum1 = _mm_add_epi32(sum1, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), w));
		}
		_mm_storeu_si128((__m128i *) (to + i),
			_mm_packs_epi32(_mm_srai_epi32(sum0, WEIGHT_BITS), _mm_srai_epi32(sum1, WEIGHT_BITS)));
	}
	down_samples_plain(lines, weights, points, i, n, to);
}

/* Four bands are always loaded. The sums of those beyond the pixel aren't used. */
static inline __m128i
sse2_tap(const int16_t *row, int bands, __m128i w)
{
	__m128i a = _mm_loadl_epi64((const __m128i *) row);
	__m128i b = _mm_loadl_epi64((const __m128i *) (row + bands));
	return _mm_madd_epi16(_mm_unpacklo_epi16(a, b), w);
}

static inline void
sse2_sums(const int16_t *const rows[ROWS], long at, const int16_t *weights, int points, int bands, int half, __m128i sums[ROWS])
{
	const int16_t *a = rows[0] + at, *b = rows[1] + at, *c = rows[2] + at, *d = rows[3] + at;
	__m128i sum0 = _mm_set1_epi32(half), sum1 = sum0, sum2 = sum0, sum3 = sum0;

	for (int k = 0; k < points; k += 2) {
		__m128i w = sse2_pair(weights + k);
		sum0 = _mm_add_epi32(sum0, sse2_tap(a + k * bands, bands, w));
		sum1 = _mm_add_epi32(sum1, sse2_tap(b + k * bands, bands, w));
		sum2 = _mm_add_epi32(sum2, sse2_tap(c + k * bands, bands, w));
		sum3 = _mm_add_epi32(sum3, sse2_tap(d + k * bands, bands, w));
	}
	sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
}

static void
sse2_across_bytes(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int half, uint8_t *const to[ROWS])
{
	const int shift = WEIGHT_BITS + SAMPLE_BITS;

	for (int x = 0; x < width; x++, weights += points) {
		__m128i sums[ROWS];
		sse2_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, half, sums);
		__m128i low = _mm_packs_epi32(_mm_srai_epi32(sums[0], shift), _mm_srai_epi32(sums[1], shift));
		__m128i high = _mm_packs_epi32(_mm_srai_epi32(sums[2], shift), _mm_srai_epi32(sums[3], shift));
		uint32_t pixels[ROWS];
		_mm_storeu_si128((__m128i *) pixels, _mm_packus_epi16(low, high));
		for (int r = 0; r < ROWS; r++)
			put_bytes(to[r] + x * bands, pixels[r], bands, (width - x) * bands);
	}
}

static void
sse2_across_samples(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int16_t *const to[ROWS])
{
	for (int x = 0; x < width; x++, weights += points) {
		__m128i sums[ROWS];
		sse2_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, 1 << (WEIGHT_BITS - 1), sums);
		for (int r = 0; r < ROWS; r++) {
			__m128i v = _mm_srai_epi32(sums[r], WEIGHT_BITS);
			_mm_storel_epi64((__m128i *) (to[r] + x * 4), _mm_packs_epi32(v, v));
		}
	}
}

static void
sse2_dots(const int16_t *const rows[ROWS], const int *first, const int16_t *weights, int points, int width,
	int16_t *const to[ROWS])
{
	const __m128i half = _mm_set1_epi32(1 << (WEIGHT_BITS - 1));

	for (int x = 0; x < width; x++, weights += points) {
		const int16_t *a = rows[0] + first[x], *b = rows[1] + first[x], *c = rows[2] + first[x], *d = rows[3] + first[x];
		__m128i sum0 = _mm_setzero_si128(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
		for (int k = 0; k < points; k += 8) {
			__m128i w = _mm_loadu_si128((const __m128i *) (weights + k));
			sum0 = _mm_add_epi32(sum0, _mm_madd_epi16(_mm_loadu_si128((const __m128i *) (a + k)), w));
			sum1 = _mm_add_epi32(sum1, _mm_madd_epi16(_mm_loadu_si128((const __m128i *) (b + k)), w));
			sum2 = _mm_add_epi32(sum2, _mm_madd_epi16(_mm_loadu_si128((const __m128i *) (c + k)), w));
			sum3 = _mm_add_epi32(sum3, _mm_madd_epi16(_mm_loadu_si128((const __m128i *) (d + k)), w));
		}
		/* The four lanes of each sum, added up. */
		__m128i low = _mm_add_epi32(_mm_unpacklo_epi32(sum0, sum1), _mm_unpackhi_epi32(sum0, sum1));
		__m128i high = _mm_add_epi32(_mm_unpacklo_epi32(sum2, sum3), _mm_unpackhi_epi32(sum2, sum3));
		__m128i all = _mm_add_epi32(_mm_unpacklo_epi64(low, high), _mm_unpackhi_epi64(low, high));
		all = _mm_srai_epi32(_mm_add_epi32(all, half), WEIGHT_BITS);
		uint64_t four = _mm_cvtsi128_si64(_mm_packs_epi32(all, all));
		to[0][x] = (int16_t) four;
		to[1][x] = (int16_t) (four >> 16);
		to[2][x] = (int16_t) (four >> 32);
		to[3][x] = (int16_t) (four >> 48);
	}
}

static void
sse2_add_lines(uint16_t *sums, const uint8_t *const *lines, int count, int n)
{
	const __m128i zero = _mm_setzero_si128();
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		__m128i *to = (__m128i *) (sums + i);
		__m128i low = _mm_loadu_si128(to), high = _mm_loadu_si128(to + 1);
		for (int k = 0; k < count; k++) {
			__m128i v = _mm_loadu_si128((const __m128i *) (lines[k] + i));
			low = _mm_add_epi16(low, _mm_unpacklo_epi8(v, zero));
			high = _mm_add_epi16(high, _mm_unpackhi_epi8(v, zero));
		}
		_mm_storeu_si128(to, low);
		_mm_storeu_si128(to + 1, high);
	}
	add_lines_plain(sums, lines, count, i, n);
}

static void
sse2_add_samples(int32_t *sums, const int16_t *const *lines, int count, int n)
{
	const __m128i zero = _mm_setzero_si128();
	int i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i *to = (__m128i *) (sums + i);
		__m128i low = _mm_loadu_si128(to), high = _mm_loadu_si128(to + 1);
		for (int k = 0; k < count; k++) {
			__m128i v = _mm_loadu_si128((const __m128i *) (lines[k] + i));
			low = _mm_add_epi32(low, _mm_unpacklo_epi16(v, zero));
			high = _mm_add_epi32(high, _mm_unpackhi_epi16(v, zero));
		}
		_mm_storeu_si128(to, low);
		_mm_storeu_si128(to + 1, high);
	}
	add_samples_plain(sums, lines, count, i, n);
}

/* 16 means. */
static inline __m128i
sse2_divide(__m128i low, __m128i high, TintypeShare share)
{
	const __m128i by = _mm_set1_epi16(share.by), shift = _mm_cvtsi32_si128(share.shift);

	return _mm_packus_epi16(_mm_srl_epi16(_mm_mulhi_epu16(low, by), shift),
		_mm_srl_epi16(_mm_mulhi_epu16(high, by), shift));
}

static void
sse2_means(const uint16_t *sums, int n, TintypeShare share, uint8_t *to)
{
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		const __m128i *from = (const __m128i *) (sums + i);
		_mm_storeu_si128((__m128i *) (to + i),
			sse2_divide(_mm_loadu_si128(from), _mm_loadu_si128(from + 1), share));
	}
	means_plain(sums, i, n, share, to);
}

static inline void
sse2_put_means(__m128i low, __m128i high, TintypeShare share, int bands, int x, int width, uint8_t *to)
{
	uint32_t pixels[4];

	_mm_storeu_si128((__m128i *) pixels, sse2_divide(low, high, share));
	for (int i = 0; i < 4; i++)
		put_bytes(to + (x + i) * bands, pixels[i], bands, (width - x - i) * bands);
}

static inline __m128i
sse2_sum(const uint8_t *from, int across, int bands)
{
	__m128i sum = _mm_set1_epi16(across / 2);

	for (int k = 0; k < across; k++, from += bands) {
		int32_t pixel;
		memcpy(&pixel, from, 4);
		sum = _mm_add_epi16(sum, _mm_unpacklo_epi8(_mm_cvtsi32_si128(pixel), _mm_setzero_si128()));
	}
	return sum;
}

static void
sse2_means_across(const uint8_t *row, int across, int bands, int width, uint8_t *to)
{
	const TintypeShare share = tintype_share(across);
	const long step = (long) across * bands;
	int x = 0;

	for (; x + 4 <= width; x += 4, row += 4 * step)
		sse2_put_means(
			_mm_unpacklo_epi64(sse2_sum(row, across, bands), sse2_sum(row + step, across, bands)),
			_mm_unpacklo_epi64(sse2_sum(row + 2 * step, across, bands), sse2_sum(row + 3 * step, across, bands)),
			share, bands, x, width, to);
	means_across_plain(row - x * step, across, bands, x, width, to);
}

/* Eight values of a colour, in 16 bits, of luma and the share of one chroma, and what else adds. */
static inline __m128i
sse2_colour(__m128i luma, __m128i chroma, int share, __m128i low, __m128i high)
{
	const int shift = COLOUR_BITS + SAMPLE_BITS;
	const __m128i by = _mm_set1_epi32((int) ((uint32_t) share << 16 | 1 << COLOUR_BITS));

	low = _mm_add_epi32(low, _mm_madd_epi16(_mm_unpacklo_epi16(luma, chroma), by));
	high = _mm_add_epi32(high, _mm_madd_epi16(_mm_unpackhi_epi16(luma, chroma), by));
	return _mm_packs_epi32(_mm_srai_epi32(low, shift), _mm_srai_epi32(high, shift));
}

static void
sse2_colours(const int16_t *luma, const int16_t *blue, const int16_t *red, int n, uint8_t *to)
{
	const __m128i zero = _mm_setzero_si128(), grey = _mm_set1_epi16(128 << SAMPLE_BITS);
	const __m128i half = _mm_set1_epi32(1 << (COLOUR_BITS + SAMPLE_BITS - 1)), green = _mm_set1_epi32(GREEN_OF_BLUE & 0xffff);
	int x = 0;

	/* Four bytes are written for a pixel, so one must follow. */
	for (; x + 8 < n; x += 8) {
		__m128i y = _mm_loadu_si128((const __m128i *) (luma + x));
		__m128i b = _mm_subs_epi16(_mm_loadu_si128((const __m128i *) (blue + x)), grey);
		__m128i r = _mm_subs_epi16(_mm_loadu_si128((const __m128i *) (red + x)), grey);
		__m128i reds = sse2_colour(y, r, RED_OF_RED, half, half);
		__m128i greens = sse2_colour(y, r, GREEN_OF_RED,
			_mm_add_epi32(half, _mm_madd_epi16(_mm_unpacklo_epi16(b, zero), green)),
			_mm_add_epi32(half, _mm_madd_epi16(_mm_unpackhi_epi16(b, zero), green)));
		__m128i blues = sse2_colour(y, b, BLUE_OF_BLUE, half, half);
		__m128i two = _mm_packus_epi16(reds, greens), third = _mm_packus_epi16(blues, zero);
		two = _mm_unpacklo_epi8(two, _mm_unpackhi_epi64(two, two));
		third = _mm_unpacklo_epi8(third, zero);
		uint32_t pixels[8];
		_mm_storeu_si128((__m128i *) pixels, _mm_unpacklo_epi16(two, third));
		_mm_storeu_si128((__m128i *) (pixels + 4), _mm_unpackhi_epi16(two, third));
		for (int i = 0; i < 8; i++)
			memcpy(to + 3 * (x + i), pixels + i, 4);
	}
	plain_colours(luma + x, blue + x, red + x, n - x, to + 3 * x);
}

static const TintypeKernels sse2 = {
	"sse2", sse2_weigh, sse2_down_bytes, sse2_down_samples, sse2_across_bytes, sse2_across_samples, sse2_dots,
	sse2_add_lines, sse2_means, sse2_add_samples, sse2_means_across, sse2_colours
};

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i
avx2_pair(const int16_t *weights)
{
	int32_t both;
	memcpy(&both, weights, 4);
	return _mm256_set1_epi32(both);
}

AVX2 static inline __m256i
avx2_load(const void *from)
{
	return _mm256_loadu_si256((const __m256i *) from);
}

AVX2 static void
avx2_down_bytes(const uint8_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS - SAMPLE_BITS;
	const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << (shift - 1));

	/* The last ones overlap those before. */
	for (int x = 0; x < n && n >= 32; x += 32) {
		const int i = least(x, n - 32);
		__m256i sum0 = half, sum1 = half, sum2 = half, sum3 = half;
		for (int k = 0; k < points; k += 2) {
			__m256i w = avx2_pair(weights + k);
			__m256i a = avx2_load(lines[k] + i), b = avx2_load(lines[k + 1] + i);
			__m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
			sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(_mm256_unpacklo_epi8(low, zero), w));
			sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(_mm256_unpackhi_epi8(low, zero), w));
			sum2 = _mm256_add_epi32(sum2, _mm256_madd_epi16(_mm256_unpacklo_epi8(high, zero), w));
			sum3 = _mm256_add_epi32(sum3, _mm256_madd_epi16(_mm256_unpackhi_epi8(high, zero), w));
		}
		/* Unpacking and packing work in halves: low has samples 0–7 and 16–23. */
		__m256i low = _mm256_packs_epi32(_mm256_srai_epi32(sum0, shift), _mm256_srai_epi32(sum1, shift));
		__m256i high = _mm256_packs_epi32(_mm256_srai_epi32(sum2, shift), _mm256_srai_epi32(sum3, shift));
		_mm256_storeu_si256((__m256i *) (to + i), _mm256_permute2x128_si256(low, high, 0x20));
		_mm256_storeu_si256((__m256i *) (to + i + 16), _mm256_permute2x128_si256(low, high, 0x31));
	}
	if (n < 32)
		down_bytes_plain(lines, weights, points, 0, n, to);
}

AVX2 static void
avx2_down_samples(const int16_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const __m256i half = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1));
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i sum0 = half, sum1 = half;
		for (int k = 0; k < points; k += 2) {
			__m256i w = avx2_pair(weights + k);
			__m256i a = avx2_load(lines[k] + i), b = avx2_load(lines[k + 1] + i);
			sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w));
			sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w));
		}
		_mm256_storeu_si256((__m256i *) (to + i),
			_mm256_packs_epi32(_mm256_srai_epi32(sum0, WEIGHT_BITS), _mm256_srai_epi32(sum1, WEIGHT_BITS)));
	}
	down_samples_plain(lines, weights, points, i, n, to);
}

/* Two rows at a time, one in each half. `order` brings the bands of two neighbouring pixels
 * together.
 */
AVX2 static inline __m256i
avx2_tap(const int16_t *a, const int16_t *b, __m256i order, __m256i w)
{
	__m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *) a)),
		_mm_loadu_si128((const __m128i *) b), 1);
	return _mm256_madd_epi16(_mm256_shuffle_epi8(both, order), w);
}

AVX2 static inline __m256i
avx2_order(int bands)
{
	int8_t order[32];

	for (int i = 0; i < 32; i++) {
		int band = i / 4 % 4, second = i / 2 % 2;
		order[i] = band < bands ? 2 * (band + second * bands) + i % 2 : -1;
	}
	return avx2_load(order);
}

AVX2 static inline void
avx2_sums(const int16_t *const rows[ROWS], long at, const int16_t *weights, int points, int bands, __m256i half,
	__m256i order, __m256i *low, __m256i *high)
{
	const int16_t *a = rows[0] + at, *b = rows[1] + at, *c = rows[2] + at, *d = rows[3] + at;
	__m256i sum0 = half, sum1 = half;

	for (int k = 0; k < points; k += 2) {
		__m256i w = avx2_pair(weights + k);
		sum0 = _mm256_add_epi32(sum0, avx2_tap(a, b, order, w));
		sum1 = _mm256_add_epi32(sum1, avx2_tap(c, d, order, w));
		a += 2 * bands, b += 2 * bands, c += 2 * bands, d += 2 * bands;
	}
	*low = sum0, *high = sum1;
}

AVX2 static void
avx2_across_bytes(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int half, uint8_t *const to[ROWS])
{
	const int shift = WEIGHT_BITS + SAMPLE_BITS;
	const __m256i order = avx2_order(bands), halves = _mm256_set1_epi32(half);

	for (int x = 0; x < width; x++, weights += points) {
		__m256i low, high;
		avx2_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, halves, order, &low, &high);
		/* Rows 0 and 2 in the lower half, 1 and 3 in the upper one. */
		__m256i v = _mm256_packs_epi32(_mm256_srai_epi32(low, shift), _mm256_srai_epi32(high, shift));
		v = _mm256_packus_epi16(v, v);
		uint64_t even = _mm_cvtsi128_si64(_mm256_castsi256_si128(v));
		uint64_t odd = _mm_cvtsi128_si64(_mm256_extracti128_si256(v, 1));
		int rest = (width - x) * bands;
		put_bytes(to[0] + x * bands, even, bands, rest);
		put_bytes(to[1] + x * bands, odd, bands, rest);
		put_bytes(to[2] + x * bands, even >> 32, bands, rest);
		put_bytes(to[3] + x * bands, odd >> 32, bands, rest);
	}
}

AVX2 static void
avx2_across_samples(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int16_t *const to[ROWS])
{
	const __m256i order = avx2_order(bands), half = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1));

	for (int x = 0; x < width; x++, weights += points) {
		__m256i low, high;
		avx2_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, half, order, &low, &high);
		__m256i v = _mm256_packs_epi32(_mm256_srai_epi32(low, WEIGHT_BITS), _mm256_srai_epi32(high, WEIGHT_BITS));
		__m128i even = _mm256_castsi256_si128(v), odd = _mm256_extracti128_si256(v, 1);
		_mm_storel_epi64((__m128i *) (to[0] + x * 4), even);
		_mm_storel_epi64((__m128i *) (to[1] + x * 4), odd);
		_mm_storel_epi64((__m128i *) (to[2] + x * 4), _mm_unpackhi_epi64(even, even));
		_mm_storel_epi64((__m128i *) (to[3] + x * 4), _mm_unpackhi_epi64(odd, odd));
	}
}

AVX2 static void
avx2_add_lines(uint16_t *sums, const uint8_t *const *lines, int count, int n)
{
	int i = 0;

	for (; i + 32 <= n; i += 32) {
		__m256i *to = (__m256i *) (sums + i);
		__m256i low = avx2_load(to), high = avx2_load(to + 1);
		for (int k = 0; k < count; k++) {
			const __m128i *from = (const __m128i *) (lines[k] + i);
			low = _mm256_add_epi16(low, _mm256_cvtepu8_epi16(_mm_loadu_si128(from)));
			high = _mm256_add_epi16(high, _mm256_cvtepu8_epi16(_mm_loadu_si128(from + 1)));
		}
		_mm256_storeu_si256(to, low);
		_mm256_storeu_si256(to + 1, high);
	}
	add_lines_plain(sums, lines, count, i, n);
}

AVX2 static void
avx2_add_samples(int32_t *sums, const int16_t *const *lines, int count, int n)
{
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256i *to = (__m256i *) (sums + i);
		__m256i low = avx2_load(to), high = avx2_load(to + 1);
		for (int k = 0; k < count; k++) {
			const __m128i *from = (const __m128i *) (lines[k] + i);
			low = _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm_loadu_si128(from)));
			high = _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm_loadu_si128(from + 1)));
		}
		_mm256_storeu_si256(to, low);
		_mm256_storeu_si256(to + 1, high);
	}
	add_samples_plain(sums, lines, count, i, n);
}

/* The sums of four bands, of four pixels at a time: `order` brings each band together. Of
 * the last ones only those in `last` count.
 */
AVX2 static inline __m128i
avx2_sum(const uint8_t *from, int across, int bands, __m128i order, __m128i last)
{
	__m128i sum = _mm_setzero_si128();
	int k = 0;

	for (; k < across - 4; k += 4, from += 4 * bands)
		sum = _mm_add_epi16(sum, _mm_maddubs_epi16(
			_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *) from), order), _mm_set1_epi8(1)));
	sum = _mm_add_epi16(sum, _mm_maddubs_epi16(
		_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *) from), order), last));
	return _mm_madd_epi16(sum, _mm_set1_epi16(1));
}

AVX2 static void
avx2_means_across(const uint8_t *row, int across, int bands, int width, uint8_t *to)
{
	const TintypeShare share = tintype_share(across);
	const __m128i half = _mm_set1_epi16(across / 2);
	const long step = (long) across * bands;
	int8_t bytes[16], ones[16];
	int x = 0;

	for (int i = 0; i < 16; i++) {
		bytes[i] = i / 4 < bands ? i % 4 * bands + i / 4 : -1;
		ones[i] = i % 4 <= (across - 1) % 4;
	}
	const __m128i order = _mm_loadu_si128((const __m128i *) bytes), last = _mm_loadu_si128((const __m128i *) ones);
	for (; x + 4 <= width; x += 4, row += 4 * step) {
		__m128i a = avx2_sum(row, across, bands, order, last);
		__m128i b = avx2_sum(row + step, across, bands, order, last);
		__m128i c = avx2_sum(row + 2 * step, across, bands, order, last);
		__m128i d = avx2_sum(row + 3 * step, across, bands, order, last);
		sse2_put_means(_mm_add_epi16(_mm_packs_epi32(a, b), half), _mm_add_epi16(_mm_packs_epi32(c, d), half),
			share, bands, x, width, to);
	}
	means_across_plain(row - x * step, across, bands, x, width, to);
}

static const TintypeKernels avx2 = {
	"avx2", sse2_weigh, avx2_down_bytes, avx2_down_samples, avx2_across_bytes, avx2_across_samples, sse2_dots,
	avx2_add_lines, sse2_means, avx2_add_samples, avx2_means_across, sse2_colours
};

const TintypeKernels *const *
tintype_kernels(void)
{
	static const TintypeKernels *const all[] = { &avx2, &sse2, &plain, NULL };

	return all + !__builtin_cpu_supports("avx2");
}

#elif defined(__aarch64__)
#include <arm_neon.h>

static inline int16x8_t
neon_weighed(uint8x8_t v, uint8x8_t by)
{
	uint16x8_t x = vmull_u8(v, by);
	uint16x8_t rest = vshlq_n_u16(vandq_u16(x, vdupq_n_u16(3)), SAMPLE_BITS);
	x = vshrq_n_u16(x, 2);
	uint16x8_t part = vaddq_u16(vaddq_u16(x, rest), vdupq_n_u16(127));
	/* A division by 255, exact in 16 bits. */
	uint16x4_t low = vshrn_n_u32(vmull_n_u16(vget_low_u16(part), 0x8081), 16);
	uint16x4_t high = vshrn_n_u32(vmull_n_u16(vget_high_u16(part), 0x8081), 16);
	return vreinterpretq_s16_u16(vaddq_u16(x, vshrq_n_u16(vcombine_u16(low, high), 7)));
}

static void
neon_weigh(const uint8_t *from, int n, int bands, int16_t *to)
{
	int x = 0;

	if (bands == 4)
		for (; x + 8 <= n; x += 8) {
			uint8x8x4_t v = vld4_u8(from + 4 * x);
			int16x8x4_t samples = { { neon_weighed(v.val[0], v.val[3]), neon_weighed(v.val[1], v.val[3]),
				neon_weighed(v.val[2], v.val[3]), neon_weighed(v.val[3], vdup_n_u8(255)) } };
			vst4q_s16(to + 4 * x, samples);
		}
	weigh_plain(from, x, n, bands, to);
}

static void
neon_down_bytes(const uint8_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS - SAMPLE_BITS;

	/* The last ones overlap those before. */
	for (int x = 0; x < n && n >= 16; x += 16) {
		const int i = least(x, n - 16);
		int32x4_t sum0 = vdupq_n_s32(1 << (shift - 1)), sum1 = sum0, sum2 = sum0, sum3 = sum0;
		for (int k = 0; k < points; k++) {
			uint8x16_t v = vld1q_u8(lines[k] + i);
			int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(v)));
			int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(v));
			sum0 = vmlal_n_s16(sum0, vget_low_s16(low), weights[k]);
			sum1 = vmlal_high_n_s16(sum1, low, weights[k]);
			sum2 = vmlal_n_s16(sum2, vget_low_s16(high), weights[k]);
			sum3 = vmlal_high_n_s16(sum3, high, weights[k]);
		}
		vst1q_s16(to + i, vcombine_s16(vqshrn_n_s32(sum0, shift), vqshrn_n_s32(sum1, shift)));
		vst1q_s16(to + i + 8, vcombine_s16(vqshrn_n_s32(sum2, shift), vqshrn_n_s32(sum3, shift)));
	}
	if (n < 16)
		down_bytes_plain(lines, weights, points, 0, n, to);
}

static void
neon_down_samples(const int16_t *const *lines, const int16_t *weights, int points, int n, int16_t *to)
{
	int i = 0;

	for (; i + 8 <= n; i += 8) {
		int32x4_t sum0 = vdupq_n_s32(1 << (WEIGHT_BITS - 1)), sum1 = sum0;
		for (int k = 0; k < points; k++) {
			int16x8_t v = vld1q_s16(lines[k] + i);
			sum0 = vmlal_n_s16(sum0, vget_low_s16(v), weights[k]);
			sum1 = vmlal_high_n_s16(sum1, v, weights[k]);
		}
		vst1q_s16(to + i, vcombine_s16(vqshrn_n_s32(sum0, WEIGHT_BITS), vqshrn_n_s32(sum1, WEIGHT_BITS)));
	}
	down_samples_plain(lines, weights, points, i, n, to);
}

/* Four bands are always loaded. The sums of those beyond the pixel aren't used. */
static inline void
neon_sums(const int16_t *const rows[ROWS], long at, const int16_t *weights, int points, int bands, int half, int32x4_t sums[ROWS])
{
	const int16_t *a = rows[0] + at, *b = rows[1] + at, *c = rows[2] + at, *d = rows[3] + at;
	int32x4_t sum0 = vdupq_n_s32(half), sum1 = sum0, sum2 = sum0, sum3 = sum0;

	for (int k = 0; k < points; k++) {
		sum0 = vmlal_n_s16(sum0, vld1_s16(a), weights[k]);
		sum1 = vmlal_n_s16(sum1, vld1_s16(b), weights[k]);
		sum2 = vmlal_n_s16(sum2, vld1_s16(c), weights[k]);
		sum3 = vmlal_n_s16(sum3, vld1_s16(d), weights[k]);
		a += bands, b += bands, c += bands, d += bands;
	}
	sums[0] = sum0, sums[1] = sum1, sums[2] = sum2, sums[3] = sum3;
}

static void
neon_across_bytes(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int half, uint8_t *const to[ROWS])
{
	const int shift = WEIGHT_BITS + SAMPLE_BITS;

	for (int x = 0; x < width; x++, weights += points) {
		int32x4_t sums[ROWS];
		neon_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, half, sums);
		/* The shift is longer than the narrowing ones allow. */
		int16x8_t low = vcombine_s16(vqmovn_s32(vshrq_n_s32(sums[0], shift)), vqmovn_s32(vshrq_n_s32(sums[1], shift)));
		int16x8_t high = vcombine_s16(vqmovn_s32(vshrq_n_s32(sums[2], shift)), vqmovn_s32(vshrq_n_s32(sums[3], shift)));
		uint32_t pixels[ROWS];
		vst1q_u8((uint8_t *) pixels, vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)));
		for (int r = 0; r < ROWS; r++)
			put_bytes(to[r] + x * bands, pixels[r], bands, (width - x) * bands);
	}
}

static void
neon_across_samples(const int16_t *const rows[ROWS], const int *first, int from, const int16_t *weights,
	int points, int bands, int width, int16_t *const to[ROWS])
{
	for (int x = 0; x < width; x++, weights += points) {
		int32x4_t sums[ROWS];
		neon_sums(rows, (long) (first[x] - from) * bands, weights, points, bands, 1 << (WEIGHT_BITS - 1), sums);
		for (int r = 0; r < ROWS; r++)
			vst1_s16(to[r] + x * 4, vqshrn_n_s32(sums[r], WEIGHT_BITS));
	}
}

static void
neon_dots(const int16_t *const rows[ROWS], const int *first, const int16_t *weights, int points, int width,
	int16_t *const to[ROWS])
{
	for (int x = 0; x < width; x++, weights += points)
		for (int r = 0; r < ROWS; r++) {
			const int16_t *from = rows[r] + first[x];
			int32x4_t sum0 = vdupq_n_s32(0), sum1 = sum0;
			for (int k = 0; k < points; k += 8) {
				int16x8_t v = vld1q_s16(from + k), w = vld1q_s16(weights + k);
				sum0 = vmlal_s16(sum0, vget_low_s16(v), vget_low_s16(w));
				sum1 = vmlal_high_s16(sum1, v, w);
			}
			int sum = vaddvq_s32(vaddq_s32(sum0, sum1)) + (1 << (WEIGHT_BITS - 1));
			to[r][x] = clamp(INT16_MIN, sum >> WEIGHT_BITS, INT16_MAX);
		}
}

static void
neon_add_lines(uint16_t *sums, const uint8_t *const *lines, int count, int n)
{
	int i = 0;

	for (; i + 16 <= n; i += 16) {
		uint16x8_t low = vld1q_u16(sums + i), high = vld1q_u16(sums + i + 8);
		for (int k = 0; k < count; k++) {
			uint8x16_t v = vld1q_u8(lines[k] + i);
			low = vaddw_u8(low, vget_low_u8(v));
			high = vaddw_high_u8(high, v);
		}
		vst1q_u16(sums + i, low);
		vst1q_u16(sums + i + 8, high);
	}
	add_lines_plain(sums, lines, count, i, n);
}

static void
neon_add_samples(int32_t *sums, const int16_t *const *lines, int count, int n)
{
	int i = 0;

	for (; i + 8 <= n; i += 8) {
		int32x4_t low = vld1q_s32(sums + i), high = vld1q_s32(sums + i + 4);
		for (int k = 0; k < count; k++) {
			int16x8_t v = vld1q_s16(lines[k] + i);
			low = vaddw_s16(low, vget_low_s16(v));
			high = vaddw_high_s16(high, v);
		}
		vst1q_s32(sums + i, low);
		vst1q_s32(sums + i + 4, high);
	}
	add_samples_plain(sums, lines, count, i, n);
}

/* Eight means. */
static inline uint8x8_t
neon_divide(uint16x8_t sums, TintypeShare share)
{
	uint16x4_t low = vshrn_n_u32(vmull_n_u16(vget_low_u16(sums), share.by), 16);
	uint16x4_t high = vshrn_n_u32(vmull_n_u16(vget_high_u16(sums), share.by), 16);

	return vmovn_u16(vshlq_u16(vcombine_u16(low, high), vdupq_n_s16(-share.shift)));
}

static void
neon_means(const uint16_t *sums, int n, TintypeShare share, uint8_t *to)
{
	int i = 0;

	for (; i + 8 <= n; i += 8)
		vst1_u8(to + i, neon_divide(vld1q_u16(sums + i), share));
	means_plain(sums, i, n, share, to);
}

static inline uint16x4_t
neon_sum(const uint8_t *from, int across, int bands)
{
	uint16x8_t sum = vdupq_n_u16(across / 2);

	for (int k = 0; k < across; k++, from += bands)
		sum = vaddw_u8(sum, vld1_u8(from));
	return vget_low_u16(sum);
}

static void
neon_means_across(const uint8_t *row, int across, int bands, int width, uint8_t *to)
{
	const TintypeShare share = tintype_share(across);
	const long step = (long) across * bands;
	int x = 0;

	for (; x + 2 <= width; x += 2, row += 2 * step) {
		uint32_t pixels[2];
		vst1_u8((uint8_t *) pixels, neon_divide(vcombine_u16(
			neon_sum(row, across, bands), neon_sum(row + step, across, bands)), share));
		put_bytes(to + x * bands, pixels[0], bands, (width - x) * bands);
		put_bytes(to + (x + 1) * bands, pixels[1], bands, (width - x - 1) * bands);
	}
	means_across_plain(row - x * step, across, bands, x, width, to);
}

/* Eight levels of a colour: luma as a sum, and the shares of both chromas. */
static inline uint8x8_t
neon_colour(const int32x4_t luma[2], int16x8_t blue, int of_blue, int16x8_t red, int of_red)
{
	const int shift = COLOUR_BITS + SAMPLE_BITS;
	int32x4_t low = vmlal_n_s16(vmlal_n_s16(luma[0], vget_low_s16(blue), of_blue), vget_low_s16(red), of_red);
	int32x4_t high = vmlal_n_s16(vmlal_n_s16(luma[1], vget_high_s16(blue), of_blue), vget_high_s16(red), of_red);

	return vqmovun_s16(vcombine_s16(vqmovn_s32(vshrq_n_s32(low, shift)), vqmovn_s32(vshrq_n_s32(high, shift))));
}

static void
neon_colours(const int16_t *luma, const int16_t *blue, const int16_t *red, int n, uint8_t *to)
{
	const int16x8_t grey = vdupq_n_s16(128 << SAMPLE_BITS);
	const int32x4_t half = vdupq_n_s32(1 << (COLOUR_BITS + SAMPLE_BITS - 1));
	int x = 0;

	for (; x + 8 <= n; x += 8) {
		int16x8_t v = vld1q_s16(luma + x);
		int32x4_t y[2] = { vmlal_n_s16(half, vget_low_s16(v), 1 << COLOUR_BITS),
			vmlal_n_s16(half, vget_high_s16(v), 1 << COLOUR_BITS) };
		int16x8_t b = vqsubq_s16(vld1q_s16(blue + x), grey), r = vqsubq_s16(vld1q_s16(red + x), grey);
		uint8x8x3_t pixels = { { neon_colour(y, b, 0, r, RED_OF_RED),
			neon_colour(y, b, GREEN_OF_BLUE, r, GREEN_OF_RED), neon_colour(y, b, BLUE_OF_BLUE, r, 0) } };
		vst3_u8(to + 3 * x, pixels);
	}
	plain_colours(luma + x, blue + x, red + x, n - x, to + 3 * x);
}

static const TintypeKernels neon = {
	"neon", neon_weigh, neon_down_bytes, neon_down_samples, neon_across_bytes, neon_across_samples, neon_dots,
	neon_add_lines, neon_means, neon_add_samples, neon_means_across, neon_colours
};

const TintypeKernels *const *
tintype_kernels(void)
{
	static const TintypeKernels *const all[] = { &neon, &plain, NULL };

	return all;
}

#else

const TintypeKernels *const *
tintype_kernels(void)
{
	static const TintypeKernels *const all[] = { &plain, NULL };

	return all;
}
#endif

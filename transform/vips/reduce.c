/* A libvips operation that resizes: down with a Lanczos kernel, up with a cubic one. It
 * replaces libvips's own operation, which
 *
 * - compiles code for every image that it reduces, which takes longer than small frames,
 * - before 8.16 works horizontally without SIMD, and vertically with 6-bit coefficients,
 * - doesn't support frames,
 * - needs floating point for alpha,
 * - enlarges from the edge of the first pixel instead of its middle.
 *
 * It works first down, then across, in integers, with the same results on every processor.
 * Samples have SAMPLE_BITS fractional bits, and coefficients WEIGHT_BITS.
 */
#include "reduce.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SAMPLE_BITS 6
#define WEIGHT_BITS 14
#define LOBES 3

/* The reach of the cubic kernel (Keys, a = -1/2), in pixels. It overshoots less at edges
 * than a longer kernel.
 */
#define CUBIC_REACH 2

/* For factors above twice this, blocks of pixels are averaged first, as in libvips. */
#define GAP 2.0

/* A span holds the kernel of each place on a side of the output: `points` places of the
 * input from `first` on, with their weights. The last weight may be zero.
 */
typedef struct {
	int points; /* even */
	int *first;
	int16_t *weights;
} Span;

typedef struct {
	VipsImage *in;
	TintypeReduction r;
	Span across, down;
	int frame; /* rows of a frame of the input */
} Reduce;

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

/* The side of the input has `from` places for a length of `length`, since the last place
 * may be incomplete. It is resized to `to` places. Only `keep` of them are computed, from
 * `skip` on.
 *
 * Beyond the edges the outermost pixel is repeated, as in libvips. The weights of a
 * place add up to exactly one, so that flat colours don't change.
 */
static int
make_span(VipsImage *owner, Span *span, int from, double length, int to, int skip, int keep)
{
	static GOnce once = G_ONCE_INIT;
	g_once(&once, fill_lanczos_table, NULL);

	double scale = length / to;
	double wide = scale < 1 ? CUBIC_REACH : LOBES * scale;
	int reach = 2 * (int) ceil(wide) + 1;
	int points = VIPS_MIN(reach, from);
	points += points & 1;
	if (points > 65536 / LOBES) {
		vips_error("reduce", "factor too large");
		return -1;
	}
	span->points = points;
	span->first = VIPS_ARRAY(VIPS_OBJECT(owner), keep, int);
	span->weights = VIPS_ARRAY(VIPS_OBJECT(owner), (size_t) keep * points, int16_t);
	double *exact = VIPS_ARRAY(NULL, points, double);
	if (!span->first || !span->weights || !exact) {
		g_free(exact);
		return -1;
	}
	for (int at = 0; at < keep; at++) {
		double centre = (skip + at + 0.5) * scale - 0.5;
		int low = (int) ceil(centre - wide);
		int high = (int) floor(centre + wide);
		/* All points lie on the side, but for the last of an odd side. */
		int first = VIPS_CLIP(0, low, VIPS_MAX(0, from - points));
		int last = VIPS_MIN(first + points, from) - 1;
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

/* A sequence is the working memory of one thread. */
typedef struct {
	VipsRegion *region;
	int16_t *row;		/* a row that has been reduced downwards, with some room after it */
	int16_t *weighed;	/* a strip of the input with weighed colours */
	size_t weighed_size;
	const void **lines; /* the lines of a row */
} Sequence;

static int
reduce_stop(void *vseq, void *a, void *b)
{
	Sequence *seq = vseq;

	VIPS_UNREF(seq->region);
	g_free(seq->row);
	g_free(seq->weighed);
	g_free(seq->lines);
	g_free(seq);
	return 0;
}

static void *
reduce_start(VipsImage *out, void *a, void *b)
{
	Reduce *reduce = b;
	Sequence *seq = g_new0(Sequence, 1);

	seq->region = vips_region_new(reduce->in);
	seq->row = g_new0(int16_t, (size_t) reduce->in->Xsize * reduce->in->Bands + 8);
	seq->lines = g_new(const void *, reduce->down.points);
	return seq;
}

static inline int16_t
clamp16(int v)
{
	return VIPS_CLIP(INT16_MIN, v, INT16_MAX);
}

/* n samples of a row from lines of bytes. */
static void
down_bytes(const void **lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS - SAMPLE_BITS;
	int i = 0;

#ifdef __SSE2__
	const __m128i zero = _mm_setzero_si128();
	const __m128i half = _mm_set1_epi32(1 << (shift - 1));
	for (; i + 16 <= n; i += 16) {
		__m128i sum0 = half, sum1 = half, sum2 = half, sum3 = half;
		for (int k = 0; k < points; k += 2) {
			int32_t both;
			memcpy(&both, weights + k, 4);
			__m128i w = _mm_set1_epi32(both);
			__m128i a = _mm_loadu_si128((const __m128i *) ((const uint8_t *) lines[k] + i));
			__m128i b = _mm_loadu_si128((const __m128i *) ((const uint8_t *) lines[k + 1] + i));
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
#endif
	for (; i < n; i++) {
		int sum = 1 << (shift - 1);
		for (int k = 0; k < points; k++)
			sum += weights[k] * ((const uint8_t *) lines[k])[i];
		to[i] = clamp16(sum >> shift);
	}
}

/* n samples of a row from lines of samples. */
static void
down_samples(const void **lines, const int16_t *weights, int points, int n, int16_t *to)
{
	const int shift = WEIGHT_BITS;
	int i = 0;

#ifdef __SSE2__
	const __m128i half = _mm_set1_epi32(1 << (shift - 1));
	for (; i + 8 <= n; i += 8) {
		__m128i sum0 = half, sum1 = half;
		for (int k = 0; k < points; k += 2) {
			int32_t both;
			memcpy(&both, weights + k, 4);
			__m128i w = _mm_set1_epi32(both);
			__m128i a = _mm_loadu_si128((const __m128i *) ((const int16_t *) lines[k] + i));
			__m128i b = _mm_loadu_si128((const __m128i *) ((const int16_t *) lines[k + 1] + i));
			sum0 = _mm_add_epi32(sum0, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), w));
			sum1 = _mm_add_epi32(sum1, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), w));
		}
		_mm_storeu_si128((__m128i *) (to + i),
			_mm_packs_epi32(_mm_srai_epi32(sum0, shift), _mm_srai_epi32(sum1, shift)));
	}
#endif
	for (; i < n; i++) {
		int sum = 1 << (shift - 1);
		for (int k = 0; k < points; k++)
			sum += weights[k] * ((const int16_t *) lines[k])[i];
		to[i] = clamp16(sum >> shift);
	}
}

/* One pixel of up to four bands, as samples, from a row of them. */
static inline void
sum_across(const int16_t *from, const int16_t *weights, int points, int bands, int shift, int32_t to[4])
{
#ifdef __SSE2__
	__m128i even = _mm_set1_epi32(1 << (shift - 1)), odd = _mm_setzero_si128();
	int k = 0;
	/* Always load four bands. The extra ones aren't used. */
#define PAIR(sum, at) \
	{ \
		int32_t both; \
		memcpy(&both, weights + (at), 4); \
		__m128i a = _mm_loadl_epi64((const __m128i *) (from + (at) * bands)); \
		__m128i b = _mm_loadl_epi64((const __m128i *) (from + ((at) + 1) * bands)); \
		sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), _mm_set1_epi32(both))); \
	}
	for (; k + 4 <= points; k += 4) {
		PAIR(even, k);
		PAIR(odd, k + 2);
	}
	if (k < points)
		PAIR(even, k);
#undef PAIR
	_mm_storeu_si128((__m128i *) to, _mm_srai_epi32(_mm_add_epi32(even, odd), shift));
#else
	for (int c = 0; c < bands; c++) {
		int sum = 1 << (shift - 1);
		for (int k = 0; k < points; k++)
			sum += weights[k] * from[k * bands + c];
		to[c] = sum >> shift;
	}
#endif
}

/* Colours weighted with alpha, and alpha, as samples. */
static void
weigh(const uint8_t *from, int n, int bands, int16_t *to)
{
	for (int x = 0; x < n; x++, from += bands, to += bands) {
		int alpha = from[bands - 1];
		for (int c = 0; c < bands - 1; c++)
			to[c] = alpha == 255
				? from[c] << SAMPLE_BITS
				: ((from[c] * alpha << SAMPLE_BITS) + 127) / 255;
		to[bands - 1] = alpha << SAMPLE_BITS;
	}
}

static inline uint8_t
clamp8(int v)
{
	return VIPS_CLIP(0, v, 255);
}

static int
reduce_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	Sequence *seq = vseq;
	Reduce *reduce = b;
	const TintypeReduction *r = &reduce->r;
	const Span *columns = &reduce->across, *rows = &reduce->down;
	const VipsRect *want = &out_region->valid;
	const int bands = reduce->in->Bands;

	/* The needed columns of the region. */
	const int from = columns->first[want->left];
	const int end = VIPS_MIN(columns->first[want->left + want->width - 1] + columns->points, r->width);
	const int n = (end - from) * bands;

	for (int y = want->top; y < VIPS_RECT_BOTTOM(want);) {
		/* The requested part of one frame. */
		int frame = y / r->kept_height;
		int row = y % r->kept_height;
		int until = VIPS_MIN(row + VIPS_RECT_BOTTOM(want) - y, r->kept_height);
		int top = rows->first[row];
		int bottom = VIPS_MIN(rows->first[until - 1] + rows->points, r->height);
		VipsRect need = {
			r->left + from, frame * reduce->frame + r->top + top, end - from, bottom - top
		};
		if (vips_region_prepare(seq->region, &need))
			return -1;

		if (r->weigh) {
			size_t size = (size_t) n * need.height;
			if (seq->weighed_size < size) {
				g_free(seq->weighed);
				seq->weighed = g_try_new(int16_t, size);
				seq->weighed_size = seq->weighed ? size : 0;
			}
			if (!seq->weighed) {
				vips_error("reduce", "out of memory");
				return -1;
			}
			for (int i = 0; i < need.height; i++)
				weigh(VIPS_REGION_ADDR(seq->region, need.left, need.top + i),
					end - from, bands, seq->weighed + (size_t) i * n);
		}

		for (; row < until; row++, y++) {
			for (int k = 0; k < rows->points; k++) {
				/* Points after the last have weight zero. */
				int line = VIPS_MIN(rows->first[row] + k, bottom - 1) - top;
				seq->lines[k] = r->weigh
					? (void *) (seq->weighed + (size_t) line * n)
					: (void *) VIPS_REGION_ADDR(seq->region, need.left, need.top + line);
			}
			const int16_t *weights = rows->weights + (size_t) row * rows->points;
			if (r->weigh)
				down_samples(seq->lines, weights, rows->points, n, seq->row);
			else
				down_bytes(seq->lines, weights, rows->points, n, seq->row);
			/* Points after the last column are loaded, with weight zero. */
			memset(seq->row + n, 0, 8 * sizeof(int16_t));

			uint8_t *to = VIPS_REGION_ADDR(out_region, want->left, y);
			for (int x = want->left; x < VIPS_RECT_RIGHT(want); x++, to += bands) {
				const int16_t *start = seq->row + (size_t) (columns->first[x] - from) * bands;
				weights = columns->weights + (size_t) x * columns->points;
				int32_t pixel[4];
				if (!r->weigh) {
					sum_across(start, weights, columns->points, bands, WEIGHT_BITS + SAMPLE_BITS, pixel);
					for (int c = 0; c < bands; c++)
						to[c] = clamp8(pixel[c]);
					continue;
				}
				sum_across(start, weights, columns->points, bands, WEIGHT_BITS, pixel);
				int alpha = pixel[bands - 1];
				uint8_t level = clamp8((alpha + (1 << (SAMPLE_BITS - 1))) >> SAMPLE_BITS);
				for (int c = 0; c < bands - 1; c++)
					to[c] = level == 0 ? 0 : clamp8((pixel[c] * 255 + alpha / 2) / alpha);
				to[bands - 1] = level;
			}
		}
	}
	return 0;
}

/* The size of the blocks that are averaged first, for a side that is reduced from one
 * length to another. 1 means no averaging.
 */
static int
block(int from, int to)
{
	return VIPS_MAX(1, (int) (from / to / GAP));
}

/* An average cuts out the region of a single frame and averages blocks of its pixels. An
 * incomplete block at an edge repeats the last pixels. It replaces vips_shrinkv and
 * vips_shrinkh, with the results of libvips 8.16. They took longer than all the rest of a
 * reduction, and newer versions round otherwise.
 */
typedef struct {
	VipsImage *in;
	int left, top, width, height;
	int across, down;
} Average;

/* The most rows that an average requests at once. */
#define AVERAGED_ROWS 8

/* The working memory of one thread of an average. */
typedef struct {
	VipsRegion *region;
	uint32_t *sums; /* of the columns of a row of blocks */
} AverageSequence;

static int
average_stop(void *vseq, void *a, void *b)
{
	AverageSequence *seq = vseq;

	VIPS_UNREF(seq->region);
	g_free(seq->sums);
	g_free(seq);
	return 0;
}

static void *
average_start(VipsImage *out, void *a, void *b)
{
	Average *average = b;
	AverageSequence *seq = g_new0(AverageSequence, 1);

	seq->region = vips_region_new(average->in);
	seq->sums = g_new(uint32_t, (size_t) average->in->Xsize * average->in->Bands);
	return seq;
}

/* A division by n as a multiplication: of sums of n bytes it is exact for every n that is a
 * side of an image.
 */
#define SHARE_BITS 55

static uint64_t
share(int n)
{
	return ((uint64_t) 1 << SHARE_BITS) / n + 1;
}

static void
add_bytes(uint32_t *sums, const uint8_t *line, int n)
{
	int i = 0;

#ifdef __SSE2__
	const __m128i zero = _mm_setzero_si128();
	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *) (line + i));
		__m128i low = _mm_unpacklo_epi8(v, zero), high = _mm_unpackhi_epi8(v, zero);
		__m128i *to = (__m128i *) (sums + i);
		_mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), _mm_unpacklo_epi16(low, zero)));
		_mm_storeu_si128(to + 1, _mm_add_epi32(_mm_loadu_si128(to + 1), _mm_unpackhi_epi16(low, zero)));
		_mm_storeu_si128(to + 2, _mm_add_epi32(_mm_loadu_si128(to + 2), _mm_unpacklo_epi16(high, zero)));
		_mm_storeu_si128(to + 3, _mm_add_epi32(_mm_loadu_si128(to + 3), _mm_unpackhi_epi16(high, zero)));
	}
#endif
	for (; i < n; i++)
		sums[i] += line[i];
}

static int
average_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	AverageSequence *seq = vseq;
	const Average *average = b;
	const VipsRect *want = &out_region->valid;
	const int bands = average->in->Bands, across = average->across, down = average->down;
	const uint64_t by_across = share(across), by_down = share(down);

	/* The needed columns of the region. */
	const int from = want->left * across;
	const int end = VIPS_MIN(VIPS_RECT_RIGHT(want) * across, average->width);
	const int n = (end - from) * bands;

	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		const int top = y * down, rows = VIPS_MIN(down, average->height - top);
		VipsRect need = { average->left + from, average->top + top, end - from, 0 };

		for (int i = 0; i < n; i++)
			seq->sums[i] = down / 2;
		/* A few rows at a time, since a block of a tall image can be large. */
		for (int k = 0; k < rows; k += need.height) {
			need.top = average->top + top + k;
			need.height = VIPS_MIN(AVERAGED_ROWS, rows - k);
			if (vips_region_prepare(seq->region, &need))
				return -1;
			for (int i = 0; i < need.height; i++)
				add_bytes(seq->sums, VIPS_REGION_ADDR(seq->region, need.left, need.top + i), n);
		}
		for (int k = rows; k < down; k++)
			add_bytes(seq->sums, VIPS_REGION_ADDR(seq->region, need.left, average->top + top + rows - 1), n);
		for (int i = 0; i < n; i++)
			seq->sums[i] = seq->sums[i] * by_down >> SHARE_BITS;

		uint8_t *to = VIPS_REGION_ADDR(out_region, want->left, y);
		const uint32_t *block = seq->sums;
		for (int x = want->left; x < VIPS_RECT_RIGHT(want); x++, block += across * bands, to += bands) {
			int whole = VIPS_MIN(across, average->width - x * across);
			for (int c = 0; c < bands; c++) {
				uint32_t sum = across / 2;
				for (int k = 0; k < whole; k++)
					sum += block[k * bands + c];
				sum += (across - whole) * block[(whole - 1) * bands + c];
				to[c] = sum * by_across >> SHARE_BITS;
			}
		}
	}
	return 0;
}

/* Averages blocks. The result is the region, as a whole image. */
static int
shrink(VipsImage *in, VipsImage **out, TintypeReduction *r, int across, int down)
{
	VipsImage *averaged = vips_image_new();
	Average *average = VIPS_NEW(VIPS_OBJECT(averaged), Average);

	if (!average) {
		g_object_unref(averaged);
		return -1;
	}
	*average = (Average) { in, r->left, r->top, r->width, r->height, across, down };
	g_object_ref(in);
	vips_object_local(averaged, in);
	if (vips_image_pipelinev(averaged, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(averaged);
		return -1;
	}
	averaged->Xsize = (r->width - 1) / across + 1;
	averaged->Ysize = (r->height - 1) / down + 1;
	averaged->Xoffset = averaged->Yoffset = 0;
	if (vips_image_generate(averaged, average_start, average_gen, average_stop, in, average)) {
		g_object_unref(averaged);
		return -1;
	}
	r->left = r->top = 0;
	r->width = averaged->Xsize;
	r->height = averaged->Ysize;

	/* Keep the last rows: strips of the reduction share some, and a decoder gives each
	 * only once.
	 */
	if (!vips_image_get_typeof(in, VIPS_META_SEQUENTIAL)) {
		*out = averaged;
		return 0;
	}
	int result = vips_sequential(averaged, out, "tile_height", 10, NULL);
	g_object_unref(averaged);
	return result;
}

/* The part of tintype_reduce after averaging, when the image is close to its final size.
 */
static int
describe(VipsImage *in, VipsImage *out, const TintypeReduction *r, double width, double height)
{
	Reduce *reduce = VIPS_NEW(VIPS_OBJECT(out), Reduce);

	if (!reduce)
		return -1;
	reduce->in = in;
	reduce->r = *r;
	reduce->frame = in->Ysize / r->frames;
	if (vips_image_pipelinev(out, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL) ||
		make_span(out, &reduce->across, r->width, width, r->to_width, r->x, r->kept_width) ||
		make_span(out, &reduce->down, r->height, height, r->to_height, r->y, r->kept_height))
		return -1;
	out->Xsize = r->kept_width;
	out->Ysize = r->kept_height * r->frames;
	out->Xoffset = out->Yoffset = 0;
	if (r->frames > 1)
		vips_image_set_int(out, VIPS_META_PAGE_HEIGHT, r->kept_height);
	if (vips_image_generate(out, reduce_start, reduce_gen, reduce_stop, in, reduce))
		return -1;
	vips_reorder_margin_hint(out, reduce->down.points);
	return 0;
}

int
tintype_reduce(VipsImage *in, VipsImage **out, const TintypeReduction *reduction)
{
	TintypeReduction r = *reduction;

	if (vips_check_uncoded("reduce", in) ||
		vips_check_format("reduce", in, VIPS_FORMAT_UCHAR))
		return -1;
	if (in->Bands > 4 || r.frames < 1 || in->Ysize % r.frames ||
		r.left < 0 || r.top < 0 || r.to_width < 1 || r.to_height < 1 ||
		r.x < 0 || r.y < 0 || r.kept_width < 1 || r.kept_height < 1 ||
		r.x > r.to_width - r.kept_width || r.y > r.to_height - r.kept_height ||
		r.kept_height > VIPS_MAX_COORD / r.frames ||
		r.width > in->Xsize - r.left || r.height > in->Ysize / r.frames - r.top) {
		vips_error("reduce", "not a part of this image");
		return -1;
	}
	/* Averaging would mix frames, and the colours of transparent pixels. */
	double width = r.width, height = r.height;
	int across = 1, down = 1;
	if (r.frames == 1 && !r.weigh) {
		across = block(r.width, r.to_width);
		down = block(r.height, r.to_height);
	}
	if (across > 1 || down > 1) {
		if (shrink(in, &in, &r, across, down))
			return -1;
		width /= across;
		height /= down;
	}
	else
		g_object_ref(in);

	VipsImage *reduced = vips_image_new();
	vips_object_local(reduced, in);
	if (describe(in, reduced, &r, width, height)) {
		g_object_unref(reduced);
		return -1;
	}

	/* Cache the last lines. Threads request them in any order, when the decoder's cache
	 * no longer has their input. vips_reducev does the same.
	 */
	if (!vips_image_get_typeof(in, VIPS_META_SEQUENTIAL)) {
		*out = reduced;
		return 0;
	}
	int result = vips_sequential(reduced, out, "tile_height", 10, NULL);
	g_object_unref(reduced);
	return result;
}

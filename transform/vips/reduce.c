/* A libvips operation that resizes: down with a Lanczos kernel, up with a cubic one. It
 * replaces libvips's own operation, which
 *
 * - compiles code for every image that it reduces, which takes longer than small frames,
 * - before 8.16 works horizontally without SIMD, and vertically with 6-bit coefficients,
 * - doesn't support frames,
 * - needs floating point for alpha,
 * - enlarges from the edge of the first pixel instead of its middle.
 *
 * It works first down, then across, in integers, with the same results on every processor:
 * see kernels.c.
 * Samples have SAMPLE_BITS fractional bits, and coefficients WEIGHT_BITS.
 */
#include "reduce.h"
#include "kernels.h"
#include "light.h"
#include "span.h"

#include <stdint.h>
#include <string.h>

typedef struct {
	VipsImage *in;
	TintypeReduction r;
	TintypeSpan across, down;
	int frame; /* rows of a frame of the input */
	const TintypeKernels *kernels;
} Reduce;

/* A sequence is the working memory of one thread. */
typedef struct {
	VipsRegion *region;
	int16_t *rows[ROWS];   /* rows that have been reduced downwards, with ROOM after them */
	int16_t *weighed;	   /* a strip of the input with weighed colours */
	size_t weighed_size;
	int16_t *pixels[ROWS]; /* rows of the output with weighed colours */
	const void **lines;	   /* the lines of a row */
} Sequence;

static int
reduce_stop(void *vseq, void *a, void *b)
{
	Sequence *seq = vseq;

	VIPS_UNREF(seq->region);
	g_free(seq->rows[0]);
	g_free(seq->weighed);
	g_free(seq->pixels[0]);
	g_free(seq->lines);
	g_free(seq);
	return 0;
}

static void *
reduce_start(VipsImage *out, void *a, void *b)
{
	Reduce *reduce = b;
	Sequence *seq = g_new0(Sequence, 1);
	size_t n = (size_t) reduce->in->Xsize * reduce->in->Bands + ROOM;
	size_t m = reduce->r.weigh || reduce->r.light ? (size_t) reduce->r.kept_width * 4 : 0;

	seq->region = vips_region_new(reduce->in);
	seq->rows[0] = g_new0(int16_t, n * ROWS);
	seq->pixels[0] = g_new(int16_t, m * ROWS);
	for (int i = 1; i < ROWS; i++) {
		seq->rows[i] = seq->rows[0] + i * n;
		seq->pixels[i] = seq->pixels[0] + i * m;
	}
	seq->lines = g_new(const void *, reduce->down.points);
	return seq;
}

/* Reports whether all pixels of a row have an alpha of 255. */
static int
is_opaque(const uint8_t *row, int n, int bands)
{
	int x = 0;

	if (bands == 4) {
		uint64_t all[4] = { ~(uint64_t) 0, ~(uint64_t) 0, ~(uint64_t) 0, ~(uint64_t) 0 };
		for (; x + 8 <= n; x += 8)
			for (int i = 0; i < 4; i++) {
				uint64_t two;
				memcpy(&two, row + 4 * x + 8 * i, 8);
				all[i] &= two;
			}
		uint8_t alphas[8];
		all[0] &= all[1] & all[2] & all[3];
		memcpy(alphas, all, 8);
		if (alphas[3] != 255 || alphas[7] != 255)
			return 0;
	}
	for (; x < n; x++)
		if (row[x * bands + bands - 1] != 255)
			return 0;
	return 1;
}

static inline uint8_t
clamp8(int v)
{
	return VIPS_CLIP(0, v, 255);
}

/* The reverse of weighing, of pixels of four samples. */
static void
unweigh(const int16_t *from, int n, int bands, uint8_t *to)
{
	const int half = 1 << (SAMPLE_BITS - 1);

	for (int x = 0; x < n; x++, from += 4, to += bands) {
		int alpha = from[bands - 1];
		uint8_t level = clamp8((alpha + half) >> SAMPLE_BITS);
		for (int c = 0; c < bands - 1; c++)
			to[c] = alpha == 255 << SAMPLE_BITS ? clamp8((from[c] + half) >> SAMPLE_BITS)
				: level == 0 ? 0
							 : clamp8((from[c] * 255 + alpha / 2) / alpha);
		to[bands - 1] = level;
	}
}

/* Pixels as samples with weighed colours, or in linear light. */
static void
to_samples(const TintypeReduction *r, const TintypeKernels *kernels, const uint8_t *from, int n, int bands, int16_t *to)
{
	if (r->light)
		tintype_lighten(from, n, bands, r->weigh, to);
	else
		kernels->weigh(from, n, bands, to);
}

/* Has seq->weighed hold the region's pixels as samples. */
static int
weigh_region(Sequence *seq, const Reduce *reduce, const VipsRect *need, int bands)
{
	const size_t n = (size_t) need->width * bands, size = n * need->height;

	if (seq->weighed_size < size) {
		g_free(seq->weighed);
		seq->weighed = g_try_new(int16_t, size);
		seq->weighed_size = seq->weighed ? size : 0;
	}
	if (!seq->weighed) {
		vips_error("reduce", "out of memory");
		return -1;
	}
	for (int i = 0; i < need->height; i++)
		to_samples(&reduce->r, reduce->kernels, VIPS_REGION_ADDR(seq->region, need->left, need->top + i),
			need->width, bands, seq->weighed + i * n);
	return 0;
}

static int
region_is_opaque(VipsRegion *region, const VipsRect *r)
{
	for (int i = 0; i < r->height; i++)
		if (!is_opaque(VIPS_REGION_ADDR(region, r->left, r->top + i), r->width, region->im->Bands))
			return 0;
	return 1;
}

static int
reduce_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	Sequence *seq = vseq;
	Reduce *reduce = b;
	const TintypeReduction *r = &reduce->r;
	const TintypeSpan *columns = &reduce->across, *rows = &reduce->down;
	const VipsRect *want = &out_region->valid;
	const TintypeKernels *kernels = reduce->kernels;
	const int bands = reduce->in->Bands;
	const int averaged = reduce->in->BandFmt == VIPS_FORMAT_SHORT;

	/* The needed columns of the region. */
	const int *first = columns->first + want->left;
	const int16_t *across = columns->weights + (size_t) want->left * columns->points;
	const int from = first[0];
	const int end = VIPS_MIN(first[want->width - 1] + columns->points, r->width);
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

		/* Weighing opaque pixels changes nothing but the rounding: see half. Means have
		 * weighed colours already.
		 */
		int weighs = averaged || r->light || (r->weigh && !region_is_opaque(seq->region, &need));
		if (weighs && !averaged && weigh_region(seq, reduce, &need, bands))
			return -1;

		for (; row < until; row += ROWS, y += ROWS) {
			const int count = VIPS_MIN(ROWS, until - row);
			const int16_t *reduced[ROWS];
			uint8_t *to[ROWS];
			for (int i = 0; i < count; i++) {
				for (int k = 0; k < rows->points; k++) {
					/* Points after the last have weight zero. */
					int line = VIPS_MIN(rows->first[row + i] + k, bottom - 1) - top;
					seq->lines[k] = weighs && !averaged
						? (void *) (seq->weighed + (size_t) line * n)
						: (void *) VIPS_REGION_ADDR(seq->region, need.left, need.top + line);
				}
				const int16_t *down = rows->weights + (size_t) (row + i) * rows->points;
				if (weighs)
					kernels->down_samples((const int16_t *const *) seq->lines, down, rows->points, n, seq->rows[i]);
				else
					kernels->down_bytes((const uint8_t *const *) seq->lines, down, rows->points, n, seq->rows[i]);
				/* Points after the last column are loaded, with weight zero. */
				memset(seq->rows[i] + n, 0, ROOM * sizeof(int16_t));
			}
			for (int i = 0; i < ROWS; i++) { /* rows that are missing repeat the last one */
				reduced[i] = seq->rows[VIPS_MIN(i, count - 1)];
				to[i] = VIPS_REGION_ADDR(out_region, want->left, y + VIPS_MIN(i, count - 1));
			}
			if (weighs) {
				kernels->across_samples(reduced, first, from, across, columns->points, bands, want->width, seq->pixels);
				for (int i = 0; i < count; i++)
					if (r->light)
						tintype_darken(seq->pixels[i], want->width, bands, r->weigh, to[i]);
					else
						unweigh(seq->pixels[i], want->width, bands, to[i]);
			}
			else {
				/* Weighed colours are rounded to samples before they are rounded to levels. */
				int half = 1 << (WEIGHT_BITS + SAMPLE_BITS - 1);
				if (r->weigh)
					half += 1 << (WEIGHT_BITS - 1);
				kernels->across_bytes(reduced, first, from, across, columns->points, bands, want->width, half, to);
			}
		}
		y -= row - until;
	}
	return 0;
}

/* An average cuts out the region of a single frame and averages blocks of its pixels. An
 * incomplete block at an edge repeats the last pixels. It replaces vips_shrinkv and
 * vips_shrinkh, with the results of libvips 8.16. They took longer than all the rest of a
 * reduction, and newer versions round otherwise.
 *
 * Pixels with alpha become samples with weighed colours. They are weighed a few rows at a
 * time, so that a picture of any size takes no more memory than these rows.
 */
typedef struct {
	VipsImage *in;
	int left, top, width, height;
	int across, down;
	const TintypeKernels *kernels;
	TintypeReduction r;
} Average;

/* The most rows that an average requests at once. */
#define AVERAGED_ROWS 8

/* The working memory of one thread of an average. */
typedef struct {
	VipsRegion *region;
	uint16_t *sums; /* of the columns of a row of blocks */
	uint8_t *row;	/* their means, with ROOM after them */
	int32_t *weighed_sums;
	int16_t *weighed[AVERAGED_ROWS]; /* rows with weighed colours */
} AverageSequence;

static int
average_stop(void *vseq, void *a, void *b)
{
	AverageSequence *seq = vseq;

	VIPS_UNREF(seq->region);
	g_free(seq->sums);
	g_free(seq->row);
	g_free(seq->weighed_sums);
	g_free(seq->weighed[0]);
	g_free(seq);
	return 0;
}

static void *
average_start(VipsImage *out, void *a, void *b)
{
	Average *average = b;
	AverageSequence *seq = g_new0(AverageSequence, 1);
	const size_t n = (size_t) out->Xsize * average->across * average->in->Bands;

	seq->region = vips_region_new(average->in);
	if (out->BandFmt == VIPS_FORMAT_SHORT) {
		seq->weighed_sums = g_new(int32_t, n);
		seq->weighed[0] = g_new(int16_t, n * AVERAGED_ROWS);
		for (int i = 1; i < AVERAGED_ROWS; i++)
			seq->weighed[i] = seq->weighed[0] + i * n;
		return seq;
	}
	seq->sums = g_new(uint16_t, n);
	seq->row = g_new0(uint8_t, n + ROOM);
	return seq;
}

/* Prepares up to AVERAGED_ROWS of the `down` rows of a row of blocks, from the k-th on. The
 * last row is repeated where there are fewer. Returns their number, or -1.
 */
static int
average_lines(const Average *average, VipsRegion *region, VipsRect need, int down, int k, const uint8_t **lines)
{
	const int top = need.top, rows = VIPS_MIN(down, average->top + average->height - top);
	const int count = VIPS_MIN(AVERAGED_ROWS, down - k);

	need.top = top + VIPS_MIN(k, rows - 1);
	need.height = VIPS_MIN(count, top + rows - need.top);
	if (vips_region_prepare(region, &need))
		return -1;
	for (int i = 0; i < count; i++)
		lines[i] = VIPS_REGION_ADDR(region, need.left, need.top + VIPS_MIN(i, need.height - 1));
	return count;
}

/* The means of `down` rows of the input, from `need` on. */
static int
average_down(const Average *average, AverageSequence *seq, VipsRect need, int down, int n)
{
	const TintypeKernels *kernels = average->kernels;
	const uint8_t *lines[AVERAGED_ROWS];

	for (int i = 0; i < n; i++)
		seq->sums[i] = down / 2;
	/* A few rows at a time, since a block of a tall image can be large. */
	for (int k = 0; k < down; k += AVERAGED_ROWS) {
		const int count = average_lines(average, seq->region, need, down, k, lines);
		if (count < 0)
			return -1;
		kernels->add_lines(seq->sums, lines, count, n);
		if (down == 1)
			memcpy(seq->row, lines[0], n);
	}
	if (down > 1)
		kernels->means(seq->sums, n, tintype_share(down), seq->row);
	return 0;
}

/* The sums of `down` rows of the input with weighed colours, from `need` on. */
static int
weigh_down(const Average *average, AverageSequence *seq, VipsRect need, int down, int n)
{
	const TintypeKernels *kernels = average->kernels;
	const int bands = average->in->Bands;
	const uint8_t *lines[AVERAGED_ROWS];

	memset(seq->weighed_sums, 0, n * sizeof(int32_t));
	for (int k = 0; k < down; k += AVERAGED_ROWS) {
		const int count = average_lines(average, seq->region, need, down, k, lines);
		if (count < 0)
			return -1;
		for (int i = 0; i < count; i++)
			to_samples(&average->r, kernels, lines[i], n / bands, bands, seq->weighed[i]);
		kernels->add_samples(seq->weighed_sums, (const int16_t *const *) seq->weighed, count, n);
	}
	return 0;
}

/* `width` pixels, each the mean of blocks of `across` sums of `down` rows. */
static void
weighed_means(const int32_t *sums, int across, int down, int bands, int width, int16_t *to)
{
	/* A division as a multiplication: exact, since a sum has less than 29 bits. */
	const int64_t count = (int64_t) across * down, by = ((INT64_C(1) << 43) + count - 1) / count;

	for (int x = 0; x < width; x++, sums += across * bands)
		for (int c = 0; c < bands; c++) {
			int64_t sum = count / 2;
			for (int k = 0; k < across; k++)
				sum += sums[k * bands + c];
			*to++ = sum * by >> 43;
		}
}

static int
average_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	AverageSequence *seq = vseq;
	const Average *average = b;
	const VipsRect *want = &out_region->valid;
	const int bands = average->in->Bands, across = average->across, down = average->down;

	/* The needed columns of the region. */
	const int from = want->left * across;
	const int end = VIPS_MIN(VIPS_RECT_RIGHT(want) * across, average->width);
	const int n = (end - from) * bands;

	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		VipsRect need = { average->left + from, average->top + y * down, end - from, 0 };
		if (seq->weighed_sums) {
			if (weigh_down(average, seq, need, down, n))
				return -1;
			for (int i = n; i < want->width * across * bands; i++)
				seq->weighed_sums[i] = seq->weighed_sums[i - bands];
			weighed_means(seq->weighed_sums, across, down, bands, want->width,
				(int16_t *) VIPS_REGION_ADDR(out_region, want->left, y));
			continue;
		}
		if (average_down(average, seq, need, down, n))
			return -1;
		/* The last column is repeated where a block is incomplete. */
		for (int i = n; i < want->width * across * bands; i++)
			seq->row[i] = seq->row[i - bands];
		uint8_t *to = VIPS_REGION_ADDR(out_region, want->left, y);
		if (across > 1)
			average->kernels->means_across(seq->row, across, bands, want->width, to);
		else
			memcpy(to, seq->row, n);
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
	*average = (Average) { in, r->left, r->top, r->width, r->height, across, down, tintype_kernels()[0], *r };
	g_object_ref(in);
	vips_object_local(averaged, in);
	if (vips_image_pipelinev(averaged, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(averaged);
		return -1;
	}
	averaged->Xsize = (r->width - 1) / across + 1;
	averaged->Ysize = (r->height - 1) / down + 1;
	averaged->Xoffset = averaged->Yoffset = 0;
	if (r->weigh || r->light)
		averaged->BandFmt = VIPS_FORMAT_SHORT;
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
	int result = vips_sequential(averaged, out, "tile_height", 16, NULL);
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
	reduce->kernels = tintype_kernels()[0];
	if (vips_image_pipelinev(out, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL) ||
		tintype_make_span(out, &reduce->across, (TintypeSide) { r->width, 0, width, r->to_width, r->x, r->kept_width }, 2) ||
		tintype_make_span(out, &reduce->down, (TintypeSide) { r->height, 0, height, r->to_height, r->y, r->kept_height }, 2))
		return -1;
	out->Xsize = r->kept_width;
	out->Ysize = r->kept_height * r->frames;
	out->Xoffset = out->Yoffset = 0;
	out->BandFmt = VIPS_FORMAT_UCHAR;
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
	/* Averaging would mix frames. */
	double width = r.width, height = r.height;
	int across = 1, down = 1;
	if (r.frames == 1) {
		/* What looks best keeps more for the kernel. */
		int keep = r.light ? 4 : 1;
		across = tintype_block(r.width, r.to_width * keep);
		down = tintype_block(r.height, r.to_height * keep);
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
	int result = vips_sequential(reduced, out, "tile_height", 16, NULL);
	g_object_unref(reduced);
	return result;
}

int
tintype_is_opaque(VipsImage *in, int *opaque)
{
	VipsRegion *region = vips_region_new(in);
	VipsRect row = { 0, 0, in->Xsize, 1 };
	int failed = 0;

	*opaque = 1;
	for (; *opaque && row.top < in->Ysize && !(failed = vips_region_prepare(region, &row)); row.top++)
		*opaque = region_is_opaque(region, &row);
	g_object_unref(region);
	return failed;
}

/* A libvips operation that decodes a JPEG and reduces it.
 *
 * A JPEG holds a plane of luma and two of chroma, which mostly have half as many rows and
 * columns. This operation reduces each plane by itself, and converts the colours of the few
 * pixels that are left. libjpeg and libvips would first enlarge chroma and convert the
 * colours of all pixels, and then reduce three bands. With the time that is saved, libjpeg
 * has to shrink less, or not at all.
 * Shrinking in libjpeg looks worse, since it works on each block of 8×8 pixels by itself.
 *
 * Rows go straight from libjpeg into a ring, and from there as in reduce.c: first down,
 * then across, in integers, with the same results on every processor.
 */
#include "planes.h"
#include "jpegerror.h"
#include "kernels.h"
#include "span.h"

#include <math.h>
#include <string.h>

#define MOST_PLANES 3

/* The most rows of a plane that libjpeg decodes at once. */
#define MOST_ROWS (MAX_SAMP_FACTOR * DCTSIZE)

/* A plane that is decoded: its part, from `left` and `top` on, its rows and its spans. */
typedef struct {
	int left, top, width, height; /* the part that the output needs */
	int batch;					  /* rows that libjpeg decodes at once */
	int block;					  /* rows of which a mean is taken */
	int lines;					  /* height in means */
	int n;						  /* width of what `across` needs, from `left` on */
	TintypeSpan across, down;

	int size;		   /* of the ring, in lines */
	int have;		   /* lines that are ready */
	int row;		   /* the next row of the plane from libjpeg */
	size_t stride;	   /* of the ring and of the batch */
	uint8_t *ring;	   /* lines */
	uint8_t *decoded;  /* rows of a batch where means are taken, else one that nobody needs */
	uint16_t *sums;	   /* of a block's columns */
	int16_t *rows[ROWS]; /* reduced downwards, with ROOM after them */
	int16_t *done[ROWS]; /* reduced */
	const uint8_t **points;
} Plane;

typedef struct {
	const void *data;
	size_t size;
	int shrink;
	TintypeReduction r;
	const TintypeKernels *kernels;
	VipsImage *out;

	GMutex lock; /* guards the rest */
	struct jpeg_decompress_struct jpeg;
	TintypeJpegError error;
	int created, started, failed;
	int planes;
	Plane plane[MOST_PLANES];
	int ready;		/* rows of the output that were made */
	uint8_t *pixels; /* the last ROWS of them, or fewer */
	size_t line;	/* bytes of one */
} Planes;

int
tintype_has_planes(const void *data, size_t size)
{
	struct jpeg_decompress_struct jpeg;
	TintypeJpegError error = { 0 };
	volatile int suits = 0;

	jpeg.err = tintype_jpeg_errors(jpeg_std_error(&error.mgr));
	if (!setjmp(error.at)) {
		jpeg_create_decompress(&jpeg);
		jpeg_mem_src(&jpeg, data, size);
		jpeg_read_header(&jpeg, TRUE);
		suits = jpeg.data_precision == 8 &&
			((jpeg.jpeg_color_space == JCS_YCbCr && jpeg.num_components == 3) ||
				(jpeg.jpeg_color_space == JCS_GRAYSCALE && jpeg.num_components == 1));
		/* A plane may have any share of the others' rows and columns, but luma has all. */
		for (int i = 0; i < jpeg.num_components; i++)
			suits = suits && jpeg.comp_info[i].h_samp_factor <= jpeg.comp_info[0].h_samp_factor &&
				jpeg.comp_info[i].v_samp_factor <= jpeg.comp_info[0].v_samp_factor;
	}
	else
		vips_error_clear();
	jpeg_destroy_decompress(&jpeg);
	return suits;
}

/* What libjpeg makes of a block of 8×8 samples of a plane. */
static int
block_width(const jpeg_component_info *c)
{
#if JPEG_LIB_VERSION >= 70
	return c->DCT_h_scaled_size;
#else
	return c->DCT_scaled_size;
#endif
}

static int
block_height(const jpeg_component_info *c)
{
#if JPEG_LIB_VERSION >= 70
	return c->DCT_v_scaled_size;
#else
	return c->DCT_scaled_size;
#endif
}

/* The places of a plane of `size` places that lie whole within a span of the picture, at
 * least one. An incomplete last one counts, where the span ends with the picture.
 */
static TintypeSide
side_of(int start, int length, int picture, int size, double scale, int *first)
{
	int from = (int) ceil(start * scale - 0.01);
	int until = start + length == picture ? size : (int) floor((start + length) * scale + 0.01);

	if (until <= from) { /* no place lies whole within it: those that it touches */
		from = (int) floor(start * scale + 0.01);
		until = (int) ceil((start + length) * scale - 0.01);
	}
	from = VIPS_CLIP(0, from, size - 1);
	until = VIPS_CLIP(from + 1, until, size);
	*first = from;
	return (TintypeSide) { until - from, start * scale - from, length * scale };
}

/* Prepares a plane once libjpeg has said how it decodes. */
static int
make_plane(Planes *all, Plane *p, const jpeg_component_info *c)
{
	const TintypeReduction *r = &all->r;
	const struct jpeg_decompress_struct *jpeg = &all->jpeg;
	double across = (double) c->h_samp_factor * block_width(c) / (jpeg->max_h_samp_factor * DCTSIZE);
	double down = (double) c->v_samp_factor * block_height(c) / (jpeg->max_v_samp_factor * DCTSIZE);
	TintypeSide columns = side_of(r->left, r->width, jpeg->image_width, c->downsampled_width, across, &p->left);
	TintypeSide rows = side_of(r->top, r->height, jpeg->image_height, c->downsampled_height, down, &p->top);

	columns.to = r->to_width, columns.skip = r->x, columns.keep = r->kept_width;
	rows.to = r->to_height, rows.skip = r->y, rows.keep = r->kept_height;
	p->width = columns.from;
	p->height = rows.from;
	p->block = tintype_block(p->height, r->to_height);
	p->lines = rows.from = (p->height - 1) / p->block + 1;
	rows.offset /= p->block;
	rows.length /= p->block;
	if (tintype_make_span(all->out, &p->across, columns, 8) ||
		tintype_make_span(all->out, &p->down, rows, 2))
		return -1;

	/* Only the columns that are kept. */
	int last = r->kept_width - 1, from = p->across.first[0];
	p->n = VIPS_MIN(p->across.first[last] + p->across.points, p->width) - from;
	p->left += from;
	for (int x = 0; x <= last; x++)
		p->across.first[x] -= from;

	/* The ring holds what ROWS rows of the output need, and what the other planes may be
	 * behind.
	 */
	p->batch = c->v_samp_factor * block_height(c);
	int step = (int) ceil(VIPS_MAX(1, rows.length / rows.to));
	p->size = p->down.points + ROWS * step + 4 * p->batch / p->block + 8;
	/* Odd, in lines of a processor's cache: at powers of two, the lines of the ring would push each other out. */
	p->stride = VIPS_ROUND_UP((size_t) c->width_in_blocks * block_width(c) + ROOM, 64) | 64;
	p->ring = g_try_malloc(p->stride * p->size);
	p->decoded = g_try_malloc(p->stride * (p->block > 1 ? p->batch : 1));
	p->sums = g_try_new(uint16_t, p->n);
	p->points = g_try_new(const uint8_t *, p->down.points);
	p->rows[0] = g_try_new0(int16_t, ((size_t) p->n + ROOM) * ROWS);
	p->done[0] = g_try_new(int16_t, (size_t) r->kept_width * ROWS);
	if (!p->ring || !p->decoded || !p->sums || !p->points || !p->rows[0] || !p->done[0]) {
		vips_error("jpeg", "out of memory");
		return -1;
	}
	for (int i = 1; i < ROWS; i++) {
		p->rows[i] = p->rows[0] + i * ((size_t) p->n + ROOM);
		p->done[i] = p->done[0] + (size_t) i * r->kept_width;
	}
	return 0;
}

static void
free_planes(Planes *all)
{
	for (int i = 0; i < MOST_PLANES; i++) {
		Plane *p = &all->plane[i];
		g_free(p->ring);
		g_free(p->decoded);
		g_free(p->sums);
		g_free(p->points);
		g_free(p->rows[0]);
		g_free(p->done[0]);
	}
	memset(all->plane, 0, sizeof(all->plane));
	if (all->created)
		jpeg_destroy_decompress(&all->jpeg);
	all->created = 0;
}

static void
close_planes(VipsImage *out, Planes *all)
{
	free_planes(all);
	g_free(all->pixels);
	g_mutex_clear(&all->lock);
	g_free(all);
}

/* Opens the JPEG. The caller has set error.at. */
static int
start(Planes *all)
{
	struct jpeg_decompress_struct *jpeg = &all->jpeg;

	all->created = 1;
	jpeg_create_decompress(jpeg);
	jpeg_mem_src(jpeg, all->data, all->size);
	jpeg_read_header(jpeg, TRUE);
	jpeg->raw_data_out = TRUE;
	jpeg->out_color_space = jpeg->jpeg_color_space;
	jpeg->scale_num = 1;
	jpeg->scale_denom = all->shrink;
	jpeg_start_decompress(jpeg);
	all->planes = jpeg->num_components;
	if (all->planes > MOST_PLANES || (all->planes == 3 ? 3 : 1) != all->out->Bands) {
		vips_error("jpeg", "another number of colours");
		return -1;
	}
	for (int i = 0; i < all->planes; i++)
		if (make_plane(all, &all->plane[i], &jpeg->comp_info[i]))
			return -1;
	all->started = 1;
	return 0;
}

static uint8_t *
ring_line(const Plane *p, int line)
{
	return p->ring + line % p->size * p->stride;
}

/* Where libjpeg writes the rows of the next batch of a plane. */
static void
place_batch(Plane *p, JSAMPROW *to)
{
	for (int i = 0; i < p->batch; i++) {
		int line = p->row + i - p->top;
		to[i] = p->block > 1 ? p->decoded + i * p->stride
			: line < 0 || line >= p->lines ? p->decoded /* nobody needs it */
										   : ring_line(p, line);
	}
}

/* Takes the means of the rows of a batch that complete a block. */
static void
average_batch(Planes *all, Plane *p)
{
	const TintypeShare share = tintype_share(p->block);

	for (int i = 0; i < p->batch;) {
		int at = p->row + i - p->top;
		if (at < 0 || at >= p->height) {
			i++;
			continue;
		}
		int within = at % p->block;
		int count = VIPS_MIN(VIPS_MIN(p->block - within, p->batch - i), p->height - at);
		const uint8_t *lines[MOST_ROWS];
		for (int k = 0; k < count; k++)
			lines[k] = p->decoded + (i + k) * p->stride + p->left;
		if (within == 0)
			for (int x = 0; x < p->n; x++)
				p->sums[x] = p->block / 2;
		all->kernels->add_lines(p->sums, lines, count, p->n);
		within += count;
		if (at + count == p->height)
			for (; within < p->block; within++) /* the last row is repeated */
				all->kernels->add_lines(p->sums, lines + count - 1, 1, p->n);
		if (within == p->block)
			all->kernels->means(p->sums, p->n, share, ring_line(p, p->have++) + p->left);
		i += count;
	}
}

/* Decodes a batch of rows of every plane. */
static int
read_batch(Planes *all)
{
	JSAMPROW rows[MOST_PLANES][MOST_ROWS];
	JSAMPARRAY planes[MOST_PLANES];
	int most = 0;

	for (int i = 0; i < all->planes; i++) {
		Plane *p = &all->plane[i];
		place_batch(p, rows[i]);
		planes[i] = rows[i];
	}
#if JPEG_LIB_VERSION >= 70
	most = all->jpeg.max_v_samp_factor * all->jpeg.min_DCT_v_scaled_size;
#else
	most = all->jpeg.max_v_samp_factor * all->jpeg.min_DCT_scaled_size;
#endif
	if (!jpeg_read_raw_data(&all->jpeg, planes, most)) {
		vips_error("jpeg", "unexpected end of data");
		return -1;
	}
	for (int i = 0; i < all->planes; i++) {
		Plane *p = &all->plane[i];
		if (p->block > 1)
			average_batch(all, p);
		else
			p->have = VIPS_CLIP(0, p->row + p->batch - p->top, p->lines);
		p->row += p->batch;
	}
	return 0;
}

/* Whether a plane has the lines for `count` rows of the output from `y` on. */
static int
has_lines(const Plane *p, int y, int count)
{
	return p->have >= VIPS_MIN(p->down.first[y + count - 1] + p->down.points, p->lines);
}

/* Reduces a plane to `count` rows of the output, from `y` on. */
static void
reduce_plane(Planes *all, Plane *p, int y, int count)
{
	const TintypeKernels *kernels = all->kernels;
	const int points = p->down.points;
	const int16_t *reduced[ROWS];
	int16_t *done[ROWS];

	for (int i = 0; i < count; i++) {
		for (int k = 0; k < points; k++) /* points after the last have weight zero */
			p->points[k] = ring_line(p, VIPS_MIN(p->down.first[y + i] + k, p->lines - 1)) + p->left;
		kernels->down_bytes(p->points, p->down.weights + (size_t) (y + i) * points, points, p->n, p->rows[i]);
	}
	for (int i = 0; i < ROWS; i++) { /* rows that are missing repeat the last one */
		reduced[i] = p->rows[VIPS_MIN(i, count - 1)];
		done[i] = p->done[VIPS_MIN(i, count - 1)];
	}
	kernels->dots(reduced, p->across.first, p->across.weights, p->across.points, all->r.kept_width, done);
}

static inline uint8_t
level(int v)
{
	return VIPS_CLIP(0, v, 255);
}

/* Makes the next rows of the output. */
static int
make_rows(Planes *all)
{
	const int y = all->ready, width = all->r.kept_width;
	const int count = VIPS_MIN(ROWS, all->r.kept_height - y);

	for (int i = 0; i < all->planes; i++)
		while (!has_lines(&all->plane[i], y, count))
			if (read_batch(all))
				return -1;
	for (int i = 0; i < all->planes; i++) {
		const Plane *p = &all->plane[i];
		if (p->have > p->down.first[y] + p->size) { /* the first line that is needed was written over */
			vips_error("jpeg", "planes are too far apart");
			return -1;
		}
	}
	for (int i = 0; i < all->planes; i++)
		reduce_plane(all, &all->plane[i], y, count);
	for (int i = 0; i < count; i++) {
		uint8_t *to = all->pixels + i * all->line;
		const int16_t *luma = all->plane[0].done[i];
		if (all->planes > 1)
			all->kernels->colours(luma, all->plane[1].done[i], all->plane[2].done[i], width, to);
		else
			for (int x = 0; x < width; x++)
				to[x] = level((luma[x] + (1 << (SAMPLE_BITS - 1))) >> SAMPLE_BITS);
	}
	all->ready += count;
	if (all->ready == all->r.kept_height)
		free_planes(all);
	return 0;
}

/* Makes all rows up to the one before `until`. */
static int
make_until(Planes *all, int until)
{
	/* libjpeg jumps here. What changes in between is in *all. */
	if (setjmp(all->error.at))
		return -1;
	if (!all->started && start(all))
		return -1;
	while (all->ready < until)
		if (make_rows(all))
			return -1;
	return 0;
}

/* Rows are made in their order, and only once: vips_sequential asks for them so. */
static int
planes_gen(VipsRegion *out_region, void *seq, void *a, void *b, gboolean *stop)
{
	Planes *all = b;
	const VipsRect *want = &out_region->valid;
	const size_t size = VIPS_REGION_SIZEOF_LINE(out_region);
	int failed = 0;

	g_mutex_lock(&all->lock);
	for (int y = want->top; !failed && y < VIPS_RECT_BOTTOM(want); y++) {
		failed = all->failed || (y >= all->ready && make_until(all, y + 1));
		int first = (all->ready - 1) / ROWS * ROWS;
		if (!failed && y < first) {
			vips_error("jpeg", "row %d is asked for again", y);
			failed = 1;
		}
		if (!failed)
			memcpy(VIPS_REGION_ADDR(out_region, want->left, y),
				all->pixels + (y - first) * all->line + want->left * all->out->Bands, size);
	}
	all->failed |= failed;
	g_mutex_unlock(&all->lock);
	return failed ? -1 : 0;
}

int
tintype_reduce_planes(VipsImage *in, VipsImage **out, const void *data, size_t size, int shrink, int lenient,
	const TintypeReduction *reduction)
{
	const TintypeReduction *r = reduction;

	if (r->frames != 1 || r->left < 0 || r->top < 0 || r->width < 1 || r->height < 1 ||
		r->width > in->Xsize - r->left || r->height > in->Ysize - r->top ||
		r->to_width < 1 || r->to_height < 1 || r->to_width > r->width || r->to_height > r->height ||
		r->x < 0 || r->y < 0 || r->kept_width < 1 || r->kept_height < 1 ||
		r->x > r->to_width - r->kept_width || r->y > r->to_height - r->kept_height) {
		vips_error("jpeg", "not a part of this image");
		return -1;
	}
	VipsImage *made = vips_image_new();
	if (vips_image_pipelinev(made, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(made);
		return -1;
	}
	made->Xsize = r->kept_width;
	made->Ysize = r->kept_height;
	made->Xoffset = made->Yoffset = 0;

	Planes *all = g_new0(Planes, 1);
	all->data = data;
	all->size = size;
	all->shrink = shrink;
	all->error.strict = !lenient;
	all->r = *r;
	all->kernels = tintype_kernels()[0];
	all->out = made;
	all->line = (size_t) r->kept_width * made->Bands;
	all->pixels = g_malloc(all->line * ROWS);
	g_mutex_init(&all->lock);
	all->jpeg.err = tintype_jpeg_errors(jpeg_std_error(&all->error.mgr));
	g_signal_connect(made, "close", G_CALLBACK(close_planes), all);
	if (vips_image_generate(made, NULL, planes_gen, NULL, in, all)) {
		g_object_unref(made);
		return -1;
	}
	int result = vips_sequential(made, out, "tile_height", 16, NULL);
	g_object_unref(made);
	return result;
}

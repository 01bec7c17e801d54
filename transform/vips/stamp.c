/* A libvips operation that lays small pictures on large ones. libvips's own operation
 * converts the whole image to floating point, and doesn't support frames.
 */
#include "stamp.h"

typedef struct {
	int frame, count;
	TintypeStamp stamps[];
} Stamps;

/* Draws one pixel by the source-over rule (Porter and Duff). `colours` is the number of
 * bands without alpha.
 */
static inline void
lay(uint8_t *on, const uint8_t *from, int colours, int has_alpha)
{
	const int alpha = from[3], rest = 255 - alpha;

	if (alpha == 0)
		return;
	if (alpha == 255) { /* as most pixels of a grid: nothing shines through */
		for (int c = 0; c < colours; c++)
			on[c] = from[c];
		if (has_alpha)
			on[colours] = 255;
		return;
	}
	if (!has_alpha) {
		for (int c = 0; c < colours; c++)
			on[c] = (from[c] * alpha + on[c] * rest + 127) / 255;
		return;
	}
	const int under = on[colours] * rest;
	const int sum = alpha * 255 + under; /* at least 255 */
	for (int c = 0; c < colours; c++)
		on[c] = (from[c] * alpha * 255 + on[c] * under + sum / 2) / sum;
	on[colours] = (sum + 127) / 255;
}

/* Reports whether the picture lies on a row of a frame, and returns the row of the
 * picture.
 */
static inline int
row_of(const TintypeStamp *s, int y, int *row)
{
	*row = y - s->top;
	if (s->down > 0) {
		*row %= s->down;
		if (*row < 0)
			*row += s->down;
	}
	return *row >= 0 && *row < s->height;
}

static void
lay_row(const TintypeStamp *s, const uint8_t *row, uint8_t *line, int left, int width, int bands)
{
	const int has_alpha = bands == 2 || bands == 4;
	const int colours = bands - has_alpha;

	if (s->across == 0) {
		int from = VIPS_MAX(left, s->left);
		int end = VIPS_MIN(left + width, s->left + s->width);
		if (from >= end)
			return;
		uint8_t *on = line + (size_t) (from - left) * bands;
		const uint8_t *pixel = row + (size_t) (from - s->left) * 4;
		if (bands == 3) /* with constants, which the compiler makes fast code of */
			for (int x = from; x < end; x++, on += 3, pixel += 4)
				lay(on, pixel, 3, 0);
		else
			for (int x = from; x < end; x++, on += bands, pixel += 4)
				lay(on, pixel, colours, has_alpha);
		return;
	}
	int at = (left - s->left) % s->across;
	if (at < 0)
		at += s->across;
	for (int x = 0; x < width; x++) {
		if (at < s->width)
			lay(line + (size_t) x * bands, row + (size_t) at * 4, colours, has_alpha);
		if (++at == s->across)
			at = 0;
	}
}

/* Reports whether a picture lies on one of these rows. */
static int
touches(const Stamps *stamps, int top, int height)
{
	int row;

	for (int i = 0; i < stamps->count; i++)
		for (int y = top; y < top + height; y++)
			if (row_of(&stamps->stamps[i], y % stamps->frame, &row))
				return 1;
	return 0;
}

static int
stamp_gen(VipsRegion *out_region, void *vseq, void *a, void *b, gboolean *stop)
{
	VipsRegion *in_region = vseq;
	const Stamps *stamps = b;
	const VipsRect *want = &out_region->valid;

	if (vips_region_prepare(in_region, want))
		return -1;
	if (!touches(stamps, want->top, want->height))
		return vips_region_region(out_region, in_region, want, want->left, want->top);
	vips_region_copy(in_region, out_region, want, want->left, want->top);
	for (int y = want->top; y < VIPS_RECT_BOTTOM(want); y++) {
		uint8_t *line = VIPS_REGION_ADDR(out_region, want->left, y);
		for (int i = 0; i < stamps->count; i++) {
			const TintypeStamp *s = &stamps->stamps[i];
			int row;
			if (row_of(s, y % stamps->frame, &row))
				lay_row(s, s->rgba + (size_t) row * s->width * 4, line, want->left, want->width, out_region->im->Bands);
		}
	}
	return 0;
}

int
tintype_stamp(VipsImage *in, VipsImage **out, int frame, const TintypeStamp *list, int count)
{
	if (vips_check_uncoded("stamp", in) ||
		vips_check_format("stamp", in, VIPS_FORMAT_UCHAR))
		return -1;
	if (in->Bands > 4 || frame < 1 || in->Ysize % frame || count < 1) {
		vips_error("stamp", "not an image that can be stamped");
		return -1;
	}
	VipsImage *stamped = vips_image_new();
	Stamps *stamps = (Stamps *) vips_malloc(VIPS_OBJECT(stamped), sizeof(Stamps) + count * sizeof(TintypeStamp));
	if (!stamps) {
		g_object_unref(stamped);
		return -1;
	}
	stamps->frame = frame;
	stamps->count = count;
	for (int i = 0; i < count; i++)
		stamps->stamps[i] = list[i];
	g_object_ref(in);
	vips_object_local(stamped, in);
	if (vips_image_pipelinev(stamped, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL) ||
		vips_image_generate(stamped, vips_start_one, stamp_gen, vips_stop_one, in, stamps)) {
		g_object_unref(stamped);
		return -1;
	}
	*out = stamped;
	return 0;
}

/* A libvips operation that cuts and turns all frames of a roll at once. For small frames,
 * one operation per frame would take longer than the pixels.
 */
#include "roll.h"

#include <string.h>

typedef struct {
	VipsImage *in;
	TintypeCut c;
	int frame; /* rows of a frame of the input */
} Cut;

/* The place in a frame of the input of a pixel of a frame of the output. */
static void
origin(const Cut *cut, int x, int y, int *from_x, int *from_y)
{
	const TintypeCut *c = &cut->c;
	int right = c->width - 1, bottom = c->height - 1, u = x, v = y;

	switch (c->quarters) {
	case 1:
		u = y, v = bottom - x;
		break;
	case 2:
		u = right - x, v = bottom - y;
		break;
	case 3:
		u = right - y, v = x;
		break;
	}
	if (c->mirrored)
		u = right - u;
	*from_x = VIPS_CLIP(0, c->left + u, cut->in->Xsize - 1);
	*from_y = VIPS_CLIP(0, c->top + v, cut->frame - 1);
}

static int
cut_gen(VipsRegion *out_region, void *vregion, void *a, void *b, gboolean *stop)
{
	VipsRegion *region = vregion;
	const Cut *cut = b;
	const VipsRect *want = &out_region->valid;
	const size_t size = VIPS_IMAGE_SIZEOF_PEL(cut->in);
	const int frame_out = out_region->im->Ysize / cut->c.frames;
	const int right = VIPS_RECT_RIGHT(want) - 1;

	for (int y = want->top; y < VIPS_RECT_BOTTOM(want);) {
		/* The requested part of one frame, from corner to corner. */
		int frame = y / frame_out, above = frame * cut->frame;
		int until = VIPS_MIN(VIPS_RECT_BOTTOM(want), (frame + 1) * frame_out);
		int row = y % frame_out, x0, y0, x1, y1;
		origin(cut, want->left, row, &x0, &y0);
		origin(cut, right, row + until - y - 1, &x1, &y1);
		VipsRect need = {
			VIPS_MIN(x0, x1), above + VIPS_MIN(y0, y1), VIPS_ABS(x1 - x0) + 1, VIPS_ABS(y1 - y0) + 1
		};
		if (vips_region_prepare(region, &need))
			return -1;

		for (; y < until; y++, row++) {
			VipsPel *to = VIPS_REGION_ADDR(out_region, want->left, y);
			int x = want->left;
			if (!cut->c.quarters && !cut->c.mirrored) {
				/* Copy the pixels within the input at once. */
				int first = VIPS_CLIP(x, -cut->c.left, right + 1);
				int last = VIPS_CLIP(first - 1, cut->in->Xsize - 1 - cut->c.left, right);
				if (last >= first) {
					origin(cut, first, row, &x0, &y0);
					memcpy(to + (first - x) * size, VIPS_REGION_ADDR(region, x0, above + y0),
						(last - first + 1) * size);
					if (first == x && last == right)
						continue;
				}
			}
			for (; x <= right; x++, to += size) {
				origin(cut, x, row, &x0, &y0);
				const VipsPel *from = VIPS_REGION_ADDR(region, x0, above + y0);
				for (size_t i = 0; i < size; i++)
					to[i] = from[i];
			}
		}
	}
	return 0;
}

int
tintype_cut(VipsImage *in, VipsImage **out, const TintypeCut *c)
{
	if (vips_check_uncoded("cut", in))
		return -1;
	int odd = c->quarters & 1;
	if (c->frames < 1 || in->Ysize % c->frames || c->width < 1 || c->height < 1 ||
		VIPS_MAX(c->width, c->height) > VIPS_MAX_COORD / c->frames) {
		vips_error("cut", "not a part of this image");
		return -1;
	}
	VipsImage *result = vips_image_new();
	Cut *cut = VIPS_NEW(VIPS_OBJECT(result), Cut);
	if (!cut ||
		vips_image_pipelinev(result, odd ? VIPS_DEMAND_STYLE_ANY : VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(result);
		return -1;
	}
	cut->in = in;
	cut->c = *c;
	cut->frame = in->Ysize / c->frames;
	/* The input lives as long as the output. */
	g_object_ref(in);
	vips_object_local(result, in);
	result->Xsize = odd ? c->height : c->width;
	result->Ysize = (odd ? c->width : c->height) * c->frames;
	result->Xoffset = result->Yoffset = 0;
	if (vips_image_generate(result, vips_start_one, cut_gen, vips_stop_one, in, cut)) {
		g_object_unref(result);
		return -1;
	}
	*out = result;
	return 0;
}

#include "rows.h"

#include <string.h>

int
tintype_rows(VipsRegion *region, int top, int rows, unsigned char *out)
{
	VipsImage *in = region->im;
	size_t length = VIPS_IMAGE_SIZEOF_LINE(in);
	int done, y;

	for (done = 0; done < rows;) {
		VipsRect part = { 0, top + done, in->Xsize, VIPS_MIN(16, rows - done) };

		if (vips_region_prepare(region, &part))
			return -1;
		for (y = 0; y < part.height; y++)
			memcpy(out + (done + y) * length, VIPS_REGION_ADDR(region, 0, part.top + y), length);
		done += part.height;
	}
	return 0;
}

/* JPEG of libjpeg with tables of our choice, which libvips can't hand to it. It also takes two
 * thirds of the time: libvips moves a picture line by line.
 */
#include "jpegfile.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

/* The steps of 64 frequencies, of lightness and of colours, at quality 50. From the contrast
 * that an eye needs to see a frequency: Klein, Silverstein and Carney, "Relevance of human vision
 * to JPEG-DCT compression", 1992. Those of the standard (annex K) give high frequencies more.
 */
static const unsigned int steps[64] = {
	10, 12, 14, 19, 26, 38, 57, 86,
	12, 18, 21, 28, 35, 41, 54, 76,
	14, 21, 25, 32, 44, 63, 92, 136,
	19, 28, 32, 41, 54, 75, 107, 157,
	26, 35, 44, 54, 70, 95, 132, 190,
	38, 41, 63, 75, 95, 125, 170, 239,
	57, 54, 92, 107, 132, 170, 227, 312,
	86, 76, 136, 157, 190, 239, 312, 419,
};

typedef struct {
	struct jpeg_error_mgr mgr; /* the first field */
	jmp_buf at;
} Failure;

static void
fail(j_common_ptr info)
{
	char text[JMSG_LENGTH_MAX];
	info->err->format_message(info, text);
	vips_error("jpeg", "%s", text);
	longjmp(((Failure *) info->err)->at, 1);
}

static void
ignore(j_common_ptr info, int level)
{
}

int
tintype_jpeg_takes(const VipsImage *image)
{
	return image->BandFmt == VIPS_FORMAT_UCHAR && image->Coding == VIPS_CODING_NONE && (image->Bands == 1 || image->Bands == 3);
}

int
tintype_jpeg(VipsImage *image, int quality, int tuned, int full, int progressive, void **data, size_t *size)
{
	struct jpeg_compress_struct info;
	Failure failure;
	VipsRegion *region = vips_region_new(image);
	/* What libjpeg changes must not be in registers where it fails. */
	struct { unsigned char *bytes; unsigned long size; } *volatile out = calloc(1, sizeof(*out));
	volatile int written = 0; /* whether libjpeg may have put other bytes in place of the first */

	if (!region || !out) {
		VIPS_UNREF(region);
		free(out);
		return -1;
	}
	info.err = jpeg_std_error(&failure.mgr);
	failure.mgr.error_exit = fail;
	failure.mgr.emit_message = ignore;
	jpeg_create_compress(&info);
	if (setjmp(failure.at)) {
		jpeg_destroy_compress(&info);
		g_object_unref(region);
		if (!written) /* else they may be freed already: libjpeg tells of the others at the end */
			free(out->bytes);
		free(out);
		return -1;
	}
	jpeg_mem_dest(&info, &out->bytes, &out->size);
	info.image_width = image->Xsize;
	info.image_height = image->Ysize;
	info.input_components = image->Bands;
	info.in_color_space = image->Bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(&info);
	info.optimize_coding = TRUE;
	jpeg_set_quality(&info, quality, TRUE);
	for (int i = 0; i < 2 && tuned; i++)
		jpeg_add_quant_table(&info, i, steps, jpeg_quality_scaling(quality), TRUE);
	if (full)
		info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
	if (progressive)
		jpeg_simple_progression(&info);
	jpeg_start_compress(&info, TRUE);
	/* In strips, as rows.h says. */
	for (int y = 0; y < image->Ysize; y += 16) {
		VipsRect strip = { 0, y, image->Xsize, VIPS_MIN(16, image->Ysize - y) };
		if (vips_region_prepare(region, &strip))
			longjmp(failure.at, 1);
		JSAMPROW rows[16];
		for (int i = 0; i < strip.height; i++)
			rows[i] = VIPS_REGION_ADDR(region, 0, y + i);
		for (int done = 0; done < strip.height;)
			done += jpeg_write_scanlines(&info, rows + done, strip.height - done);
	}
	written = 1; /* the codes are optimised, so nothing was before */
	jpeg_finish_compress(&info);
	jpeg_destroy_compress(&info);
	g_object_unref(region);
	*data = out->bytes;
	*size = out->size;
	free(out);
	return 0;
}

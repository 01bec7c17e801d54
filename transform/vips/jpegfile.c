/* JPEG of libjpeg with tables of our choice, which libvips can't hand to it. It also takes two
 * thirds of the time: libvips moves a picture line by line. Built with jpegli, which has the same
 * functions under other names, it is the encoder.
 */
#include "jpegfile.h"
#include "jpegerror.h"

#include <stdlib.h>

#if TINTYPE_JPEGLI
#include <lib/jpegli/encode.h>
#define JPEG(name) jpegli_##name
#else
#define JPEG(name) jpeg_##name
#endif

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

enum { FIRST = 65536 }; /* bytes of memory for a file; doubled when they are full */

typedef struct {
	struct jpeg_destination_mgr mgr; /* what libjpeg knows of it, so it is the first field */
	unsigned char *bytes;
	size_t size; /* of the memory, in the end of the file */
} Output;

static void
start(j_compress_ptr info)
{
}

/* libjpeg's own would tell where its memory is at the end only, and jpegli's doesn't look whether
 * it got any.
 */
static boolean
enlarge(j_compress_ptr info)
{
	Output *out = (Output *) info->dest;
	unsigned char *bytes = realloc(out->bytes, out->size * 2);
	if (!bytes) {
		vips_error("jpeg", "out of memory");
		longjmp(((TintypeJpegError *) info->err)->at, 1);
	}
	out->bytes = bytes;
	out->mgr.next_output_byte = bytes + out->size;
	out->mgr.free_in_buffer = out->size;
	out->size *= 2;
	return TRUE;
}

static void
end(j_compress_ptr info)
{
	Output *out = (Output *) info->dest;
	out->size -= out->mgr.free_in_buffer;
}

int
tintype_jpeg_takes(const VipsImage *image)
{
	return image->BandFmt == VIPS_FORMAT_UCHAR && image->Coding == VIPS_CODING_NONE && (image->Bands == 1 || image->Bands == 3);
}

static int
write_jpeg(VipsRegion *region, int quality, double distance, int tuned, int full, int progressive, Output *out)
{
	VipsImage *image = region->im;
	struct jpeg_compress_struct info = { 0 };
	TintypeJpegError error = { 0 };

	info.err = tintype_jpeg_errors(JPEG(std_error)(&error.mgr));
	if (setjmp(error.at)) {
		JPEG(destroy_compress)(&info);
		return -1;
	}
	JPEG(create_compress)(&info);
	info.dest = &out->mgr;
	info.image_width = image->Xsize;
	info.image_height = image->Ysize;
	info.input_components = image->Bands;
	info.in_color_space = image->Bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
	JPEG(set_defaults)(&info);
	info.optimize_coding = TRUE;
	info.write_JFIF_header = TRUE;
	if (full)
		info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
	JPEG(set_quality)(&info, quality, TRUE);
	for (int i = 0; i < 2 && tuned; i++)
		JPEG(add_quant_table)(&info, i, steps, JPEG(quality_scaling)(quality), TRUE);
#if TINTYPE_JPEGLI
	if (distance > 0)
		jpegli_set_distance(&info, distance, TRUE);
	jpegli_enable_adaptive_quantization(&info, FALSE);
	jpegli_set_progressive_level(&info, 0);
#endif
	if (progressive)
		JPEG(simple_progression)(&info);
	JPEG(start_compress)(&info, TRUE);
	/* In strips, as rows.h says. */
	for (int y = 0; y < image->Ysize; y += 16) {
		VipsRect strip = { 0, y, image->Xsize, VIPS_MIN(16, image->Ysize - y) };
		if (vips_region_prepare(region, &strip))
			longjmp(error.at, 1);
		JSAMPROW rows[16];
		for (int i = 0; i < strip.height; i++)
			rows[i] = VIPS_REGION_ADDR(region, 0, y + i);
		for (int done = 0; done < strip.height;)
			done += JPEG(write_scanlines)(&info, rows + done, strip.height - done);
	}
	JPEG(finish_compress)(&info);
	JPEG(destroy_compress)(&info);
	return 0;
}

int
tintype_jpeg(VipsImage *image, int quality, double distance, int tuned, int full, int progressive, void **data, size_t *size)
{
	Output out = { { .init_destination = start, .empty_output_buffer = enlarge, .term_destination = end }, malloc(FIRST), FIRST };
	VipsRegion *region = vips_region_new(image);
	int result = -1;

	out.mgr.next_output_byte = out.bytes;
	out.mgr.free_in_buffer = out.size;
	if (region && out.bytes)
		result = write_jpeg(region, quality, distance, tuned, full, progressive, &out);
	VIPS_UNREF(region);
	if (result)
		free(out.bytes);
	*data = out.bytes;
	*size = out.size;
	return result;
}

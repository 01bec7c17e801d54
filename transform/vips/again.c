/* Decoders of what was just encoded, to score it. libvips takes three to four times as long:
 * it moves a picture line by line, and through a memory of its own.
 */
#include "again.h"
#include "jpegerror.h"

#include <stdlib.h>

#include <webp/decode.h>

int
tintype_jpeg_again(const void *data, size_t size, int width, int height, TintypePicture *out)
{
	struct jpeg_decompress_struct info;
	TintypeJpegError error = { 0 };
	uint8_t *volatile pixels = NULL;

	info.err = tintype_jpeg_errors(jpeg_std_error(&error.mgr));
	jpeg_create_decompress(&info);
	if (setjmp(error.at)) {
		jpeg_destroy_decompress(&info);
		free(pixels);
		return -1;
	}
	jpeg_mem_src(&info, data, size);
	jpeg_read_header(&info, TRUE);
	jpeg_start_decompress(&info);
	const int bands = info.output_components;
	const size_t stride = (size_t) width * bands;
	if ((int) info.output_width != width || (int) info.output_height != height || (bands != 1 && bands != 3) ||
		!(pixels = malloc(stride * height)))
		longjmp(error.at, 1);
	while (info.output_scanline < info.output_height) {
		JSAMPROW row = pixels + stride * info.output_scanline;
		jpeg_read_scanlines(&info, &row, 1);
	}
	jpeg_finish_decompress(&info);
	jpeg_destroy_decompress(&info);
	*out = (TintypePicture) { pixels, stride, bands };
	return 0;
}

int
tintype_webp_again(const void *data, size_t size, int width, int height, int alpha, TintypePicture *out)
{
	const int bands = alpha ? 4 : 3;
	const size_t stride = (size_t) width * bands, length = stride * height;
	int w, h;
	uint8_t *pixels;

	if (!WebPGetInfo(data, size, &w, &h) || w != width || h != height || !(pixels = malloc(length)))
		return -1;
	if (!(alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto)(data, size, pixels, length, stride)) {
		free(pixels);
		return -1;
	}
	*out = (TintypePicture) { pixels, stride, bands };
	return 0;
}

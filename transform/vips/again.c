/* Decoders of what was just encoded, to score it. libvips takes three to four times as long:
 * it moves a picture line by line, and through a memory of its own.
 */
#include "again.h"
#include "jpegerror.h"

#include <stdlib.h>

#include <jxl/decode.h>
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

int
tintype_jxl_again(const void *data, size_t size, int width, int height, TintypePicture *out)
{
	JxlDecoder *decoder = JxlDecoderCreate(NULL);
	JxlDecoderStatus status = JXL_DEC_ERROR;
	JxlPixelFormat format = { 0, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0 };
	JxlBasicInfo info;
	uint8_t *pixels = NULL;
	size_t length = 0;

	if (!decoder)
		return -1;
	if (!JxlDecoderSubscribeEvents(decoder, JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE) && !JxlDecoderSetInput(decoder, data, size) &&
		JxlDecoderProcessInput(decoder) == JXL_DEC_BASIC_INFO && !JxlDecoderGetBasicInfo(decoder, &info) &&
		(int) info.xsize == width && (int) info.ysize == height) {
		format.num_channels = info.num_color_channels + (info.alpha_bits > 0);
		length = (size_t) width * format.num_channels * height;
		if (JxlDecoderProcessInput(decoder) == JXL_DEC_NEED_IMAGE_OUT_BUFFER && (pixels = malloc(length)) &&
			!JxlDecoderSetImageOutBuffer(decoder, &format, pixels, length))
			status = JxlDecoderProcessInput(decoder);
	}
	JxlDecoderDestroy(decoder);
	if (status != JXL_DEC_FULL_IMAGE) {
		free(pixels);
		return -1;
	}
	*out = (TintypePicture) { pixels, (long) width * format.num_channels, format.num_channels };
	return 0;
}

/* JPEG XL of libjxl in the thread that asks for it. libvips has libjxl start a thread for each
 * file, and takes one and a half times as long for 512 pixels, several times for small pictures.
 */
#include "jxlfile.h"

#include <jxl/encode.h>

enum { FIRST = 65536 }; /* bytes of memory for a file; doubled when they are full */

int
tintype_jxl_takes(const VipsImage *image)
{
	return image->BandFmt == VIPS_FORMAT_UCHAR && image->Coding == VIPS_CODING_NONE && image->Bands <= 4;
}

static int
describe(JxlEncoder *encoder, const VipsImage *image, int lossless)
{
	const int colours = image->Bands < 3 ? 1 : 3, alpha = image->Bands - colours;
	JxlBasicInfo info;
	JxlColorEncoding coding;

	JxlEncoderInitBasicInfo(&info);
	info.xsize = image->Xsize;
	info.ysize = image->Ysize;
	info.bits_per_sample = 8;
	info.num_color_channels = colours;
	info.num_extra_channels = alpha;
	info.alpha_bits = 8 * alpha;
	info.uses_original_profile = lossless; /* or else XYB */
	JxlColorEncodingSetToSRGB(&coding, colours == 1);
	return JxlEncoderSetBasicInfo(encoder, &info) || JxlEncoderSetColorEncoding(encoder, &coding);
}

static int
write_jxl(JxlEncoder *encoder, VipsImage *image, double distance, int effort, int lossless, void **data, size_t *size)
{
	const JxlPixelFormat format = { image->Bands, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0 };
	JxlEncoderFrameSettings *frame = JxlEncoderFrameSettingsCreate(encoder, NULL);
	JxlEncoderStatus status = JXL_ENC_NEED_MORE_OUTPUT;
	size_t room = 0, left = 0;

	if (!frame || describe(encoder, image, lossless) || JxlEncoderFrameSettingsSetOption(frame, JXL_ENC_FRAME_SETTING_EFFORT, effort) ||
		JxlEncoderSetFrameDistance(frame, distance) || JxlEncoderSetFrameLossless(frame, lossless) ||
		JxlEncoderAddImageFrame(frame, &format, VIPS_IMAGE_ADDR(image, 0, 0), VIPS_IMAGE_SIZEOF_IMAGE(image)))
		return -1;
	JxlEncoderCloseInput(encoder);
	while (status == JXL_ENC_NEED_MORE_OUTPUT) {
		const size_t written = room - left, more = room ? room : FIRST;
		uint8_t *bytes = g_try_realloc(*data, room + more), *next;
		if (!bytes)
			return -1;
		*data = bytes;
		next = bytes + written;
		room += more, left += more;
		status = JxlEncoderProcessOutput(encoder, &next, &left);
	}
	*size = room - left;
	return status == JXL_ENC_SUCCESS ? 0 : -1;
}

int
tintype_jxl(VipsImage *image, double distance, int effort, int lossless, void **data, size_t *size)
{
	JxlEncoder *encoder;
	int result = -1;

	*data = NULL;
	if (vips_image_wio_input(image))
		return -1;
	if ((encoder = JxlEncoderCreate(NULL))) {
		result = write_jxl(encoder, image, distance, effort, lossless, data, size);
		JxlEncoderDestroy(encoder);
	}
	if (result) {
		vips_error("jxl", "libjxl can't write this picture, or has no memory");
		g_free(*data);
	}
	return result;
}

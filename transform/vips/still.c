/* A decoder of WebP that isn't animated. libvips decodes every WebP as a frame of four bands,
 * paints it on a canvas, and hands that on line by line, which takes longer than libwebp needs
 * for a small picture.
 */
#include "still.h"

#include <string.h>

#include <webp/decode.h>

/* As libvips does, which paints on transparent black. */
static void
blacken_transparent(uint8_t *pixels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!pixels[4 * i + 3])
			memset(pixels + 4 * i, 0, 4);
}

int
tintype_still_webp(VipsImage *opened, const void *data, size_t size, VipsImage **out)
{
	WebPDecoderConfig config;

	if (!WebPInitDecoderConfig(&config) || WebPGetFeatures(data, size, &config.input) != VP8_STATUS_OK ||
		config.input.has_animation || opened->Bands != (config.input.has_alpha ? 4 : 3) ||
		opened->BandFmt != VIPS_FORMAT_UCHAR)
		return -1;

	VipsImage *made = vips_image_new_memory();
	/* It stays sequential: see pngread.c. */
	if (vips_image_pipelinev(made, VIPS_DEMAND_STYLE_THINSTRIP, opened, NULL) || vips_image_write_prepare(made)) {
		g_object_unref(made);
		vips_error_clear();
		return -1;
	}

	config.options.use_scaling = made->Xsize != config.input.width || made->Ysize != config.input.height;
	config.options.scaled_width = made->Xsize;
	config.options.scaled_height = made->Ysize;
	config.output.colorspace = made->Bands == 4 ? MODE_RGBA : MODE_RGB;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = VIPS_IMAGE_ADDR(made, 0, 0);
	config.output.u.RGBA.stride = VIPS_IMAGE_SIZEOF_LINE(made);
	config.output.u.RGBA.size = VIPS_IMAGE_SIZEOF_IMAGE(made);
	int failed = WebPDecode(data, size, &config) != VP8_STATUS_OK;
	WebPFreeDecBuffer(&config.output);
	if (failed) {
		g_object_unref(made);
		return -1;
	}
	if (made->Bands == 4)
		blacken_transparent(VIPS_IMAGE_ADDR(made, 0, 0), (size_t) made->Xsize * made->Ysize);
	*out = made;
	return 0;
}

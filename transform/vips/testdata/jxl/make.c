/* Makes the JPEG XL files beside it, of kinds that libvips doesn't write:
 *
 *	cc -o make make.c -ljxl -lm && ./make
 *
 * All show 48×32 pixels of the colours in draw, which TestJXLKinds draws again.
 */
#include <jxl/encode.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 48, HEIGHT = 32, PIXELS = WIDTH * HEIGHT };

/* Red, green, blue and alpha of a pixel, 0–1. */
static void
draw(int x, int y, double c[4])
{
	c[0] = x / 47.0;
	c[1] = y / 31.0;
	c[2] = 1 - x / 94.0 - y / 62.0;
	c[3] = 1 - x / 60.0;
}

/* A profile with sRGB's primaries, or of grey, and a curve that has no name. */
static size_t
profile(uint8_t *p, int grey)
{
	enum { POINTS = 64, CURVE = 12 + 2 * POINTS };
	static const int32_t xyz[3][3] = {{28578, 14581, 912}, {25241, 46981, 6362}, {9376, 3972, 46799}};
	static const char *names[] = {"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"};
	uint8_t *tag = p + 132;
	size_t at = 132 + 12 * (grey ? 2 : 7);

#define PUT16(to, v) ((to)[0] = (v) >> 8, (to)[1] = (v))
#define PUT32(to, v) (PUT16(to, (v) >> 16), PUT16((to) + 2, v))
#define TAG(name, size) (memcpy(tag, name, 4), PUT32(tag + 4, at), PUT32(tag + 8, size), tag += 12)
	memset(p, 0, 1024);
	memcpy(p + 8, grey ? "\x02\x40\0\0mntrGRAYXYZ " : "\x02\x40\0\0mntrRGB XYZ ", 16);
	memcpy(p + 36, "acsp", 4);
	memcpy(p + 68, "\0\0\xf6\xd6\0\1\0\0\0\0\xd3\x2d", 12);
	PUT32(p + 128, grey ? 2 : 7);
	TAG("wtpt", 20);
	memcpy(p + at, "XYZ \0\0\0\0\0\0\xf6\xd6\0\1\0\0\0\0\xd3\x2d", 20);
	at += 20;
	for (int i = 0; i < 3 && !grey; i++) {
		TAG(names[i], 20);
		memcpy(p + at, "XYZ ", 4);
		for (int k = 0; k < 3; k++)
			PUT32(p + at + 8 + 4 * k, xyz[i][k]);
		at += 20;
	}
	for (int i = 0; i < (grey ? 1 : 3); i++)
		TAG(grey ? "kTRC" : names[3 + i], CURVE);
	memcpy(p + at, "curv", 4);
	PUT32(p + at + 8, POINTS);
	for (int i = 0; i < POINTS; i++) {
		double x = i / (POINTS - 1.0);
		int y = lrint(65535 * x * x * (1 + x) / 2);
		PUT16(p + at + 12 + 2 * i, y);
	}
	at += CURVE;
	PUT32(p, at);
	return at;
}

typedef struct {
	const char *name;
	int grey, bits, alpha, premultiplied; /* 32 bits are floating point */
	int lossy, linear;					  /* in XYB and dark, with a profile or in linear light */
	JxlExtraChannelType more[2];		  /* further channels of half their range */
	int n_more;
} Kind;

static void
check(JxlEncoderStatus status, const Kind *k, const char *what)
{
	if (status != JXL_ENC_SUCCESS) {
		fprintf(stderr, "%s: %s failed\n", k->name, what);
		exit(1);
	}
}

/* A sample, and where the next one goes. */
static uint8_t *
put(uint8_t *to, int bits, double v)
{
	if (bits == 8)
		*to = lrint(255 * v);
	else if (bits == 16)
		*(uint16_t *) to = lrint(65535 * v);
	else
		*(float *) to = v;
	return to + bits / 8;
}

static void
make(const Kind *k)
{
	int colours = k->grey ? 1 : 3;
	size_t sample = k->bits / 8;
	uint8_t *pixels = malloc(PIXELS * colours * sample), *to = pixels;
	uint8_t *alpha = malloc(PIXELS * sample), *to_alpha = alpha;
	uint8_t *half = malloc(PIXELS * sample), *to_half = half;

	for (int i = 0; i < PIXELS; i++) {
		double c[4];
		draw(i % WIDTH, i / WIDTH, c);
		if (k->grey)
			c[0] = c[2];
		for (int b = 0; b < colours; b++)
			to = put(to, k->bits, c[b] * (k->lossy ? 0.3 : 1) * (k->premultiplied ? c[3] : 1));
		to_alpha = put(to_alpha, k->bits, c[3]);
		to_half = put(to_half, k->bits, 0.5);
	}

	JxlEncoder *encoder = JxlEncoderCreate(NULL);
	JxlBasicInfo info;
	JxlEncoderInitBasicInfo(&info);
	info.xsize = WIDTH;
	info.ysize = HEIGHT;
	info.bits_per_sample = k->bits;
	info.exponent_bits_per_sample = k->bits == 32 ? 8 : 0;
	info.num_color_channels = colours;
	info.num_extra_channels = k->alpha + k->n_more;
	info.alpha_bits = k->alpha ? k->bits : 0;
	info.alpha_exponent_bits = k->alpha ? info.exponent_bits_per_sample : 0;
	info.alpha_premultiplied = k->premultiplied;
	info.uses_original_profile = !k->lossy;
	check(JxlEncoderUseContainer(encoder, 1), k, "container");
	check(JxlEncoderSetCodestreamLevel(encoder, 10), k, "level");
	check(JxlEncoderSetBasicInfo(encoder, &info), k, "info");
	if (k->alpha) {
		JxlExtraChannelInfo more;
		JxlEncoderInitExtraChannelInfo(JXL_CHANNEL_ALPHA, &more);
		more.bits_per_sample = k->bits;
		more.exponent_bits_per_sample = info.exponent_bits_per_sample;
		more.alpha_premultiplied = k->premultiplied;
		check(JxlEncoderSetExtraChannelInfo(encoder, 0, &more), k, "alpha");
	}
	for (int i = 0; i < k->n_more; i++) {
		JxlExtraChannelInfo more;
		JxlEncoderInitExtraChannelInfo(k->more[i], &more);
		more.bits_per_sample = k->bits;
		more.spot_color[1] = more.spot_color[3] = 1; /* green, opaque */
		check(JxlEncoderSetExtraChannelInfo(encoder, k->alpha + i, &more), k, "channel");
	}
	if (k->lossy && !k->linear) {
		uint8_t icc[1024];
		check(JxlEncoderSetICCProfile(encoder, icc, profile(icc, k->grey)), k, "profile");
	}
	else {
		JxlColorEncoding encoding;
		(k->linear ? JxlColorEncodingSetToLinearSRGB : JxlColorEncodingSetToSRGB)(&encoding, k->grey);
		check(JxlEncoderSetColorEncoding(encoder, &encoding), k, "colours");
	}
	JxlEncoderFrameSettings *frame = JxlEncoderFrameSettingsCreate(encoder, NULL);
	if (k->lossy)
		check(JxlEncoderSetFrameDistance(frame, 0.3), k, "distance");
	else
		check(JxlEncoderSetFrameLossless(frame, 1), k, "lossless");
	JxlPixelFormat format = {colours, k->bits == 8 ? JXL_TYPE_UINT8 : k->bits == 16 ? JXL_TYPE_UINT16 : JXL_TYPE_FLOAT, JXL_NATIVE_ENDIAN, 0};
	check(JxlEncoderAddImageFrame(frame, &format, pixels, PIXELS * colours * sample), k, "frame");
	format.num_channels = 1;
	if (k->alpha)
		check(JxlEncoderSetExtraChannelBuffer(frame, &format, alpha, PIXELS * sample, 0), k, "alpha's pixels");
	for (int i = 0; i < k->n_more; i++)
		check(JxlEncoderSetExtraChannelBuffer(frame, &format, half, PIXELS * sample, k->alpha + i), k, "channel's pixels");
	JxlEncoderCloseInput(encoder);

	static uint8_t out[1 << 20];
	uint8_t *next = out;
	size_t left = sizeof(out);
	check(JxlEncoderProcessOutput(encoder, &next, &left), k, "output");
	char name[64];
	snprintf(name, sizeof(name), "%s.jxl", k->name);
	FILE *file = fopen(name, "wb");
	if (!file || fwrite(out, next - out, 1, file) != 1 || fclose(file))
		exit(1);
	JxlEncoderDestroy(encoder);
	free(pixels);
	free(alpha);
	free(half);
}

int
main(void)
{
	static const Kind kinds[] = {
		{"plain", .bits = 8},
		{"alpha", .bits = 8, .alpha = 1},
		{"premultiplied", .bits = 8, .alpha = 1, .premultiplied = 1},
		{"premultiplied-16", .bits = 16, .alpha = 1, .premultiplied = 1},
		{"premultiplied-float", .bits = 32, .alpha = 1, .premultiplied = 1},
		{"premultiplied-grey", .bits = 8, .grey = 1, .alpha = 1, .premultiplied = 1},
		{"float", .bits = 32},
		{"float-grey", .bits = 32, .grey = 1},
		{"profile", .bits = 8, .lossy = 1},
		{"profile-16", .bits = 16, .lossy = 1},
		{"profile-grey", .bits = 8, .grey = 1, .lossy = 1},
		{"profile-alpha", .bits = 8, .alpha = 1, .lossy = 1},
		{"linear", .bits = 8, .lossy = 1, .linear = 1},
		{"black", .bits = 8, .more = {JXL_CHANNEL_BLACK}, .n_more = 1},
		{"spot", .bits = 8, .more = {JXL_CHANNEL_SPOT_COLOR}, .n_more = 1},
		{"depth", .bits = 8, .more = {JXL_CHANNEL_DEPTH}, .n_more = 1},
		{"depth-grey", .bits = 8, .grey = 1, .more = {JXL_CHANNEL_DEPTH}, .n_more = 1},
		{"spot-alpha", .bits = 8, .alpha = 1, .more = {JXL_CHANNEL_SPOT_COLOR}, .n_more = 1},
		{"depth-alpha", .bits = 8, .alpha = 1, .more = {JXL_CHANNEL_DEPTH}, .n_more = 1},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		make(&kinds[i]);
	return 0;
}

/* A decoder of PNG of libdeflate. It takes half of the time of libpng with zlib, since
 * libdeflate unpacks all rows at once, and what a row's filter took away is put back in fewer
 * steps.
 */
#include "pngread.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static uint32_t
get32(const uint8_t *at)
{
	return (uint32_t) at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/* The head of a PNG that this file decodes, or NULL. Its chunks follow behind 33 bytes. */
static const uint8_t *
head_of(const uint8_t *png, size_t size)
{
	static const uint8_t start[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R' };
	const uint8_t *head = png + sizeof start;

	if (size < 33 || memcmp(png, start, sizeof start) || get32(head + 13) != libdeflate_crc32(0, head - 4, 17))
		return NULL;
	/* 8 bits a sample, no palette, compression 0, filters 0, not interlaced. */
	const uint8_t bits = head[8], colours = head[9];
	return bits == 8 && !(colours & ~6) && !head[10] && !head[11] && !head[12] ? head : NULL;
}

/* Finds what is packed: the IDAT chunks, one behind the other. *packed is the data of a single
 * one, else *joined, which the caller frees. Returns the length, or 0.
 */
static size_t
find_packed(const uint8_t *png, size_t size, const uint8_t **packed, uint8_t **joined)
{
	size_t total = 0;
	int parts = 0;

	for (size_t at = 33, length; at + 12 <= size; at += 12 + length) {
		const uint8_t *chunk = png + at;
		length = get32(chunk);
		if (length > size - at - 12)
			return 0;
		if (memcmp(chunk + 4, "IDAT", 4)) {
			if (parts)
				break;
			continue;
		}
		if (get32(chunk + 8 + length) != libdeflate_crc32(0, chunk + 4, length + 4))
			return 0;
		if (!parts++)
			*packed = chunk + 8;
		else if (!*joined) {
			if (!(*joined = malloc(size)))
				return 0;
			memcpy(*joined, *packed, total);
			*packed = *joined;
		}
		if (*joined)
			memcpy(*joined + total, chunk + 8, length);
		total += length;
	}
	return total;
}

/* The inverse of the filters of a row (PNG 3rd edition, §9.2). `row` may begin within the bytes
 * of `in`, since each byte is read before it is written. `above` is the row above, or zeroes.
 */
static inline void
undo_sub(uint8_t *row, const uint8_t *in, size_t length, const int bpp)
{
	uint8_t left[4] = { 0 };

	for (size_t i = 0; i < length; i += bpp)
		for (int k = 0; k < bpp; k++)
			row[i + k] = left[k] += in[i + k];
}

static void
undo_up(uint8_t *row, const uint8_t *in, const uint8_t *above, size_t length)
{
	for (size_t i = 0; i < length; i++)
		row[i] = in[i] + above[i];
}

static inline void
undo_average(uint8_t *row, const uint8_t *in, const uint8_t *above, size_t length, const int bpp)
{
	uint8_t left[4] = { 0 };

	for (size_t i = 0; i < length; i += bpp)
		for (int k = 0; k < bpp; k++)
			row[i + k] = left[k] = in[i + k] + ((left[k] + above[i + k]) >> 1);
}

/* The one of a, b and c that is nearest to a + b - c, as §9.4 says, by comparisons that don't
 * wait for each other.
 */
static inline int
nearest(int a, int b, int c)
{
	const int edge = 3 * c - (a + b), low = a < b ? a : b, high = a < b ? b : a;
	const int upper = high <= edge ? low : c;

	return edge <= low ? high : upper;
}

#ifdef __SSE2__
static inline __m128i
where(__m128i mask, __m128i yes, __m128i no)
{
	return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
}

static inline __m128i
pixel_at(const uint8_t *at)
{
	int v;
	memcpy(&v, at, 4);
	return _mm_unpacklo_epi8(_mm_cvtsi32_si128(v), _mm_setzero_si128());
}

/* undo_paeth of all pixels but the last, whose 4 bytes may not be there. Returns its place. */
static inline size_t
undo_most_paeth(uint8_t *row, const uint8_t *in, const uint8_t *above, size_t length, const int bpp)
{
	const __m128i byte = _mm_set1_epi16(255);
	__m128i a = _mm_setzero_si128(), c = a;
	size_t i = 0;

	for (; i + bpp < length; i += bpp) {
		const __m128i b = pixel_at(above + i), v = pixel_at(in + i);
		const __m128i edge = _mm_sub_epi16(_mm_sub_epi16(_mm_add_epi16(c, _mm_add_epi16(c, c)), b), a);
		const __m128i low = _mm_min_epi16(a, b), high = _mm_max_epi16(a, b);
		const __m128i upper = where(_mm_cmpgt_epi16(high, edge), c, low);
		a = _mm_and_si128(_mm_add_epi16(where(_mm_cmpgt_epi16(edge, low), upper, high), v), byte);
		c = b;
		const int pixel = _mm_cvtsi128_si32(_mm_packus_epi16(a, a));
		memcpy(row + i, &pixel, bpp);
	}
	return i;
}
#endif

static inline void
undo_paeth(uint8_t *row, const uint8_t *in, const uint8_t *above, size_t length, const int bpp)
{
	uint8_t left[4] = { 0 }, corner[4] = { 0 };
	size_t i = 0;

#ifdef __SSE2__
	if (bpp > 2 && (i = undo_most_paeth(row, in, above, length, bpp))) {
		memcpy(left, row + i - bpp, bpp);
		memcpy(corner, above + i - bpp, bpp);
	}
#endif
	for (; i < length; i += bpp)
		for (int k = 0; k < bpp; k++) {
			row[i + k] = left[k] = in[i + k] + nearest(left[k], above[i + k], corner[k]);
			corner[k] = above[i + k];
		}
}

static inline int
undo(uint8_t *row, const uint8_t *in, const uint8_t *above, size_t length, const int bpp)
{
	switch (*in++) {
	case 0:
		memmove(row, in, length);
		return 0;
	case 1:
		undo_sub(row, in, length, bpp);
		return 0;
	case 2:
		undo_up(row, in, above, length);
		return 0;
	case 3:
		undo_average(row, in, above, length, bpp);
		return 0;
	case 4:
		undo_paeth(row, in, above, length, bpp);
		return 0;
	}
	return -1;
}

/* Turns rows, each behind the number of its filter, into pixels, in the same memory. */
static int
undo_rows(uint8_t *rows, size_t length, int height, int bpp)
{
	uint8_t *zeroes = calloc(1, length);
	int result = zeroes ? 0 : -1;

	for (int y = 0; y < height && !result; y++) {
		uint8_t *row = rows + y * length;
		const uint8_t *in = rows + y * (length + 1), *above = y ? row - length : zeroes;
		switch (bpp) { /* each has code of its own */
		case 1:
			result = undo(row, in, above, length, 1);
			break;
		case 2:
			result = undo(row, in, above, length, 2);
			break;
		case 3:
			result = undo(row, in, above, length, 3);
			break;
		default:
			result = undo(row, in, above, length, 4);
		}
	}
	free(zeroes);
	return result;
}

static int
unpack(const uint8_t *packed, size_t size, uint8_t *rows, size_t whole)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	if (!decompressor)
		return -1;
	const enum libdeflate_result result = libdeflate_zlib_decompress(decompressor, packed, size, rows, whole, NULL);
	libdeflate_free_decompressor(decompressor);
	return result == LIBDEFLATE_SUCCESS ? 0 : -1;
}

int
tintype_read_png(VipsImage *opened, const void *data, size_t size, VipsImage **out)
{
	static const int bands[] = { 1, 0, 3, 0, 2, 0, 4 };
	const uint8_t *head = head_of(data, size), *packed = NULL;
	const int width = opened->Xsize, height = opened->Ysize, bpp = opened->Bands;
	const size_t length = (size_t) width * bpp;

	/* libvips gives a transparent colour an alpha. */
	if (!head || bands[head[9]] != bpp || opened->BandFmt != VIPS_FORMAT_UCHAR ||
		get32(head) != (uint32_t) width || get32(head + 4) != (uint32_t) height ||
		length > TINTYPE_PNG_MOST_READ / height)
		return -1;

	const size_t whole = (length + 1) * height;
	uint8_t *rows = malloc(whole), *joined = NULL;
	const size_t packed_size = rows ? find_packed(data, size, &packed, &joined) : 0;
	const int failed = !packed_size || unpack(packed, packed_size, rows, whole) || undo_rows(rows, length, height, bpp);
	free(joined);
	/* It stays sequential, so that libvips keeps rows between steps. A wide blur would compute
	 * them many times.
	 */
	VipsImage *made = failed ? NULL : vips_image_new_from_memory(rows, length * height, width, height, bpp, VIPS_FORMAT_UCHAR);
	if (!made || vips_image_pipelinev(made, VIPS_DEMAND_STYLE_THINSTRIP, opened, NULL)) {
		VIPS_UNREF(made);
		free(rows);
		vips_error_clear();
		return -1;
	}
	g_object_set_data_full(G_OBJECT(made), "tintype-pixels", rows, free);
	*out = made;
	return 0;
}

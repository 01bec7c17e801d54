/* SSIMULACRA 2 (Jon Sneyers, Cloudinary, version 2.1 of April 2023). It compares structure,
 * added edges and lost edges in the XYB space at six scales.
 *
 * Both pictures go through it row by row: a row becomes linear light, then XYB, then its
 * products are blurred across, and down by what is kept of each column. Two rows make one of
 * the next scale. So it needs little memory, and what it works on stays in the processor's
 * cache. A plane at a scale whose weights are nothing is left out.
 *
 * Where a picture is smooth, the score depends on how sums are rounded: the structure of two
 * nearly flat places is a quotient of tiny differences, and the recursive filter carries its
 * rounding along. An exact filter gives up to 3 points more. So every step is rounded as in
 * the original tool (ssimulacra2 of libjxl, on a processor that multiplies and adds at once).
 *
 * Vectors are those of GCC and clang. Nothing is contracted but what fma says.
 */
#ifndef __clang__
#pragma GCC optimize("O3")
#endif

#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed only to functions that are inlined */

#include "score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"

#define LANES 8
#define RADIUS 5             /* of the blur */
#define BEFORE (RADIUS + 1)  /* how far a step of the blur reads before its pixel */
#define AFTER (RADIUS - 1)   /* and behind it */
#define ROWS (BEFORE + AFTER + 1)
#define PAD (2 * LANES)      /* zeros before and behind a row */
#define POLES 3              /* of the blur: a sum of cosines of 1, 3 and 5 quarters */

typedef float vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* What is blurred: both planes, their product, and their squares, of which a quick score needs
 * just the sum.
 */
enum { MEAN_A, MEAN_B, PRODUCT, SQUARE_A, SQUARE_B, BLURRED, SQUARES = SQUARE_A, QUICKLY_BLURRED = SQUARE_B };

enum { STRUCTURE, GAINED, LOST, KINDS };

/* A plane of XYB at a scale. */
typedef struct {
	int used;
	float *rows;              /* of the last ROWS rows, what is blurred across */
	float *a, *b;             /* the last ROWS rows as they are */
	float *columns;           /* by what is blurred and pole: the last two results of each column */
	double sum[KINDS], fourth[KINDS];
} Plane;

typedef struct Scale {
	int width, height;
	int wide;                 /* floats of a row, with PAD on both sides */
	int rows;                 /* taken so far */
	float *linear[2][3];      /* of the row before, of both pictures */
	Plane plane[3];
} Scale;

/* A step of the blur down the columns. Its result is compared with rows of the planes. */
typedef struct {
	const float *above, *below; /* blurred across */
	float *columns;
	int turn;                   /* 0 or 1: which of the two results is the last one */
	const float *a, *b;         /* NULL above the picture */
} Row;

typedef struct {
	void (*xyb)(const float *const *linear, float *const *to, int from, int width);
	void (*blur)(const float *a, const float *b, float *to, float *room, int wide, int width, int quick);
	void (*compare)(Row row, int wide, int width, double *sum, double *fourth, int quick);
	void (*halve)(const float *upper, const float *lower, float *to, int width);
} Kernels;

INLINE vector
load(const float *p)
{
	vector v;
	memcpy(&v, p, sizeof v);
	return v;
}

INLINE void
store(float *p, vector v)
{
	memcpy(p, &v, sizeof v);
}

INLINE vector
all(float x)
{
	return (vector) { x, x, x, x, x, x, x, x };
}

/* a·b + c, rounded once. The compiler makes one instruction of it where there is one. */
#define FMA(i) __builtin_fmaf(a[i], b[i], c[i])
INLINE vector
fma8(vector a, vector b, vector c)
{
	return (vector) { FMA(0), FMA(1), FMA(2), FMA(3), FMA(4), FMA(5), FMA(6), FMA(7) };
}

/* The cube root of x, which is above 0.003, and what is added to it. */
INLINE vector
root(vector x, vector add)
{
	const vector third = all(1 / 3.0f), four = all(4 / 3.0f);
	const vector less = third * -x;
	vector r = (vector) (0x54800000 - ((ints) x >> 23) * 0x2aaaaa);

	for (int i = 0; i < 3; i++) {
		vector square = r * r;
		r = fma8(less, square * square, four * r);
	}
	vector square = r * r;
	r = fma8(third, fma8(-x, square * square, r), r);
	return fma8(r * r, x, add);
}

INLINE vector
mixed(vector r, vector g, vector b, float red, float green, float blue)
{
	return fma8(all(red), r, fma8(all(green), g, fma8(all(blue), b, all(0.0037930732552754493f))));
}

INLINE void
xyb(const float *const *linear, float *const *to, int from, int width)
{
	const vector less = all(-0.155954197f); /* the cube root of what mixed adds */

	for (int i = from; i < width; i += LANES) {
		vector r = load(linear[0] + i), g = load(linear[1] + i), b = load(linear[2] + i);
		vector l = root(mixed(r, g, b, 0.30f, 1 - 0.078f - 0.30f, 0.078f), less);
		vector m = root(mixed(r, g, b, 0.23f, 1 - 0.078f - 0.23f, 0.078f), less);
		vector y = (l + m) * 0.5f;
		if (to[0])
			store(to[0] + i, (l - m) * 0.5f * 14.0f + 0.42f);
		store(to[1] + i, y + 0.01f);
		if (to[2]) {
			const float red = 0.24342268924547819f, green = 0.20476744424496821f;
			vector s = root(mixed(r, g, b, red, green, 1 - red - green), less);
			store(to[2] + i, (s - y) + 0.55f);
		}
	}
}

/* The Gaussian of σ 1.5, by truncated cosines: Charalampidis, "Recursive Implementation of the
 * Gaussian Filter Using Truncated Cosine Functions", 2016. Factors of what comes in, of the
 * last result and of the one before it, for each of four results that are made at once.
 * bench/ssimulacra2.go computes them.
 */
static const float factors[POLES][3][4] = {
	{ { 0.0552952364f, 0.10517779f, 0.144764811f, 0.17018123f },
	  { 1.90211308f, 2.61803389f, 3.07768345f, 3.23606801f },
	  { -1, -1.90211308f, -2.61803389f, -3.07768345f } },
	{ { -0.0588366874f, -0.0691666752f, -0.0224736147f, 0.042747356f },
	  { 1.17557049f, 0.381966025f, -0.726542532f, -1.23606801f },
	  { -1, -1.17557049f, -0.381966025f, 0.726542532f } },
	{ { 0.0129558193f, 1.58663023e-18f, -0.0129558193f, -3.17326046e-18f },
	  { 1.22464685e-16f, -1, -2.44929371e-16f, 1 },
	  { -1, -1.22464685e-16f, 1, 2.44929371e-16f } },
};

/* Four numbers twice, behind `zeros` zeros. */
INLINE vector
twice(const float *f, int zeros)
{
	vector v = all(0);

	for (int i = zeros; i < 4; i++)
		v[i] = v[i + 4] = f[i - zeros];
	return v;
}

/* In both halves, one of the four. */
#ifdef __clang__
#define SPREAD(v, i) __builtin_shufflevector(v, v, i, i, i, i, 4 + i, 4 + i, 4 + i, 4 + i)
#else
#define SPREAD(v, i) __builtin_shuffle(v, (ints) { i, i, i, i, 4 + i, 4 + i, 4 + i, 4 + i })
#endif

/* The first pixel in the lower half, the second in the upper one. */
INLINE vector
both(float p, float q)
{
	return (vector) { p, p, p, p, q, q, q, q };
}

INLINE vector
fours(const float *p, const float *q)
{
	return (vector) { p[0], p[1], p[2], p[3], q[0], q[1], q[2], q[3] };
}

typedef struct {
	vector last[POLES], before[POLES];
} Across;

/* One pixel of two rows. */
INLINE vector
step(Across *s, vector sum)
{
	vector v[POLES];

	for (int k = 0; k < POLES; k++) {
		v[k] = fma8(all(factors[k][1][0]), s->last[k], all(factors[k][0][0]) * sum - s->before[k]);
		s->before[k] = s->last[k], s->last[k] = v[k];
	}
	return v[0] + (v[1] + v[2]);
}

/* Blurs two rows. Four pixels of each are made at once where their sums are whole. */
INLINE void
across(const float *p, const float *q, float *to, float *toQ, int width)
{
	Across s;
	vector in[POLES][4], last[POLES], before[POLES];
	int n = -AFTER;

	for (int k = 0; k < POLES; k++) {
		s.last[k] = s.before[k] = all(0);
		for (int i = 0; i < 4; i++)
			in[k][i] = twice(factors[k][0], i);
		last[k] = twice(factors[k][1], 0), before[k] = twice(factors[k][2], 0);
	}
#define STEP(n) step(&s, both(p[n - BEFORE] + p[n + AFTER], q[n - BEFORE] + q[n + AFTER]))
	for (; n < 0; n++)
		STEP(n);
	for (; n < 8 && n < width; n++) {
		vector v = STEP(n);
		to[n] = v[0], toQ[n] = v[4];
	}
	for (; n < width - AFTER - 3; n += 4) {
		vector sum = fours(p + n - BEFORE, q + n - BEFORE) + fours(p + n + AFTER, q + n + AFTER);
		vector s0 = SPREAD(sum, 0), s1 = SPREAD(sum, 1), s2 = SPREAD(sum, 2), s3 = SPREAD(sum, 3), v[POLES];
		for (int k = 0; k < POLES; k++) {
			v[k] = fma8(in[k][3], s3, fma8(in[k][2], s2, fma8(in[k][1], s1, in[k][0] * s0)));
			v[k] = fma8(last[k], s.last[k], fma8(before[k], s.before[k], v[k]));
			s.before[k] = SPREAD(v[k], 2), s.last[k] = SPREAD(v[k], 3);
		}
		vector out = v[0] + (v[1] + v[2]);
		memcpy(to + n, &out, 4 * sizeof(float));
		memcpy(toQ + n, (const char *) &out + 4 * sizeof(float), 4 * sizeof(float));
	}
	for (; n < width; n++) {
		vector v = STEP(n);
		to[n] = v[0], toQ[n] = v[4];
	}
#undef STEP
}

/* The same Gaussian, of which only nine factors are more than rounding errors, from its middle
 * outwards. In smooth places the original tool compares its rounding errors too, so the score
 * is another one. Down the columns they are carried along as in the tool: that makes most of
 * what they change.
 */
static const float nine[] = { 0.26462115f, 0.21292865f, 0.1093354f, 0.03601117f, 0.00941444f };

INLINE void
acrossQuickly(const float *p, float *to, int width)
{
	for (int i = 0; i < width; i += LANES) {
		vector v = all(nine[0]) * load(p + i);
		for (int k = 1; k < 5; k++)
			v = fma8(all(nine[k]), load(p + i - k) + load(p + i + k), v);
		store(to + i, v);
	}
}

/* room is for three rows. */
INLINE void
blur(const float *a, const float *b, float *to, float *room, int wide, int width, int quick)
{
	float *squareA = room + PAD, *squareB = squareA + wide, *product = squareB + wide, *squares = squareA;

	for (int i = -PAD; i < wide - PAD; i += LANES) {
		vector va = load(a + i), vb = load(b + i);
		if (quick)
			store(squares + i, fma8(va, va, vb * vb));
		else {
			store(squareA + i, va * va);
			store(squareB + i, vb * vb);
		}
		store(product + i, va * vb);
	}
	if (quick) {
		acrossQuickly(a, to + MEAN_A * wide, width);
		acrossQuickly(b, to + MEAN_B * wide, width);
		acrossQuickly(squares, to + SQUARES * wide, width);
		acrossQuickly(product, to + PRODUCT * wide, width);
		return;
	}
	across(a, b, to + MEAN_A * wide, to + MEAN_B * wide, width);
	across(squareA, squareB, to + SQUARE_A * wide, to + SQUARE_B * wide, width);
	across(product, product, to + PRODUCT * wide, to + PRODUCT * wide, width);
}

INLINE vector
positive(vector v)
{
	return (vector) ((ints) v & (v > all(0)));
}

INLINE vector
size(vector v)
{
	return (vector) ((ints) v & 0x7fffffff);
}

/* A step of the blur down eight columns. */
INLINE vector
down(Row row, int what, int wide, int i)
{
	const vector sum = load(row.above + what * wide + i) + load(row.below + what * wide + i);
	vector v[POLES];

	for (int k = 0; k < POLES; k++) {
		float *last = row.columns + ((what * POLES + k) * 2 + row.turn) * wide + i;
		float *before = row.columns + ((what * POLES + k) * 2 + !row.turn) * wide + i;
		v[k] = fma8(all(factors[k][0][0]), sum, fma8(all(factors[k][1][0]), load(last), -load(before)));
		store(before, v[k]);
	}
	return v[0] + (v[1] + v[2]);
}

INLINE double
total(vector v)
{
	double sum = 0;

	for (int i = 0; i < LANES; i++)
		sum += v[i];
	return sum;
}

INLINE void
compare(Row row, int wide, int width, double *sum, double *fourth, int quick)
{
	const vector one = all(1), c2 = all(0.0009f);
	vector sums[KINDS] = { all(0), all(0), all(0) }, fourths[KINDS] = { all(0), all(0), all(0) };
	const ints lane = { 0, 1, 2, 3, 4, 5, 6, 7 };

	for (int i = 0; i < width; i += LANES) {
		vector v[BLURRED], d[KINDS];
		for (int what = 0; what < (quick ? QUICKLY_BLURRED : BLURRED); what++)
			v[what] = down(row, what, wide, i);
		if (!row.a)
			continue;
		vector ma = v[MEAN_A], mb = v[MEAN_B], difference = ma - mb;
		vector above = (one - difference * difference) * ((v[PRODUCT] - ma * mb) * 2.0f + c2);
		vector below = quick ? (v[SQUARES] - fma8(ma, ma, mb * mb)) + c2
							 : (v[SQUARE_A] - ma * ma) + (v[SQUARE_B] - mb * mb) + c2;
		d[STRUCTURE] = positive(one - above / below);
		vector edge = (one + size(load(row.b + i) - mb)) / (one + size(load(row.a + i) - ma)) - one;
		d[GAINED] = positive(edge);
		d[LOST] = positive(-edge);
		ints inside = lane < width - i;
		for (int k = 0; k < KINDS; k++) {
			vector v = (vector) ((ints) d[k] & inside), square = v * v;
			sums[k] += v;
			fourths[k] += square * square;
		}
	}
	for (int k = 0; k < KINDS; k++) {
		sum[k] += total(sums[k]);
		fourth[k] += total(fourths[k]);
	}
}

/* Means of squares of four pixels. The pixel behind an odd row is the last one again. */
INLINE void
halve(const float *upper, const float *lower, float *to, int width)
{
	for (int i = 0; i < width; i += LANES) {
		const float *u = upper + 2 * i, *l = lower + 2 * i;
#ifdef __clang__
#define PICK(p, at) __builtin_shufflevector(load(p), load(p + LANES), 0 + at, 2 + at, 4 + at, 6 + at, 8 + at, 10 + at, 12 + at, 14 + at)
#else
#define PICK(p, at) __builtin_shuffle(load(p), load(p + LANES), (ints) { 0, 2, 4, 6, 8, 10, 12, 14 } + at)
#endif
		vector first = PICK(u, 0) + PICK(u, 1), third = PICK(l, 0), fourth = PICK(l, 1);
		store(to + i, ((first + third) + fourth) * 0.25f);
	}
}

#define KERNELS(name, attribute) \
	attribute static void name##_xyb(const float *const *linear, float *const *to, int from, int width) { xyb(linear, to, from, width); } \
	attribute static void name##_blur(const float *a, const float *b, float *to, float *room, int wide, int width, int quick) \
		{ quick ? blur(a, b, to, room, wide, width, 1) : blur(a, b, to, room, wide, width, 0); } \
	attribute static void name##_compare(Row row, int wide, int width, double *sum, double *fourth, int quick) \
		{ quick ? compare(row, wide, width, sum, fourth, 1) : compare(row, wide, width, sum, fourth, 0); } \
	attribute static void name##_halve(const float *upper, const float *lower, float *to, int width) { halve(upper, lower, to, width); } \
	static const Kernels name = { name##_xyb, name##_blur, name##_compare, name##_halve };

KERNELS(plain, )

#ifdef __x86_64__
KERNELS(avx2, __attribute__((target("avx2,fma"))))
#endif

static const Kernels *
kernels(int kind)
{
#ifdef __x86_64__
	if (kind == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return &avx2;
#endif
	return &plain;
}

/* Weights by plane (X, Y, B−Y), scale (1:1 to 1:32) and norm (mean, 4-norm), for structure,
 * added edges and lost edges.
 */
static const double weights[3 * TINTYPE_SCALES * 2 * KINDS] = {
	0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0,
	0, 0.0004371155730107379, 0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
	0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0,
	0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0,
	0.0007289346991508072, 0.9677937080626833, 0, 0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
	0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0,
	0, 0, 0, 7.466890328078848, 0, 17.445833984131262,
	0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
	225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
	176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
	0, 0, 0, 34.77906344483772, 44.835625328877896, 0,
	0, 0, 0, 0, 0, 0,
	0, 0.0008680556573291698, 0, 0, 0, 0,
	0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0,
	0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0,
	0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0,
	95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307, 0.9807858872435379,
	0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537,
};

static const double *
weightsOf(int plane, int scale)
{
	return weights + (plane * TINTYPE_SCALES + scale) * 2 * KINDS;
}

static int
matters(const double *of)
{
	for (int i = 0; i < 2 * KINDS; i++)
		if (of[i] > 0.01)
			return 1;
	return 0;
}

typedef struct {
	const Kernels *kernels;
	int quick;
	Scale scale[TINTYPE_SCALES];
	float *empty; /* zeros, for rows beyond the edges */
	float *room;  /* for blur */
	float levels[256];
} Scorer;

/* Blurs down the columns, after row y was blurred across. That ends the row AFTER above it. */
static void
finish(Scorer *s, Scale *at, int y)
{
	const int done = y - AFTER, above = done - BEFORE;

	for (int c = 0; c < 3; c++) {
		Plane *p = &at->plane[c];
		if (!p->used)
			continue;
		Row row = { .above = s->empty, .below = s->empty, .columns = p->columns, .turn = y % 2 };
		if (above >= 0)
			row.above = p->rows + (long) (above % ROWS) * BLURRED * at->wide;
		if (y < at->height)
			row.below = p->rows + (long) (y % ROWS) * BLURRED * at->wide;
		if (done >= 0) {
			row.a = p->a + (long) (done % ROWS) * at->wide + PAD;
			row.b = p->b + (long) (done % ROWS) * at->wide + PAD;
		}
		s->kernels->compare(row, at->wide, at->width, p->sum, p->fourth, s->quick);
	}
}

/* Takes a row of both pictures, in linear light. They have room for LANES beyond their end. */
static void
take(Scorer *s, int scale, float *const linear[2][3])
{
	Scale *at = &s->scale[scale];
	const int y = at->rows++, slot = y % ROWS, w = at->width;

	float *to[2][3] = { { NULL } };
	int any = 0;
	for (int c = 0; c < 3; c++)
		if (at->plane[c].used) {
			any = 1;
			to[0][c] = at->plane[c].a + (long) slot * at->wide + PAD;
			to[1][c] = at->plane[c].b + (long) slot * at->wide + PAD;
		}
	if (any) {
		for (int i = 0; i < 2; i++) {
			if (!to[i][1]) /* written in any case */
				to[i][1] = at->plane[1].a + (long) slot * at->wide + PAD;
			s->kernels->xyb((const float *const *) linear[i], to[i], 0, w);
			for (int c = 0; c < 3; c++)
				if (to[i][c])
					memset(to[i][c] + w, 0, PAD * sizeof(float));
		}
		for (int c = 0; c < 3; c++)
			if (at->plane[c].used)
				s->kernels->blur(to[0][c], to[1][c], at->plane[c].rows + (long) slot * BLURRED * at->wide, s->room, at->wide, w, s->quick);
		finish(s, at, y);
		if (y == at->height - 1)
			for (int row = y + 1; row <= y + AFTER; row++)
				finish(s, at, row);
	}

	if (scale + 1 == TINTYPE_SCALES)
		return;
	if (y % 2 == 0 && y < at->height - 1) {
		for (int i = 0; i < 2; i++)
			for (int c = 0; c < 3; c++)
				memcpy(at->linear[i][c], linear[i][c], w * sizeof(float));
		return;
	}
	float *next[2][3];
	Scale *below = at + 1;
	for (int i = 0; i < 2; i++)
		for (int c = 0; c < 3; c++) {
			float *upper = y % 2 ? at->linear[i][c] : linear[i][c], *lower = linear[i][c];
			next[i][c] = at->linear[i][c]; /* not read again, and halved in place from the front */
			if (w % 2)
				upper[w] = upper[w - 1], lower[w] = lower[w - 1];
			s->kernels->halve(upper, lower, next[i][c], below->width);
		}
	take(s, scale + 1, next);
}

/* sRGB in linear light: a quotient of polynomials. */
static float
light(float v)
{
	static const float over[] = { 2.200248328e-04f, 1.043637593e-02f, 1.624820318e-01f, 7.961564959e-01f, 8.210152774e-01f };
	static const float under[] = { 2.631846970e-01f, 1.076976492e+00f, 4.987528350e-01f, -5.512498495e-02f, 6.521209011e-03f };
	float p = over[4], q = under[4];

	if (v <= 0.04045f)
		return v * (1 / 12.92f);
	for (int i = 3; i >= 0; i--)
		p = fmaf(p, v, over[i]), q = fmaf(q, v, under[i]);
	return p / q;
}

/* A row of a picture in linear light. Transparent pixels are laid over mid-grey. */
static void
brighten(const Scorer *s, const uint8_t *from, int bands, int width, float *const to[3])
{
	const int colours = bands > 2 ? 3 : 1, alpha = bands % 2 == 0;

	for (int c = 0; c < 3; c++) {
		const uint8_t *p = from + (colours > 1 ? c : 0);
		if (!alpha)
			for (int x = 0; x < width; x++)
				to[c][x] = s->levels[p[(long) x * bands]];
		else
			for (int x = 0; x < width; x++) {
				int a = from[(long) x * bands + bands - 1];
				to[c][x] = s->levels[(p[(long) x * bands] * a + 128 * (255 - a) + 127) / 255];
			}
	}
}

static double
result(const Scorer *s)
{
	double sum = 0;

	for (int c = 0; c < 3; c++)
		for (int i = 0; i < TINTYPE_SCALES; i++) {
			const Plane *p = &s->scale[i].plane[c];
			const double *w = weightsOf(c, i), n = (double) s->scale[i].width * s->scale[i].height;
			if (p->used)
				for (int k = 0; k < KINDS; k++)
					sum += w[k] * (p->sum[k] / n) + w[KINDS + k] * sqrt(sqrt(p->fourth[k] / n));
		}
	sum *= 0.9562382616834844;
	sum = 2.326765642916932 * sum - 0.020884521182843837 * sum * sum + 6.248496625763138e-05 * sum * sum * sum;
	return sum <= 0 ? 100 : 100 - 10 * pow(sum, 0.6276336467831387);
}

int
tintype_score(TintypePicture reference, TintypePicture picture, int width, int height, int quick, int kind, double *score)
{
	Scorer s = { .kernels = kernels(kind), .quick = quick };
	size_t floats = 0;
	float *memory = NULL, *linear[2][3];
	const TintypePicture pictures[2] = { reference, picture };

	for (int i = 0, w = width, h = height; i < TINTYPE_SCALES; i++, w = (w + 1) / 2, h = (h + 1) / 2) {
		Scale *at = &s.scale[i];
		at->width = w, at->height = h;
		at->wide = (w + LANES - 1) / LANES * LANES + 2 * PAD;
	}
	for (int i = 0; i < 256; i++) {
		s.levels[i] = light(i * (1 / 255.0f));
	}
	const size_t widest = s.scale[0].wide;
	for (int pass = 0; pass < 2; pass++) { /* counts first */
		float *next = memory;
#define ROOM(n) (floats += pass ? 0 : (n), next += (n), next - (n))
		s.empty = ROOM(BLURRED * widest);
		s.room = ROOM(3 * widest);
		for (int i = 0; i < 2; i++)
			for (int c = 0; c < 3; c++)
				linear[i][c] = ROOM(2 * widest);
		for (int i = 0; i < TINTYPE_SCALES; i++) {
			Scale *at = &s.scale[i];
			for (int k = 0; k < 2; k++)
				for (int c = 0; c < 3; c++)
					at->linear[k][c] = ROOM(2 * (size_t) at->wide);
			for (int c = 0; c < 3; c++) {
				Plane *p = &at->plane[c];
				p->used = matters(weightsOf(c, i));
				if (p->used || c == 1)
					p->a = ROOM((size_t) ROWS * at->wide);
				if (p->used) {
					p->b = ROOM((size_t) ROWS * at->wide);
					p->rows = ROOM((size_t) ROWS * BLURRED * at->wide);
					p->columns = ROOM((size_t) BLURRED * POLES * 2 * at->wide);
				}
			}
		}
		if (!pass && !(memory = calloc(floats, sizeof(float))))
			return -1;
	}
	for (int y = 0; y < height; y++) {
		for (int i = 0; i < 2; i++)
			brighten(&s, pictures[i].pixels + y * pictures[i].stride, pictures[i].bands, width, linear[i]);
		take(&s, 0, linear);
	}
	*score = result(&s);
	free(memory);
	return 0;
}

#ifndef TINTYPE_SCORE_H
#define TINTYPE_SCORE_H

#include <stdint.h>

/* A picture: rows of pixels of 1 to 4 bands, of which an even number ends in alpha. */
typedef struct {
	const uint8_t *pixels;
	long stride; /* bytes from row to row */
	int bands;
} TintypePicture;

#define TINTYPE_SCALES 6

/* The SSIMULACRA 2 score of a picture against a reference of the same size, at least 8×8. The
 * result is the same on every processor. A picture with a side under 113 pixels is compared at six
 * scales too, where the original tool leaves out the last ones and gives weights of one colour to
 * another. `quick` takes half of the time for a score that differs by up to 0.3, where
 * pictures are smooth. `kind` is 0 for the best code that this processor can run and 1 for plain code,
 * for tests. Returns 0, or -1 where there is no memory.
 */
int tintype_score(TintypePicture reference, TintypePicture picture, int width, int height, int quick, int kind, double *score);

#endif

/* Compares the scores by the best code that this processor can run with those by plain code,
 * which must be the same to the bit.
 */
#include "../score.h"

#include <stdio.h>
#include <stdlib.h>

int
main(void)
{
	const int most = 90;
	uint8_t *a = malloc(most * most * 4), *b = malloc(most * most * 4);

	srand(1);
	for (int i = 0; i < most * most * 4; i++) {
		int level = rand() % 3 ? i / 4 % most * 255 / most : rand() & 255, other = level + rand() % 31 - 15;
		a[i] = level, b[i] = other < 0 ? 0 : other > 255 ? 255 : other;
	}
	for (int bands = 1; bands <= 4; bands++)
		for (int w = 8; w <= most; w += 3 + rand() % 9)
			for (int h = 8; h <= most; h += 3 + rand() % 15) {
				TintypePicture reference = { a, w * bands, bands }, picture = { b, w * bands, bands };
				for (int quick = 0; quick < 2; quick++) {
					double best, plain;
					if (tintype_score(reference, picture, w, h, quick, 0, &best) || tintype_score(reference, picture, w, h, quick, 1, &plain))
						return 1;
					if (best != plain || !(best < 100)) {
						printf("%dx%d of %d bands: %.17g, in plain code %.17g\n", w, h, bands, best, plain);
						return 1;
					}
				}
			}
	free(a), free(b);
	return 0;
}

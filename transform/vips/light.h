#ifndef TINTYPE_LIGHT_H
#define TINTYPE_LIGHT_H

#include <stdint.h>

/* Converts n pixels of sRGB or grey to samples of linear light. With alpha, the last band,
 * colours are weighted with it.
 */
void tintype_lighten(const uint8_t *from, int n, int bands, int alpha, int16_t *to);

/* The reverse, of pixels of four samples. */
void tintype_darken(const int16_t *from, int n, int bands, int alpha, uint8_t *to);

#endif

#ifndef TINTYPE_LIGHT_H
#define TINTYPE_LIGHT_H

#include <stdint.h>

/* Between a level of sRGB and its linear light, both from 0 to 1. */
double tintype_srgb_light(double level);
double tintype_srgb_level(double light);

/* Converts n pixels of sRGB or grey to samples of linear light. With alpha, the last band,
 * colours are weighted with it.
 */
void tintype_lighten(const uint8_t *from, int n, int bands, int alpha, int16_t *to);

/* The reverse, of pixels of four samples. */
void tintype_darken(const int16_t *from, int n, int bands, int alpha, uint8_t *to);

#endif

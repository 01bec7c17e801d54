#ifndef TINTYPE_EXACT_H
#define TINTYPE_EXACT_H

/* After this, a product and a sum are never one step, which rounds once: so every processor gets
 * the same result to the bit. Include it behind other headers.
 */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

#endif

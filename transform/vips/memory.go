package vips

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// #endif
//
// static void returnMemory(void) {
// #ifdef __GLIBC__
//   mallopt(M_ARENA_MAX, 2);
//   mallopt(M_MMAP_THRESHOLD, 4 << 20);
//   mallopt(M_TRIM_THRESHOLD, 64 << 20);
// #endif
// }
//
// static void trimMemory(size_t keep) {
// #ifdef __GLIBC__
//   malloc_trim(keep);
// #endif
// }
import "C"

// returnMemory makes glibc give the memory of an image back once it is done with.
// By default every thread keeps a heap of its own, and the threshold above which
// memory is given back rises with the largest block ever freed: after a few large
// photographs the process would hold several times what it needs.
func returnMemory() { C.returnMemory() }

// Rest gives back memory that is held for the next image, but for what an ordinary
// one needs. It takes some milliseconds where there is much.
func (e *Engine) Rest() { C.trimMemory(16 << 20) }

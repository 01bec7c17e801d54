package vips

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// #endif
//
// static void returnMemory(void) {
// #ifdef __GLIBC__
//   mallopt(M_ARENA_MAX, 1);
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

// returnMemory makes glibc return memory of finished images. By default every thread has
// its own heap, and the threshold for returning memory rises with the largest freed block.
// After a few large photographs the process would hold several times the memory that it
// needs. One heap is enough, since one thread works on an image: with two, a server with two
// workers took 10 % more memory, and the same time.
func returnMemory() { C.returnMemory() }

// Rest returns free memory to the system, except for keep bytes. It can take some
// milliseconds.
func (e *Engine) Rest(keep int) { C.trimMemory(C.size_t(keep)) }

// trimAll returns all free memory to the system.
func trimAll() { C.trimMemory(0) }

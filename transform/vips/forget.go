//go:build cgo

package vips

// #include "forget.h"
import "C"

// ForgetProgram unmaps the pages of the program and of its libraries, most of which only the
// start of a process needs. Those that are used again come back from the kernel's file cache.
func ForgetProgram() { C.tintype_forget() }

//go:build cgo && jpegli

package vips

// deploy/image/jpegli builds it.

// #cgo CFLAGS: -DTINTYPE_JPEGLI=1
// #cgo pkg-config: jpegli
import "C"

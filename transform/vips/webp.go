//go:build cgo

package vips

// #cgo pkg-config: vips libwebp
// #include "still.h"
import "C"

import (
	"encoding/binary"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// decodeStill decodes a WebP that load has opened, and that isn't animated. Where it can't, the
// picture stays as it is, for libvips to decode it or to say what is wrong.
func decodeStill(picture *govips.ImageRef, webp []byte) {
	var out *C.VipsImage
	if C.tintype_still_webp(vipsImage(picture), unsafe.Pointer(&webp[0]), C.size_t(len(webp)), &out) == 0 {
		setVipsImage(picture, out)
	}
}

// Flags of the VP8X chunk (RFC 9649 §2.7).
const (
	webpXMP     = 1 << 2
	webpEXIF    = 1 << 3
	webpAlpha   = 1 << 4
	webpProfile = 1 << 5
)

// withoutWebPMetadata removes the EXIF and XMP chunks of a WebP file of libwebp, in place.
// libvips 8.14 writes an EXIF block even where it strips metadata.
func withoutWebPMetadata(data []byte) []byte {
	if len(data) < 30 || string(data[12:16]) != "VP8X" || data[20]&(webpEXIF|webpXMP) == 0 {
		return data
	}
	data[20] &^= webpEXIF | webpXMP
	kept := 12
	for at := 12; at+8 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		end := min(at+8+size+size&1, len(data))
		if kind := string(data[at : at+4]); kind != "EXIF" && kind != "XMP " {
			kept += copy(data[kept:], data[at:end])
		}
		at = end
	}
	return sealWebP(data[:kept])
}

// withWebPProfile adds a colour profile to a WebP file, since govips can't make libvips
// write it. It converts a simple file to the extended format.
func withWebPProfile(data, profile []byte, size transform.Size, alpha bool) []byte {
	if len(data) < 20 {
		return data
	}
	out := make([]byte, 0, len(data)+len(profile)+32)
	out = append(out, data[:12]...)
	rest := data[12:]
	if string(rest[:4]) == "VP8X" && len(rest) >= 18 {
		out = append(out, rest[:18]...)
		rest = rest[18:]
	} else {
		out = append(out, "VP8X\x0a\x00\x00\x00\x00\x00\x00\x00"...)
		out = append(out, uint24(size.W-1)...)
		out = append(out, uint24(size.H-1)...)
		if alpha {
			out[20] |= webpAlpha
		}
	}
	out[20] |= webpProfile
	out = append(out, "ICCP"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(profile)))
	out = append(out, profile...)
	if len(profile)%2 == 1 {
		out = append(out, 0)
	}
	return sealWebP(append(out, rest...))
}

func uint24(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }

// sealWebP sets the length in the RIFF header.
func sealWebP(data []byte) []byte {
	binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
	return data
}

//go:build cgo

package vips

// #cgo pkg-config: vips libdeflate
// #include "pngfile.h"
// #include "pngread.h"
import "C"

import (
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// decodePNG decodes a PNG that load has opened. Where it can't, the picture stays as it is, for
// libvips to decode it or to say what is wrong. So it does where libvips can stop early, since
// only rows near the top are needed.
func (t *task) decodePNG(picture *govips.ImageRef, png []byte) {
	if t.region.Max.Y < t.header.Height/2 {
		return
	}
	var out *C.VipsImage
	if C.tintype_read_png(vipsImage(picture), unsafe.Pointer(&png[0]), C.size_t(len(png)), &out) == 0 {
		setVipsImage(picture, out)
	}
}

// encodePNG leaves to libvips what is interlaced, has metadata or is very large. There it uses
// level 1 with a filter: the result is smaller than level 6 without a filter, and takes less
// time.
func (t *task) encodePNG(picture *frame) ([]byte, error) {
	image := vipsImage(picture.ImageRef)
	if t.strip && !t.job.Options.Progressive && !picture.HasICCProfile() && C.tintype_png_takes(image) != 0 {
		var data unsafe.Pointer
		var size C.size_t
		if C.tintype_png(image, &data, &size) != 0 {
			return nil, errors.New(lastError())
		}
		defer C.g_free(C.gpointer(data))
		return C.GoBytes(data, C.int(size)), nil
	}
	data, _, err := picture.ExportPng(&govips.PngExportParams{
		Compression:   1,
		Filter:        govips.PngFilterPaeth,
		Interlace:     t.job.Options.Progressive,
		StripMetadata: t.strip,
	})
	return data, err
}

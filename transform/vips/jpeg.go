//go:build cgo

package vips

// #cgo pkg-config: vips libjpeg
// #include <stdlib.h>
// #include "jpegfile.h"
import "C"

import (
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// fullFromQuality is the quality from which a JPEG keeps the full resolution of colours. Below,
// it is halved. Above, this would be visible at sharp edges.
const fullFromQuality = 90

// tunedQuality maps qualities of the standard's tables, which define the scale of q, to those
// of our tables at which neither the mean score of 16 photographs of 512 pixels nor that of
// the worst tenth is lower: see docs/quality.md.
var tunedQuality = scale{{1, 1}, {10, 8}, {20, 18}, {30, 29}, {40, 39}, {50, 48}, {60, 56}, {70, 67}, {80, 78}, {85, 84}, {89, 89}}

// encodeJPEG leaves what has metadata or a profile to libvips, with the tables of the standard.
// Such a file looks the same, and is a twelfth larger.
func (t *task) encodeJPEG(picture *frame) ([]byte, error) {
	image := vipsImage(picture.ImageRef)
	if !t.strip || picture.HasICCProfile() || C.tintype_jpeg_takes(image) == 0 {
		colours := govips.VipsForeignSubsampleAuto
		if t.full {
			colours = govips.VipsForeignSubsampleOff
		}
		data, _, err := picture.ExportJpeg(&govips.JpegExportParams{
			Quality:        t.quality,
			Interlace:      t.job.Options.Progressive,
			OptimizeCoding: true,
			SubsampleMode:  colours,
			StripMetadata:  t.strip,
		})
		return data, err
	}
	quality, full := t.quality, t.full || t.quality >= fullFromQuality
	if !full { // with it, the tables of the standard do better
		quality = tunedQuality.of(quality)
	}
	flag := map[bool]C.int{true: 1}
	var data unsafe.Pointer
	var size C.size_t
	if C.tintype_jpeg(image, C.int(quality), flag[!full], flag[full], flag[t.job.Options.Progressive], &data, &size) != 0 {
		return nil, errors.New(lastError())
	}
	defer C.free(data)
	return C.GoBytes(data, C.int(size)), nil
}

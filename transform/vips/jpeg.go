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

// fullFromQuality is the quality of a URL from which a JPEG or an AVIF keeps the full resolution of
// colours. Below, it is halved. Above, this would be visible at sharp edges.
const fullFromQuality = 90

// tunedQuality maps qualities of the standard's tables, which define the scale of q, to those
// of our tables at which neither the mean score of 16 photographs of 512 pixels nor that of
// the worst tenth is lower: see docs/quality.md.
var tunedQuality = scale{{1, 1}, {10, 8}, {20, 18}, {30, 29}, {40, 39}, {50, 48}, {60, 56}, {70, 67}, {80, 78}, {85, 84}, {89, 89}}

// jpegli halves the resolution of colours with tables of its own from jpegliFromQuality on. Below, it
// needs fewer bytes with ours.
const jpegliFromQuality = 50

// These map qualities as tunedQuality does, by 20 photographs: to those of our tables in jpegli, and to
// hundredths of the distances that jpegli calculates its tables from, with half the resolution of colours
// and with all of it.
var (
	jpegliTunedQuality = scale{{1, 1}, {10, 9}, {20, 20}, {30, 32}, {40, 43}, {50, 53}}
	jpegliDistance     = scale{{50, 500}, {56, 446}, {60, 434}, {62, 392}, {65, 357}, {70, 330}, {75, 256}, {80, 206}, {83, 172}, {85, 150}, {87, 132}, {89, 116}}
	jpegliFullDistance = scale{{1, 2400}, {10, 2400}, {15, 1850}, {20, 1400}, {30, 900}, {40, 670}, {50, 520}, {60, 420}, {70, 305}, {80, 187}, {85, 144},
		{90, 90}, {93, 65}, {95, 45}, {97, 26}, {98, 20}, {99, 10}, {100, 1}}
)

// hasJpegli is whether jpegli writes JPEGs: the build tag jpegli says so.
const hasJpegli = C.TINTYPE_JPEGLI == 1

// JPEGEncoder returns the name of the library that writes JPEGs: "jpegli" where the build tag of this
// name is set, or else "libjpeg".
func JPEGEncoder() string {
	if hasJpegli {
		return "jpegli"
	}
	return "libjpeg"
}

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
	return writeJPEG(image, t.quality, t.full, t.job.Options.Progressive)
}

// EncodeJPEG returns a picture as the engine writes it at a quality on the scale of the standard's
// tables, from 1 to 100, with the full resolution of colours or half of it. The model of q=auto is
// fitted to these files.
func EncodeJPEG(p Pixels, quality int, full bool) ([]byte, error) {
	image, err := govips.NewImageFromMemory(p.Levels, p.Width, p.Height, p.Bands, govips.BandFormatUchar, govips.InterpretationSRGB)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	return writeJPEG(vipsImage(image), quality, full, false)
}

func writeJPEG(image *C.VipsImage, quality int, full, progressive bool) ([]byte, error) {
	own, distance, tuned := jpegTables(quality, full, image.Bands == 3)
	flag := map[bool]C.int{true: 1}
	var data unsafe.Pointer
	var size C.size_t
	if C.tintype_jpeg(image, C.int(own), C.double(distance), flag[tuned], flag[full], flag[progressive], &data, &size) != 0 {
		return nil, errors.New(lastError())
	}
	defer C.free(data)
	return C.GoBytes(data, C.int(size)), nil
}

// jpegTables returns what tintype_jpeg takes for a quality on the scale of the standard's tables.
func jpegTables(quality int, full, colours bool) (own int, distance float64, tuned bool) {
	switch jpegli := hasJpegli && colours; {
	case jpegli && full:
		return quality, float64(jpegliFullDistance.of(quality)) / 100, false
	case jpegli && quality >= jpegliFromQuality:
		return quality, float64(jpegliDistance.of(quality)) / 100, false
	case jpegli:
		return jpegliTunedQuality.of(quality), 0, true
	case full: // the tables of the standard do better
		return quality, 0, false
	}
	return tunedQuality.of(quality), 0, true
}

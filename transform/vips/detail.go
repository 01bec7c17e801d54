//go:build cgo

package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
// #include "detail.h"
// #include "jxlfile.h"
//
// // A file of medium quality: a JPEG, a WebP, an AVIF or a JPEG XL.
// static int
// tintype_probe(void *levels, int w, int h, int bands, int which, void **data, size_t *size)
// {
//   VipsImage *image = vips_image_new_from_memory(levels, (size_t) w * h * bands, w, h, bands, VIPS_FORMAT_UCHAR);
//   int result = -1;
//   if (!image)
//     return -1;
//   image->Type = bands == 1 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
//   if (which == 0)
//     result = vips_jpegsave_buffer(image, data, size, "Q", 67, "strip", TRUE, "subsample_mode", VIPS_FOREIGN_SUBSAMPLE_ON, NULL);
//   else if (which == 1)
//     result = vips_webpsave_buffer(image, data, size, "Q", 75, "effort", 2, "strip", TRUE, NULL);
//   else if (which == 2)
//     result = vips_heifsave_buffer(image, data, size, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
//       "bitdepth", 8, "Q", 60, "effort", 0, "strip", TRUE, "subsample_mode", VIPS_FOREIGN_SUBSAMPLE_ON, NULL);
//   else
//     result = tintype_jxl(image, 2.8, 3, 0, data, size);
//   g_object_unref(image);
//   return result;
// }
import "C"

import (
	"errors"
	"math"
	"runtime"
	"unsafe"

	"github.com/tintype/tintype/transform"
)

// A Detail is what the models of q=auto know of a picture.
type Detail struct {
	// Of the differences between neighbouring pixels at 1:1, 1:2 and 1:4, in levels of
	// lightness: the mean, the mean square, and the share that is hardly one.
	Mean, Square, Flat [3]float64
	Colour             float64 // mean difference of colours
	// Probe holds the scores of some tiles of the picture in a file of medium quality.
	Probe [probes]float64
}

// The files in which tiles are probed.
const (
	probeJPEG = iota
	probeWebP
	probeAVIF
	probeJXL
	probes
)

// DetailOf returns the detail of a picture of at least 8×8 pixels, with all probes.
func DetailOf(p Pixels) (Detail, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	pinned, err := p.pinned(&pins)
	if err != nil {
		return Detail{}, err
	}
	return detailOf(pinned, p.Width, p.Height, probeJPEG, probeWebP, probeAVIF, probeJXL)
}

// detailOf returns the detail with the probes that are needed.
func detailOf(p C.TintypePicture, w, h int, needed ...int) (d Detail, err error) {
	var out C.TintypeDetail
	if C.tintype_detail(p, C.int(w), C.int(h), &out) != 0 {
		return d, decodeError(errNoRoom)
	}
	for i := range d.Mean {
		d.Mean[i], d.Square[i], d.Flat[i] = float64(out.mean[i]), float64(out.square[i]), float64(out.flat[i])
	}
	d.Colour = float64(out.colour)
	for _, which := range needed {
		if d.Probe[which], err = probe(tilesOf(p, w, h, tilesFor[which]), which); err != nil {
			return d, err
		}
	}
	return d, nil
}

// probe returns the score of tiles in a file.
func probe(p Pixels, which int) (float64, error) {
	forgetErrors()
	var pins runtime.Pinner
	defer pins.Unpin()
	pinned, err := p.pinned(&pins)
	if err != nil {
		return 0, err
	}
	format := [probes]transform.Format{probeJPEG: transform.JPEG, probeWebP: transform.WebP, probeAVIF: transform.AVIF, probeJXL: transform.JXL}[which]
	var data unsafe.Pointer
	var size C.size_t
	if C.tintype_probe(unsafe.Pointer(&p.Levels[0]), C.int(p.Width), C.int(p.Height), C.int(p.Bands), C.int(which), &data, &size) != 0 {
		return 0, decodeError(errors.New(lastError()))
	}
	defer C.g_free(C.gpointer(data))
	return scoreOfFile(pinned, p.Width, p.Height, format, unsafe.Slice((*byte)(data), int(size)))
}

const tileSide = 64

// A share is how much of a picture is probed.
type share struct {
	oneTileIn  int
	leastTiles int // a picture with fewer is probed whole
}

// tilesFor is the share for each probe. With as little as JPEG XL has,
// the other formats would need more encodings.
var tilesFor = [probes]share{probeJPEG: {6, 9}, probeWebP: {6, 9}, probeAVIF: {6, 9}, probeJXL: {14, 4}}

// tilesOf returns tiles that are spread over the picture, beside each other and without
// alpha. A small picture is returned whole.
func tilesOf(p C.TintypePicture, w, h int, s share) Pixels {
	across, down := w/tileSide, h/tileSide
	total := across * down
	if total <= s.leastTiles {
		return copyTiles(p, w, h, 1, func(int) (x, y int) { return 0, 0 }, 1)
	}
	n := min(max(total/s.oneTileIn, s.leastTiles), 2*transform.MostChecked/(s.oneTileIn*tileSide*tileSide))
	columns := int(math.Sqrt(float64(n)))
	n -= n % columns
	return copyTiles(p, tileSide, tileSide, n, func(i int) (x, y int) {
		at := (2*i + 1) * total / (2 * n) // in rows, every other of which is shifted
		x, y = at%across, at/across
		return (x + y*across/3) % across * tileSide, y * tileSide
	}, columns)
}

// copyTiles lays n tiles of w×h pixels beside each other, in columns.
func copyTiles(p C.TintypePicture, w, h, n int, corner func(i int) (x, y int), columns int) Pixels {
	from, bands := int(p.bands), int(p.bands)-(1-int(p.bands)%2)
	out := Pixels{Width: columns * w, Height: n / columns * h, Bands: bands}
	out.Levels = make([]byte, out.Width*out.Height*bands)
	for i := range n {
		x0, y0 := corner(i)
		for y := range h {
			row := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(p.pixels), (y0+y)*int(p.stride)+x0*from)), w*from)
			to := out.Levels[((i/columns*h+y)*out.Width+i%columns*w)*bands:]
			if from == bands {
				copy(to, row)
				continue
			}
			for x := range w {
				alpha := int(row[x*from+bands])
				for c := range bands {
					to[x*bands+c] = byte((int(row[x*from+c])*alpha + 128*(255-alpha) + 127) / 255)
				}
			}
		}
	}
	return out
}

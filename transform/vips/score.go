//go:build cgo

package vips

// #cgo LDFLAGS: -lm
// #cgo pkg-config: vips
// #include <vips/vips.h>
// #include "detail.h"
//
// // Whole pixels of an image, as it keeps them.
// static TintypePicture
// tintype_picture(VipsImage *image)
// {
//   return (TintypePicture) { VIPS_IMAGE_ADDR(image, 0, 0), VIPS_IMAGE_SIZEOF_LINE(image), image->Bands };
// }
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Pixels is a picture in memory: rows of sRGB levels of 1 to 4 bands, of which an even
// number ends in alpha, without gaps.
type Pixels struct {
	Levels               []byte
	Width, Height, Bands int
}

// Score returns how similar a picture is to the reference, in SSIMULACRA 2: 100 is
// identical, 90 is visually the same, 70 is high quality, 50 is medium. Both have the same
// size, at least 8×8 pixels. Transparent pixels are laid over mid-grey.
func Score(reference, picture Pixels) (float64, error) {
	if reference.Width != picture.Width || reference.Height != picture.Height {
		return 0, errors.New("vips: the pictures to compare have different sizes")
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	a, err := reference.pinned(&pins)
	if err != nil {
		return 0, err
	}
	b, err := picture.pinned(&pins)
	if err != nil {
		return 0, err
	}
	return score(a, b, reference.Width, reference.Height, false)
}

// pixelsOf returns the pixels of an image that is in memory.
func pixelsOf(image *C.VipsImage) C.TintypePicture { return C.tintype_picture(image) }

// score compares pictures of w×h pixels.
func score(a, b C.TintypePicture, w, h int, quick bool) (float64, error) {
	var result C.double
	hasty := C.int(0)
	if quick {
		hasty = 1
	}
	if C.tintype_score(a, b, C.int(w), C.int(h), hasty, 0, &result) != 0 {
		return 0, decodeError(errNoRoom)
	}
	return float64(result), nil
}

// errNoRoom has a text that decodeError knows.
var errNoRoom = errors.New("score: out of memory")

// pinned returns the picture for C. It stays where it is until pins are unpinned.
func (p Pixels) pinned(pins *runtime.Pinner) (C.TintypePicture, error) {
	if p.Width < 8 || p.Height < 8 || p.Bands < 1 || p.Bands > 4 || len(p.Levels) != p.Width*p.Height*p.Bands {
		return C.TintypePicture{}, errors.New("vips: a picture to compare has less than 8×8 pixels, or is not whole")
	}
	pins.Pin(&p.Levels[0])
	return C.TintypePicture{pixels: (*C.uint8_t)(unsafe.Pointer(&p.Levels[0])), stride: C.long(p.Width * p.Bands), bands: C.int(p.Bands)}, nil
}

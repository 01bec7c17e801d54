//go:build cgo

package vips

// #cgo pkg-config: vips
// #include "coded.h"
//
// static int
// with_profile(VipsImage *in, VipsImage **out, const char *name)
// {
//   VipsBlob *profile;
//   if (vips_profile_load(name, &profile, NULL))
//     return -1;
//   size_t size;
//   const void *data = vips_blob_get(profile, &size);
//   int failed = vips_copy(in, out, NULL);
//   if (!failed)
//     vips_image_set_blob_copy(*out, VIPS_META_ICC_NAME, data, size);
//   vips_area_unref(VIPS_AREA(profile));
//   return failed;
// }
import "C"

import (
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// primaries are those of ITU-T H.273 in linear light: how much of sRGB's each one is, by
// rows, and how bright it is.
var primaries = map[int]struct {
	toSRGB [9]C.double
	luma   [3]C.double
}{
	transform.PrimariesBT709: {
		[9]C.double{1, 0, 0, 0, 1, 0, 0, 0, 1},
		[3]C.double{0.2126, 0.7152, 0.0722},
	},
	transform.PrimariesBT2020: {
		[9]C.double{1.660491, -0.587641, -0.072850, -0.124550, 1.132900, -0.008349, -0.018151, -0.100579, 1.118730},
		[3]C.double{0.2627, 0.6780, 0.0593},
	},
	transform.PrimariesP3: {
		[9]C.double{1.224940, -0.224940, 0, -0.042057, 1.042057, 0, -0.019638, -0.078636, 1.098274},
		[3]C.double{0.228975, 0.691739, 0.079287},
	},
}

// isCoded reports whether the picture has HDR or wide colours that no profile describes.
func (t *task) isCoded(f *frame) bool {
	if t.header.Coding == (transform.Coding{}) || t.profile.data != nil {
		return false
	}
	switch f.Interpretation() {
	case govips.InterpretationSRGB, govips.InterpretationRGB16, govips.InterpretationBW, govips.InterpretationGrey16:
		format := f.BandFormat()
		return f.Bands() <= 4 && (format == govips.BandFormatUchar || format == govips.BandFormatUshort)
	}
	return false
}

// decodeColours converts HDR and wide colours to sRGB: see coded.c. It runs before resizing,
// since 8 bits are too few for HDR.
func (t *task) decodeColours(f *frame) error {
	const usual = 1000 // cd/m², what most HDR is made for
	coding := t.header.Coding
	in := primaries[coding.Primaries]
	c := C.TintypeCoding{to_srgb: in.toSRGB, luma: in.luma, curve: C.TINTYPE_SRGB}
	switch coding.Transfer {
	case transform.TransferPQ:
		c.curve, c.peak = C.TINTYPE_PQ, usual
		if coding.Peak > 0 {
			c.peak = C.double(min(coding.Peak, 10_000)) // PQ ends there
		}
	case transform.TransferHLG:
		c.curve, c.peak = C.TINTYPE_HLG, usual
	}
	var out *C.VipsImage
	if C.tintype_decode_colours(vipsImage(f.ImageRef), &out, &c) != 0 {
		return fault("colours", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// addProfile gives an original in Display P3 that says so by a number the profile for it.
// Then it is converted after resizing, or kept, as those with a profile are.
func (t *task) addProfile(roll *govips.ImageRef) error {
	if t.header.Format == transform.PNG && t.header.Coding != (transform.Coding{}) {
		if err := roll.RemoveICCProfile(); err != nil { // the coding precedes it
			return fault("colours", err)
		}
	}
	if c := t.header.Coding; c.Primaries != transform.PrimariesP3 || c.HDR() || roll.HasICCProfile() || roll.Bands() < 3 {
		return nil
	}
	name := C.CString("p3")
	defer C.free(unsafe.Pointer(name))
	var out *C.VipsImage
	if C.with_profile(vipsImage(roll), &out, name) != 0 {
		return fault("colours", errors.New(lastError()))
	}
	setVipsImage(roll, out)
	return nil
}

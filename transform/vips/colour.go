//go:build cgo

package vips

// #cgo pkg-config: vips
// #include <vips/vips.h>
//
// static int
// profile_to_srgb(VipsImage *in, VipsImage **out, const void *profile, size_t size, int depth)
// {
//   VipsImage *with;
//   if (!vips_icc_is_compatible_profile(in, profile, size)) {
//     vips_error("colour", "not a profile of such colours");
//     return -1;
//   }
//   if (vips_copy(in, &with, NULL))
//     return -1;
//   vips_image_set_blob_copy(with, VIPS_META_ICC_NAME, profile, size);
//   int failed = vips_icc_transform(with, out, "srgb", "embedded", TRUE,
//     "intent", VIPS_INTENT_RELATIVE, "depth", depth, NULL);
//   g_object_unref(with);
//   return failed;
// }
//
// static int
// map_greys(VipsImage *in, VipsImage **out, const void *levels)
// {
//   VipsImage *lut = vips_image_new_from_memory_copy(levels, 65536 * 2, 65536, 1, 1, VIPS_FORMAT_USHORT);
//   if (!lut)
//     return -1;
//   int failed = vips_maplut(in, out, lut, "band", 0, NULL);
//   g_object_unref(lut);
//   return failed;
// }
//
// static int
// divide_by_alpha(VipsImage *in, VipsImage **out, double most)
// {
//   VipsImage *t[2] = {NULL, NULL};
//   int failed = vips_unpremultiply(in, &t[0], "max_alpha", most, NULL) ||
//     vips_linear1(t[0], &t[1], 1, most > 1 ? 0.5 : 0, NULL) ||
//     vips_cast(t[1], out, in->BandFmt, NULL);
//   for (int i = 0; i < 2; i++)
//     if (t[i])
//       g_object_unref(t[i]);
//   return failed;
// }
import "C"

import (
	"context"
	"errors"
	"unsafe"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// toBytes brings samples of 16 bits, and colour spaces other than grey, sRGB and
// CMYK, to 8-bit grey or sRGB. It comes before resizing, which is several times
// faster on bytes.
func (t *task) toBytes(_ context.Context, f *frame) error {
	space := govips.InterpretationSRGB
	switch f.Interpretation() {
	case govips.InterpretationSRGB, govips.InterpretationBW, govips.InterpretationCMYK:
		switch f.BandFormat() {
		case govips.BandFormatUchar:
			return t.dropExtra(f)
		case govips.BandFormatFloat: // grey, of a JPEG XL
			if t.profile.fits(f.colours()) {
				return t.floatsToSRGB(f)
			}
		case govips.BandFormatUshort:
			// Only CMYK's name is the same for both depths, so that libvips would
			// convert nothing.
			if err := f.scale(1.0 / 257); err != nil {
				return err
			}
			return t.dropExtra(f)
		}
		space = f.Interpretation()
	case govips.InterpretationRGB16:
		if t.profile.Coarse && t.profile.fits(f.colours()) {
			return t.deepToSRGB(f)
		}
	case govips.InterpretationGrey16:
		if t.profile.Coarse && t.profile.fits(f.colours()) {
			return t.deepToSRGB(f)
		}
		space = govips.InterpretationBW
	case govips.InterpretationScRGB:
		if t.profile.fits(f.colours()) {
			return t.floatsToSRGB(f)
		}
		return t.lightToSRGB(f)
	default:
		// From here on a profile would be for other colours than there are.
		t.profile = profile{}
		if err := f.RemoveICCProfile(); err != nil {
			return fault("colour", err)
		}
	}
	if err := f.ToColorSpace(space); err != nil {
		return fault("colour", err)
	}
	if f.BandFormat() != govips.BandFormatUchar {
		if err := f.Cast(govips.BandFormatUchar); err != nil {
			return fault("colour", err)
		}
	}
	return t.dropExtra(f)
}

// dropExtra leaves out the bands that are neither a colour nor alpha, which only a
// TIFF has.
func (t *task) dropExtra(f *frame) error {
	keep := 3
	switch f.Interpretation() {
	case govips.InterpretationBW:
		keep = 1
	case govips.InterpretationCMYK:
		keep = 4
	}
	if f.Bands() <= keep+1 {
		return nil
	}
	if t.header.Alpha {
		keep++
	}
	if err := f.ExtractBand(0, keep); err != nil {
		return fault("colour", err)
	}
	return nil
}

// scale multiplies all bands and makes bytes of them.
func (f *frame) scale(by float64) error {
	if err := f.Linear1(by, 0.5); err != nil {
		return fault("colour", err)
	}
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault("colour", err)
	}
	return nil
}

// lightToSRGB converts linear light in floating point. Versions of libvips differ in
// how they take alpha there, which is 0–1 in files.
func (t *task) lightToSRGB(f *frame) error {
	t.profile = profile{}
	if err := f.RemoveICCProfile(); err != nil {
		return fault("colour", err)
	}
	var alpha *frame
	if f.HasAlpha() {
		band, err := f.ExtractBandToImage(3, 1)
		if err != nil {
			return fault("colour", err)
		}
		alpha = &frame{band}
		defer alpha.Close()
		if err := alpha.scale(255); err != nil {
			return err
		}
	}
	if err := f.ExtractBand(0, 3); err != nil {
		return fault("colour", err)
	}
	if err := f.ToColorSpace(govips.InterpretationSRGB); err != nil {
		return fault("colour", err)
	}
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault("colour", err)
	}
	if alpha == nil {
		return nil
	}
	if err := f.BandJoin(alpha.ImageRef); err != nil {
		return fault("colour", err)
	}
	return nil
}

// floatsToSRGB converts floating-point levels by their profile. libvips would take
// them for linear light.
func (t *task) floatsToSRGB(f *frame) error {
	space := govips.InterpretationRGB16
	if f.colours() == 1 {
		space = govips.InterpretationGrey16
	}
	for _, step := range []func() error{
		func() error { return f.Linear1(65535, 0.5) },
		func() error { return f.Cast(govips.BandFormatUshort) },
		func() error { return f.reinterpret(space) },
	} {
		if err := step(); err != nil {
			return fault("colour", err)
		}
	}
	return t.deepToSRGB(f)
}

// deepToSRGB converts levels of 16 bits by their profile, of which 8 bits would be too
// few.
func (t *task) deepToSRGB(f *frame) error {
	convert, space := t.profile.toSRGB, govips.InterpretationSRGB
	if f.colours() == 1 {
		convert, space = t.profile.mapGreys, govips.InterpretationBW
	}
	for _, step := range []func() error{
		func() error { return convert(f) },
		func() error { return f.RemoveICCProfile() },
		func() error { return f.ToColorSpace(space) }, // of 16 bits still
		func() error { return f.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			return fault("colour", err)
		}
	}
	t.profile = profile{}
	return t.dropExtra(f)
}

// mapGreys makes sRGB's greys of 16 bits of a profile's. Little CMS samples the curve
// too rarely for levels of linear light.
func (p profile) mapGreys(f *frame) error {
	levels := header.DeepGreys(p.data)
	if levels == nil {
		return nil
	}
	var out *C.VipsImage
	if C.map_greys(vipsImage(f.ImageRef), &out, unsafe.Pointer(&levels[0])) != 0 {
		return errors.New(lastError())
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// divideByAlpha undoes what a file did whose colours are multiplied with alpha.
func (f *frame) divideByAlpha() error {
	most := 255.0
	switch f.BandFormat() {
	case govips.BandFormatUshort:
		most = 65535
	case govips.BandFormatFloat:
		most = 1
	}
	var out *C.VipsImage
	if C.divide_by_alpha(vipsImage(f.ImageRef), &out, C.double(most)) != 0 {
		return fault("alpha", errors.New(lastError()))
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// toSRGB converts colours by the original's profile, except where that is to be
// kept. It comes after resizing, when there are fewer pixels to convert. A
// profile that makes no sense counts as none.
func (t *task) toSRGB(_ context.Context, f *frame) error {
	switch {
	case f.Interpretation() == govips.InterpretationCMYK:
		if !t.profile.fits(4) || t.profile.toSRGB(f) != nil {
			if err := f.inksToSRGB(); err != nil {
				return err
			}
		}
	case t.keepsProfile(f):
		return nil
	case t.profile.fits(f.colours()) && !t.profile.SRGB:
		// An error leaves the image as it is.
		_ = t.profile.toSRGB(f)
	}
	if err := f.RemoveICCProfile(); err != nil {
		return fault("colour", err)
	}
	return nil
}

// toSRGB converts a picture in the profile's colours. An error leaves it as it is.
func (p profile) toSRGB(f *frame) error {
	data, ok := header.OneTable(p.data)
	if !ok {
		return errors.New("a profile that says nothing of its colours")
	}
	depth := 8
	if f.BandFormat() == govips.BandFormatUshort {
		depth = 16
	}
	var out *C.VipsImage
	if C.profile_to_srgb(vipsImage(f.ImageRef), &out, unsafe.Pointer(&data[0]), C.size_t(len(data)), C.int(depth)) != 0 {
		return errors.New(lastError())
	}
	setVipsImage(f.ImageRef, out)
	return nil
}

// inksToSRGB converts CMYK without a profile as browsers do: each ink takes its share
// of the light of one colour, and black of all.
func (f *frame) inksToSRGB() error {
	black, err := f.ExtractBandToImage(3, 1)
	if err != nil {
		return fault("colour", err)
	}
	defer black.Close()
	var alpha *govips.ImageRef
	if f.Bands() > 4 {
		if alpha, err = f.ExtractBandToImage(4, 1); err != nil {
			return fault("colour", err)
		}
		defer alpha.Close()
	}
	for _, step := range []func() error{
		func() error { return f.ExtractBand(0, 3) },
		func() error { return f.Linear1(-1, 255) },
		func() error { return black.Linear1(-1.0/255, 1) },
		func() error { return f.Multiply(black) },
		func() error { return f.Linear1(1, 0.5) },
		func() error { return f.Cast(govips.BandFormatUchar) },
		func() error { return f.reinterpret(govips.InterpretationSRGB) },
	} {
		if err := step(); err != nil {
			return fault("colour", err)
		}
	}
	if alpha == nil {
		return nil
	}
	if err := f.BandJoin(alpha); err != nil {
		return fault("colour", err)
	}
	return nil
}

// keepsProfile reports whether the output carries the original's profile, and
// pixels in its colours.
func (t *task) keepsProfile(f *frame) bool {
	if t.job.Options.Metadata != transform.MetadataKeep || !t.profile.fits(f.colours()) {
		return false
	}
	switch t.job.Format {
	case transform.JPEG, transform.PNG, transform.TIFF:
		return true
	case transform.WebP, transform.AVIF, transform.JXL: // written as RGB, whatever they are given
		return f.colours() == 3
	}
	return false
}

// colours is the number of bands that aren't alpha.
func (f *frame) colours() int {
	if f.HasAlpha() {
		return f.Bands() - 1
	}
	return f.Bands()
}

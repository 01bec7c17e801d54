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

// toBytes converts 16-bit samples, HDR, and all colour spaces except grey, sRGB and CMYK, to
// 8-bit grey or sRGB. It runs before resizing, which is several times faster with bytes.
func (t *task) toBytes(_ context.Context, f *frame) error {
	if t.isCoded(f) {
		return t.decodeColours(f)
	}
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
			// ToColorSpace would not convert CMYK, since libvips has one colour space for
			// both depths of it.
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
		// The profile doesn't describe the colours after the conversion.
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

// dropExtra removes bands that are neither a colour nor alpha. Only TIFFs have them.
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

// scale multiplies all bands and converts them to bytes.
func (f *frame) scale(by float64) error {
	if err := f.Linear1(by, 0.5); err != nil {
		return fault("colour", err)
	}
	if err := f.Cast(govips.BandFormatUchar); err != nil {
		return fault("colour", err)
	}
	return nil
}

// lightToSRGB converts floating-point linear light. It converts alpha by itself, since
// versions of libvips differ in its range. In files it is 0–1.
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

// floatsToSRGB converts floating-point levels with their profile. libvips would treat them
// as linear light.
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

// deepToSRGB converts 16-bit levels with their profile, where 8 bits would show steps.
func (t *task) deepToSRGB(f *frame) error {
	convert, space := t.profile.toSRGB, govips.InterpretationSRGB
	if f.colours() == 1 {
		convert, space = t.profile.mapGreys, govips.InterpretationBW
	}
	for _, step := range []func() error{
		func() error { return convert(f) },
		func() error { return f.RemoveICCProfile() },
		func() error { return f.ToColorSpace(space) }, // from 16 bits
		func() error { return f.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			return fault("colour", err)
		}
	}
	t.profile = profile{}
	return t.dropExtra(f)
}

// mapGreys converts 16-bit greys of a profile to sRGB. Little CMS samples the curve too
// coarsely for linear light.
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

// divideByAlpha converts premultiplied colours of an original to plain ones.
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

// toSRGB converts colours with the original's profile, unless the output keeps it. It runs
// after resizing, when there are fewer pixels. It ignores an invalid profile.
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
		// After an error the image is unchanged.
		_ = t.profile.toSRGB(f)
	}
	if err := f.RemoveICCProfile(); err != nil {
		return fault("colour", err)
	}
	return nil
}

// toSRGB converts a picture with the profile. After an error the picture is unchanged.
func (p profile) toSRGB(f *frame) error {
	data, ok := header.OneTable(p.data)
	if !ok {
		return errors.New("the profile has no conversion")
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

// inksToSRGB converts CMYK without a profile as browsers do: each ink absorbs its share of
// one colour, and black of all colours.
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

// keepsProfile reports whether the output keeps the original's profile and colours.
func (t *task) keepsProfile(f *frame) bool {
	if t.job.Options.Metadata != transform.MetadataKeep || !t.profile.fits(f.colours()) {
		return false
	}
	switch t.job.Format {
	case transform.JPEG, transform.PNG, transform.TIFF:
		return true
	case transform.WebP, transform.AVIF, transform.JXL: // always written as RGB
		return f.colours() == 3
	}
	return false
}

// colours returns the number of bands without alpha.
func (f *frame) colours() int {
	if f.HasAlpha() {
		return f.Bands() - 1
	}
	return f.Bands()
}

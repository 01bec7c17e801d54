//go:build cgo

package vips

import (
	"context"
	"fmt"
	"math"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// load opens the original with the frames that the output needs, one above the other. Where
// a decoder can shrink cheaply, it does, but not below the needed size. Of most formats, only
// the header is decoded here.
//
// govips chooses the loader by the first bytes. load checks that this loader fits the job's
// header, and that libvips reports the size and frames of the header, since only the header
// was checked against the limits.
func (t *task) load(ctx context.Context) (*frame, error) {
	if t.header.Format == transform.SVG {
		return t.loadSVG(ctx)
	}
	h := t.header
	original := header.Mend(t.body, h)
	if found := govips.DetermineImageType(original); !loaders[h.Format][found] {
		return nil, fmt.Errorf("%w: %s of this kind", transform.ErrUnsupported, h.Format)
	}

	params := govips.NewImportParams()
	params.FailOnError.Set(!t.lenient)
	params.Access.Set(govips.AccessSequential)
	expect := transform.Size{W: h.Width, H: h.Height}
	switch h.Format {
	case transform.JPEG:
		by := t.jpegShrink()
		if t.planes = t.hasPlanes(original); t.planes {
			t.pins.Pin(&original[0])
			t.jpeg, t.shrink, by = original, by, 1 // libvips decodes nothing
		}
		params.JpegShrinkFactor.Set(by)
		expect = transform.Size{W: shrunk(expect.W, by), H: shrunk(expect.H, by)}
	case transform.GIF:
		params.NumPages.Set(t.frames)
	case transform.WebP:
		params.NumPages.Set(t.frames)
		if scale := t.webpScale(); scale < 1 {
			params.WebpScaleFactor.Set(scale)
			expect = transform.Size{W: scaledBy(expect.W, scale), H: scaledBy(expect.H, scale)}
		}
	}

	if h.Format == transform.JXL {
		original = header.DeepJXL(original)
		t.pins.Pin(&original[0]) // it may be a copy without another reference
	}
	forgetErrors()
	roll, err := govips.LoadImageFromBuffer(original, params)
	if err != nil {
		return nil, decodeError(err)
	}
	if err := t.checkLoaded(roll, expect); err != nil {
		roll.Close()
		return nil, err
	}
	if err := t.addProfile(roll); err != nil {
		roll.Close()
		return nil, err
	}
	t.profile = readProfile(roll)
	switch h.Format {
	case transform.WebP:
		decodeStill(roll, original)
	case transform.PNG:
		t.decodePNG(roll, original)
	}
	f := &frame{roll}
	if h.Premultiplied {
		if err := f.divideByAlpha(); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// loaders maps the format of an original to the types that govips may detect for it.
var loaders = map[transform.Format]map[govips.ImageType]bool{
	transform.JPEG: {govips.ImageTypeJPEG: true},
	transform.PNG:  {govips.ImageTypePNG: true},
	transform.GIF:  {govips.ImageTypeGIF: true},
	transform.WebP: {govips.ImageTypeWEBP: true},
	// libheif reads both, and a general brand doesn't tell them apart.
	transform.AVIF: {govips.ImageTypeAVIF: true, govips.ImageTypeHEIF: true},
	transform.HEIC: {govips.ImageTypeAVIF: true, govips.ImageTypeHEIF: true},
	transform.TIFF: {govips.ImageTypeTIFF: true},
	transform.JXL:  {govips.ImageTypeJXL: true},
}

// checkLoaded compares the picture with the header. The size of a shrunk image may be
// rounded up or down.
func (t *task) checkLoaded(roll *govips.ImageRef, expect transform.Size) error {
	slack := 0
	if expect.W != t.header.Width || expect.H != t.header.Height {
		slack = 1
	}
	width, height := roll.Width(), roll.PageHeight()
	if t.frames == 1 {
		height = roll.Height()
	}
	switch {
	case abs(width-expect.W) > slack, abs(height-expect.H) > slack:
		return fmt.Errorf("%w: its size is not the size in its header", transform.ErrCorrupt)
	case roll.Height() != height*t.frames:
		return fmt.Errorf("%w: the number of frames is not the number in its header", transform.ErrCorrupt)
	}
	return nil
}

// jpegShrink returns the factor, a power of two, by which libjpeg shrinks while it decodes.
// This skips part of the work. libjpeg shrinks each block of 8×8 pixels by itself, which
// shows: so it leaves at least twice the needed size. docs/quality.md has what that costs,
// and what less would. What looks best isn't shrunk by decoders at all.
func (t *task) jpegShrink() int {
	if t.job.Best {
		return 1
	}
	for _, by := range []int{8, 4, 2} {
		if t.scaled.W*by*2 <= t.region.Dx() && t.scaled.H*by*2 <= t.region.Dy() {
			return by
		}
	}
	return 1
}

// webpScale returns the scale at which libwebp decodes. libwebp ignores transparency when
// it averages colours, and scales each frame of an animation alone, which leaves seams. So
// the scale is 1 for these originals.
func (t *task) webpScale() float64 {
	if t.header.Alpha || t.header.Frames > 1 || t.job.Best {
		return 1
	}
	return min(1, max(
		float64(t.scaled.W)/float64(t.region.Dx()),
		float64(t.scaled.H)/float64(t.region.Dy())))
}

// shrunk returns a side after libjpeg's shrinking, as libvips reports it: without a last
// pixel from an incomplete block.
func shrunk(side, by int) int { return max(side/by, 1) }

func scaledBy(side int, scale float64) int {
	return max(int(math.Round(float64(side)*scale)), 1)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

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

// load opens the original: all frames that are needed, one above the other, as
// small as its decoder can make them cheaply without falling below the size that
// is needed. Nothing is decoded yet but the header.
//
// govips picks the loader by the first bytes. load makes sure that this is the
// one that the job's header calls for, and that libvips sees in the original
// what the header says: nothing else has been held against the limits.
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
		t.pins.Pin(&original[0]) // it may be a copy that nobody else holds
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
	t.profile = readProfile(roll)
	f := &frame{roll}
	if h.Premultiplied {
		if err := f.divideByAlpha(); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// loaders names, for each format of an original, what govips may take it for.
var loaders = map[transform.Format]map[govips.ImageType]bool{
	transform.JPEG: {govips.ImageTypeJPEG: true},
	transform.PNG:  {govips.ImageTypePNG: true},
	transform.GIF:  {govips.ImageTypeGIF: true},
	transform.WebP: {govips.ImageTypeWEBP: true},
	// Both are read by libheif, and a general brand leaves open which it is.
	transform.AVIF: {govips.ImageTypeAVIF: true, govips.ImageTypeHEIF: true},
	transform.HEIC: {govips.ImageTypeAVIF: true, govips.ImageTypeHEIF: true},
	transform.TIFF: {govips.ImageTypeTIFF: true},
	transform.JXL:  {govips.ImageTypeJXL: true},
}

// checkLoaded compares what libvips found with what the header promised.
// Decoders may round the size of a shrunk image either way.
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
		return fmt.Errorf("%w: its size is not what its header says", transform.ErrCorrupt)
	case roll.Height() != height*t.frames:
		return fmt.Errorf("%w: it has not the frames that its header says", transform.ErrCorrupt)
	}
	return nil
}

// jpegShrink is the factor, a power of two, by which libjpeg shrinks as it
// decodes, skipping most of the work. It leaves a picture of at least the size
// that is needed. libvips's own choice leaves twice as much, which takes up to
// twice the time for a difference that is hard to see.
//
// Shrinking by 8 leaves the mean of each block, which shows more. With progressive
// originals it saves next to nothing, since they have to be read whole in any case.
func (t *task) jpegShrink() int {
	for _, by := range []int{8, 4, 2} {
		least := by
		if by == 8 && t.header.Interlaced {
			least = 16
		}
		if t.scaled.W*least <= t.region.Dx() && t.scaled.H*least <= t.region.Dy() {
			return by
		}
	}
	return 1
}

// webpScale is the scale at which libwebp decodes: by any factor, but averaging
// colours without regard to transparency, and each frame of an animation for
// itself, which leaves seams. 1 where it is of no use.
func (t *task) webpScale() float64 {
	if t.header.Alpha || t.header.Frames > 1 {
		return 1
	}
	return min(1, max(
		float64(t.scaled.W)/float64(t.region.Dx()),
		float64(t.scaled.H)/float64(t.region.Dy())))
}

// shrunk is a side after libjpeg's shrinking as libvips reports it: without the
// last pixel where that stands for less than a whole block.
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

package transform

import (
	"fmt"
	"math/bits"
	"strconv"
)

// A Header holds what is known of an original before a decoder reads it.
type Header struct {
	Format        Format
	Width, Height int  // pixels of one frame as stored, before Orientation
	Orientation   int  // EXIF orientation 1–8; 1 if the file has none
	Frames        int  // at least 1
	Alpha         bool // it may have transparent pixels
	Premultiplied bool // … and colours are stored multiplied by alpha; decoders don't undo that
	Interlaced    bool // progressive JPEG, interlaced PNG or GIF: decoders need the whole image
	Bands, Bits   int  // channels, alpha included, and bits of each; 0 if unknown
	Coding        Coding
}

// A Coding says by numbers of ITU-T H.273 what the levels of a picture mean. It is zero where
// they are those of sRGB, or where the file has a profile for them.
type Coding struct {
	Primaries, Transfer int
	Peak                int // the brightest pixel in cd/m², if the file says so
}

// Numbers of ITU-T H.273.
const (
	PrimariesBT709, PrimariesBT2020, PrimariesP3 = 1, 9, 12
	TransferPQ, TransferHLG                      = 16, 18
)

// HDR reports whether the picture may be brighter than white.
func (c Coding) HDR() bool { return c.Transfer == TransferPQ || c.Transfer == TransferHLG }

// Upright returns the size after the EXIF orientation.
func (h Header) Upright() Size {
	if h.Orientation >= 5 {
		return Size{h.Height, h.Width}
	}
	return Size{h.Width, h.Height}
}

// A Size is a width and a height in pixels.
type Size struct{ W, H int }

// Limits bound originals and outputs. Zero means no limit.
type Limits struct {
	FramePixels  int // pixels of one frame of the original
	TotalPixels  int // pixels of all its frames
	Frames       int // of the original
	Edge         int // longer edge of the original, pixels
	OutputPixels int // pixels of the output × frames
	AVIFPixels   int // the same for AVIF output
}

// DefaultLimits are 64 megapixels a frame, 200 megapixels over at most 1,000 frames, edges
// of 32,768 pixels, and outputs of 64 megapixels, or 16 for AVIF.
func DefaultLimits() Limits {
	return Limits{
		FramePixels: 64e6, TotalPixels: 200e6, Frames: 1000, Edge: 32768,
		OutputPixels: 64e6, AVIFPixels: 16e6,
	}
}

// Check returns an error if an original with header h exceeds FramePixels, Edge, Frames or
// TotalPixels. The error wraps [ErrTooLarge] and names the limit. For a TIFF, all pages
// count as frames, but only the pixels of the first page count, since no other is decoded.
func (l Limits) Check(h Header) error {
	switch {
	case over(l.FramePixels, h.Width, h.Height, 1):
		return tooLarge("%d×%d pixels is over the limit of %s a frame", h.Width, h.Height, megapixels(l.FramePixels))
	case over(l.Edge, max(h.Width, h.Height), 1, 1):
		return tooLarge("%d×%d pixels is over the limit of %d pixels an edge", h.Width, h.Height, l.Edge)
	case over(l.Frames, h.Frames, 1, 1):
		return tooLarge("%d frames is over the limit of %d", h.Frames, l.Frames)
	case h.Format != TIFF && over(l.TotalPixels, h.Width, h.Height, h.Frames):
		return tooLarge("%d frames of %d×%d pixels are over the limit of %s in all", h.Frames, h.Width, h.Height, megapixels(l.TotalPixels))
	}
	return nil
}

// over reports whether a·b·c is above the limit, without overflow if a and b are below 2³¹
// and c is below 2⁶³. A limit of zero is no limit.
func over(limit, a, b, c int) bool {
	if limit <= 0 {
		return false
	}
	hi, lo := bits.Mul64(uint64(a)*uint64(b), uint64(c))
	return hi != 0 || lo > uint64(limit)
}

func megapixels(n int) string {
	return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + " megapixels"
}

func tooLarge(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTooLarge, fmt.Sprintf(format, args...))
}

package transform

// A Header is what the first look at an original tells, before any decoder runs.
type Header struct {
	Format        Format
	Width, Height int  // pixels of one frame as stored, before Orientation
	Orientation   int  // EXIF orientation 1–8, always set; 1 where there is none
	Frames        int  // at least 1
	Alpha         bool // it may have transparent pixels
	Interlaced    bool // progressive JPEG, interlaced PNG or GIF: decoded whole
	Bands, Bits   int  // colour channels (alpha included) and bits of each; 0 where unknown
}

// Upright is the size after the EXIF orientation has been applied.
func (h Header) Upright() Size {
	if h.Orientation >= 5 {
		return Size{h.Height, h.Width}
	}
	return Size{h.Width, h.Height}
}

// A Size is a width and a height in pixels.
type Size struct{ W, H int }

// Limits bound what is decoded and what is made. Zero fields mean no limit.
type Limits struct {
	FramePixels  int // pixels of one frame of the original
	TotalPixels  int // pixels of all its frames
	Frames       int // of the original
	Edge         int // longer edge of the original, pixels
	OutputPixels int // pixels of the output × frames
	AVIFPixels   int // the same for AVIF output
}

// DefaultLimits are those of the design: 64 megapixels a frame, 200 over all of
// at most 1,000 frames, edges up to 32,768; output 64 megapixels, AVIF 16.
func DefaultLimits() Limits {
	return Limits{
		FramePixels: 64e6, TotalPixels: 200e6, Frames: 1000, Edge: 32768,
		OutputPixels: 64e6, AVIFPixels: 16e6,
	}
}

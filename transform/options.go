package transform

import "cmp"

// Options are the parsed transform parameters of one variant. Start from
// [Defaults]: the zero value is not the default. Options are comparable; two
// that are equal make the same variant.
type Options struct {
	Width, Height int     // output pixels before DPR and Pad, 1–8192; 0 is derived
	DPR           float64 // 0.1–5; multiplies Width, Height, Pad and mark lengths
	Fit           Fit
	Enlarge       Enlarge
	Aspect        Ratio // width:height; the zero Ratio is none
	Gravity       Gravity
	FocalX        float64 // 0–1 from the left after Rect, Rotate and Flip; 0.5 unless GravityFocal
	FocalY        float64 // 0–1 from the top, likewise
	FocalZoom     float64 // 1–10, with FitCover and FitCrop; 1 unless GravityFocal
	Rect          Rect    // of the upright original; the zero Rect is all of it
	Trim          int     // 0–255 tolerance; −1 is off
	Rotate        int     // clockwise degrees, 0–359
	Flip          Flip
	Background    Color  // behind transparent pixels and Pad; the zero Color is none: transparent, else white
	Pad           [4]int // top, right, bottom, left; pixels before DPR, 0–8192
	Radius        Length // of the output's corners: pixels before DPR, or at most 50 percent of the shorter side; zero is none

	Blur, Sharpen                           float64 // 0–100; 0 is off
	Brightness, Contrast, Saturation, Gamma float64 // 1 is neutral
	Grayscale, Sepia, Invert                bool
	Pixelate                                int // block edge in output pixels; 0 is off

	Format      Format
	Quality     int // 1–100 on JPEG's scale
	QualityAVIF int // for outputs in this format; 0 is Quality
	QualityWebP int
	QualityJXL  int
	Lossless    bool
	Progressive bool
	Anim        bool // keep animation where in and out can
	Metadata    Metadata

	Mark     Mark
	Default  string // `source/path` shown when the original can't be had
	Download string // file name of Content-Disposition: attachment
	Version  string // cache buster, at most 64 bytes
}

// Defaults are the options of a URL that names none.
func Defaults() Options {
	return Options{
		DPR: 1, Fit: FitScaleDown, Gravity: GravityCenter, FocalX: 0.5, FocalY: 0.5, FocalZoom: 1, Trim: -1,
		Brightness: 1, Contrast: 1, Saturation: 1, Gamma: 1,
		Format: Auto, Quality: 80, Anim: true, Metadata: MetadataNone,
		Mark: Mark{Fit: FitContain, Opacity: 1},
	}
}

// A Fit says how an image is fitted into width × height.
type Fit string

const (
	FitScaleDown Fit = "scale-down" // fit within, never enlarge
	FitContain   Fit = "contain"    // fit within
	FitCover     Fit = "cover"      // fill and crop
	FitCrop      Fit = "crop"       // fill and crop, never enlarge
	FitPad       Fit = "pad"        // fit within, fill the rest with the background
	FitSqueeze   Fit = "squeeze"    // stretch
)

// An Enlarge says whether an image may become larger than it is.
type Enlarge string

const (
	EnlargeAsFit  Enlarge = ""  // FitScaleDown and FitCrop never enlarge, the others do
	EnlargeNever  Enlarge = "0" // after Parse only with FitCover, FitPad and FitSqueeze
	EnlargeAlways Enlarge = "1" // never after Parse: it is another Fit
)

// A Gravity says which part of an image a crop keeps, and where fit=pad puts it.
type Gravity string

const (
	GravityCenter    Gravity = "center"
	GravityNorth     Gravity = "north"
	GravitySouth     Gravity = "south"
	GravityEast      Gravity = "east"
	GravityWest      Gravity = "west"
	GravityNorthEast Gravity = "northeast"
	GravityNorthWest Gravity = "northwest"
	GravitySouthEast Gravity = "southeast"
	GravitySouthWest Gravity = "southwest"
	GravityAttention Gravity = "attention" // the part that people look at first, which the engine finds
	GravityEntropy   Gravity = "entropy"   // what holds most detail; found by the engine
	GravityFace      Gravity = "face"      // all faces, which the engine finds; GravityAttention where there are none
	GravityFocal     Gravity = "focal"     // around FocalX, FocalY
)

// A Flip mirrors an image after Rotate.
type Flip string

const (
	FlipNone Flip = ""
	FlipH    Flip = "h" // left and right change places
	FlipV    Flip = "v"
	FlipHV   Flip = "hv"
)

// Metadata says what an output carries besides pixels.
type Metadata string

const (
	MetadataNone      Metadata = "none"
	MetadataCopyright Metadata = "copyright"
	MetadataKeep      Metadata = "keep"
)

// A Ratio is a width to a height, in the smallest numbers that say it; the zero
// Ratio is none.
type Ratio struct{ W, H float64 }

// A Length is pixels, or a percentage (0–100) of what it is measured against.
type Length struct {
	Value   float64
	Percent bool
}

// A Rect is a region; its zero value is none.
type Rect struct {
	X, Y, W, H     Length
	AlignX, AlignY Align // where it lies instead of at X or Y
}

// An Align is a place on a side.
type Align string

const (
	AlignNone   Align = "" // at the start, or where another field says
	AlignCenter Align = "center"
	AlignEnd    Align = "end" // right or bottom
)

// A Color is a non-premultiplied sRGB colour; its zero value (Set false) is none,
// as is every colour that is all transparent.
type Color struct {
	R, G, B, A uint8
	Set        bool
}

// QualityIn is the quality for an output in format f.
func (o Options) QualityIn(f Format) int {
	own := 0
	switch f {
	case AVIF:
		own = o.QualityAVIF
	case WebP:
		own = o.QualityWebP
	case JXL:
		own = o.QualityJXL
	}
	return cmp.Or(own, o.Quality)
}

// A Mark is the watermark that a URL asks for; the zero Name is none. Parse over
// a base that has a configured mark's fields to let the URL override them.
type Mark struct {
	Name          string // a mark's name, `source/path` or URL
	Width, Height Length // pixels before DPR, or percent of the output; zero is derived, both zero are a width of 15 %
	Fit           Fit
	Align         string // as canonical: "top,left" … "center"; empty is the default, "bottom,right"
	Pad           Length // from the edges; with PadSet false it is 2 % of the smaller side
	PadSet        bool
	Opacity       float64 // 0–1
	Repeat        bool
}

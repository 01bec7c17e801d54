package transform

import "cmp"

// Options are the parsed transform parameters of one variant. Start from [Defaults]: the
// zero value is not the default. Options are comparable. Equal options make the same
// variant.
type Options struct {
	Width, Height int // pixels of the output before DPR and Pad, 1–8192; 0 is derived
	// WidthPercent and HeightPercent set the sides in percent of the image after Rect, Inset,
	// Trim and Rotate, up to 100. After Parse each is 0 if its side is set in pixels.
	WidthPercent, HeightPercent float64
	DPR                         float64 // 0.1–5; multiplies both sides, Pad and mark lengths
	Fit                         Fit
	Enlarge                     Enlarge
	Aspect                      Ratio // width:height; the zero Ratio is none
	Gravity                     Gravity
	FocalX                      float64 // 0–1 from the left, after Rect, Rotate and Flip; 0.5 unless GravityFocal
	FocalY                      float64 // 0–1 from the top, as FocalX
	FocalZoom                   float64 // 1–10, where the fit crops; 1 unless GravityFocal
	Rect                        Rect    // of the upright original; the zero Rect is the whole image
	Inset                       [4]int  // top, right, bottom, left; pixels of the original that are cut off after Rect
	Trim                        int     // tolerance, 0–255; −1 is off
	Rotate                      int     // clockwise degrees, 0–359
	Flip                        Flip
	Background                  Color  // behind transparent pixels and Pad; the zero Color is none: transparent, or white if the format has no alpha
	Pad                         [4]int // top, right, bottom, left; pixels before DPR, 0–8192
	Radius                      Length // of the output's corners: pixels before DPR, or up to 50 percent of the shorter side; zero is none

	Blur, Sharpen                           float64 // 0–100; 0 is off
	Brightness, Contrast, Saturation, Gamma float64 // 1 is neutral
	Grayscale, Sepia, Invert                bool
	Pixelate                                int // block edge in output pixels; 0 is off

	Format      Format
	Quality     int // 1–100 on JPEG's scale, or QualityAuto
	QualityAVIF int // for outputs in this format; 0 is Quality
	QualityWebP int
	QualityJXL  int
	// QualityTarget is what QualityAuto reaches: a score in SSIMULACRA 2, 50–95.
	QualityTarget int
	Lossless      bool
	Progressive   bool
	Anim          bool // keep an animation if both formats can
	Metadata      Metadata

	Mark     Mark
	Default  string // `source/path` shown if the original is unavailable
	Download string // file name of Content-Disposition: attachment
	Version  string // cache buster, at most 64 bytes
}

// Defaults returns the options of a URL without options.
func Defaults() Options {
	return Options{
		DPR: 1, Fit: FitScaleDown, Gravity: GravityCenter, FocalX: 0.5, FocalY: 0.5, FocalZoom: 1, Trim: -1,
		Brightness: 1, Contrast: 1, Saturation: 1, Gamma: 1,
		Format: Auto, Quality: QualityUsual, QualityTarget: 74, Anim: true, Metadata: MetadataNone,
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
	FitOutside   Fit = "outside"    // fill without a crop: one side may be longer than asked for
	FitPad       Fit = "pad"        // fit within, fill the rest with the background
	FitSqueeze   Fit = "squeeze"    // stretch
	FitAuto      Fit = "auto"       // FitCover if the image and the box are both upright or both not, else FitContain
)

// An Enlarge says whether an image may become larger than it is.
type Enlarge string

const (
	EnlargeAsFit  Enlarge = ""  // FitScaleDown and FitCrop never enlarge, the others do
	EnlargeNever  Enlarge = "0" // after Parse only with FitCover, FitOutside, FitPad, FitSqueeze and FitAuto
	EnlargeAlways Enlarge = "1" // never after Parse, which changes Fit instead
)

// A Gravity says which part of an image a crop keeps, and where fit=pad puts the image.
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
	GravityAttention Gravity = "attention" // the part that people look at first; the engine finds it
	GravityEntropy   Gravity = "entropy"   // the part with most detail; the engine finds it
	GravityFace      Gravity = "face"      // all faces; the engine finds them; GravityAttention if it finds none
	GravityFocal     Gravity = "focal"     // around FocalX, FocalY
)

// A Flip mirrors an image after Rotate.
type Flip string

const (
	FlipNone Flip = ""
	FlipH    Flip = "h" // swap left and right
	FlipV    Flip = "v"
	FlipHV   Flip = "hv"
)

// Metadata says which metadata an output keeps.
type Metadata string

const (
	MetadataNone      Metadata = "none"
	MetadataCopyright Metadata = "copyright"
	MetadataKeep      Metadata = "keep"
)

// A Ratio is an aspect ratio in the smallest numbers. The zero Ratio is none.
type Ratio struct{ W, H float64 }

// A Length is pixels, or a percentage (0–100) of a reference length.
type Length struct {
	Value   float64
	Percent bool
}

// A Rect is a region. The zero Rect is none.
type Rect struct {
	X, Y, W, H     Length
	AlignX, AlignY Align // if set, they replace X and Y
}

// An Align is a place on a side.
type Align string

const (
	AlignNone   Align = "" // at the start, or where another field sets it
	AlignCenter Align = "center"
	AlignEnd    Align = "end" // right or bottom
)

// A Color is a non-premultiplied sRGB colour. The zero Color (Set false) is none. Fully
// transparent colours are stored as none.
type Color struct {
	R, G, B, A uint8
	Set        bool
}

// QualityAuto is the quality at which the output just looks as similar to the picture as
// [Options].QualityTarget says. The engine finds it.
const QualityAuto = -1

// QualityIn returns the quality for an output in format f: 1–100 or QualityAuto.
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

// FindsQuality reports whether the engine finds the quality of an output of this many frames
// in format f: a still one in a format with a quality that isn't to be lossless. Others take
// [QualityUsual] where they are asked to find one.
func (o Options) FindsQuality(f Format, frames int) bool {
	return o.QualityIn(f) == QualityAuto && frames <= 1 && !o.Lossless && (f == JPEG || f == WebP || f == AVIF || f == JXL)
}

// MostChecked is the size, in pixels, up to which an output whose quality is found is decoded
// again to see whether it looks as it should. That of a larger one is predicted only: checking
// it would take several times the time and memory of the variant.
const MostChecked = 1 << 20

// MostEffort is the size, in pixels, up to which an AVIF is encoded with more effort.
const MostEffort = 512 * 512

// QualityUsual is the quality of a URL that names none.
const QualityUsual = 80

// A Mark is the watermark that a URL asks for. With an empty Name there is none. To let a
// URL override a configured mark, parse over options that hold its fields.
type Mark struct {
	Name          string // a mark's name, `source/path` or a URL
	Width, Height Length // pixels before DPR, or percent of the output; zero is derived; both zero mean a width of 15 %
	Fit           Fit
	Align         string // canonical: "top,left" … "center"; empty is the default, "bottom,right"
	Pad           Length // from the edges; 2 % of the smaller side if PadSet is false
	PadSet        bool
	Opacity       float64 // 0–1
	Repeat        bool
}

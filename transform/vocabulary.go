package transform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSide is the maximum of an option for one side, in pixels.
const maxSide = 8192

// An option declares one transform parameter.
type option struct {
	name     string
	aliases  []string
	fallback string // the default, in words
	meaning  string
	example  string // an image of the demo, and options
	codec
}

// vocabulary has every option, in the order in which [Options.String] writes them. Parse
// applies a query in this order too. If two options set the same field, the later one wins
// (w over size, gravity over fp-x).
var vocabulary = [...]option{
	{"size", nil, "none", "Sets both `w` and `h`. A `w` or `h` in the same URL overrides it.",
		"logo.png?size=96",
		sizes(width, height)},
	{"w", []string{"width"}, "derived", "Width of the output, before `dpr` and `pad`. 100% is the width that `rect`, `inset`, `trim` and `rotate` leave. Without `w` it is derived from `h` and `ar`, or from the original.",
		"dusk.jpg?w=400",
		sizes(width)},
	{"h", []string{"height"}, "derived", "Height of the output, before `dpr` and `pad`. 100% is the height that `rect`, `inset`, `trim` and `rotate` leave. Without `h` it is derived from `w` and `ar`, or from the original.",
		"dusk.jpg?h=300",
		sizes(height)},
	{"dpr", nil, "1", "Device pixel ratio: multiplies `w`, `h`, `pad` and the mark's lengths. The results can be at most 8192 pixels.",
		"dusk.jpg?w=200&dpr=2",
		decimal(0.1, 5, func(o *Options) *float64 { return &o.DPR })},
	{"fit", nil, "scale-down", "How the image is fitted into `w` × `h`. `scale-down`: within, never enlarged. `contain`: within. `cover`: filled, the rest cropped. " +
		"`crop`: as `cover`, but never enlarged. `outside`: as `cover`, but not cropped, so that one side can be longer. `pad`: within, the rest filled with `bg`. `squeeze`: stretched. " +
		"`auto`: `cover` if the image and `w` × `h` are both higher than wide, or both not, else `contain`.",
		"dusk.jpg?w=300&h=300&fit=cover",
		word(func(o *Options) *Fit { return &o.Fit }, fitSynonyms, FitScaleDown, FitContain, FitCover, FitCrop, FitOutside, FitPad, FitSqueeze, FitAuto)},
	{"enlarge", nil, "as fit says", "Whether the image may become larger. 1 turns `scale-down` into `contain`, and `crop` into `cover`. With 0, `cover`, `outside` and `auto` can give less than `w` × `h`, " +
		"`pad` puts the image on the canvas at its own size, and `squeeze` stretches no side.",
		"logo.png?w=900&h=900&fit=pad&enlarge=0&bg=eee",
		enlarge(func(o *Options) *Enlarge { return &o.Enlarge })},
	{"ar", []string{"aspect", "aspect_ratio"}, "the original's", "Aspect ratio. It sets the missing one of `w` and `h`. Without both, `cover`, `crop` and `squeeze` take the largest such size " +
		"within the image, `pad` the smallest around it.",
		"dusk.jpg?w=400&ar=16:9&fit=cover",
		ratio(func(o *Options) *Ratio { return &o.Aspect })},
	{"fp-x", nil, "0.5", "Focal point: distance from the left as a fraction of the width, after `rect`, `rotate` and `flip`. Implies `gravity=focal`.",
		"dusk.jpg?w=200&h=400&fit=cover&fp-x=0.8",
		focal(0, 1, func(o *Options) *float64 { return &o.FocalX })},
	{"fp-y", nil, "0.5", "Focal point: distance from the top as a fraction of the height. Implies `gravity=focal`.",
		"balloon.jpg?w=400&h=200&fit=cover&fp-y=0.3",
		focal(0, 1, func(o *Options) *float64 { return &o.FocalY })},
	{"fp-z", nil, "1", "Focal point: zoom, with `fit=cover` and `fit=crop`. Implies `gravity=focal`.",
		"balloon.jpg?w=300&h=300&fit=cover&fp-x=0.5&fp-y=0.4&fp-z=2",
		focal(1, 10, func(o *Options) *float64 { return &o.FocalZoom })},
	{"gravity", []string{"g", "crop"}, "center", "The part of the image that `cover` and `crop` keep, and where `pad` puts it. `attention`: the part that people look at first. `entropy`: the part with most detail. " +
		"`face`: all faces, or the largest one if they don't fit; `attention` if there are none. `focal`: around `fp-x`, `fp-y`, which other gravities ignore.",
		"balloon.jpg?w=300&h=200&fit=cover&gravity=attention",
		position(func(o *Options) *Gravity { return &o.Gravity }, GravityCenter, GravityNorth, GravitySouth, GravityEast, GravityWest,
			GravityNorthEast, GravityNorthWest, GravitySouthEast, GravitySouthWest, GravityAttention, GravityEntropy, GravityFace, GravityFocal)},
	{"rect", nil, "all", "The region of the upright original to keep, before all other options. It is clipped to the image. A word for x or y aligns the region.",
		"dusk.jpg?rect=25%25,25%25,50%25,50%25&w=400",
		region(func(o *Options) *Rect { return &o.Rect })},
	{"inset", nil, "0", "Cuts off pixels of the original on each side, after `rect`, in the order of CSS `inset()`: all sides; vertical, horizontal; top, horizontal, bottom; top, right, bottom, left.",
		"dusk.jpg?inset=100,400&w=400",
		sides(maxRegion, func(o *Options) *[4]int { return &o.Inset })},
	{"trim", nil, "off", "Removes a border of one colour, the colour of most corners. The value is the tolerance: how many levels a channel may differ. For JPEGs, use 20–40, because compression changes the border. All transparent pixels are equal. An animation loses only the border that all frames share. An image that is all border is kept.",
		"logo.png?trim=10&w=300",
		whole(0, 255, func(o *Options) *int { return &o.Trim })},
	{"rotate", nil, "0", "Rotates clockwise, in degrees, after the EXIF orientation, which is always applied. If the angle is not a multiple of 90, the empty corners get `bg`, and `w`, `h` and `fit` apply to the whole with its corners.",
		"balloon.jpg?w=300&rotate=90",
		degrees(func(o *Options) *int { return &o.Rotate })},
	{"flip", nil, "none", "Mirrors the image after `rotate`: `h` swaps left and right, `v` top and bottom.",
		"noon.jpg?w=300&flip=h",
		word(func(o *Options) *Flip { return &o.Flip }, nil, FlipH, FlipV, FlipHV)},
	{"bg", []string{"background"}, "transparent", "The colour behind transparent pixels and `pad`. Without it they stay transparent, or become white if the format has no alpha.",
		"logo.png?w=300&bg=navy",
		color(func(o *Options) *Color { return &o.Background })},
	{"pad", nil, "0", "Adds pixels around the output, before `dpr`, in the order of CSS `padding`: all sides; vertical, horizontal; top, horizontal, bottom; top, right, bottom, left.",
		"chart.png?w=300&pad=20,40&bg=eee",
		sides(maxSide, func(o *Options) *[4]int { return &o.Pad })},
	{"radius", nil, "0", "Rounds the corners of the output, `pad` included. The radius is in pixels, before `dpr`, or in percent of the shorter side. `max` is 50%. The corners become transparent, or `bg` or white if the format has no alpha.",
		"dusk.jpg?w=300&h=300&fit=cover&radius=max",
		radius(func(o *Options) *Length { return &o.Radius })},

	{"blur", nil, "0", "Gaussian blur: its standard deviation in output pixels, as in CSS `blur()`. `dpr` doesn't change it.",
		"dusk.jpg?w=400&blur=8",
		decimal(0, 100, func(o *Options) *float64 { return &o.Blur })},
	{"sharpen", nil, "0", "Unsharp mask. Use 10–20 for a resized photo; hard edges get no halo then.",
		"noon.jpg?w=400&sharpen=15",
		decimal(0, 100, func(o *Options) *float64 { return &o.Sharpen })},
	{"brightness", nil, "1", "Multiplies the levels, as CSS `brightness()`: 0 is black, 1 is neutral.",
		"night.jpg?w=400&brightness=1.4",
		decimal(0, 3, func(o *Options) *float64 { return &o.Brightness })},
	{"contrast", nil, "1", "Multiplies the distance of the levels from the middle, as CSS `contrast()`: 0 is grey, 1 is neutral.",
		"noon.jpg?w=400&contrast=1.3",
		decimal(0, 3, func(o *Options) *float64 { return &o.Contrast })},
	{"saturation", nil, "1", "Multiplies the saturation, as CSS `saturate()`: 0 is grey, 1 is neutral.",
		"dusk.jpg?w=400&saturation=0.4",
		decimal(0, 3, func(o *Options) *float64 { return &o.Saturation })},
	{"gamma", nil, "1", "Gamma correction: above 1 lightens the middle tones, below 1 darkens them; black and white stay.",
		"night.jpg?w=400&gamma=1.6",
		decimal(0.1, 3, func(o *Options) *float64 { return &o.Gamma })},
	{"grayscale", nil, "0", "Removes the colour, as CSS `grayscale(1)`.",
		"dusk.jpg?w=400&grayscale",
		flag(func(o *Options) *bool { return &o.Grayscale })},
	{"sepia", nil, "0", "Tones the image brown, as CSS `sepia(1)`.",
		"balloon.jpg?w=400&sepia",
		flag(func(o *Options) *bool { return &o.Sepia })},
	{"invert", nil, "0", "Turns the image into its negative, as CSS `invert(1)`.",
		"chart.png?w=400&invert",
		flag(func(o *Options) *bool { return &o.Invert })},
	{"pixelate", nil, "0", "Turns the image into blocks of one colour, from the top left. The value is the edge of a block in output pixels; 0 and 1 are off. `dpr` doesn't change it.",
		"balloon.jpg?w=400&pixelate=16",
		whole(0, 1024, func(o *Options) *int { return &o.Pixelate })},

	{"format", []string{"fm", "f", "output"}, "auto", "Format of the output. `auto`: the best of AVIF, WebP and JPEG or PNG that the client accepts, of AVIF and WebP the smaller for a drawing or a small image; WebP or GIF for an animation. " +
		"`original`: the original's (HEIC and SVG: JPEG or PNG).",
		"dusk.jpg?w=400&format=webp",
		word(func(o *Options) *Format { return &o.Format }, []synonym[Format]{{"jpg", JPEG}, {"nocompress", PNG}}, Auto, AVIF, WebP, JPEG, PNG, GIF, TIFF, JXL, SameAsOriginal)},
	{"q", []string{"quality"}, "80", "Quality on the scale of JPEG. Other encoders are set so that the output looks the same. `auto` finds the lowest quality that looks as `q-target` says, for each image. An animation then has 80.",
		"dusk.jpg?w=400&format=jpeg&q=50",
		quality(func(o *Options) *int { return &o.Quality })},
	{"q-avif", nil, "as q", "Quality of an output in AVIF, on the scale of JPEG.",
		"dusk.jpg?w=400&q-avif=60",
		quality(func(o *Options) *int { return &o.QualityAVIF })},
	{"q-webp", nil, "as q", "Quality of an output in WebP, on the scale of JPEG.",
		"dusk.jpg?w=400&q-webp=70",
		quality(func(o *Options) *int { return &o.QualityWebP })},
	{"q-jxl", nil, "as q", "Quality of an output in JPEG XL, on the scale of JPEG.",
		"dusk.jpg?w=400&format=jxl&q-jxl=70",
		quality(func(o *Options) *int { return &o.QualityJXL })},
	{"q-target", nil, "74", "How similar to the uncompressed output `q=auto` makes the image look, in SSIMULACRA 2: 90 shows no difference, 70 is high quality, 50 is medium. It does nothing without `auto`.",
		"dusk.jpg?w=400&q=auto&q-target=60",
		whole(50, 95, func(o *Options) *int { return &o.QualityTarget })},
	{"lossless", nil, "0", "Keeps every pixel exactly in WebP, PNG, TIFF and JXL. `auto` then chooses WebP or PNG. AVIF is exact with libvips 8.18, as in our image; before, it comes close only: closest with `q=90` or more, below it colours have half the resolution. JPEG and GIF ignore it; give JPEG `q=100`.",
		"chart.png?w=400&format=webp&lossless",
		flag(func(o *Options) *bool { return &o.Lossless })},
	{"progressive", nil, "0", "Makes browsers show a coarse image first, in formats that can.",
		"dusk.jpg?w=400&format=jpeg&progressive",
		flag(func(o *Options) *bool { return &o.Progressive })},
	{"anim", nil, "1", "Keeps an animation if both formats can hold one. 0 takes the first frame.",
		"orbit.gif?w=200&anim=0",
		flag(func(o *Options) *bool { return &o.Anim })},
	{"metadata", nil, "none", "The metadata that the output keeps. Unless it is `keep`, colours are converted to sRGB. With a mark, `keep` means `copyright`, since metadata can hold previews without the mark.",
		"dusk.jpg?w=400&metadata=copyright",
		word(func(o *Options) *Metadata { return &o.Metadata }, nil, MetadataNone, MetadataCopyright, MetadataKeep)},

	{"mark", nil, "none", "Watermark: a mark's name, `source/path` or a URL. The `mark-` options do nothing without it.",
		"dusk.jpg?w=400&mark=samples/logo.png",
		text("a mark's name, source/path or URL of 1–2048 bytes", 1, 2048, func(o *Options) *string { return &o.Mark.Name })},
	{"mark-size", nil, "none", "Sets both `mark-w` and `mark-h`. A `mark-w` or `mark-h` in the same URL overrides it.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-size=64",
		markSizes()},
	{"mark-w", nil, "15%", "Width of the mark. Derived if only `mark-h` is given.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-w=30%25",
		markLength(func(o *Options) *Length { return &o.Mark.Width })},
	{"mark-h", nil, "derived", "Height of the mark.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-h=20%25",
		markLength(func(o *Options) *Length { return &o.Mark.Height })},
	{"mark-fit", nil, "contain", "How the mark is fitted into `mark-w` × `mark-h`, as the option `fit`.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-size=64&mark-fit=cover",
		word(func(o *Options) *Fit { return &o.Mark.Fit }, fitSynonyms, FitScaleDown, FitContain, FitCover, FitCrop, FitPad, FitSqueeze)},
	{"mark-align", nil, "bottom,right", "Position of the mark.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-align=top,left",
		align(func(o *Options) *string { return &o.Mark.Align })},
	{"mark-pad", nil, "2%", "Distance of the mark from the edges.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-pad=10",
		markPad()},
	{"mark-opacity", nil, "1", "Opacity of the mark: 0 is invisible, 1 is opaque.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-opacity=0.5",
		decimal(0, 1, func(o *Options) *float64 { return &o.Mark.Opacity })},
	{"mark-repeat", nil, "0", "Repeats the mark all over the output.",
		"dusk.jpg?w=400&mark=samples/logo.png&mark-repeat",
		flag(func(o *Options) *bool { return &o.Mark.Repeat })},

	{"default", nil, "none", "The image to show if the original is unavailable. The status stays that of the error.",
		"missing.jpg?w=200&default=samples/logo.png",
		text("source/path of 1–2048 bytes", 1, 2048, func(o *Options) *string { return &o.Default })},
	{"dl", nil, "none", "Makes browsers save the output under this name.",
		"dusk.jpg?w=1200&dl=dusk.jpg",
		fileName(func(o *Options) *string { return &o.Download })},
	{"v", nil, "none", "Cache buster: another value makes another variant. Browsers keep it for a year.",
		"dusk.jpg?w=400&v=2",
		text("anything up to 64 bytes", 0, 64, func(o *Options) *string { return &o.Version })},
}

var fitSynonyms = []synonym[Fit]{{"fill", FitSqueeze}}

// A sideField returns the places of a side's value: in pixels and in percent.
type sideField func(*Options) (pixels *int, percent *float64)

func width(o *Options) (pixels *int, percent *float64)  { return &o.Width, &o.WidthPercent }
func height(o *Options) (pixels *int, percent *float64) { return &o.Height, &o.HeightPercent }

// sizes takes the length of one side of the output, or of both. String writes both as w and
// h.
func sizes(at ...sideField) codec {
	c := codec{
		domain: Domain{Kind: KindLength, Min: 1, Max: maxSide},
		values: fmt.Sprintf("1–%d pixels, or above 0 and up to 100%% of the image", maxSide),
		parse: func(o *Options, v string) bool {
			l, ok := parseLength(v, maxSide)
			if !ok || l.Value == 0 {
				return false
			}
			for _, side := range at {
				pixels, percent := side(o)
				*pixels, *percent = int(l.Value), 0
				if l.Percent {
					*pixels, *percent = 0, l.Value
				}
			}
			return true
		},
	}
	if len(at) > 1 {
		return c
	}
	c.format = func(b []byte, o *Options) []byte {
		switch pixels, percent := at[0](o); {
		case *percent > 0:
			return append(appendDecimal(b, *percent), '%')
		case *pixels > 0:
			return strconv.AppendInt(b, int64(*pixels), 10)
		}
		return b
	}
	return c
}

// markSizes returns the codec of mark-size. String writes it as mark-w and mark-h.
func markSizes() codec {
	c := markLength(func(o *Options) *Length { return &o.Mark.Width }, func(o *Options) *Length { return &o.Mark.Height })
	c.format = nil
	return c
}

// position is word for positions in the picture.
func position(at field[Gravity], words ...Gravity) codec {
	c := word(at, []synonym[Gravity]{{"top", GravityNorth}, {"bottom", GravitySouth}, {"right", GravityEast}, {"left", GravityWest}}, words...)
	c.domain.Kind = KindPosition
	return c
}

// enlarge takes on or off. Left out, Fit decides.
func enlarge(at field[Enlarge]) codec {
	c := word(at, []synonym[Enlarge]{{"", EnlargeAlways}, {"true", EnlargeAlways}, {"false", EnlargeNever}}, EnlargeAlways, EnlargeNever)
	c.domain.Kind, c.values = KindBool, flagValues
	return c
}

// degrees takes a clockwise angle.
func degrees(at field[int]) codec {
	const most = 360
	c := whole(0, most, at)
	c.values = fmt.Sprintf("−%d–%d, whole degrees", most, most)
	c.domain.Min = -most
	c.parse = func(o *Options, v string) bool {
		v, back := strings.CutPrefix(v, "-")
		n, ok := parseWhole(v)
		if !ok || n > most {
			return false
		}
		if back {
			n = most - n
		}
		*at(o) = n % 360
		return true
	}
	return c
}

// radius takes a length of at most half the shorter side. The word max means that half.
func radius(at field[Length]) codec {
	most := Length{50, true}
	return codec{
		domain: Domain{Kind: KindLength, Max: maxSide, Synonyms: []Synonym{{"max", "50%"}}},
		values: fmt.Sprintf("0–%d pixels, 0–100%% of the output's shorter side, or max", maxSide),
		parse: func(o *Options, v string) bool {
			if v == "max" {
				*at(o) = most
				return true
			}
			l, ok := parseLength(v, maxSide)
			if !ok {
				return false
			}
			if l.Percent && l.Value > most.Value {
				l = most
			}
			*at(o) = l
			return true
		},
		format: func(b []byte, o *Options) []byte {
			l := *at(o)
			if l == (Length{}) {
				return b
			}
			return appendLength(b, l)
		},
	}
}

// quality takes a quality on the scale of JPEG.
func quality(at field[int]) codec {
	const auto = "auto"
	c := whole(1, 100, at)
	c.values += ", or auto"
	c.domain.Synonyms = []Synonym{{auto, auto}}
	parse, format := c.parse, c.format
	c.parse = func(o *Options, v string) bool {
		if v == auto {
			*at(o) = QualityAuto
			return true
		}
		return parse(o, v)
	}
	c.format = func(b []byte, o *Options) []byte {
		if *at(o) == QualityAuto {
			return append(b, auto...)
		}
		return format(b, o)
	}
	return c
}

// positions maps every name and alias to its index in vocabulary.
var positions = func() map[string]int {
	at := make(map[string]int)
	for i, opt := range vocabulary {
		at[opt.name] = i
		for _, alias := range opt.aliases {
			at[alias] = i
		}
	}
	return at
}()

// An OptionDoc describes one option: in Markdown for people, and its values as data.
type OptionDoc struct {
	Name    string
	Aliases []string
	Domain  Domain // the allowed values, as data
	Values  string // the allowed values, in words
	Default string // in words
	Meaning string
	Sample  string // an example: the end of a URL in the demo's source, such as "dusk.jpg?w=400"
}

// Vocabulary describes every option that [Parse] knows, in canonical order.
func Vocabulary() []OptionDoc {
	docs := make([]OptionDoc, 0, len(vocabulary))
	for _, opt := range vocabulary {
		docs = append(docs, OptionDoc{opt.name, slices.Clone(opt.aliases), opt.typed(), opt.values, opt.fallback, opt.meaning, opt.example})
	}
	return docs
}

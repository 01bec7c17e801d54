package facts

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"
)

// Side is the longest side of the picture that [Look] needs, in pixels: that of the largest
// picture that the reference of ThumbHash takes.
const Side = 100

// Facts are what the pixels of an image say of it.
type Facts struct {
	BlurHash  string  `json:"blurhash"`
	ThumbHash []byte  `json:"thumbhash"`
	Colors    []Share `json:"colors"`
	Palette   Palette `json:"palette"`
}

// A Share is a colour of the image with the part of the image that it covers.
type Share struct {
	Hex  string  `json:"hex"`  // #rrggbb
	Area float64 `json:"area"` // 0–1; transparent pixels belong to no colour
	// Intensity is the chroma of the colour in OKLCH as a part of the most that sRGB has at
	// this hue and lightness: 0 for a grey, 1 for a colour at the edge of sRGB.
	Intensity float64 `json:"intensity"`
}

// A Palette has the colours of an image that come nearest to the targets of Android's
// Palette. A field is nil where the image has no such colour.
type Palette struct {
	Vibrant      *Swatch `json:"vibrant"`
	LightVibrant *Swatch `json:"lightVibrant"`
	DarkVibrant  *Swatch `json:"darkVibrant"`
	Muted        *Swatch `json:"muted"`
	LightMuted   *Swatch `json:"lightMuted"`
	DarkMuted    *Swatch `json:"darkMuted"`
}

// A Swatch is one colour of a palette.
type Swatch struct {
	Hex string `json:"hex"` // #rrggbb
}

// Look tells the facts of a picture, which should be no larger than [Side]. Its hash has
// 4 × 3 components, as most have.
func Look(picture *image.NRGBA) Facts {
	picture = at0(picture)
	groups := groupsOf(picture)
	return Facts{
		BlurHash:  blurHashOf(picture),
		ThumbHash: thumbHashOf(picture),
		Colors:    sharesOf(groups),
		Palette:   paletteOf(groups),
	}
}

// at0 is the picture with its corner at 0,0, and its rows without gaps.
func at0(picture *image.NRGBA) *image.NRGBA {
	size := picture.Rect.Size()
	if picture.Rect.Min == (image.Point{}) && picture.Stride == 4*size.X {
		return picture
	}
	out := image.NewNRGBA(image.Rect(0, 0, size.X, size.Y))
	for y := range size.Y {
		copy(out.Pix[y*out.Stride:(y+1)*out.Stride], picture.Pix[y*picture.Stride:])
	}
	return out
}

// stretched is a picture with larger pixels where a side has fewer than enough: both hashes
// sample cosines, and of few samples they make stripes that are not in the picture. A
// BlurHash says nothing of the ratio of the sides, so that each is stretched by itself.
func stretched(picture *image.NRGBA, enough int, keepRatio bool) *image.NRGBA {
	size := picture.Rect.Size()
	if min(size.X, size.Y) >= enough || min(size.X, size.Y) == 0 {
		return picture
	}
	across, down := (enough+size.X-1)/size.X, (enough+size.Y-1)/size.Y
	if keepRatio {
		across = max(across, down)
		down = across
	}
	out := image.NewNRGBA(image.Rect(0, 0, size.X*across, size.Y*down))
	for y := range size.Y * down {
		from, to := picture.Pix[y/down*picture.Stride:], out.Pix[y*out.Stride:]
		for x := range size.X * across {
			copy(to[4*x:4*x+4], from[x/across*4:])
		}
	}
	return out
}

func blurHashOf(picture *image.NRGBA) string {
	return EncodeBlurHash(stretched(picture, 64, false), 4, 3)
}

func thumbHashOf(picture *image.NRGBA) []byte {
	return EncodeThumbHash(stretched(picture, 16, true))
}

// maxColors is the most colours of an image that are told.
const maxColors = 8

var errFacts = errors.New("the worker's facts are malformed")

// Parse reads facts as JSON, and checks them. Use it for what a worker made, which may have
// been taken over by an image.
func Parse(data []byte) (f Facts, err error) {
	if err := json.Unmarshal(data, &f); err != nil {
		return Facts{}, fmt.Errorf("%w: %v", errFacts, err)
	}
	if _, err := ParseBlurHash(f.BlurHash); err != nil {
		return Facts{}, fmt.Errorf("%w: %v", errFacts, err)
	}
	if _, err := ParseThumbHash(f.ThumbHash); err != nil {
		return Facts{}, fmt.Errorf("%w: %v", errFacts, err)
	}
	good := len(f.Colors) <= maxColors && !slices.ContainsFunc(f.Colors, func(s Share) bool {
		return !isHex(s.Hex) || !(s.Area >= 0 && s.Area <= 1) || !(s.Intensity >= 0 && s.Intensity <= 1)
	})
	for _, s := range f.Palette.swatches() {
		good = good && (*s == nil || isHex((*s).Hex))
	}
	if !good {
		return Facts{}, fmt.Errorf("%w: a colour that is none", errFacts)
	}
	if f.Colors == nil {
		f.Colors = []Share{}
	}
	return f, nil
}

func isHex(s string) bool {
	return len(s) == 7 && s[0] == '#' && strings.Trim(s[1:], "0123456789abcdef") == ""
}

// DecodeThumbHash reads a ThumbHash as text: base64 of either alphabet, with or without
// padding. A space counts as +, which it was before the query was decoded.
func DecodeThumbHash(text string) ([]byte, error) {
	text = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	hash, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return hash, nil
}

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

// Side is the maximum side of the picture for [Look], in pixels. It is the maximum in the
// reference implementation of ThumbHash.
const Side = 100

// Facts are facts about the pixels of an image.
type Facts struct {
	BlurHash  string  `json:"blurhash"`
	ThumbHash []byte  `json:"thumbhash"`
	Colors    []Share `json:"colors"`
	Palette   Palette `json:"palette"`
}

// A Share is a colour of the image, and the fraction of the image that it covers.
type Share struct {
	Hex  string  `json:"hex"`  // #rrggbb
	Area float64 `json:"area"` // 0–1; transparent pixels belong to no colour
	// Intensity is the chroma of the colour in OKLCH as a fraction of the maximum in sRGB at
	// this hue and lightness. 0 is a grey, and 1 is a colour at the edge of sRGB.
	Intensity float64 `json:"intensity"`
}

// A Palette has the colours of an image that are nearest to the targets of Android's
// Palette. A field is nil if the image has no such colour.
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

// Look returns the facts of a picture, which should be no larger than [Side]. The BlurHash
// has 4 × 3 components, as is usual.
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

// at0 returns the picture with its corner at 0,0 and without gaps between its rows.
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

// stretched enlarges the pixels of a picture whose side is too short. Both hashes sample
// cosines, and few samples would add stripes that the picture doesn't have. A BlurHash
// doesn't contain the aspect, so each side is stretched separately.
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

// maxColors is the maximum number of colours in facts.
const maxColors = 8

var errFacts = errors.New("the worker's facts are malformed")

// Parse decodes facts from JSON and checks them. Use it for the result of a worker, since
// an image may have taken the worker over.
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

// DecodeThumbHash decodes a ThumbHash in base64, with either alphabet, with or without
// padding. It reads a space as +, since decoding a query turns + into a space.
func DecodeThumbHash(text string) ([]byte, error) {
	text = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	hash, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return hash, nil
}

package delivery

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// glyphs are the letters of the test mark, seven rows of five pixels.
var glyphs = [...]string{
	"#####   #     #     #     #     #     #  ",
	"##### #     #     ####  #     #     #####",
	" #### #     #      ###      #     # #### ",
	"#####   #     #     #     #     #     #  ",
}

// testMark is the mark on images that were made with a test key: the word TEST, light on
// dark, across the middle.
func testMark() (transform.MarkImage, error) {
	const scale, gap, border = 8, 1, 2
	width := (len(glyphs)*(5+gap) - gap + 2*border) * scale
	img := image.NewNRGBA(image.Rect(0, 0, width, (7+2*border)*scale))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			column, row := x/scale-border, y/scale-border
			c := color.NRGBA{0, 0, 0, 160}
			if glyph := column / (5 + gap); column >= 0 && row >= 0 && row < 7 && glyph < len(glyphs) {
				if i := row*6 + column%(5+gap); column%(5+gap) < 5 && strings.HasPrefix(glyphs[glyph][i:], "#") {
					c = color.NRGBA{255, 255, 255, 255}
				}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return transform.MarkImage{}, err
	}
	h, err := header.Read(b.Bytes())
	if err != nil {
		return transform.MarkImage{}, err
	}
	return transform.MarkImage{
		Image: b.Bytes(), Header: h, Hash: sha256.Sum256(b.Bytes()),
		Mark: transform.Mark{
			Width: transform.Length{Value: 60, Percent: true}, Height: transform.Length{Value: 60, Percent: true},
			Fit: transform.FitContain, Align: "center", PadSet: true, Opacity: 0.8,
		},
	}, nil
}

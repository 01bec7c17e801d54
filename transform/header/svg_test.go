package header

import (
	"encoding/base64"
	"slices"

	"github.com/tintype/tintype/transform"
)

func svgAround(media string, file []byte) []byte {
	return []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><image href="data:` + media + `;base64,` +
		base64.StdEncoding.EncodeToString(file) + `"/></svg>`)
}

// svgCases are about the pictures within an SVG. The tests of package svg have the rest.
func svgCases() []headerCase {
	svg := transform.Header{Format: transform.SVG, Width: 40, Height: 30, Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
	png := pngFile(4, 4, 8, 2, 0)
	return []headerCase{
		{name: "svg with a png", file: svgAround("image/png", png), want: svg},
		{name: "svg with a jpeg", file: svgAround("image/jpeg", jpegFile(0xc0, 4, 4, 3)), want: svg},
		{name: "svg with an svg called png", file: svgAround("image/png", svgAround("image/png", png)), err: transform.ErrUnsupported},
		{name: "svg with a gif called png", file: svgAround("image/png", gifFile(4, 4, gifFrame{w: 4, h: 4})), err: transform.ErrUnsupported},
		{name: "svg with a cut picture", file: svgAround("image/png", png[:30]), err: transform.ErrCorrupt},
		{name: "svg with a huge picture", file: svgAround("image/png", pngFile(20000, 20000, 8, 2, 0)), err: transform.ErrTooLarge},
		{name: "svg with a script", file: []byte(`<svg width="4" height="4"><script/></svg>`), err: transform.ErrUnsupported},
		{name: "svg that is cut off", file: slices.Clip(svgAround("image/png", png)[:60]), err: transform.ErrTruncated},
	}
}

//go:build cgo

package vips_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// tolerances are mean differences, in levels, that each encoder may add at q=90.
var tolerances = map[transform.Format]float64{
	transform.PNG: 0.8, transform.JPEG: 1.8, transform.WebP: 2.5, transform.AVIF: 3, transform.GIF: 6,
}

func TestEveryFormatInAndOut(t *testing.T) {
	const width, height = 203, 151
	for in, extraIn := range tolerances {
		for _, alpha := range []bool{false, true} {
			if alpha && (in == transform.JPEG || in == transform.GIF) {
				continue // no alpha, or a hard edge of it
			}
			drawn := scene(width, height, alpha)
			source := original(t, drawn, in)
			if in == transform.GIF {
				greys := greys(width, height)
				drawn, source = toNRGBA(greys), gifBytes(t, greys)
			}
			for out, extraOut := range tolerances {
				for _, size := range []image.Point{{75, 56}, {width, height}, {260, 194}} {
					name := fmt.Sprintf("%s to %s %dx%d alpha=%v", in, out, size.X, size.Y, alpha)
					t.Run(name, func(t *testing.T) {
						if alpha && out == transform.GIF {
							t.Skip("GIF has no half-transparent pixels")
						}
						query := fmt.Sprintf("w=%d&h=%d&fit=squeeze&q=90", size.X, size.Y)
						got := run(t, source, query, out)
						if got.Width != size.X || got.Height != size.Y || got.Frames != 1 {
							t.Errorf("Image says %d×%d, %d frames", got.Width, got.Height, got.Frames)
						}
						want := average(drawn, size.X, size.Y)
						if d, most := difference(t, decode(t, got.Data), want), 0.7+extraIn+extraOut; d > most {
							t.Errorf("differs by %.2f levels on average, want at most %.1f", d, most)
						}
						h, err := header.Read(got.Data)
						if err != nil || h.Format != out {
							t.Errorf("header.Read of the output: %+v, %v", h, err)
						}
						if alpha && out.Alpha() && !h.Alpha {
							t.Error("the output has lost its transparency")
						}
					})
				}
			}
		}
	}
}

// greys is a gradient that a GIF can hold as it is.
func greys(w, h int) *image.Paletted {
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = color.Gray{uint8(i)}
	}
	m := image.NewPaletted(image.Rect(0, 0, w, h), palette)
	for i := range m.Pix {
		x, y := i%w, i/w
		m.Pix[i] = uint8((x*200/w + y*55/h))
	}
	return m
}

func TestExactSizes(t *testing.T) {
	source := map[transform.Format][]byte{}
	drawn := scene(331, 227, false)
	for _, in := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP} {
		source[in] = original(t, drawn, in)
	}
	for in, data := range source {
		for w := 1; w <= 340; w += 31 {
			for _, h := range []int{1, 2, 27, 28, 113, 114, 226, 227, 228, 300} {
				out := run(t, data, fmt.Sprintf("w=%d&h=%d&fit=squeeze", w, h), transform.JPEG)
				hd, err := header.Read(out.Data)
				if err != nil || hd.Width != w || hd.Height != h {
					t.Errorf("%s to %d×%d: got %d×%d, %v", in, w, h, hd.Width, hd.Height, err)
				}
			}
		}
	}
}

func TestLosslessWebP(t *testing.T) {
	drawn := scene(64, 48, true)
	got := decode(t, run(t, pngBytes(t, drawn), "lossless", transform.WebP).Data)
	if d := difference(t, got, drawn); d != 0 {
		t.Errorf("differs by %.3f levels", d)
	}
}

// TestLosslessElsewhere holds what docs/options.md says of formats that can't be lossless, or are so with libvips 8.18 only.
func TestLosslessElsewhere(t *testing.T) {
	drawn := scene(301, 203, false)
	source := pngBytes(t, drawn)
	for _, format := range []transform.Format{transform.JPEG, transform.GIF} {
		if !bytes.Equal(run(t, source, "", format).Data, run(t, source, "lossless", format).Data) {
			t.Errorf("lossless changes %s", format)
		}
	}
	off := func(query string) float64 {
		return difference(t, decode(t, run(t, source, query, transform.AVIF).Data), drawn)
	}
	plain, low, high, best := off("q=80"), off("q=80&lossless"), off("q=90&lossless"), off("q=100")
	if low >= plain || high > low || high > best {
		t.Errorf("AVIF is off by %.3f at q=80, lossless by %.3f there and by %.3f at q=90, at q=100 by %.3f", plain, low, high, best)
	}
}

func TestProgressiveJPEG(t *testing.T) {
	source := jpegBytes(t, scene(64, 48, false))
	for query, want := range map[string]bool{"": false, "progressive": true} {
		h, err := header.Read(run(t, source, query, transform.JPEG).Data)
		if err != nil || h.Interlaced != want {
			t.Errorf("%q: interlaced %v, %v", query, h.Interlaced, err)
		}
	}
}

func TestQualityCounts(t *testing.T) {
	source := pngBytes(t, scene(256, 256, false))
	for _, format := range []transform.Format{transform.JPEG, transform.WebP, transform.AVIF} {
		last := 0
		for _, q := range []int{10, 50, 80, 100} {
			size := len(run(t, source, fmt.Sprintf("q=%d", q), format).Data)
			if size <= last {
				t.Errorf("%s at q=%d is %d bytes, no more than at the quality below", format, q, size)
			}
			last = size
		}
	}
}

// TestGoldens catches changes of look that no other test has words for. The
// pictures were looked at before they were stored; -update rewrites them.
func TestGoldens(t *testing.T) {
	photo := jpegBytes(t, scene(320, 240, false))
	logo := pngBytes(t, disc(200, white))
	for name, c := range map[string]struct {
		original []byte
		query    string
	}{
		"cover":     {photo, "w=64&h=64&fit=cover"},
		"rect":      {photo, "rect=160,120,160,120&w=48"},
		"pad":       {photo, "w=64&h=64&fit=pad&bg=navy&pad=4"},
		"inset":     {photo, "inset=0,160,120,0&w=48"},
		"percent":   {photo, "inset=60,80&w=50%25&h=25%25&fit=squeeze"},
		"outside":   {photo, "w=64&h=64&fit=outside"},
		"auto":      {photo, "w=80&h=40&fit=auto"},
		"rotated":   {photo, "w=48&rotate=90&flip=v"},
		"logo":      {logo, "w=40"},
		"logo-flat": {logo, "w=40&bg=teal"},
		"attention": {pngBytes(t, spot(300, 100, image.Pt(240, 50))), "w=50&h=50&fit=cover&gravity=attention"},

		"blur":        {photo, "w=64&blur=2"},
		"blur-strong": {photo, "w=64&blur=20"},
		"blur-alpha":  {logo, "w=64&blur=4&bg=teal"},
		"sharpen":     {pngBytes(t, edges()), "sharpen=20"},
		"brightness":  {photo, "w=64&brightness=1.4"},
		"contrast":    {photo, "w=64&contrast=1.6"},
		"saturation":  {photo, "w=64&saturation=2"},
		"gamma":       {photo, "w=64&gamma=1.8"},
		"grayscale":   {photo, "w=64&grayscale"},
		"sepia":       {photo, "w=64&sepia"},
		"invert":      {photo, "w=64&invert"},
		"pixelate":    {photo, "w=64&pixelate=7"},
		"trim":        {jpegBytes(t, framed(300, 200, image.Rect(50, 30, 250, 170), white)), "trim=30&w=60"},
		"slanted":     {photo, "w=64&rotate=-20"},
		"slanted-bg":  {photo, "w=64&h=48&fit=cover&rotate=45&flip=h&bg=teal"},
		"radius":      {photo, "w=64&radius=12"},
		"radius-max":  {photo, "w=48&h=48&fit=cover&pad=4&bg=navy&radius=max"},
		"everything":  {logo, "rect=0,0,180,180&trim=0&rotate=90&w=60&h=50&fit=cover&blur=1&sharpen=5&contrast=0.8&sepia&invert&pad=4&bg=navy"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, c.original, c.query, transform.PNG).Data
			goldenPicture(t, name, got)
		})
	}
}

// goldenPicture holds a PNG to the file of that name.
func goldenPicture(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".png")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := difference(t, decode(t, got), decode(t, want)); d > 1 {
		t.Errorf("differs from %s by %.2f levels on average", file, d)
	}
}

// TestStillWebP: what is decoded without libvips looks as what libvips decodes.
func TestStillWebP(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		drawn := pngBytes(t, scene(301, 203, alpha))
		for _, query := range []string{"q=70", "q=100", "lossless"} {
			webp := run(t, drawn, query, transform.WebP).Data
			opened, err := govips.LoadImageFromBuffer(webp, govips.NewImportParams())
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			want, err := opened.ToBytes()
			if err != nil {
				t.Fatal(err)
			}
			got := decode(t, run(t, webp, "", transform.PNG).Data)
			bands := opened.Bands()
			for i := range 301 * 203 {
				c := []uint8{255, 255, 255, 255}
				copy(c, want[i*bands:(i+1)*bands])
				for k := range 4 {
					slack := 0 // libvips mixes a pixel that can be seen through with the black below it
					if c[3] < 255 && k < 3 {
						slack = 255/max(int(c[3]), 1) + 1
					}
					if off := int(c[k]) - int(got.Pix[4*i+k]); off > slack || off < -slack {
						t.Fatalf("%s, alpha %v: pixel %d is %v, libvips says %v", query, alpha, i, got.Pix[4*i:4*i+4], c)
					}
				}
			}
		}
	}
}

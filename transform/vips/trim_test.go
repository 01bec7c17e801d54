//go:build cgo

package vips_test

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"testing"

	"bytes"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// framed is a picture of quadrants that fills part of a ground of one colour.
func framed(w, h int, part image.Rectangle, ground color.Color) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(ground), image.Point{}, draw.Src)
	draw.Draw(m, part, quadrants(part.Dx(), part.Dy()), image.Point{}, draw.Src)
	return m
}

func TestTrim(t *testing.T) {
	part := image.Rect(31, 17, 131, 97) // 100 × 80
	noisy := framed(160, 120, part, white)
	for i := range noisy.Pix {
		if i%4 != 3 && noisy.Pix[i] == 255 {
			noisy.Pix[i] -= uint8(i * 7 % 9)
		}
	}
	invisible := framed(160, 120, part, clear)
	for y := range 120 { // what can't be seen differs from pixel to pixel
		for x := range 160 {
			if invisible.NRGBAAt(x, y).A == 0 {
				invisible.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), 99, 0})
			}
		}
	}
	corner := framed(160, 120, image.Rect(0, 0, 100, 80), white)
	rows := framed(160, 120, image.Rect(0, 40, 160, 80), black)
	dot := framed(300, 200, image.Rectangle{}, white)
	dot.SetNRGBA(211, 150, red)
	for name, c := range map[string]struct {
		m     *image.NRGBA
		query string
		w, h  int
	}{
		"white":                     {framed(160, 120, part, white), "trim=0", 100, 80},
		"black":                     {framed(160, 120, part, black), "trim=10", 100, 80},
		"clear":                     {framed(160, 120, part, clear), "trim=0", 100, 80},
		"invisible colours":         {invisible, "trim=0", 100, 80},
		"noise within":              {noisy, "trim=8", 100, 80},
		"noise beyond":              {noisy, "trim=7", 160, 120},
		"then turned":               {framed(160, 120, part, white), "trim=1&rotate=90", 80, 100},
		"then sized":                {framed(160, 120, part, white), "trim=1&w=50", 50, 40},
		"then cropped":              {framed(160, 120, part, white), "trim=1&w=40&h=40&fit=cover", 40, 40},
		"then padded":               {framed(160, 120, part, white), "trim=1&pad=5", 110, 90},
		"never enlarged":            {framed(160, 120, part, white), "trim=1&w=160", 100, 80},
		"after rect":                {framed(160, 120, part, white), "rect=0,0,81,120&trim=1", 50, 80},
		"rect without a border":     {framed(160, 120, part, white), "rect=71,47,20,20&trim=1", 20, 20},
		"one corner is the picture": {corner, "trim=0", 100, 80},
		"two sides":                 {rows, "trim=0", 160, 40},
		"everything":                {framed(160, 120, part, white), "trim=255", 160, 120},
		"nothing but border":        {framed(160, 120, image.Rectangle{}, white), "trim=0", 160, 120},
		"a dot":                     {dot, "trim=0", 1, 1},
	} {
		got := picture(t, pngBytes(t, c.m), c.query)
		if size := got.Rect.Size(); size != image.Pt(c.w, c.h) {
			t.Errorf("%s: %v, want %d×%d", name, size, c.w, c.h)
		}
	}
	got := picture(t, pngBytes(t, framed(160, 120, part, white)), "trim=0")
	if d := farthest(t, got, quadrants(100, 80)); d != 0 {
		t.Errorf("what is kept is %d levels off", d)
	}
}

// The corners below decide where those above differ from each other.
func TestTrimByLowerCorners(t *testing.T) {
	m := framed(90, 60, image.Rect(0, 0, 90, 40), white)
	if got := picture(t, pngBytes(t, m), "trim=0"); got.Rect.Size() != image.Pt(90, 40) {
		t.Errorf("size %v", got.Rect.Size())
	}
}

func TestTrimOfEveryFormatAndOrientation(t *testing.T) {
	part := image.Rect(64, 32, 224, 128)
	drawn := framed(320, 240, part, white)
	for _, format := range []transform.Format{transform.PNG, transform.WebP, transform.AVIF, transform.GIF, transform.TIFF} {
		for query, want := range map[string]image.Point{"trim=40": part.Size(), "trim=40&w=40": {40, 24}, "trim=40&w=23": {23, 14}} {
			got := picture(t, original(t, drawn, format), query)
			if d := got.Rect.Size().Sub(want); max(d.X, -d.X, d.Y, -d.Y) > 1 {
				t.Errorf("%s %s: %v, want %v", format, query, got.Rect.Size(), want)
			}
			if format != transform.GIF { // Go writes GIFs with a palette of its own
				wantCorners(t, got, [4]color.NRGBA{red, green, blue, gold})
			}
		}
	}
	for orientation := 1; orientation <= 8; orientation++ {
		file := withSegments(jpegBytes(t, stored(drawn, orientation)), exif(orientation))
		for query, want := range map[string]image.Point{
			"trim=40": part.Size(), "trim=40&w=20": {20, 12}, "trim=40&rotate=90&w=24": {24, 40},
			"rect=0,0,144,240&trim=40": {80, 96},
		} {
			got := picture(t, file, query)
			if d := got.Rect.Size().Sub(want); max(d.X, -d.X, d.Y, -d.Y) > 1 {
				t.Errorf("orientation %d, %s: %v, want %v", orientation, query, got.Rect.Size(), want)
			}
		}
	}
}

// However small the output, none of the border is left at its edges, though a JPEG
// is shrunk as it is decoded.
func TestTrimLeavesNoBorder(t *testing.T) {
	for left := 60; left < 76; left += 3 {
		m := image.NewNRGBA(image.Rect(0, 0, 640, 480))
		draw.Draw(m, m.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(m, image.Rect(left, left, 601, 433), image.NewUniform(blue), image.Point{}, draw.Src)
		for _, width := range []int{40, 100, 300} {
			got := picture(t, jpegBytes(t, m), fmt.Sprintf("trim=60&w=%d", width))
			for _, p := range []image.Point{{0, 5}, {5, 0}, {width - 1, 5}, {5, got.Rect.Dy() - 1}} {
				if c := got.NRGBAAt(p.X, p.Y); c.R > 60 {
					t.Errorf("from %d, %d wide: pixel %v is %v", left, width, p, c)
				}
			}
		}
	}
}

// An animation is trimmed to what any of its frames holds.
func TestTrimOfAnimation(t *testing.T) {
	palette := color.Palette{white, red}
	g := &gif.GIF{}
	for i := range 4 {
		m := image.NewPaletted(image.Rect(0, 0, 80, 60), palette)
		draw.Draw(m, image.Rect(10+10*i, 20, 20+10*i, 30), image.NewUniform(red), image.Point{}, draw.Src)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 7)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]struct{ w, h, frames int }{
		"trim=0": {40, 10, 4}, "trim=0&anim=0": {10, 10, 1}, "trim=0&w=5&rotate=90": {5, 20, 4}, "rect=0,0,80,25&trim=0": {40, 5, 4},
	} {
		out := run(t, b.Bytes(), query, transform.GIF)
		if out.Width != want.w || out.Height != want.h || out.Frames != want.frames {
			t.Errorf("%s: %d×%d, %d frames", query, out.Width, out.Height, out.Frames)
		}
		hd, err := header.Read(out.Data)
		if err != nil || hd.Width != out.Width || hd.Height != out.Height || hd.Frames != out.Frames {
			t.Errorf("%s: the output is %+v, %v; Image says %d×%d", query, hd, err, out.Width, out.Height)
		}
	}
	frames, _, _ := show(t, run(t, b.Bytes(), "trim=0", transform.GIF).Data)
	for i, m := range frames {
		wantFrame(t, m, image.Rect(10*i, 0, 10*i+10, 10), red)
	}
}

// Once the border is gone the shape may be another, and the output over a limit.
func TestTrimIsHeldToLimits(t *testing.T) {
	m := framed(400, 400, image.Rect(10, 10, 14, 390), white)
	j := job(t, pngBytes(t, m), "trim=0&w=200&fit=contain", transform.PNG)
	j.Limits.OutputPixels = 1e6 // 200 × 200 with the border, 200 × 19,000 without
	if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrOutputTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestTrimOfBroken(t *testing.T) {
	whole := jpegBytes(t, noise(400, 300))
	cut := append(append([]byte{}, whole[:len(whole)/2]...), 0xff, 0xd9)
	if err := failure(t, cut, "trim=5&w=40", transform.PNG); !errors.Is(err, transform.ErrTruncated) {
		t.Errorf("got %v", err)
	}
}

// A large region that begins between two strips of the decoder is read to its end.
func TestTrimOfRegion(t *testing.T) {
	m := framed(800, 500, image.Rect(150, 150, 650, 400), white)
	for _, format := range []transform.Format{transform.PNG, transform.JPEG, transform.WebP, transform.AVIF, transform.TIFF, transform.GIF} {
		original := original(t, m, format)
		for _, y := range []int{0, 1, 15, 16, 30} {
			got := picture(t, original, fmt.Sprintf("rect=0,%d,800,450&trim=60", y))
			if w, h := got.Rect.Dx(), got.Rect.Dy(); w < 496 || w > 504 || h < 246 || h > 254 {
				t.Errorf("%s from row %d: %d×%d, want 500×250", format, y, w, h)
			}
		}
	}
}

// TestTrimOfStrips: a picture of more than a read, in strips that don't end where reads do.
func TestTrimOfStrips(t *testing.T) {
	part := image.Rect(64, 32, 584, 560)
	whole := original(t, framed(600, 640, part, white), transform.PNG)
	strips := run(t, whole, "", transform.TIFF).Data
	if got := picture(t, strips, "trim=40").Rect.Size(); got != part.Size() {
		t.Errorf("%v, want %v", got, part.Size())
	}
}

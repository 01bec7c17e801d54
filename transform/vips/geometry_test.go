//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/tintype/tintype/transform"
)

// wantCorners checks the colours near the corners, from the top left by rows.
func wantCorners(t *testing.T, m *image.NRGBA, want [4]color.NRGBA) {
	t.Helper()
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for i, p := range []image.Point{{w / 4, h / 4}, {w - 1 - w/4, h / 4}, {w / 4, h - 1 - h/4}, {w - 1 - w/4, h - 1 - h/4}} {
		wantColor(t, m, p.X, p.Y, want[i], 12)
	}
}

// stored lays an upright picture as a camera with this orientation would store
// it, by the definition of the tag: where row 0 and column 0 are (TIFF 6.0).
func stored(m *image.NRGBA, orientation int) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	at := map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return w - 1 - x, y },
		3: func(x, y int) (int, int) { return w - 1 - x, h - 1 - y },
		4: func(x, y int) (int, int) { return x, h - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return w - 1 - y, x },
		7: func(x, y int) (int, int) { return w - 1 - y, h - 1 - x },
		8: func(x, y int) (int, int) { return y, h - 1 - x },
	}[orientation]
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewNRGBA(size)
	for y := range size.Dy() {
		for x := range size.Dx() {
			u, v := at(x, y)
			out.SetNRGBA(x, y, m.NRGBAAt(u, v))
		}
	}
	return out
}

// Orientation 6 is stored with row 0 on the right and column 0 on top: pixel
// (x, y) of the file shows at (w−1−y, x). The table above is tested by itself
// for that, since every test here rests on it.
func TestStored(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	m.SetNRGBA(2, 0, red) // top right
	if s := stored(m, 6); s.Rect.Dx() != 2 || s.NRGBAAt(0, 0) != red {
		t.Error("orientation 6 starts at the top right")
	}
	if s := stored(m, 8); s.NRGBAAt(1, 2) != red {
		t.Error("orientation 8 ends at the top right")
	}
}

func TestOrientations(t *testing.T) {
	upright := quadrants(160, 96)
	for orientation := 1; orientation <= 8; orientation++ {
		for query, want := range map[string]struct {
			w, h    int
			corners [4]color.NRGBA
		}{
			"":                                      {160, 96, [4]color.NRGBA{red, green, blue, gold}},
			"w=80":                                  {80, 48, [4]color.NRGBA{red, green, blue, gold}},
			"w=40&h=40&fit=squeeze":                 {40, 40, [4]color.NRGBA{red, green, blue, gold}},
			"w=320&fit=contain":                     {320, 192, [4]color.NRGBA{red, green, blue, gold}},
			"rotate=90":                             {96, 160, [4]color.NRGBA{blue, red, gold, green}},
			"rotate=180&w=80":                       {80, 48, [4]color.NRGBA{gold, blue, green, red}},
			"rotate=270":                            {96, 160, [4]color.NRGBA{green, gold, red, blue}},
			"flip=h":                                {160, 96, [4]color.NRGBA{green, red, gold, blue}},
			"flip=v&w=80":                           {80, 48, [4]color.NRGBA{blue, gold, red, green}},
			"flip=hv":                               {160, 96, [4]color.NRGBA{gold, blue, green, red}},
			"rotate=90&flip=h":                      {96, 160, [4]color.NRGBA{red, blue, green, gold}},
			"rect=80,0,80,48":                       {80, 48, [4]color.NRGBA{green, green, green, green}},
			"rect=0,48,80,48&w=20":                  {20, 12, [4]color.NRGBA{blue, blue, blue, blue}},
			"rect=40,0,80,96&rotate=90":             {96, 80, [4]color.NRGBA{blue, red, gold, green}},
			"inset=48,0,0,80":                       {80, 48, [4]color.NRGBA{gold, gold, gold, gold}},
			"inset=0,80,48,0&w=50%25":               {40, 24, [4]color.NRGBA{red, red, red, red}},
			"inset=0,40&size=50%25&rotate=90":       {48, 40, [4]color.NRGBA{blue, red, gold, green}},
			"w=48&h=48&fit=outside":                 {80, 48, [4]color.NRGBA{red, green, blue, gold}},
			"w=48&h=80&fit=auto":                    {48, 29, [4]color.NRGBA{red, green, blue, gold}},
			"size=192&fit=outside":                  {320, 192, [4]color.NRGBA{red, green, blue, gold}},
			"w=40&h=96&fit=cover&gravity=east":      {40, 96, [4]color.NRGBA{green, green, gold, gold}},
			"w=40&h=40&fit=cover&gravity=west":      {40, 40, [4]color.NRGBA{red, red, blue, blue}},
			"w=80&h=20&fit=cover&gravity=south":     {80, 20, [4]color.NRGBA{blue, gold, blue, gold}},
			"w=80&h=20&fit=cover&gravity=north":     {80, 20, [4]color.NRGBA{red, green, red, green}},
			"w=96&h=30&fit=cover&g=south&rotate=90": {96, 30, [4]color.NRGBA{gold, green, gold, green}},
			"w=30&h=30&fit=cover&g=focal&fp-x=0.9&fp-y=0.9&fp-z=3": {30, 30, [4]color.NRGBA{gold, gold, gold, gold}},
			"w=30&h=30&fit=cover&g=focal&fp-x=0.9&fp-y=0.1&fp-z=3": {30, 30, [4]color.NRGBA{green, green, green, green}},
		} {
			t.Run(fmt.Sprintf("%d %s", orientation, query), func(t *testing.T) {
				file := withSegments(jpegBytes(t, stored(upright, orientation)), exif(orientation))
				got := picture(t, file, query)
				wantSize(t, got, want.w, want.h)
				wantCorners(t, got, want.corners)
			})
		}
	}
}

func TestPadAndBackground(t *testing.T) {
	opaque := jpegBytes(t, quadrants(80, 40))
	disc := pngBytes(t, disc(40, red))
	navy := color.NRGBA{0, 0, 128, 255}
	for _, c := range []struct {
		name     string
		original []byte
		query    string
		format   transform.Format
		w, h     int
		pixels   map[image.Point]color.NRGBA
	}{
		{"pad is transparent", opaque, "w=80&h=80&fit=pad", transform.PNG, 80, 80,
			map[image.Point]color.NRGBA{{40, 5}: clear, {40, 75}: clear, {20, 30}: red, {60, 50}: gold}},
		{"pad is white on JPEG", opaque, "w=80&h=80&fit=pad", transform.JPEG, 80, 80,
			map[image.Point]color.NRGBA{{40, 5}: white, {40, 75}: white, {20, 30}: red}},
		{"pad takes the background", opaque, "w=80&h=80&fit=pad&bg=navy", transform.WebP, 80, 80,
			map[image.Point]color.NRGBA{{40, 5}: navy, {40, 75}: navy, {20, 30}: red}},
		{"pad by gravity", opaque, "w=80&h=80&fit=pad&bg=navy&gravity=north", transform.PNG, 80, 80,
			map[image.Point]color.NRGBA{{20, 5}: red, {20, 30}: blue, {40, 60}: navy}},
		{"half-transparent background", opaque, "w=80&h=80&fit=pad&bg=00008080", transform.PNG, 80, 80,
			map[image.Point]color.NRGBA{{40, 5}: {0, 0, 128, 128}, {20, 30}: red}},
		{"half-transparent background on JPEG", opaque, "w=80&h=80&fit=pad&bg=00008080", transform.JPEG, 80, 80,
			map[image.Point]color.NRGBA{{40, 5}: {127, 127, 191, 255}, {20, 30}: red}},
		{"pad sides", opaque, "pad=1,2,3,4&bg=navy", transform.PNG, 86, 44,
			map[image.Point]color.NRGBA{{40, 0}: navy, {3, 20}: navy, {4, 1}: red, {84, 20}: navy, {83, 40}: gold, {40, 41}: navy}},
		{"pad times dpr", opaque, "w=40&dpr=2&pad=10", transform.PNG, 120, 80,
			map[image.Point]color.NRGBA{{19, 40}: clear, {21, 21}: red}},
		{"alpha stays", disc, "w=20", transform.PNG, 20, 20,
			map[image.Point]color.NRGBA{{0, 0}: clear, {10, 10}: red}},
		{"alpha on white", disc, "w=20&q=95", transform.JPEG, 20, 20,
			map[image.Point]color.NRGBA{{0, 0}: white, {10, 10}: red}},
		{"alpha on the background", disc, "w=20&bg=navy", transform.PNG, 20, 20,
			map[image.Point]color.NRGBA{{0, 0}: navy, {10, 10}: red}},
		{"alpha in AVIF", disc, "w=20", transform.AVIF, 20, 20,
			map[image.Point]color.NRGBA{{0, 0}: clear, {10, 10}: red}},
		{"alpha in GIF", disc, "w=20", transform.GIF, 20, 20,
			map[image.Point]color.NRGBA{{0, 0}: clear, {10, 10}: red}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, run(t, c.original, c.query, c.format).Data)
			wantSize(t, got, c.w, c.h)
			for p, want := range c.pixels {
				wantColor(t, got, p.X, p.Y, want, 12)
			}
		})
	}
}

func TestGreyWithBackground(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 40, 20))
	draw.Draw(grey, grey.Rect, image.NewUniform(color.Gray{90}), image.Point{}, draw.Src)
	for _, in := range [][]byte{pngBytes(t, grey), jpegBytes(t, grey)} {
		got := picture(t, in, "w=40&h=40&fit=pad&bg=red")
		wantColor(t, got, 20, 2, color.NRGBA{255, 0, 0, 255}, 0)
		wantColor(t, got, 20, 20, color.NRGBA{90, 90, 90, 255}, 2)
		got = picture(t, in, "w=40&h=40&fit=pad")
		wantColor(t, got, 20, 2, clear, 0)
		wantColor(t, got, 20, 20, color.NRGBA{90, 90, 90, 255}, 2)
	}
}

// spot is grey with a small bright disc, which is all that could draw an eye.
func spot(w, h int, at image.Point) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Rect, image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	for y := range h {
		for x := range w {
			if dx, dy := x-at.X, y-at.Y; dx*dx+dy*dy < 400 {
				m.SetNRGBA(x, y, color.NRGBA{255, uint8(60 + 10*(x%16)), uint8(15 * (y % 8)), 255})
			}
		}
	}
	return m
}

func TestSmartCrop(t *testing.T) {
	for _, gravity := range []string{"attention", "entropy"} {
		for _, orientation := range []int{1, 6, 3} {
			for _, x := range []int{40, 360} {
				upright := spot(400, 100, image.Pt(x, 50))
				file := withSegments(jpegBytes(t, stored(upright, orientation)), exif(orientation))
				got := picture(t, file, "w=50&h=50&fit=cover&gravity="+gravity)
				wantSize(t, got, 50, 50)
				reds := 0
				for i := 0; i < len(got.Pix); i += 4 {
					if got.Pix[i] > 230 {
						reds++
					}
				}
				// The disc has 314 pixels at half the size.
				if reds < 200 {
					t.Errorf("%s, orientation %d, spot at %d: %d of its pixels are in the crop", gravity, orientation, x, reds)
				}
			}
		}
	}
}

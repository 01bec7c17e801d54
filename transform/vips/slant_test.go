//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
)

// turnedBy is the reference for rotate: each pixel of the output is the mean of many points
// of it, each of which has the colour of the place that it comes from.
func turnedBy(m *image.NRGBA, degrees float64, w, h int, flip transform.Flip) *image.NRGBA {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	iw, ih := float64(m.Rect.Dx()), float64(m.Rect.Dy())
	across, down := iw*math.Abs(cos)+ih*math.Abs(sin), iw*math.Abs(sin)+ih*math.Abs(cos)
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	const fine = 4
	for y := range h {
		for x := range w {
			var sum [4]float64
			for i := range fine * fine {
				u := ((float64(x)+(float64(i%fine)+.5)/fine)/float64(w) - .5) * across
				v := ((float64(y)+(float64(i/fine)+.5)/fine)/float64(h) - .5) * down
				if flip == transform.FlipH || flip == transform.FlipHV {
					u = -u
				}
				if flip == transform.FlipV || flip == transform.FlipHV {
					v = -v
				}
				from := image.Pt(int(math.Floor(u*cos+v*sin+iw/2)), int(math.Floor(v*cos-u*sin+ih/2)))
				if !from.In(m.Rect) {
					continue
				}
				c := m.NRGBAAt(from.X, from.Y)
				for n, level := range []uint8{c.R, c.G, c.B} {
					sum[n] += float64(level) * float64(c.A)
				}
				sum[3] += float64(c.A)
			}
			if sum[3] > 0 {
				out.SetNRGBA(x, y, color.NRGBA{uint8(sum[0]/sum[3] + .5), uint8(sum[1]/sum[3] + .5), uint8(sum[2]/sum[3] + .5), uint8(sum[3]/fine/fine + .5)})
			}
		}
	}
	return out
}

// TestRotateByDegrees holds rotations against what they are by definition, whatever the
// orientation in the file.
func TestRotateByDegrees(t *testing.T) {
	photo, faded := scene(150, 100, false), scene(150, 100, true)
	type turn struct {
		degrees, w, h int
		flip          transform.Flip
	}
	turned := map[turn]*image.NRGBA{} // to draw one takes longer than the rotation that it judges
	for orientation := 1; orientation <= 8; orientation++ {
		for _, degrees := range []int{1, 30, 45, 89, 100, 217, 359} {
			for _, flip := range []transform.Flip{"", "h", "v", "hv"} {
				if orientation > 1 && degrees != 30 && flip != "v" {
					continue
				}
				query := fmt.Sprintf("rotate=%d", degrees)
				if flip != "" {
					query += "&flip=" + string(flip)
				}
				file := withSegments(jpegBytes(t, stored(photo, orientation)), exif(orientation))
				for _, size := range []string{"", "&w=45", "&h=45&w=100&fit=squeeze"} {
					got := picture(t, file, query+size)
					how := turn{degrees, got.Rect.Dx(), got.Rect.Dy(), flip}
					if turned[how] == nil {
						turned[how] = turnedBy(photo, float64(degrees), how.w, how.h, flip)
					}
					want := turned[how]
					if d := difference(t, got, want); d > 1.5 {
						t.Errorf("orientation %d, %q: %.2f levels off on average", orientation, query+size, d)
					}
				}
			}
		}
	}
	for _, query := range []string{"rotate=30", "rotate=30&w=45", "rotate=-30&w=350&fit=contain"} {
		got := picture(t, pngBytes(t, faded), query)
		want := turnedBy(faded, float64(options(t, query).Rotate), got.Rect.Dx(), got.Rect.Dy(), "")
		if d := difference(t, got, want); d > 1.5 {
			t.Errorf("transparent, %q: %.2f levels off on average", query, d)
		}
	}
}

// What is cropped and padded is the whole with its corners.
func TestRotateAndFit(t *testing.T) {
	file := jpegBytes(t, scene(300, 200, false))
	whole := picture(t, file, "rotate=45&w=200")
	wantSize(t, whole, 200, 200)
	for query, at := range map[string]image.Rectangle{
		"w=200&h=100&fit=cover":                          image.Rect(0, 50, 200, 150),
		"w=200&h=100&fit=cover&g=top":                    image.Rect(0, 0, 200, 100),
		"w=50&h=50&fit=cover&fp-x=0.25&fp-y=0.75&fp-z=4": image.Rect(25, 125, 75, 175),
	} {
		got := picture(t, file, "rotate=45&"+query)
		want := toNRGBA(whole.SubImage(at))
		if d := difference(t, got, want); d > 1 {
			t.Errorf("%s: %.2f levels off on average", query, d)
		}
	}
	padded := picture(t, file, "rotate=45&w=300&h=200&fit=pad&pad=10&bg=navy")
	wantSize(t, padded, 320, 220)
	for _, p := range []image.Point{{1, 1}, {62, 15}, {255, 100}} {
		wantColor(t, padded, p.X, p.Y, color.NRGBA{0, 0, 128, 255}, 0)
	}
}

// The empty corners are transparent, or have the background, in every colour space and
// format. Edges have no fringe.
func TestRotatedCorners(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 80, 60))
	for i := range grey.Pix {
		grey.Pix[i] = 90
	}
	inks := export(t, quadrants(80, 60), func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
		if err := m.TransformICCProfile("cmyk"); err != nil {
			return nil, nil, err
		}
		return m.ExportJpeg(&govips.JpegExportParams{Quality: 95, SubsampleMode: govips.VipsForeignSubsampleOff})
	})
	for name, c := range map[string]struct {
		original []byte
		middle   color.NRGBA
	}{
		"photo": {jpegBytes(t, quadrants(80, 60)), gold},
		"grey":  {jpegBytes(t, grey), color.NRGBA{90, 90, 90, 255}},
		"inks":  {inks, color.NRGBA{219, 192, 29, 255}},
		"alpha": {pngBytes(t, quadrants(80, 60)), gold},
	} {
		for _, k := range []struct {
			query  string
			format transform.Format
			corner color.NRGBA
		}{
			{"", transform.PNG, clear}, {"", transform.WebP, clear}, {"", transform.AVIF, clear}, {"", transform.GIF, clear},
			{"", transform.JPEG, white}, {"bg=navy", transform.PNG, color.NRGBA{0, 0, 128, 255}}, {"bg=navy", transform.JPEG, color.NRGBA{0, 0, 128, 255}},
			{"bg=navy&blur=1", transform.JPEG, color.NRGBA{0, 0, 128, 255}}, {"bg=00008080", transform.PNG, color.NRGBA{0, 0, 128, 128}},
			{"sharpen=5&saturation=1.01", transform.PNG, clear},
		} {
			got := decode(t, run(t, c.original, "rotate=20&q=95&"+k.query, k.format).Data)
			w, h := got.Rect.Dx(), got.Rect.Dy()
			wantColor(t, got, 1, h-2, k.corner, 10)
			wantColor(t, got, w-2, 1, k.corner, 10)
			wantColor(t, got, w/2+6, h/2+9, c.middle, 12)
			if t.Failed() {
				t.Fatalf("%s, %q to %s", name, k.query, k.format)
			}
		}
	}
	bright := picture(t, pngBytes(t, disc(200, white)), "rotate=33&w=77")
	for i := 0; i < len(bright.Pix); i += 4 {
		if level := onWhite(bright.Pix[i], bright.Pix[i+3]); level < 253 {
			t.Fatalf("a white disc on white has a level of %.0f", level)
		}
	}
}

// roundCorner is the alpha of a pixel that has an opaque one's place, by many points of it.
func roundCorner(x, y, w, h int, radius float64) float64 {
	const fine = 16
	in := 0
	for i := range fine * fine {
		u, v := float64(x)+(float64(i%fine)+.5)/fine, float64(y)+(float64(i/fine)+.5)/fine
		dx, dy := max(radius-u, u-(float64(w)-radius), 0), max(radius-v, v-(float64(h)-radius), 0)
		if math.Hypot(dx, dy) <= radius {
			in++
		}
	}
	return float64(in) / fine / fine
}

func TestRadius(t *testing.T) {
	file := jpegBytes(t, quadrants(80, 40))
	for query, c := range map[string]struct {
		w, h   int
		radius float64
	}{
		"radius=10": {80, 40, 10}, "radius=max": {80, 40, 20}, "radius=8192": {80, 40, 20}, "radius=25%25": {80, 40, 10}, "radius=1": {80, 40, 1},
		"w=40&dpr=1.5&radius=7": {60, 30, 10.5}, "w=39&h=39&fit=cover&radius=max": {39, 39, 19.5}, "pad=5&bg=navy&radius=12": {90, 50, 12},
		"w=1&radius=max": {1, 1, 0.5}, "w=2&radius=1": {2, 1, 0.5}, "w=30&h=3&fit=cover&radius=max": {30, 3, 1.5}, "rotate=90&radius=10": {40, 80, 10},
	} {
		plain := picture(t, file, query)
		wantSize(t, plain, c.w, c.h)
		for y := range c.h {
			for x := range c.w {
				got, want := float64(plain.NRGBAAt(x, y).A)/255, roundCorner(x, y, c.w, c.h, c.radius)
				if math.Abs(got-want) > 0.13 && c.w > 2 {
					t.Fatalf("%s: (%d, %d) is %.2f opaque, want %.2f", query, x, y, got, want)
				}
			}
		}
	}
	// Where the format has no transparency, or the picture no colour.
	for _, k := range []struct {
		query  string
		format transform.Format
		corner color.NRGBA
	}{
		{"", transform.JPEG, white}, {"bg=navy", transform.JPEG, color.NRGBA{0, 0, 128, 255}}, {"bg=navy", transform.PNG, clear}, {"bg=00008080", transform.JPEG, color.NRGBA{127, 127, 191, 255}},
		{"", transform.AVIF, clear}, {"", transform.WebP, clear}, {"", transform.GIF, clear}, {"", transform.TIFF, clear}, {"grayscale", transform.PNG, clear},
	} {
		for _, original := range [][]byte{file, pngBytes(t, disc(80, red)), jpegBytes(t, image.NewGray(image.Rect(0, 0, 40, 30)))} {
			got := decode(t, run(t, original, "q=95&radius=max&"+k.query, k.format).Data)
			const tolerance = 14 // blue beside an edge in a JPEG of jpegli, 10 without it
			wantColor(t, got, 0, 0, k.corner, tolerance)
			wantColor(t, got, got.Rect.Dx()-1, got.Rect.Dy()-1, k.corner, tolerance)
		}
	}
}

func TestRadiusOfAnimation(t *testing.T) {
	for _, format := range []transform.Format{transform.GIF, transform.WebP} {
		out := run(t, animation(t), "lossless&radius=max", format)
		for i, m := range webpFrames(t, out.Data) {
			for _, p := range []image.Point{{0, 0}, {59, 0}, {0, 39}, {59, 39}} {
				wantColor(t, m, p.X, p.Y, clear, 0)
			}
			wantColor(t, m, 15, 20, []color.NRGBA{red, green, blue, blue}[i], 3)
		}
	}
}

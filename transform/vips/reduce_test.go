//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tintype/tintype/transform"
)

// noisy is the hardest picture to resize right: every pixel is its own. With alpha
// some are transparent.
func noisy(w, h int, alpha bool) *image.NRGBA {
	random := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(random.Uint32())
		if i%4 == 3 && (!alpha || m.Pix[i] > 200) {
			m.Pix[i] = 255
		}
	}
	return m
}

// lanczos is the reference for resizing: see kernel, in floating point, colours
// weighted with alpha. Beyond its edges the picture goes on in its outermost
// pixels.
func lanczos(m *image.NRGBA, w, h int) *image.NRGBA {
	return lanczosOver(m, float64(m.Rect.Dx()), float64(m.Rect.Dy()), w, h)
}

// lanczosOver is lanczos of a picture whose last column and row may be incomplete.
func lanczosOver(m *image.NRGBA, width, height float64, w, h int) *image.NRGBA {
	across := func(in [][][4]float64, over float64, n int) [][][4]float64 {
		length := len(in[0])
		scale := over / float64(n)
		out := make([][][4]float64, len(in))
		for y := range in {
			out[y] = make([][4]float64, n)
			for x := range n {
				centre := (float64(x)+.5)*scale - .5
				total := 0.0
				for u := int(math.Ceil(centre - 3*max(scale, 1))); float64(u) <= centre+3*max(scale, 1); u++ {
					k := kernel(float64(u)-centre, scale)
					total += k
					for c, v := range in[y][min(max(u, 0), length-1)] {
						out[y][x][c] += k * v
					}
				}
				for c := range 4 {
					out[y][x][c] /= total
				}
			}
		}
		return out
	}
	turned := func(in [][][4]float64) [][][4]float64 {
		out := make([][][4]float64, len(in[0]))
		for x := range out {
			out[x] = make([][4]float64, len(in))
			for y := range in {
				out[x][y] = in[y][x]
			}
		}
		return out
	}
	planes := make([][][4]float64, m.Rect.Dy())
	for y := range planes {
		planes[y] = make([][4]float64, m.Rect.Dx())
		for x := range planes[y] {
			p := m.NRGBAAt(x, y)
			a := float64(p.A) / 255
			planes[y][x] = [4]float64{float64(p.R) * a, float64(p.G) * a, float64(p.B) * a, a}
		}
	}
	planes = turned(across(turned(across(planes, width, w)), height, h))
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	level := func(v float64) uint8 { return uint8(min(max(v, 0), 255) + .5) }
	for y := range h {
		for x := range w {
			p := planes[y][x]
			c := color.NRGBA{A: level(p[3] * 255)}
			if c.A > 0 {
				c.R, c.G, c.B = level(p[0]/p[3]), level(p[1]/p[3]), level(p[2]/p[3])
			}
			out.SetNRGBA(x, y, c)
		}
	}
	return out
}

// kernel has three lobes where a picture shrinks by this scale. Where it grows it is
// the cubic one of Keys, as in Pillow's BICUBIC.
func kernel(x, scale float64) float64 {
	if scale < 1 {
		switch x = math.Abs(x); {
		case x < 1:
			return 1.5*x*x*x - 2.5*x*x + 1
		case x < 2:
			return -.5*x*x*x + 2.5*x*x - 4*x + 2
		}
		return 0
	}
	if x == 0 {
		return 1
	}
	x *= math.Pi / scale
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}

// TestEnlargeIsCubic holds every pixel against the reference, whose pixels have their
// colour in their middle: an enlarged picture doesn't move.
func TestEnlargeIsCubic(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		for _, size := range [][4]int{{16, 12, 64, 48}, {20, 15, 33, 41}, {1, 1, 9, 9}, {3, 40, 50, 13}, {40, 3, 13, 50}} {
			m := noisy(size[0], size[1], alpha)
			got := picture(t, pngBytes(t, m), fmt.Sprintf("w=%d&h=%d&fit=squeeze", size[2], size[3]))
			wantClose(t, got, lanczos(m, size[2], size[3]), 1)
		}
	}
}

// TestReduceIsLanczos holds every pixel against the reference. A level
// is what whole numbers may be off by; where little is left of alpha, colours may be
// off by as much as that hides.
func TestReduceIsLanczos(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		for _, size := range [][4]int{
			{64, 48, 32, 24},   // by two
			{61, 47, 60, 46},   // by hardly anything
			{101, 77, 33, 31},  // odd
			{90, 200, 37, 51},  // by up to four
			{200, 40, 200, 13}, // downwards only
			{40, 200, 13, 200}, // across only
			{5, 7, 2, 2},
			{3, 3, 1, 1},
			{3, 300, 2, 77},
			{1, 9, 1, 5},
		} {
			t.Run(fmt.Sprintf("alpha=%v/%v", alpha, size), func(t *testing.T) {
				m := noisy(size[0], size[1], alpha)
				got := picture(t, pngBytes(t, m), fmt.Sprintf("w=%d&h=%d&fit=squeeze", size[2], size[3]))
				wantClose(t, got, lanczos(m, size[2], size[3]), 1)
			})
		}
	}
}

func TestReduceGrey(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 83, 59))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = uint8(random.Uint32())
	}
	wantClose(t, picture(t, pngBytes(t, m), "w=31&h=20&fit=squeeze"), lanczos(toNRGBA(m), 31, 20), 1)
}

func TestReduceRegion(t *testing.T) {
	m := noisy(120, 90, false)
	got := picture(t, pngBytes(t, m), "rect=17,23,60,50&w=30&h=24&fit=squeeze")
	part := toNRGBA(m.SubImage(image.Rect(17, 23, 77, 73)))
	wantClose(t, got, lanczos(part, 30, 24), 1)
}

// TestReduceFar averages in blocks first, which noise would tell from the kernel
// alone, and a smooth picture doesn't.
func TestReduceFar(t *testing.T) {
	for _, alpha := range []bool{false, true} {
		m := scene(1003, 799, alpha)
		got := picture(t, pngBytes(t, m), "w=77&h=61&fit=squeeze")
		wantClose(t, got, lanczos(m, 77, 61), 3)
	}
}

// TestReduceAverages holds the averaging of blocks to a reference: first down, then across,
// each rounded to the nearest level. Blocks have up to 21 rows and columns, and some of
// the last ones are incomplete.
func TestReduceAverages(t *testing.T) {
	averaged := func(m *image.NRGBA, across, down int) *image.NRGBA {
		w, h := m.Rect.Dx(), m.Rect.Dy()
		column := image.NewNRGBA(image.Rect(0, 0, w, (h+down-1)/down))
		out := image.NewNRGBA(image.Rect(0, 0, (w+across-1)/across, column.Rect.Dy()))
		mean := func(to, from *image.NRGBA, x, y, n, dx, dy int) {
			for c := range 4 {
				sum := n / 2
				for k := range n {
					at := from.PixOffset(min(x*max(1, n*dx)+k*dx, from.Rect.Dx()-1), min(y*max(1, n*dy)+k*dy, from.Rect.Dy()-1))
					sum += int(from.Pix[at+c])
				}
				to.Pix[to.PixOffset(x, y)+c] = uint8(sum / n)
			}
		}
		for y := range column.Rect.Dy() {
			for x := range w {
				mean(column, m, x, y, down, 0, 1)
			}
			for x := range out.Rect.Dx() {
				mean(out, column, x, y, across, 1, 0)
			}
		}
		return out
	}
	for _, c := range []struct{ w, h, across, down, toW, toH int }{
		{240, 180, 4, 6, 30, 15},
		{419, 799, 20, 21, 10, 19}, // 20.95 and 38.05 blocks
		{63, 300, 1, 7, 20, 20},
		{300, 63, 7, 1, 20, 20},
	} {
		m := noisy(c.w, c.h, false)
		got := picture(t, pngBytes(t, m), fmt.Sprintf("w=%d&h=%d&fit=squeeze", c.toW, c.toH))
		wantClose(t, got, lanczosOver(averaged(m, c.across, c.down), float64(c.w)/float64(c.across), float64(c.h)/float64(c.down), c.toW, c.toH), 1)
	}
}

// TestReduceKeepsFlat: flat colours stay what they are, to the level.
func TestReduceKeepsFlat(t *testing.T) {
	for _, c := range []color.NRGBA{white, black, red, gold, {1, 2, 3, 255}, {254, 253, 252, 255}, {200, 100, 50, 128}} {
		m := image.NewNRGBA(image.Rect(0, 0, 97, 71))
		for i := 0; i < len(m.Pix); i += 4 {
			m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = c.R, c.G, c.B, c.A
		}
		got := picture(t, pngBytes(t, m), "w=40")
		for y := range got.Rect.Dy() {
			for x := range got.Rect.Dx() {
				wantColor(t, got, x, y, c, 0)
			}
		}
	}
}

// TestFramesDontBleed: the frames of an animation, one above the other, are black
// and white in turn; a row of one in another would show as grey.
func TestFramesDontBleed(t *testing.T) {
	const frames = 7
	palette := color.Palette{black, white}
	data := encodeFrames(t, frames, func(i int) *image.Paletted {
		m := image.NewPaletted(image.Rect(0, 0, 50, 37), palette)
		for p := range m.Pix {
			m.Pix[p] = uint8(i % 2)
		}
		return m
	})
	for _, query := range []string{"w=49", "w=31", "w=20&h=11&fit=cover", "w=7&h=36&fit=squeeze", "rect=3,5,40,20&w=21", "w=17&rotate=90", "w=80"} {
		for _, format := range []transform.Format{transform.GIF, transform.WebP} {
			out := run(t, data, query+"&lossless", format)
			if out.Frames != frames {
				t.Fatalf("%s: %d frames", query, out.Frames)
			}
			for i, m := range webpFrames(t, out.Data) {
				wantSize(t, m, out.Width, out.Height)
				wantFrame(t, m, m.Rect, []color.NRGBA{black, white}[i%2])
			}
		}
	}
}

// wantClose compares each pixel, as it looks on white and on black.
func wantClose(t *testing.T, got, want *image.NRGBA, tolerance float64) {
	t.Helper()
	wantSize(t, got, want.Rect.Dx(), want.Rect.Dy())
	for i := 0; i < len(want.Pix); i += 4 {
		for c := range 3 {
			light := math.Abs(onWhite(got.Pix[i+c], got.Pix[i+3]) - onWhite(want.Pix[i+c], want.Pix[i+3]))
			dark := math.Abs(float64(got.Pix[i+c])*float64(got.Pix[i+3])-float64(want.Pix[i+c])*float64(want.Pix[i+3])) / 255
			if max(light, dark) > tolerance+0.99 {
				t.Fatalf("pixel (%d, %d) is %v, want %v", i/4%want.Rect.Dx(), i/4/want.Rect.Dx(), got.Pix[i:i+4], want.Pix[i:i+4])
			}
		}
	}
}

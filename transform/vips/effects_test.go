//go:build cgo

package vips_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
)

// gaussian is the reference for blur: exact weights, alpha-weighted colours, the
// edges repeated.
func gaussian(m *image.NRGBA, sigma float64) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	reach := int(3*sigma) + 1
	kernel := make([]float64, 2*reach+1)
	sum := 0.0
	for i := range kernel {
		d := float64(i - reach)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	in := make([][4]float64, w*h)
	for i := range in {
		c := m.Pix[4*i:]
		a := float64(c[3]) / 255
		in[i] = [4]float64{float64(c[0]) * a, float64(c[1]) * a, float64(c[2]) * a, a}
	}
	pass := func(in [][4]float64, at func(x, y, d int) int) [][4]float64 {
		out := make([][4]float64, w*h)
		for i := range out {
			for k, weight := range kernel {
				for c, v := range in[at(i%w, i/w, k-reach)] {
					out[i][c] += v * weight / sum
				}
			}
		}
		return out
	}
	in = pass(in, func(x, y, d int) int { return y*w + min(max(x+d, 0), w-1) })
	in = pass(in, func(x, y, d int) int { return min(max(y+d, 0), h-1)*w + x })
	out := image.NewNRGBA(m.Rect)
	for i, c := range in {
		for k := range 3 {
			if c[3] > 0 {
				out.Pix[4*i+k] = uint8(min(c[k]/c[3], 255) + .5)
			}
		}
		out.Pix[4*i+3] = uint8(255*c[3] + .5)
	}
	return out
}

func TestBlur(t *testing.T) {
	for _, c := range []struct {
		sigma        float64
		picture, rim int // edges of the picture, and of what lies around it
	}{{0.5, 60, 0}, {1, 60, 2}, {2.5, 60, 10}, {4, 60, 10}, {4.5, 90, 20}, {6, 90, 20}, {11, 90, 30}, {24, 60, 50}, {40, 60, 60}, {100, 60, 100}} {
		for name, drawn := range map[string]*image.NRGBA{
			"quadrants": quadrants(c.picture, c.picture), "disc": disc(c.picture, gold), "faded": scene(c.picture, c.picture, true),
		} {
			m := image.NewNRGBA(image.Rect(0, 0, c.picture+2*c.rim, c.picture+2*c.rim))
			if name == "quadrants" {
				draw.Draw(m, m.Rect, image.White, image.Point{}, draw.Src)
			}
			draw.Draw(m, drawn.Rect.Add(image.Pt(c.rim, c.rim)), drawn, image.Point{}, draw.Src)
			got, want := picture(t, pngBytes(t, m), fmt.Sprintf("blur=%v", c.sigma)), gaussian(m, c.sigma)
			if d := difference(t, got, want); d > 2.1 {
				t.Errorf("%s, %v: %.2f levels off on average", name, c.sigma, d)
			}
			most := 0.0
			for i := 0; i < len(got.Pix); i += 4 {
				for c := range 3 {
					most = max(most, math.Abs(onWhite(got.Pix[i+c], got.Pix[i+3])-onWhite(want.Pix[i+c], want.Pix[i+3])))
				}
			}
			if most > 16 { // libvips enlarges with a shift of half a pixel
				t.Errorf("%s, %v: a pixel is %.1f levels off", name, c.sigma, most)
			}
		}
	}
}

// A picture of one colour stays as it is to the edge.
func TestBlurOfOneColour(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 70, 50))
	draw.Draw(m, m.Rect, image.NewUniform(gold), image.Point{}, draw.Src)
	for _, query := range []string{"blur=0.5", "blur=3", "blur=5", "blur=31", "blur=100", "sharpen=100"} {
		if d := farthest(t, picture(t, pngBytes(t, m), query), m); d > 0 {
			t.Errorf("%s: %d levels off", query, d)
		}
	}
}

// White on nothing stays white, whatever mixes its pixels.
func TestEffectsLeaveNoFringe(t *testing.T) {
	source := pngBytes(t, disc(100, white))
	for _, query := range []string{"blur=2", "blur=20", "sharpen=20", "sharpen=100", "pixelate=9", "w=50&blur=3", "w=50&sharpen=30"} {
		for _, format := range []transform.Format{transform.PNG, transform.WebP} {
			got := decode(t, run(t, source, query+"&lossless", format).Data)
			for i := 0; i < len(got.Pix); i += 4 {
				if got.Pix[i+3] > 0 && onWhite(got.Pix[i], got.Pix[i+3]) < 254 {
					t.Errorf("%s, %s: pixel %d is %v", query, format, i/4, got.Pix[i:i+4])
					break
				}
			}
		}
	}
}

// The cost of a blur hardly depends on how strong it is.
func TestBlurIsBounded(t *testing.T) {
	source := pngBytes(t, scene(1000, 1000, false))
	for _, source := range [][]byte{source, run(t, source, "", transform.WebP).Data} {
		cost := func(query string) time.Duration {
			return cputime.Best(0, func() { picture(t, source, query) })
		}
		weak, strong := cost("blur=6"), cost("blur=100")
		t.Logf("blur=6 costs %v of processor time, blur=100 %v", weak, strong)
		if strong > 3*weak {
			t.Errorf("blur=100 costs %v of processor time, blur=6 %v", strong, weak)
		}
	}
}

// steps are an edge of every height on a grey ground.
func edges() *image.Gray {
	m := image.NewGray(image.Rect(0, 0, 40, 60))
	for y := range 60 {
		for x := range 40 {
			m.SetGray(x, y, color.Gray{uint8(128 - y + x/20*2*y)})
		}
	}
	return m
}

func TestSharpen(t *testing.T) {
	m := edges()
	last := 0.0
	for _, value := range []int{0, 5, 10, 20, 50, 100} {
		got := picture(t, pngBytes(t, m), fmt.Sprintf("sharpen=%d", value))
		over, steepest := 0, 0.0
		for y := 2; y < 58; y++ {
			dark, light := int(m.GrayAt(0, y).Y), int(m.GrayAt(39, y).Y)
			for x := range 40 {
				v := int(got.NRGBAAt(x, y).R)
				over = max(over, dark-v, v-light)
			}
			steepest = max(steepest, float64(got.NRGBAAt(20, y).R)-float64(got.NRGBAAt(19, y).R))
			if d := int(got.NRGBAAt(2, y).R) - dark; d > 1 || d < -1 {
				t.Errorf("sharpen=%d: row %d is %d levels off far from its edge", value, y, d)
			}
		}
		if value <= 20 && over > 18 {
			t.Errorf("sharpen=%d: %d levels beyond the edge's own", value, over)
		}
		if steepest < last || value > 0 && steepest == last {
			t.Errorf("sharpen=%d: no steeper than below: %v, %v", value, steepest, last)
		}
		last = steepest
	}
}

// blocks is the reference for pixelate.
func blocks(m *image.NRGBA, edge int) *image.NRGBA {
	out := image.NewNRGBA(m.Rect)
	for y := 0; y < m.Rect.Dy(); y += edge {
		for x := 0; x < m.Rect.Dx(); x += edge {
			block := image.Rect(x, y, x+edge, y+edge).Intersect(m.Rect)
			mean := average(toNRGBA(m.SubImage(block)), 1, 1).NRGBAAt(0, 0)
			draw.Draw(out, block, image.NewUniform(mean), image.Point{}, draw.Src)
		}
	}
	return out
}

func TestPixelate(t *testing.T) {
	for name, m := range map[string]*image.NRGBA{
		"noise": noise(61, 47), "disc": disc(50, red), "faded": scene(40, 30, true), "thin": noise(300, 1), "tall": noise(1, 300),
	} {
		for _, edge := range []int{2, 3, 10, 47, 60, 61, 1024} {
			got := picture(t, pngBytes(t, m), fmt.Sprintf("pixelate=%d", edge))
			want := blocks(m, edge)
			if d := difference(t, got, want); d > 0.7 {
				t.Errorf("%s by %d: %.2f levels off on average", name, edge, d)
			}
		}
	}
	t.Run("of the output's pixels", func(t *testing.T) {
		got := picture(t, jpegBytes(t, scene(400, 300, false)), "w=100&pixelate=10&rotate=90&dpr=1")
		wantSize(t, got, 100, 133)
		if got.NRGBAAt(0, 0) != got.NRGBAAt(9, 9) || got.NRGBAAt(9, 0) == got.NRGBAAt(10, 0) {
			t.Error("the blocks are not 10 pixels wide")
		}
		if got.NRGBAAt(0, 130) != got.NRGBAAt(9, 132) || got.NRGBAAt(0, 129) == got.NRGBAAt(0, 130) {
			t.Error("the last blocks are not 3 pixels high")
		}
	})
}

// No frame of an animation bleeds into the next, and metadata and delays stay.
func TestEffectsOfAnimation(t *testing.T) {
	for _, query := range []string{"blur=4", "blur=60", "sharpen=60", "pixelate=16", "pixelate=7&w=30", "trim=0", "blur=2&pixelate=3&rotate=90"} {
		for _, format := range []transform.Format{transform.GIF, transform.WebP} {
			out := run(t, animation(t), query+"&lossless", format)
			if out.Frames != 4 {
				t.Fatalf("%s: %d frames", query, out.Frames)
			}
			frames := webpFrames(t, out.Data)
			for i, want := range []color.NRGBA{red, green, blue} {
				wantFrame(t, frames[i], frames[i].Rect, want)
			}
			if format == transform.GIF {
				if _, delays, loop := show(t, out.Data); delays[2] != 30 || loop != 2 {
					t.Errorf("%s: delays %v, loop %d", query, delays, loop)
				}
			}
		}
	}
}

func TestEffectsKeepMetadata(t *testing.T) {
	source := withEverything(t, 6)
	for _, query := range []string{"blur=3", "blur=30", "sharpen=20", "pixelate=4", "sepia", "trim=9"} {
		out := run(t, source, query+"&metadata=keep", transform.JPEG)
		if profileOf(t, out.Data) == nil {
			t.Errorf("%s: the profile is gone", query)
		}
	}
}

//go:build cgo

package vips_test

import (
	"image"
	"math"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/vips"
)

// TestBest: what looks best gets smaller in linear light, from all pixels of the original, in
// every format and with alpha. An enlarged picture doesn't.
func TestBest(t *testing.T) {
	best := func(original []byte, query string) *image.NRGBA {
		j := job(t, original, query, transform.PNG)
		j.Best = true
		out, err := vips.New().Transform(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		return decode(t, out.Data)
	}
	for _, alpha := range []bool{false, true} {
		m := noisy(200, 150, alpha)
		for _, size := range []struct {
			query string
			w, h  int
		}{{"w=100", 100, 75}, {"w=37&h=25&fit=squeeze", 37, 25}, {"w=26&h=19&fit=squeeze", 26, 19}} {
			want := inLevels(lanczosIn(m, size.w, size.h))
			wantClose(t, best(pngBytes(t, m), size.query), want, 1)
		}
	}
	grey := greyOf(noisy(90, 60, false))
	wantClose(t, best(pngBytes(t, grey), "w=30"), inLevels(lanczosIn(toNRGBA(grey), 30, 20)), 1)

	far := scene(1003, 799, true)
	wantClose(t, best(pngBytes(t, far), "w=30&h=20&fit=squeeze"), inLevels(lanczosIn(far, 30, 20)), 4)

	large := picture(t, pngBytes(t, noisy(30, 20, false)), "w=60")
	wantClose(t, best(pngBytes(t, noisy(30, 20, false)), "w=60"), large, 0)

	// Of a JPEG nothing is left out: its mean light is the original's.
	photo := jpegBytes(t, noisy(400, 300, false))
	mean := func(m *image.NRGBA) (light float64) {
		for i, v := range m.Pix {
			if i%4 != 3 {
				light += lightOf(v) / float64(len(m.Pix)/4*3)
			}
		}
		return light
	}
	if got, want := mean(best(photo, "w=20")), mean(decode(t, photo)); math.Abs(got-want) > 0.01 {
		t.Errorf("the mean light is %.3f, want %.3f", got, want)
	}
}

func lightOf(v uint8) float64 {
	if x := float64(v) / 255; x > 0.04045 {
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return float64(v) / 255 / 12.92
}

// A deep picture has four numbers a pixel: light weighted with alpha, and alpha.
type deep struct {
	w, h int
	pix  [][4]float64
}

// lanczosIn reduces a picture in linear light.
func lanczosIn(m *image.NRGBA, w, h int) deep {
	in := deep{m.Rect.Dx(), m.Rect.Dy(), make([][4]float64, len(m.Pix)/4)}
	for i := range in.pix {
		a := float64(m.Pix[4*i+3]) / 255
		in.pix[i][3] = a
		for c := range 3 {
			in.pix[i][c] = lightOf(m.Pix[4*i+c]) * a
		}
	}
	return in.across(w).turned().across(h).turned()
}

func (d deep) turned() deep {
	out := deep{d.h, d.w, make([][4]float64, len(d.pix))}
	for i, p := range d.pix {
		out.pix[i%d.w*d.h+i/d.w] = p
	}
	return out
}

func (d deep) across(n int) deep {
	out := deep{n, d.h, make([][4]float64, n*d.h)}
	scale := float64(d.w) / float64(n)
	for i := range out.pix {
		centre, total := (float64(i%n)+.5)*scale-.5, 0.0
		for u := int(math.Ceil(centre - 3*scale)); float64(u) <= centre+3*scale; u++ {
			k := kernel(float64(u)-centre, scale)
			total += k
			for c, v := range d.pix[i/n*d.w+min(max(u, 0), d.w-1)] {
				out.pix[i][c] += k * v
			}
		}
		for c := range 4 {
			out.pix[i][c] /= total
		}
	}
	return out
}

// inLevels converts light to levels of sRGB.
func inLevels(d deep) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, d.w, d.h))
	for i, p := range d.pix {
		out.Pix[4*i+3] = uint8(min(max(p[3], 0), 1)*255 + .5)
		for c := range 3 {
			v := min(max(p[c]/max(p[3], 1e-9), 0), 1)
			if v <= 0.0031308 {
				v *= 12.92
			} else {
				v = 1.055*math.Pow(v, 1/2.4) - 0.055
			}
			out.Pix[4*i+c] = uint8(v*255 + .5)
		}
	}
	return out
}

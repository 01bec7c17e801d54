//go:build cgo

package vips_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// TestPlanes holds JPEGs that get smaller to a reference, which reduces each plane of Go's
// decoder in floating point. The files have noise with all kinds of shares between the planes:
// chroma with half the columns, half the rows, a quarter of the columns, and one plane of
// chroma with more than the other.
func TestPlanes(t *testing.T) {
	originals := map[string][]byte{"2x2": jpegBytes(t, noisy(97, 75, false))}
	for _, name := range []string{"2x1", "1x2", "4x1", "1x1"} {
		data, err := os.ReadFile("testdata/planes-" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		originals[name] = data
	}
	originals["progressive"] = run(t, originals["2x2"], "progressive&q=95", transform.JPEG).Data
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, greyOf(noisy(97, 75, false)), nil); err != nil {
		t.Fatal(err)
	}
	originals["grey"] = grey.Bytes()

	random := rand.New(rand.NewPCG(7, 8))
	for _, name := range slices.Sorted(maps.Keys(originals)) {
		original := originals[name]
		for _, size := range []image.Point{{96, 74}, {97, 40}, {65, 74}, {49, 38}, {48, 37}, {40, 5}, {33, 25}, {20, 20}, {3, 33}, {1, 1}} {
			wantPlanes(t, name, original, image.Rect(0, 0, 97, 75), size, 4)
		}
		for range 40 {
			left, top := random.IntN(80), random.IntN(60)
			region := image.Rect(left, top, left+1+random.IntN(97-left), top+1+random.IntN(75-top))
			wantPlanes(t, name, original, region, image.Pt(1+random.IntN(region.Dx()), 1+random.IntN(region.Dy())), 4)
		}
	}
}

// TestPlanesWithin: a part that holds no whole sample of chroma has the colour of the samples that it
// touches, not of the next ones.
func TestPlanesWithin(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	draw.Draw(m, m.Rect, image.NewUniform(color.NRGBA{40, 120, 160, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 0, 64, 32), image.NewUniform(color.NRGBA{220, 60, 60, 255}), image.Point{}, draw.Src)
	got := picture(t, jpegBytes(t, m), "rect=0,31,64,1&w=32&h=1&fit=squeeze").NRGBAAt(16, 0)
	if got.R < 200 || got.B > 90 {
		t.Errorf("%v, want the red of the last row above the edge", got)
	}
}

// wantPlanes compares a part of a JPEG at a size with the reference.
func wantPlanes(t *testing.T, name string, original []byte, region image.Rectangle, size image.Point, tolerance float64) {
	t.Helper()
	if size == region.Size() || region.Dx() >= 2*size.X && region.Dy() >= 2*size.Y || region.Dy() >= 4*size.Y {
		return // libjpeg may shrink, and rows are averaged
	}
	query := fmt.Sprintf("rect=%d,%d,%d,%d&w=%d&h=%d&fit=squeeze", region.Min.X, region.Min.Y, region.Dx(), region.Dy(), size.X, size.Y)
	got := picture(t, original, query)
	m, err := jpeg.Decode(bytes.NewReader(original))
	if err != nil {
		t.Fatal(err)
	}
	want := referenceOfPlanes(m, region, size)
	for i := range want {
		for c := range 3 {
			if d := math.Abs(float64(got.Pix[4*i+c]) - want[i][c]); d > tolerance {
				t.Errorf("%s?%s: pixel %d is %v, want %.1f", name, query, i, got.Pix[4*i:4*i+3], want[i])
				return
			}
		}
	}
}

// referenceOfPlanes reduces the planes of a decoded JPEG, and returns levels of red, green and blue.
func referenceOfPlanes(m image.Image, region image.Rectangle, size image.Point) [][3]float64 {
	out := make([][3]float64, size.X*size.Y)
	switch m := m.(type) {
	case *image.Gray:
		for i, y := range referencePlane(m.Pix, m.Stride, m.Rect.Max, 1, 1, region, m.Rect.Max, size) {
			y = min(max(y, 0), 255)
			out[i] = [3]float64{y, y, y}
		}
	case *image.YCbCr:
		across, down := 1, 1
		switch m.SubsampleRatio {
		case image.YCbCrSubsampleRatio420:
			across, down = 2, 2
		case image.YCbCrSubsampleRatio422:
			across = 2
		case image.YCbCrSubsampleRatio440:
			down = 2
		case image.YCbCrSubsampleRatio411:
			across = 4
		}
		picture := m.Rect.Max
		chroma := image.Pt((picture.X+across-1)/across, (picture.Y+down-1)/down)
		ys := referencePlane(m.Y, m.YStride, picture, 1, 1, region, picture, size)
		bs := referencePlane(m.Cb, m.CStride, chroma, across, down, region, picture, size)
		rs := referencePlane(m.Cr, m.CStride, chroma, across, down, region, picture, size)
		for i, y := range ys {
			b, r := bs[i]-128, rs[i]-128
			for c, v := range [3]float64{y + 1.402*r, y - 0.344136*b - 0.714136*r, y + 1.772*b} {
				out[i][c] = min(max(v, 0), 255)
			}
		}
	}
	return out
}

// referencePlane reduces a plane, which has a share of the picture's columns and rows.
func referencePlane(pix []uint8, stride int, plane image.Point, across, down int, region image.Rectangle, picture, size image.Point) []float64 {
	type side struct{ offset, length float64 }
	// The samples that lie whole within the region, or else those that it touches.
	samples := func(from, until, share, picture, plane int) (int, int) {
		first, end := (from+share-1)/share, until/share
		if until == picture {
			end = plane
		}
		if end <= first {
			first, end = from/share, (until+share-1)/share
		}
		first = min(first, plane-1)
		return first, min(max(end, first+1), plane)
	}
	reduce := func(get func(i int) float64, from, until int, s side, n int) []float64 {
		scale, out := s.length/float64(n), make([]float64, n)
		for at := range n {
			centre := s.offset + (float64(at)+.5)*scale - .5
			wide, total := 3*max(scale, 1), 0.0
			for i := int(math.Ceil(centre - wide)); float64(i) <= centre+wide; i++ {
				k := kernel(float64(i)-centre, scale)
				if scale == 1 {
					k = max(0, 1-2*math.Abs(float64(i)-centre)) // nothing is resized
				}
				total += k
				out[at] += k * get(min(max(i, from), until-1))
			}
			out[at] /= total
		}
		return out
	}
	left, right := samples(region.Min.X, region.Max.X, across, picture.X, plane.X)
	top, bottom := samples(region.Min.Y, region.Max.Y, down, picture.Y, plane.Y)
	columns := side{float64(region.Min.X) / float64(across), float64(region.Dx()) / float64(across)}
	rows := side{float64(region.Min.Y) / float64(down), float64(region.Dy()) / float64(down)}
	lines := make([][]float64, plane.Y)
	for y := top; y < bottom; y++ {
		lines[y] = reduce(func(x int) float64 { return float64(pix[y*stride+x]) }, left, right, columns, size.X)
	}
	out := make([]float64, size.X*size.Y)
	for x := range size.X {
		for y, v := range reduce(func(y int) float64 { return lines[y][x] }, top, bottom, rows, size.Y) {
			out[y*size.X+x] = v
		}
	}
	return out
}

func greyOf(m image.Image) *image.Gray {
	out := image.NewGray(m.Bounds())
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

// TestPlanesFar: libjpeg shrinks, and blocks of rows are averaged, without moving or
// colouring the picture, at any size.
func TestPlanesFar(t *testing.T) {
	m := scene(1003, 799, false)
	original := jpegBytes(t, m)
	for _, size := range []image.Point{{450, 350}, {250, 199}, {200, 150}, {125, 99}, {77, 61}, {30, 30}, {9, 7}, {300, 20}, {20, 300}, {1, 1}} {
		got := picture(t, original, fmt.Sprintf("w=%d&h=%d&fit=squeeze", size.X, size.Y))
		wantClose(t, got, lanczos(m, size.X, size.Y), 5)
	}
}

//go:build cgo

package vips_test

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"
)

// TestReduceFarWeighs: where blocks are averaged first, their colours are weighted with alpha.
// Every pixel of noise is held to what libvips makes of it in floating point.
func TestReduceFarWeighs(t *testing.T) {
	for _, size := range [][4]int{
		{240, 180, 30, 15},   // blocks of 4×6
		{400, 800, 10, 20},   // of 20×20
		{60, 300, 20, 20},    // of 1×7
		{300, 60, 20, 20},    // of 7×1
		{1000, 16, 100, 2},   // of 5×4
		{1024, 1024, 2, 2},   // of 128×128, the largest
		{5120, 130, 20, 130}, // of 128×1
	} {
		w, h := size[0], size[1]
		query := fmt.Sprintf("w=%d&h=%d&fit=squeeze", size[2], size[3])
		eight := pngBytes(t, noisy(w, h, true))
		wantClose(t, picture(t, eight, query), byLibvips(t, eight, size), 1)

		deep := image.NewNRGBA64(image.Rect(0, 0, w, h))
		random := rand.NewChaCha8([32]byte{9})
		_, _ = random.Read(deep.Pix)
		sixteen := pngBytes(t, deep)
		wantClose(t, picture(t, sixteen, query), byLibvips(t, sixteen, size), 1)

		grey := storedTIFF(noisy(w, h, true), tiffWriter{order: binary.LittleEndian, photometric: 1, bits: []uint16{8, 8}, extra: []uint16{2}},
			func(c color.NRGBA) []byte { return []byte{c.G, c.A} })
		wantClose(t, picture(t, grey, query), byLibvips(t, grey, size), 1)
	}
}

// byLibvips resizes with libvips: it premultiplies, reduces and divides again.
func byLibvips(t *testing.T, data []byte, size [4]int) *image.NRGBA {
	t.Helper()
	m, err := govips.NewImageFromBuffer(data)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, step := range []func() error{
		func() error {
			return m.ResizeWithVScale(float64(size[2])/float64(size[0]), float64(size[3])/float64(size[1]), govips.KernelLanczos3)
		},
		func() error { return m.ToColorSpace(govips.InterpretationSRGB) },
		func() error { return m.Linear1(1, 0.5) },
		func() error { return m.Cast(govips.BandFormatUchar) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	out, _, err := m.ExportPng(govips.NewPngExportParams())
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

// TestReduceFarOpaque: an opaque picture looks the same with alpha and without, where means are
// rounded to whole levels.
func TestReduceFarOpaque(t *testing.T) {
	m := scene(800, 600, false)
	for _, query := range []string{"w=60", "w=9", "w=3&h=400&fit=squeeze"} {
		wantClose(t, picture(t, rgbaPNG(t, m), query), picture(t, pngBytes(t, m), query), 1)
	}
}

// TestReduceFarRegion: blocks begin at the edge of the region.
func TestReduceFarRegion(t *testing.T) {
	m := noisy(500, 400, true)
	part := toNRGBA(m.SubImage(image.Rect(17, 23, 417, 323)))
	got := picture(t, pngBytes(t, m), "rect=17,23,400,300&w=40&h=30&fit=squeeze")
	wantClose(t, got, picture(t, pngBytes(t, part), "w=40&h=30&fit=squeeze"), 0)
}

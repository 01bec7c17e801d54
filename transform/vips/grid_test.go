//go:build cgo

package vips_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
)

// gridJob is a grid of originals.
func gridJob(t testing.TB, g transform.Grid, query string, format transform.Format, originals ...[]byte) transform.Job {
	t.Helper()
	j := job(t, originals[0], query, format)
	j.Task, j.Grid, j.Originals, j.Options.Anim = transform.TaskGrid, &g, nil, false
	for i, body := range originals {
		h, err := header.Read(body)
		if err != nil {
			t.Fatal(err)
		}
		j.Originals = append(j.Originals, transform.Original{Body: body, Header: h, ID: fmt.Sprint(i)})
	}
	return j
}

// Each cell is what a transform to its size makes, and between them is the background.
func TestGrid(t *testing.T) {
	photo, logo, turned := jpegBytes(t, scene(320, 200, false)), pngBytes(t, scene(90, 120, true)), withSegments(jpegBytes(t, quadrants(160, 90)), exif(6))
	g := transform.Grid{Type: transform.GridClassic, Cols: 2, Gap: 7, Size: transform.Size{W: 207, H: 157}}
	j := gridJob(t, g, "bg=336699", transform.PNG, photo, logo, turned)
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, out.Data)
	wantSize(t, got, 207, 157)
	want := image.NewNRGBA(got.Rect)
	draw.Draw(want, want.Rect, image.NewUniform(color.NRGBA{0x33, 0x66, 0x99, 255}), image.Point{}, draw.Src)
	_, cells := j.Cells()
	for i, body := range [][]byte{photo, logo, turned} {
		c := cells[i]
		draw.Draw(want, c, picture(t, body, fmt.Sprintf("w=%d&h=%d&fit=cover", c.Dx(), c.Dy())), image.Point{}, draw.Over)
	}
	for i := range got.Pix {
		if d := int(got.Pix[i]) - int(want.Pix[i]); d < -1 || d > 1 {
			t.Fatalf("byte %d (pixel %d,%d): %d, want %d", i, i/4%207, i/4/207, got.Pix[i], want.Pix[i])
		}
	}
}

// Without a background the gaps are transparent where the format can be, and white
// elsewhere.
func TestGridBackground(t *testing.T) {
	photo := jpegBytes(t, scene(60, 60, false))
	g := transform.Grid{Type: transform.GridRow, Gap: 20, Size: transform.Size{W: 100, H: 40}}
	for format, want := range map[transform.Format]color.NRGBA{transform.PNG: {}, transform.JPEG: {255, 255, 255, 255}} {
		out, err := vips.New().Transform(t.Context(), gridJob(t, g, "", format, photo, photo))
		if err != nil {
			t.Fatal(err)
		}
		wantColor(t, decode(t, out.Data), 50, 20, want, 10)
	}
}

// A cell's marks lie on it alone, also those that repeat, and those of the whole lie on top.
func TestGridMarks(t *testing.T) {
	dark := pngBytes(t, image.NewPaletted(image.Rect(0, 0, 50, 50), color.Palette{color.Black}))
	red := pngBytes(t, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.NRGBA{255, 0, 0, 255}}))
	green := pngBytes(t, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.NRGBA{0, 255, 0, 255}}))
	j := gridJob(t, transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 200, H: 100}}, "", transform.PNG, dark, dark)
	repeated := markOf(t, red, "mark-size=10&mark-repeat&mark-pad=0")
	repeated.Cell, repeated.OnPicture = 2, true
	whole := markOf(t, green, "mark-size=20&mark-align=top,left&mark-pad=0")
	j.Marks = []transform.MarkImage{repeated, whole}
	out, err := vips.New().Transform(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, out.Data)
	wantColor(t, got, 5, 5, color.NRGBA{0, 255, 0, 255}, 2)
	reds := [2]int{}
	for y := range 100 {
		for x := range 200 {
			if got.NRGBAAt(x, y).R > 128 {
				reds[x/100]++
			}
		}
	}
	if reds[0] != 0 || reds[1] < 1000 {
		t.Errorf("%d and %d pixels of the mark in the two cells, want none in the first and many in the second", reds[0], reds[1])
	}
}

// An error names the original that it is about, and so do the notices.
func TestGridErrors(t *testing.T) {
	good := jpegBytes(t, scene(300, 300, false))
	cut := append(slices.Clone(good[:len(good)/2]), 0xff, 0xd9)
	g := transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 200, H: 100}}
	var at []transform.Place
	ctx := transform.WithNotice(t.Context(), func(p transform.Place) { at = append(at, p) })
	_, err := vips.New().Transform(ctx, gridJob(t, g, "", transform.PNG, good, good, cut))
	var of *transform.OriginalError
	if !errors.As(err, &of) || of.Index != 2 || !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("%v; want that the third original is corrupt", err)
	}
	if want := []transform.Place{{Original: 1}, {}, {Original: 2}, {}, {Original: 3}}; !slices.Equal(at, want) {
		t.Errorf("notices %v, want %v", at, want)
	}
	for name, j := range map[string]transform.Job{
		"too many pixels": gridJob(t, transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 60000, H: 60000}}, "", transform.PNG, good, good),
		"too few pixels":  gridJob(t, transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 1, H: 1}}, "", transform.PNG, good, good),
	} {
		j.Limits.OutputPixels = 1 << 24
		if _, err := vips.New().Transform(t.Context(), j); !errors.Is(err, transform.ErrOutputTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := vips.New().Transform(ctx, gridJob(t, g, "", transform.PNG, good, good)); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled grid: %v", err)
	}
}

// BenchmarkGrid is a grid of four JPEGs beside the four transforms to its cells.
func BenchmarkGrid(b *testing.B) {
	photo := jpegBytes(b, scene(2000, 1500, false))
	j := gridJob(b, transform.Grid{Type: transform.GridClassic, Cols: 2, Size: transform.Size{W: 800, H: 600}}, "q=80", transform.JPEG, photo, photo, photo, photo)
	engine := vips.New()
	b.Run("grid", func(b *testing.B) {
		for b.Loop() {
			if _, err := engine.Transform(b.Context(), j); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("transforms", func(b *testing.B) {
		one := job(b, photo, "w=400&h=300&fit=cover&q=80", transform.JPEG)
		for b.Loop() {
			for range 4 {
				if _, err := engine.Transform(b.Context(), one); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// TestGridGoldens is TestGoldens for grids.
func TestGridGoldens(t *testing.T) {
	photo, logo, tall := jpegBytes(t, scene(320, 240, false)), pngBytes(t, disc(200, white)), jpegBytes(t, scene(90, 240, false))
	for name, g := range map[string]transform.Grid{
		"grid-auto":    {Type: transform.GridAuto},
		"grid-classic": {Type: transform.GridClassic, Cols: 2, Gap: 4},
		"grid-column":  {Type: transform.GridColumn, Cols: 2, Gap: 4},
		"grid-row":     {Type: transform.GridRow, Gap: 4},
	} {
		g.Size = transform.Size{W: 72, H: 54}
		out, err := vips.New().Transform(t.Context(), gridJob(t, g, "bg=teal", transform.PNG, photo, logo, tall))
		if err != nil {
			t.Fatal(name, err)
		}
		goldenPicture(t, name, out.Data)
	}
}

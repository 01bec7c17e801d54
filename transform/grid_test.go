package transform_test

import (
	"fmt"
	"image"
	"testing"

	"github.com/tintype/tintype/transform"
)

var (
	wide   = transform.Size{W: 300, H: 200}
	tall   = transform.Size{W: 200, H: 300}
	square = transform.Size{W: 100, H: 100}
)

func TestGridCells(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grid  transform.Grid
		sizes []transform.Size
		want  string
	}{
		{"two in a row", transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 600, H: 200}}, []transform.Size{wide, wide}, "[(0,0)-(300,200) (300,0)-(600,200)]"},
		{"a row in proportion", transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 500, H: 200}}, []transform.Size{wide, square}, "[(0,0)-(300,200) (300,0)-(500,200)]"},
		{"a row with a gap", transform.Grid{Type: transform.GridRow, Gap: 10, Size: transform.Size{W: 210, H: 50}}, []transform.Size{square, square}, "[(0,0)-(100,50) (110,0)-(210,50)]"},
		{"classic", transform.Grid{Type: transform.GridClassic, Cols: 2, Size: transform.Size{W: 200, H: 200}}, []transform.Size{wide, tall, square, wide}, "[(0,0)-(100,100) (100,0)-(200,100) (0,100)-(100,200) (100,100)-(200,200)]"},
		{"classic, the last row fills the width", transform.Grid{Type: transform.GridClassic, Cols: 2, Gap: 4, Size: transform.Size{W: 204, H: 104}}, []transform.Size{square, square, square}, "[(0,0)-(100,50) (104,0)-(204,50) (0,54)-(204,104)]"},
		{"columns", transform.Grid{Type: transform.GridColumn, Cols: 2, Size: transform.Size{W: 200, H: 250}}, []transform.Size{square, square, tall, square}, "[(0,0)-(100,100) (100,0)-(200,125) (0,100)-(100,250) (100,125)-(200,250)]"},
		{"more columns than images", transform.Grid{Type: transform.GridColumn, Cols: 5, Size: transform.Size{W: 100, H: 50}}, []transform.Size{square, square}, "[(0,0)-(50,50) (50,0)-(100,50)]"},
		{"auto takes what crops least", transform.Grid{Type: transform.GridAuto, Size: transform.Size{W: 600, H: 200}}, []transform.Size{wide, wide}, "[(0,0)-(300,200) (300,0)-(600,200)]"},
		{"auto, stacked", transform.Grid{Type: transform.GridAuto, Size: transform.Size{W: 300, H: 400}}, []transform.Size{wide, wide}, "[(0,0)-(300,200) (0,200)-(300,400)]"},
		{"auto, four", transform.Grid{Type: transform.GridAuto, Size: transform.Size{W: 200, H: 200}}, []transform.Size{square, square, square, square}, "[(0,0)-(100,100) (100,0)-(200,100) (0,100)-(100,200) (100,100)-(200,200)]"},
		{"a gap gives way", transform.Grid{Type: transform.GridRow, Gap: 100, Size: transform.Size{W: 20, H: 5}}, []transform.Size{square, square, square}, "[(0,0)-(1,5) (9,0)-(11,5) (19,0)-(20,5)]"},
		{"too few pixels", transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 2, H: 5}}, []transform.Size{square, square, square}, "[]"},
		{"an extreme original stays visible", transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 1000, H: 100}}, []transform.Size{{W: 100000, H: 1}, square}, "[(0,0)-(909,100) (909,0)-(1000,100)]"},
	} {
		if got := fmt.Sprint(tt.grid.Cells(tt.sizes)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Whatever the options, the cells lie within the output, are at least one pixel large, and
// don't overlap.
func FuzzGridCells(f *testing.F) {
	f.Add(uint8(0), 2, 0, 300, 200, uint16(300), uint16(200), uint8(3))
	f.Add(uint8(2), 3, 7, 10, 10, uint16(1), uint16(60000), uint8(5))
	f.Fuzz(func(t *testing.T, kind uint8, cols, gap, w, h int, a, b uint16, n uint8) {
		types := [...]transform.GridType{transform.GridAuto, transform.GridClassic, transform.GridColumn, transform.GridRow}
		g := transform.Grid{Type: types[kind%4], Cols: cols, Gap: ((gap % 1025) + 1025) % 1025, Size: transform.Size{W: w&8191 + 1, H: h&8191 + 1}}
		sizes := make([]transform.Size, n%4+2)
		for i := range sizes {
			sizes[i] = transform.Size{W: int(a)*i + 1, H: int(b)/(i+1) + 1}
		}
		cells := g.Cells(sizes)
		if cells == nil {
			if g.Size.W >= 5 && g.Size.H >= 5 {
				t.Fatalf("%+v: no cells for %v", g, sizes)
			}
			return
		}
		if len(cells) != len(sizes) {
			t.Fatalf("%+v: %d cells for %d", g, len(cells), len(sizes))
		}
		whole := image.Rect(0, 0, g.Size.W, g.Size.H)
		for i, c := range cells {
			if c.Empty() || !c.In(whole) {
				t.Fatalf("%+v: cell %v isn't in %v", g, c, whole)
			}
			for _, other := range cells[:i] {
				if c.Overlaps(other) {
					t.Fatalf("%+v: %v and %v overlap", g, c, other)
				}
			}
		}
	})
}

func TestJobCells(t *testing.T) {
	job := transform.Job{
		Task: transform.TaskGrid, Grid: &transform.Grid{Type: transform.GridRow, Size: transform.Size{W: 200, H: 100}},
		Originals: []transform.Original{
			{ID: "a", Header: transform.Header{Width: 50, Height: 50, Orientation: 1}},
			{ID: "b", Header: transform.Header{Width: 50, Height: 50, Orientation: 1}},
		},
		Marks: []transform.MarkImage{{Cell: 2}, {Cell: 2}, {Cell: 0}},
	}
	jobs, cells := job.Cells()
	if len(jobs) != 2 || len(cells) != 2 {
		t.Fatalf("%d jobs, %d cells", len(jobs), len(cells))
	}
	if len(jobs[0].Marks) != 0 || len(jobs[1].Marks) != 2 || jobs[1].Originals[0].ID != "b" || jobs[1].Options.Width != 100 {
		t.Errorf("%+v", jobs)
	}
	if from, to := job.MarksOf(0); from != 2 || to != 3 {
		t.Errorf("the whole output's marks are %d to %d, want 2 to 3", from, to)
	}
	if from, to := job.MarksOf(1); from != to {
		t.Errorf("the first cell has marks %d to %d", from, to)
	}
}

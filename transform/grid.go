package transform

import (
	"image"
	"math"
	"slices"
)

// Bounds of a grid.
const (
	GridLeast = 2 // originals
	GridMost  = 5
	GridGap   = 1024 // pixels between cells, before DPR
)

// A Grid is the layout of several originals in one output. It is comparable.
type Grid struct {
	Type GridType
	Cols int  // with GridClassic and GridColumn: 1–5
	Gap  int  // pixels between cells, after DPR
	Size Size // of the output, after DPR
}

// A GridType is an arrangement of a grid's cells.
type GridType string

const (
	GridAuto    GridType = "auto"    // the arrangement that crops least
	GridClassic GridType = "classic" // rows of equal cells; the last row fills the width
	GridColumn  GridType = "column"  // columns of equal width; the height of a cell follows its original's aspect
	GridRow     GridType = "row"     // one row; the width of a cell follows its original's aspect
)

// Cells returns the cell of each original. sizes are those of the upright originals. The
// cells fill the grid except for the gaps, and don't overlap. Gaps are reduced in a grid
// that is too small for them, so that every cell has a pixel. The result is nil if there
// are more originals than pixels.
func (g Grid) Cells(sizes []Size) []image.Rectangle {
	switch g.Type {
	case GridClassic:
		return g.classic(sizes, g.Cols)
	case GridColumn:
		return g.columns(sizes, g.Cols)
	case GridRow:
		return g.row(sizes)
	}
	var best []image.Rectangle
	least := math.Inf(1)
	for _, cells := range [...][]image.Rectangle{g.row(sizes), g.columns(sizes, 1), g.columns(sizes, 2), g.classic(sizes, 2), g.columns(sizes, 3), g.classic(sizes, 3)} {
		if lost := cropped(cells, sizes); cells != nil && lost < least-1e-9 {
			best, least = cells, lost
		}
	}
	return best
}

// cropped returns how much of the originals the cells crop, from 0 to the number of
// originals. Very different cell sizes add to it, so that no original becomes a stripe.
func cropped(cells []image.Rectangle, sizes []Size) (lost float64) {
	if len(cells) != len(sizes) {
		return math.Inf(1)
	}
	smallest, largest := math.Inf(1), 0.0
	for i, c := range cells {
		is, want := float64(c.Dx())/float64(c.Dy()), aspect(sizes[i])
		lost += 1 - min(is/want, want/is)
		area := float64(c.Dx()) * float64(c.Dy())
		smallest, largest = min(smallest, area), max(largest, area)
	}
	return lost + 0.2*(1-smallest/largest)
}

func aspect(s Size) float64 { return float64(max(s.W, 1)) / float64(max(s.H, 1)) }

func (g Grid) classic(sizes []Size, cols int) []image.Rectangle {
	cols = min(max(cols, 1), len(sizes))
	rows := (len(sizes) + cols - 1) / cols
	heights := g.share(g.Size.H, equal(rows))
	cells := make([]image.Rectangle, 0, len(sizes))
	for r := range heights {
		n := min(cols, len(sizes)-r*cols)
		for _, w := range g.share(g.Size.W, equal(n)) {
			cells = append(cells, image.Rect(w.from, heights[r].from, w.to, heights[r].to))
		}
	}
	return complete(cells, len(sizes))
}

// columns deals the originals into columns, one after the other.
func (g Grid) columns(sizes []Size, cols int) []image.Rectangle {
	cols = min(max(cols, 1), len(sizes))
	widths := g.share(g.Size.W, equal(cols))
	cells := make([]image.Rectangle, len(sizes))
	for c, w := range widths {
		var asks []float64
		for i := c; i < len(sizes); i += cols {
			asks = append(asks, 1/aspect(sizes[i]))
		}
		for k, h := range g.share(g.Size.H, asks) {
			cells[c+k*cols] = image.Rect(w.from, h.from, w.to, h.to)
		}
	}
	return complete(cells, len(sizes))
}

func (g Grid) row(sizes []Size) []image.Rectangle {
	asks := make([]float64, len(sizes))
	for i, s := range sizes {
		asks[i] = aspect(s)
	}
	cells := make([]image.Rectangle, 0, len(sizes))
	for _, w := range g.share(g.Size.W, asks) {
		cells = append(cells, image.Rect(w.from, 0, w.to, g.Size.H))
	}
	return complete(cells, len(sizes))
}

func equal(n int) []float64 { return slices.Repeat([]float64{1}, n) }

// complete returns the cells where each of n originals has one with a pixel at least.
func complete(cells []image.Rectangle, n int) []image.Rectangle {
	if len(cells) != n || slices.ContainsFunc(cells, image.Rectangle.Empty) {
		return nil
	}
	return cells
}

// A stretch is a part of a side, in pixels.
type stretch struct{ from, to int }

// share parts a side in proportion to what is asked for, with gaps between. No part is less
// than a fifth of an equal one, or than a pixel.
func (g Grid) share(side int, asks []float64) []stretch {
	n := len(asks)
	if n == 0 || side < n {
		return nil
	}
	gap := g.Gap
	if n > 1 {
		gap = min(gap, (side-n)/(n-1))
	}
	room := side - gap*(n-1)
	sum := 0.0
	for _, a := range asks {
		sum += a
	}
	total := 0.0
	parts := make([]float64, n)
	for i, a := range asks {
		parts[i] = max(a/sum, 0.2/float64(n))
		total += parts[i]
	}
	out := make([]stretch, n)
	at, done := 0, 0.0
	for i := range parts {
		done += parts[i] / total
		end := int(math.Round(done * float64(room)))
		end = min(max(end, at+1), room-(n-1-i))
		out[i] = stretch{at + gap*i, end + gap*i}
		at = end
	}
	return out
}

// Cells returns a job for each cell of a grid: the variant of its original that fills it,
// with its own marks. cells are their places on the output.
func (j *Job) Cells() (jobs []Job, cells []image.Rectangle) {
	if j.Grid == nil {
		return nil, nil
	}
	sizes := make([]Size, len(j.Originals))
	for i := range j.Originals {
		sizes[i] = j.Originals[i].Header.Upright()
	}
	if cells = j.Grid.Cells(sizes); cells == nil {
		return nil, nil
	}
	jobs = make([]Job, len(cells))
	for i, c := range cells {
		o := Defaults()
		o.Width, o.Height, o.Fit, o.Anim = c.Dx(), c.Dy(), FitCover, false
		jobs[i] = Job{
			Originals: j.Originals[i : i+1], Options: o, Format: PNG, Limits: j.Limits,
			Owner: j.Owner, Retain: j.Retain,
		}
		if from, to := j.MarksOf(i + 1); from < to {
			jobs[i].Marks = j.Marks[from:to]
		}
	}
	return jobs, cells
}

// MarksOf returns the marks of a cell as a range of Marks. Cells are counted from 1; 0 is the
// whole output.
func (j *Job) MarksOf(cell int) (from, to int) {
	from = slices.IndexFunc(j.Marks, func(m MarkImage) bool { return m.Cell == cell })
	if from < 0 {
		return 0, 0
	}
	to = from
	for to < len(j.Marks) && j.Marks[to].Cell == cell {
		to++
	}
	return from, to
}

//go:build cgo

package vips

import (
	"context"
	"image"
)

// findTrim finds the border of the region, a frame of one colour, and removes it from the
// region. It reads all pixels at full size in a pass of its own, so that the next pass can
// still shrink the original while it decodes.
//
// The colour of the border is the colour of most corners of the first frame, or of the
// first corner in reading order. A pixel belongs to the border where each channel is within
// the tolerance of that colour. The comparison uses the original's colours, weighted with
// alpha, so that all transparent pixels are equal. An animation loses only the border that
// all frames have. A picture that is all border stays whole.
func (t *task) findTrim(ctx context.Context) error {
	t.scaled, t.kept = sizeOf(t.region), t.region.Sub(t.region.Min) // load needs these of a plan
	look := borders{tolerance: t.job.Options.Trim}
	if err := t.lookAtBorders(ctx, &look); err != nil {
		return err
	}
	found, sure := look.decide()
	if !sure {
		// The lower corners decided the colour, so the rows above must be read again.
		look = borders{tolerance: look.tolerance, candidates: []border{{colour: found.colour}}}
		if err := t.lookAtBorders(ctx, &look); err != nil {
			return err
		}
		found = look.candidates[0]
	}
	if !found.content.Empty() {
		t.region = found.content.Add(t.region.Min)
		t.trimmed = true
	}
	return nil
}

// lookAtBorders passes the rows of the region of every frame to look.
func (t *task) lookAtBorders(ctx context.Context, look *borders) error {
	roll, err := t.load(ctx)
	if err != nil {
		return err
	}
	defer func() { roll.Close() }()
	if err := t.toBytes(ctx, roll); err != nil {
		return err
	}
	look.bands, look.alpha, look.rows = roll.Bands(), roll.HasAlpha(), t.region.Dy()
	height := roll.Height() / t.frames
	for i := range t.frames {
		part := t.region.Sub(t.loaded.Min).Add(image.Pt(0, i*height))
		err := t.eachRow(ctx, roll, part, func(y int, row []byte) { look.add(y-part.Min.Y, row) })
		if err != nil {
			return err
		}
	}
	return nil
}

// A border is a colour, and the smallest rectangle around all pixels of other colours.
type border struct {
	colour  []byte
	content image.Rectangle
}

// borders finds the border of pictures of one size from their rows.
type borders struct {
	tolerance, bands int
	alpha            bool // the last band is alpha
	rows             int  // height of a picture

	candidates []border
	corners    [][]byte // of the first picture
}

func (b *borders) add(y int, row []byte) {
	last := row[len(row)-b.bands:]
	if len(b.corners) < 4 && (y == 0 || y == b.rows-1) {
		b.corners = append(b.corners, clone(row[:b.bands]), clone(last))
	}
	if len(b.candidates) == 0 {
		b.candidates = []border{{colour: b.corners[0]}}
		if !b.alike(b.corners[0], b.corners[1]) {
			b.candidates = append(b.candidates, border{colour: b.corners[1]})
		}
	}
	for i := range b.candidates {
		b.widen(&b.candidates[i], y, row)
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// widen extends the content by the content of a row.
func (b *borders) widen(c *border, y int, row []byte) {
	from, to := 0, len(row)
	for from < to && b.alike(row[from:from+b.bands], c.colour) {
		from += b.bands
	}
	if from == to {
		return
	}
	// Pixels within the width of the content so far don't extend it.
	stop := max(from, c.content.Max.X*b.bands)
	for to > stop && b.alike(row[to-b.bands:to], c.colour) {
		to -= b.bands
	}
	c.content = c.content.Union(image.Rect(from/b.bands, y, max(to/b.bands, from/b.bands+1), y+1))
}

// decide returns the border with the colour of most corners. sure is false where this
// colour first appeared in a lower corner, so that its content is unknown.
func (b *borders) decide() (found border, sure bool) {
	best := 0
	var colour []byte
	for _, corner := range b.corners {
		n := 0
		for _, other := range b.corners {
			if b.alike(corner, other) {
				n++
			}
		}
		if n > best {
			best, colour = n, corner
		}
	}
	for _, c := range b.candidates {
		if string(c.colour) == string(colour) {
			return c, true
		}
	}
	return border{colour: colour}, false
}

// alike reports whether two pixels differ by at most the tolerance.
func (b *borders) alike(p, q []byte) bool {
	if !b.alpha {
		for i, v := range p {
			if apart(int(v), int(q[i])) > b.tolerance {
				return false
			}
		}
		return true
	}
	last := len(p) - 1
	pa, qa := int(p[last]), int(q[last])
	if apart(pa, qa) > b.tolerance {
		return false
	}
	for i := range last {
		if apart(int(p[i])*pa, int(q[i])*qa) > b.tolerance*255 {
			return false
		}
	}
	return true
}

func apart(a, b int) int {
	if a < b {
		return b - a
	}
	return a - b
}

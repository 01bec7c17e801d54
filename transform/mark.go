package transform

import "image"

// A Placement is the position and the size of a mark on an output.
type Placement struct {
	// Options make the mark's picture from its image. They set its size and how the image
	// fits. Of an animation they take the first frame.
	Options Options
	// At is the top left corner of the picture on the output. Without Pitch, the whole
	// picture lies on the output.
	At image.Point
	// Pitch is the distance between repeated pictures, across and down, over the whole
	// output. The zero Size means a single picture.
	Pitch Size
}

// Defaults of a mark's lengths.
var (
	markWidth   = Length{15, true} // of the output, if neither side is given
	markPadding = Length{2, true}  // of the output's smaller side
)

// Place returns the position of a mark on an output. of is the size of the mark's upright
// image. Lengths in pixels are multiplied by dpr. A mark that is larger than the output is
// reduced to it. A distance from the edges is reduced if the output has too little room.
func (m Mark) Place(output, of Size, dpr float64) Placement {
	options := Defaults()
	options.Anim = false
	options.Fit = m.Fit
	box := m.box(output, of, dpr)
	options.Width, options.Height = box.W, box.H

	// PlanRegion returns an error only for an empty region.
	plan, _ := options.PlanRegion(image.Rect(0, 0, max(of.W, 1), max(of.H, 1)))
	size := plan.Output
	pad := m.padding(output, dpr)
	p := Placement{Options: options, At: m.corner(output, size, pad)}
	if m.Repeat {
		p.Pitch = Size{size.W + pad, size.H + pad}
	}
	return p
}

// box returns the size that the image is fitted into.
func (m Mark) box(output, of Size, dpr float64) Size {
	width, height := m.Width, m.Height
	if width == (Length{}) && height == (Length{}) {
		width = markWidth
	}
	box := Size{width.marked(output.W, dpr), height.marked(output.H, dpr)}
	if width != (Length{}) && height != (Length{}) {
		return box
	}
	// The missing side follows from the image's aspect, as far as the output has room.
	if m.Fit == FitContain || m.Fit == FitScaleDown {
		return box
	}
	return largestWithin(box, Ratio{float64(of.W), float64(of.H)})
}

// marked returns one side of a mark, at most the output's. A zero length is the output's
// whole side.
func (l Length) marked(side int, dpr float64) int {
	if l == (Length{}) {
		return side
	}
	return min(max(l.scaled(side, dpr), 1), side)
}

// scaled returns the length in pixels on a side of this many pixels: a percentage of the
// side, or pixels multiplied by dpr.
func (l Length) scaled(side int, dpr float64) int {
	if !l.Percent {
		l.Value *= dpr
	}
	return l.of(side)
}

// padding returns the distance from the edges, and between repeated pictures.
func (m Mark) padding(output Size, dpr float64) int {
	pad := m.Pad
	if !m.PadSet {
		pad = markPadding
	}
	return pad.scaled(min(output.W, output.H), dpr)
}

// corner returns the top left corner of a picture of this size.
func (m Mark) corner(output, size Size, pad int) image.Point {
	down, across := m.alignment()
	return image.Pt(
		aligned(across, output.W-size.W, pad),
		aligned(down, output.H-size.H, pad))
}

// alignment returns the end of each side that the mark is aligned to.
func (m Mark) alignment() (down, across end) {
	switch m.Align {
	case "top,left":
		return start, start
	case "top,center":
		return start, middle
	case "top,right":
		return start, finish
	case "center,left":
		return middle, start
	case "center":
		return middle, middle
	case "center,right":
		return middle, finish
	case "bottom,left":
		return finish, start
	case "bottom,center":
		return finish, middle
	}
	return finish, finish
}

// An end is a position on a side.
type end int

const (
	start end = iota
	middle
	finish
)

// aligned returns the start of a picture on a side with this many free pixels.
func aligned(at end, free, pad int) int {
	switch at {
	case start:
		return min(pad, free)
	case middle:
		return free / 2
	}
	return free - min(pad, free)
}

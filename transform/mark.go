package transform

import "image"

// A Placement is where and how large a mark lies on an output.
type Placement struct {
	// Options make the mark's picture of its image: its size, and how the image is
	// fitted into it. Of an animation the first frame shows.
	Options Options
	// At is the corner of the picture on the output. Without Pitch all of the picture
	// lies on the output.
	At image.Point
	// Pitch is how far it is from one picture to the next across and down, over the
	// whole output; the zero Size is a single picture.
	Pitch Size
}

// Defaults of a mark's lengths.
var (
	markWidth   = Length{15, true} // of the output, where neither side is given
	markPadding = Length{2, true}  // of the output's smaller side
)

// Place says where a mark whose upright image has this size lies on an output of
// that size. Lengths in pixels are multiplied with dpr. A mark that is too large
// for the output is made as large as it, and a distance from the edges that leaves
// too little room is shortened.
func (m Mark) Place(output, of Size, dpr float64) Placement {
	options := Defaults()
	options.Anim = false
	options.Fit = m.Fit
	box := m.box(output, of, dpr)
	options.Width, options.Height = box.W, box.H

	// The plan of a mark's image that has pixels has no error.
	plan, _ := options.PlanRegion(image.Rect(0, 0, max(of.W, 1), max(of.H, 1)))
	size := plan.Output
	pad := m.padding(output, dpr)
	p := Placement{Options: options, At: m.corner(output, size, pad)}
	if m.Repeat {
		p.Pitch = Size{size.W + pad, size.H + pad}
	}
	return p
}

// box is the size that the image is fitted into.
func (m Mark) box(output, of Size, dpr float64) Size {
	width, height := m.Width, m.Height
	if width == (Length{}) && height == (Length{}) {
		width = markWidth
	}
	box := Size{width.marked(output.W, dpr), height.marked(output.H, dpr)}
	if width != (Length{}) && height != (Length{}) {
		return box
	}
	// What isn't given follows from the image's shape, as far as the output has room.
	if m.Fit == FitContain || m.Fit == FitScaleDown {
		return box
	}
	return largestWithin(box, Ratio{float64(of.W), float64(of.H)})
}

// marked is a side of a mark on a side of the output: all of that where the length
// is zero or more.
func (l Length) marked(side int, dpr float64) int {
	if l == (Length{}) {
		return side
	}
	return min(max(l.scaled(side, dpr), 1), side)
}

// scaled is the length on a side of this many pixels: of these where it is a
// percentage, multiplied with dpr where it is pixels itself.
func (l Length) scaled(side int, dpr float64) int {
	if !l.Percent {
		l.Value *= dpr
	}
	return l.of(side)
}

// padding is the distance from the edges, and between pictures.
func (m Mark) padding(output Size, dpr float64) int {
	pad := m.Pad
	if !m.PadSet {
		pad = markPadding
	}
	return pad.scaled(min(output.W, output.H), dpr)
}

// corner is where a picture of this size lies.
func (m Mark) corner(output, size Size, pad int) image.Point {
	down, across := m.alignment()
	return image.Pt(
		aligned(across, output.W-size.W, pad),
		aligned(down, output.H-size.H, pad))
}

// alignment is which end of each side the mark keeps to.
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

// An end is a place on a side.
type end int

const (
	start end = iota
	middle
	finish
)

// aligned is where something begins on a side that has so many pixels to spare.
func aligned(at end, free, pad int) int {
	switch at {
	case start:
		return min(pad, free)
	case middle:
		return free / 2
	}
	return free - min(pad, free)
}

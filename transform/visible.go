package transform

import (
	"image"
	"math"
)

// Place returns where the mark lies on the output of p, which is a plan of o. Radius cuts off
// the corners of the output, and Rotate can leave corners of it empty. A mark there could be
// cut off without loss. So the mark moves away from round corners, and with OnPicture also
// from empty ones. A repeated mark stays, since it is everywhere.
func (m MarkImage) Place(o Options, p Plan) Placement {
	on := image.Rectangle{Max: image.Pt(p.Output.W, p.Output.H)}
	if m.OnPicture {
		on = p.Picture()
	}
	place := m.Mark.Place(Size{on.Dx(), on.Dy()}, m.Header.Upright(), o.DPR)
	place.At = place.At.Add(on.Min)
	slanted := m.OnPicture && p.Inner != Size{}
	if place.Pitch != (Size{}) || p.Radius == 0 && !slanted {
		return place
	}

	shown := area(on)
	if slanted {
		shown = shown.within(o.turned(p))
	}
	if p.Radius > 0 {
		// The largest rectangle whose corners are on the arcs.
		inset := p.Radius * (1 - math.Sqrt2/2)
		shown = shown.within(convex{
			{inset, inset}, {float64(p.Output.W) - inset, inset},
			{float64(p.Output.W) - inset, float64(p.Output.H) - inset}, {inset, float64(p.Output.H) - inset},
		})
	}
	// The plan of a mark's image that has pixels has no error.
	upright := m.Header.Upright()
	drawn, _ := place.Options.PlanRegion(image.Rect(0, 0, max(upright.W, 1), max(upright.H, 1)))
	place.At = shown.keep(place.At, drawn.Output, on)
	return place
}

// turned returns the region on the output, after a rotation that is not by right angles.
func (o Options) turned(p Plan) convex {
	m := o.Slant(p)
	w, h := float64(p.Inner.W)/2, float64(p.Inner.H)/2
	at := p.Picture().Min.Sub(p.Crop.Min)
	middle := point{float64(at.X) + float64(p.Scaled.W)/2, float64(at.Y) + float64(p.Scaled.H)/2}
	c := make(convex, 0, 4)
	for _, corner := range [...]point{{-w, -h}, {w, -h}, {w, h}, {-w, h}} {
		x, y := m.apply(corner.x, corner.y)
		c = append(c, point{middle.x + x, middle.y + y})
	}
	return c.clockwise()
}

// A point is a place on the output; y grows downwards.
type point struct{ x, y float64 }

// A convex is a convex area, given by its corners in clockwise order. An area with fewer
// than three corners is empty.
type convex []point

func area(r image.Rectangle) convex {
	left, top, right, bottom := float64(r.Min.X), float64(r.Min.Y), float64(r.Max.X), float64(r.Max.Y)
	return convex{{left, top}, {right, top}, {right, bottom}, {left, bottom}}
}

// size returns the area in pixels. It is negative if the corners are not in clockwise order.
func (c convex) size() float64 {
	sum := 0.0
	for i, p := range c {
		q := c[(i+1)%len(c)]
		sum += p.x*q.y - q.x*p.y
	}
	return sum / 2
}

func (c convex) clockwise() convex {
	if c.size() < 0 {
		for i, j := 0, len(c)-1; i < j; i, j = i+1, j-1 {
			c[i], c[j] = c[j], c[i]
		}
	}
	return c
}

// A side is the half of the plane on the inner side of a line: where x·nx + y·ny ≤ most.
type side struct{ nx, ny, most float64 }

func (s side) beyond(p point) float64 { return p.x*s.nx + p.y*s.ny - s.most }

func (c convex) sides() []side {
	sides := make([]side, 0, len(c))
	for i, p := range c {
		q := c[(i+1)%len(c)]
		nx, ny := q.y-p.y, p.x-q.x
		if length := math.Hypot(nx, ny); length > 0 {
			nx, ny = nx/length, ny/length
			sides = append(sides, side{nx, ny, p.x*nx + p.y*ny})
		}
	}
	return sides
}

// within returns the part of c that lies in o.
func (c convex) within(o convex) convex {
	for _, s := range o.sides() {
		c = c.cut(s)
	}
	return c
}

// cut returns the part of c on the inner side, by the algorithm of Sutherland and Hodgman.
func (c convex) cut(s side) convex {
	var kept convex
	for i, p := range c {
		q := c[(i+1)%len(c)]
		from, to := s.beyond(p), s.beyond(q)
		if from <= 0 {
			kept = append(kept, p)
		}
		if from < 0 && to > 0 || from > 0 && to < 0 {
			t := from / (from - to)
			kept = append(kept, point{p.x + t*(q.x-p.x), p.y + t*(q.y-p.y)})
		}
	}
	return kept
}

// keep returns the place closest to at where a rectangle of this size lies within c. If the
// rectangle is too large, its middle part lies within c, and this part is as large as
// possible. The rectangle always lies within on.
func (c convex) keep(at image.Point, size Size, on image.Rectangle) image.Point {
	if len(c) < 3 || c.size() < 1 {
		return at // nothing of the picture shows
	}
	for tenths := 10; tenths > 0; tenths-- {
		w, h := float64(size.W*tenths)/10, float64(size.H*tenths)/10
		left, top := (float64(size.W)-w)/2, (float64(size.H)-h)/2
		if p, ok := c.place(point{float64(at.X) + left, float64(at.Y) + top}, w, h); ok {
			at = image.Pt(round(p.x-left), round(p.y-top))
			break
		}
	}
	return image.Pt(
		min(max(at.X, on.Min.X), on.Max.X-size.W),
		min(max(at.Y, on.Min.Y), on.Max.Y-size.H))
}

// place returns the place closest to wanted where a rectangle lies within c. ok is false if
// there is no room.
func (c convex) place(wanted point, w, h float64) (at point, ok bool) {
	room, outside := c, false // room for its first corner, which is within c too
	for _, s := range c.sides() {
		// The outermost corner of the rectangle is this much further out than its first.
		s.most -= max(s.nx*w, 0) + max(s.ny*h, 0)
		outside = outside || s.beyond(wanted) > 0.5
		room = room.cut(s)
	}
	if !outside {
		return wanted, true
	}
	if len(room) == 0 {
		return point{}, false
	}
	return room.nearest(wanted), true
}

// nearest returns the point of the border that is closest to p.
func (c convex) nearest(p point) point {
	best, least := c[0], math.Inf(1)
	for i, from := range c {
		to := c[(i+1)%len(c)]
		dx, dy := to.x-from.x, to.y-from.y
		t := 0.0
		if length := dx*dx + dy*dy; length > 0 {
			t = min(max(((p.x-from.x)*dx+(p.y-from.y)*dy)/length, 0), 1)
		}
		near := point{from.x + t*dx, from.y + t*dy}
		if d := math.Hypot(near.x-p.x, near.y-p.y); d < least {
			best, least = near, d
		}
	}
	return best
}

package transform

import (
	"image"
	"math"
)

// Place says where the mark lies on the output of p, a plan of o. A mark keeps away from
// corners that Radius cuts off, and with OnPicture from those that a Rotate leaves empty:
// there anybody could cut it off. A repeated mark is everywhere anyway.
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

// turned is the region after a Rotate by no right angle, on the output.
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

// A convex is a convex area: its corners, clockwise as one sees them. With fewer than three
// it is empty.
type convex []point

func area(r image.Rectangle) convex {
	left, top, right, bottom := float64(r.Min.X), float64(r.Min.Y), float64(r.Max.X), float64(r.Max.Y)
	return convex{{left, top}, {right, top}, {right, bottom}, {left, bottom}}
}

// size is the area, and negative where the corners are not clockwise.
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

// within is the part of c that lies in o.
func (c convex) within(o convex) convex {
	for _, s := range o.sides() {
		c = c.cut(s)
	}
	return c
}

// cut is the part of c on the inner side (Sutherland and Hodgman).
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

// keep is the place next to at where a rectangle of this size lies within c. Of one that is
// too large, as large a part around its middle as can lie within c does. It lies within on.
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

// place is where a rectangle lies within c, next to where it is wanted, if there is room.
func (c convex) place(wanted point, w, h float64) (at point, ok bool) {
	room, outside := c, false // room for its first corner, which is within c too
	for _, s := range c.sides() {
		// The corner that lies furthest out is beyond by so much more than the first.
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

// nearest is the point of the border that is next to p.
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

package transform

import (
	"fmt"
	"image"
	"math"
)

// A Plan is the geometry of one variant. The engine applies the fields from top to bottom,
// after the EXIF orientation. All sizes are in pixels, at least 1.
type Plan struct {
	Region image.Rectangle // of the upright original: the part that Rect and Inset keep
	Scaled Size            // size of the region after Rotate, Flip and resizing
	Inner  Size            // if Rotate is not a multiple of 90: the region is resized to this, then rotated within Scaled; else zero
	Crop   image.Rectangle // the part of Scaled that is kept; if Smart is set, only its size counts
	Smart  bool            // the engine chooses Crop's position (attention, entropy)
	Canvas Size            // with fit=pad, the cropped image lies at Offset on a canvas of this size; otherwise the size of Crop
	Offset image.Point
	Pad    [4]int  // top, right, bottom, left around the canvas; after DPR
	Output Size    // Canvas plus Pad
	Radius float64 // of the corners of Output; at most half its shorter side
}

// Plan returns the geometry for an upright original of this size. It returns the errors of
// Region and PlanRegion.
func (o Options) Plan(upright Size) (Plan, error) {
	region, err := o.Region(upright)
	if err != nil {
		return Plan{}, err
	}
	return o.PlanRegion(region)
}

// Picture returns the part of the output that isn't padding.
func (p Plan) Picture() image.Rectangle {
	at := p.Offset.Add(image.Pt(p.Pad[3], p.Pad[0]))
	return image.Rectangle{at, at.Add(p.Crop.Size())}
}

// CropOn moves Crop so that it holds all of these parts of Scaled, as close to its middle as
// the image allows. If they don't all fit, it holds the largest part only, and the middle of
// a part that is too large. Without parts, Crop stays where it is.
func (p Plan) CropOn(parts []image.Rectangle) image.Rectangle {
	if len(parts) == 0 {
		return p.Crop
	}
	all, largest := parts[0], parts[0]
	for _, r := range parts[1:] {
		all = all.Union(r)
		if r.Dx()*r.Dy() > largest.Dx()*largest.Dy() {
			largest = r
		}
	}
	size := p.Crop.Size()
	if all.Dx() > size.X || all.Dy() > size.Y {
		all = largest
	}
	at := image.Pt(
		min(max((all.Min.X+all.Max.X-size.X)/2, 0), p.Scaled.W-size.X),
		min(max((all.Min.Y+all.Max.Y-size.Y)/2, 0), p.Scaled.H-size.Y))
	return image.Rectangle{at, at.Add(size)}
}

// Region returns the part of an upright original of this size that Rect and Inset keep,
// clipped to the image. If nothing is left, the error is an [*OptionError].
func (o Options) Region(upright Size) (image.Rectangle, error) {
	r, err := o.rect(upright)
	if err != nil || o.Inset == ([4]int{}) {
		return r, err
	}
	of := r.Size()
	r = image.Rectangle{r.Min.Add(image.Pt(o.Inset[3], o.Inset[0])), r.Max.Sub(image.Pt(o.Inset[1], o.Inset[2]))}
	if r.Empty() {
		return image.Rectangle{}, &OptionError{"inset", fmt.Sprintf("cuts off the whole image, which is %d×%d pixels", of.X, of.Y)}
	}
	return r, nil
}

// rect returns the part that Rect keeps.
func (o Options) rect(upright Size) (image.Rectangle, error) {
	if o.Rect == (Rect{}) {
		return image.Rect(0, 0, upright.W, upright.H), nil
	}
	var r image.Rectangle
	r.Min.X, r.Max.X = span(o.Rect.X, o.Rect.W, o.Rect.AlignX, upright.W)
	r.Min.Y, r.Max.Y = span(o.Rect.Y, o.Rect.H, o.Rect.AlignY, upright.H)
	if r.Empty() {
		return image.Rectangle{}, &OptionError{"rect", fmt.Sprintf("lies outside the image, which is %d×%d pixels", upright.W, upright.H)}
	}
	return r, nil
}

// span returns where a region begins and ends on a side of this many pixels. A region that
// begins on the side is at least a pixel long.
func span(at, length Length, align Align, side int) (from, to int) {
	if align != AlignNone {
		pixels := min(max(length.of(side), 1), side)
		from = side - pixels
		if align == AlignCenter {
			from /= 2
		}
		return from, from + pixels
	}
	from = at.of(side)
	if at.Percent && at.Value < 100 {
		from = min(from, side-1)
	}
	to = from + length.of(side)
	if at.Percent && length.Percent {
		// Rounding the end instead of the length makes tiles meet without a gap.
		to = Length{at.Value + length.Value, true}.of(side)
	}
	return from, min(max(to, from+1), side)
}

// of returns the length on a side of this many pixels, rounded.
func (l Length) of(side int) int {
	if l.Percent {
		return round(l.Value * float64(side) / 100)
	}
	return round(l.Value)
}

// PlanRegion returns the geometry for a region of an upright original. It ignores Rect and
// Inset. An empty region is an error that wraps [ErrCorrupt].
func (o Options) PlanRegion(region image.Rectangle) (Plan, error) {
	if region.Empty() {
		return Plan{}, fmt.Errorf("%w: it has no pixels", ErrCorrupt)
	}
	from := Size{region.Dx(), region.Dy()}
	switch {
	case o.slanted():
		from = o.box(from)
	case o.Rotate == 90 || o.Rotate == 270:
		from.W, from.H = from.H, from.W
	}
	p := Plan{Region: region}
	var kept Size
	p.Scaled, kept, p.Canvas = o.fitted(from)
	if o.slanted() {
		scale := max(float64(p.Scaled.W)/float64(from.W), float64(p.Scaled.H)/float64(from.H))
		p.Inner = Size{atLeast1(float64(region.Dx()) * scale), atLeast1(float64(region.Dy()) * scale)}
	}

	smart := o.Gravity == GravityAttention || o.Gravity == GravityEntropy || o.Gravity == GravityFace
	p.Smart = smart && kept != p.Scaled
	at := o.cropPoint(p.Scaled, kept)
	p.Crop = image.Rectangle{at, at.Add(image.Pt(kept.W, kept.H))}
	p.Offset = o.Gravity.place(p.Canvas, kept)

	for i, pixels := range o.Pad {
		p.Pad[i] = round(float64(pixels) * o.DPR)
	}
	p.Output = Size{p.Canvas.W + p.Pad[1] + p.Pad[3], p.Canvas.H + p.Pad[0] + p.Pad[2]}
	p.Radius = o.radius(p.Output)
	return p, nil
}

// slanted reports whether Rotate is not a multiple of 90.
func (o Options) slanted() bool { return o.Rotate%90 != 0 }

// box returns the bounding box of a picture of this size after Rotate.
func (o Options) box(of Size) Size {
	sin, cos := math.Sincos(float64(o.Rotate) * math.Pi / 180)
	sin, cos = math.Abs(sin), math.Abs(cos)
	w, h := float64(of.W), float64(of.H)
	return Size{atLeast1(w*cos + h*sin), atLeast1(w*sin + h*cos)}
}

// radius returns the radius of the corners of an output of this size.
func (o Options) radius(output Size) float64 {
	shorter := float64(min(output.W, output.H))
	if o.Radius.Percent {
		return o.Radius.Value / 100 * shorter
	}
	return min(o.Radius.Value*o.DPR, shorter/2)
}

// Resized returns the size that the region is resized to first.
func (p Plan) Resized() Size {
	if p.Inner != (Size{}) {
		return p.Inner
	}
	return p.Scaled
}

// fitted returns the size that the region is scaled to, the size that remains after the
// crop, and the size of the canvas.
func (o Options) fitted(from Size) (scaled, kept, canvas Size) {
	if o.Fit == FitAuto {
		o.Fit = o.chosenFit(from)
	}
	t := o.target(from)
	switch o.Fit {
	case FitSqueeze:
		if o.Enlarge == EnlargeNever {
			t.Size = t.most(from)
		}
		return t.Size, t.Size, t.Size
	case FitCover:
		scaled = t.cover(from, o.zoom())
		if o.Enlarge == EnlargeNever {
			scaled = scaled.unlessOver(from)
		}
		kept = t.most(scaled)
		return scaled, kept, kept
	case FitCrop:
		zoom := o.zoom()
		t = t.shrink(Size{atLeast1(float64(from.W) / zoom), atLeast1(float64(from.H) / zoom)})
		scaled = t.cover(from, zoom)
		return Size{min(scaled.W, from.W), min(scaled.H, from.H)}, t.Size, t.Size
	case FitOutside:
		scaled = t.cover(from, 1)
		if o.Enlarge == EnlargeNever {
			scaled = scaled.unlessOver(from)
		}
		return scaled, scaled, scaled
	case FitPad:
		scaled = t.within(from)
		if o.Enlarge == EnlargeNever {
			scaled = scaled.unlessOver(from)
		}
		return scaled, scaled, t.Size
	case FitContain:
		scaled = t.within(from)
	default:
		scaled = t.within(from).unlessOver(from)
	}
	return scaled, scaled, scaled
}

// chosenFit returns the fit that FitAuto stands for. A square is not upright.
func (o Options) chosenFit(from Size) Fit {
	box := o.target(from).Size
	switch {
	case (box.H > box.W) == (from.H > from.W):
		return FitCover
	case o.Enlarge == EnlargeNever:
		return FitScaleDown
	}
	return FitContain
}

// unlessOver returns s, or from if one side of s is larger.
func (s Size) unlessOver(from Size) Size {
	if s.W > from.W || s.H > from.H {
		return from
	}
	return s
}

// most returns s with each side reduced to that of o.
func (s Size) most(o Size) Size { return Size{min(s.W, o.W), min(s.H, o.H)} }

// zoom returns the factor by which a focal point enlarges the crop.
func (o Options) zoom() float64 {
	if o.Gravity == GravityFocal {
		return o.FocalZoom
	}
	return 1
}

// A target is the size that an image is fitted into. own means that it was derived from the
// image's aspect. The image then fills it exactly, and must not be measured again, since
// the shorter side was rounded.
type target struct {
	Size
	own bool
}

// target returns the size that the options ask for.
func (o Options) target(from Size) target {
	w, h := asked(o.Width, o.WidthPercent, from.W, o.DPR), asked(o.Height, o.HeightPercent, from.H, o.DPR)
	aspect, own := o.Aspect, false
	if aspect == (Ratio{}) {
		aspect, own = Ratio{float64(from.W), float64(from.H)}, true
	}
	switch {
	case w > 0 && h > 0:
		return target{Size{w, h}, false}
	case w > 0:
		return target{Size{w, proportion(w, aspect.H, aspect.W)}, own}
	case h > 0:
		return target{Size{proportion(h, aspect.W, aspect.H), h}, own}
	case own:
		return target{from, true}
	}
	switch o.Fit {
	case FitCover, FitCrop, FitOutside, FitSqueeze:
		return target{largestWithin(from, aspect), false}
	default:
		return target{smallestAround(from, aspect), false}
	}
}

// asked returns the length of a side that is given in pixels or in percent of the image's.
// It is 0 if neither is.
func asked(pixels int, percent float64, of int, dpr float64) int {
	length := float64(pixels)
	if percent > 0 {
		length = percent / 100 * float64(of)
	}
	if length == 0 {
		return 0
	}
	return atLeast1(length * dpr)
}

// cover returns the size that an image is scaled to so that it covers t, multiplied by
// zoom. It is never smaller than t.
func (t target) cover(from Size, zoom float64) Size {
	w, h := float64(from.W), float64(from.H)
	wide := float64(t.W)*h >= float64(t.H)*w
	if t.own {
		wide = from.W >= from.H
	}
	// The deciding side is exact. The other follows from it.
	if wide {
		exact := float64(t.W) * zoom
		return Size{round(exact), max(round(exact*h/w), t.H)}
	}
	exact := float64(t.H) * zoom
	return Size{max(round(exact*w/h), t.W), round(exact)}
}

// within returns the size that an image is scaled to so that it fits into t.
func (t target) within(from Size) Size {
	if t.own {
		return t.Size
	}
	return largestWithin(t.Size, Ratio{float64(from.W), float64(from.H)})
}

// shrink returns t reduced to most, in its own aspect.
func (t target) shrink(most Size) target {
	switch {
	case t.W <= most.W && t.H <= most.H:
		return t
	case t.own:
		return target{most, true}
	}
	return target{largestWithin(most, Ratio{float64(t.W), float64(t.H)}), false}
}

// largestWithin returns the largest size of this aspect that fits into s.
func largestWithin(s Size, aspect Ratio) Size {
	if float64(s.W)*aspect.H <= float64(s.H)*aspect.W {
		return Size{s.W, proportion(s.W, aspect.H, aspect.W)}
	}
	return Size{proportion(s.H, aspect.W, aspect.H), s.H}
}

// smallestAround returns the smallest size of this aspect that contains s.
func smallestAround(s Size, aspect Ratio) Size {
	if float64(s.W)*aspect.H >= float64(s.H)*aspect.W {
		return Size{s.W, proportion(s.W, aspect.H, aspect.W)}
	}
	return Size{proportion(s.H, aspect.W, aspect.H), s.H}
}

// cropPoint returns the top left corner of the crop in the scaled image.
func (o Options) cropPoint(scaled, kept Size) image.Point {
	if o.Gravity != GravityFocal {
		return o.Gravity.place(scaled, kept)
	}
	around := func(point float64, scaled, kept int) int {
		// Halves round down, as they do for GravityCenter.
		corner := math.Ceil(point*float64(scaled) - float64(kept)/2 - 0.5)
		return int(min(max(corner, 0), float64(scaled-kept)))
	}
	return image.Pt(around(o.FocalX, scaled.W, kept.W), around(o.FocalY, scaled.H, kept.H))
}

// place returns the top left corner of the inner size in the outer one. It centres for
// gravities that name no position.
func (g Gravity) place(outer, inner Size) image.Point {
	free := image.Pt(outer.W-inner.W, outer.H-inner.H)
	at := free.Div(2)
	switch g {
	case GravityNorth, GravityNorthEast, GravityNorthWest:
		at.Y = 0
	case GravitySouth, GravitySouthEast, GravitySouthWest:
		at.Y = free.Y
	}
	switch g {
	case GravityWest, GravityNorthWest, GravitySouthWest:
		at.X = 0
	case GravityEast, GravityNorthEast, GravitySouthEast:
		at.X = free.X
	}
	return at
}

// proportion returns n × numerator / denominator, at least 1.
func proportion(n int, numerator, denominator float64) int {
	return atLeast1(float64(n) * numerator / denominator)
}

func atLeast1(f float64) int { return max(round(f), 1) }

// round returns f as a whole number that fits every int. Extreme aspect ratios would exceed
// it; [Options.CheckOutput] refuses such sizes.
func round(f float64) int { return int(math.Round(min(f, math.MaxInt32))) }

package dialect

import (
	"strconv"
	"strings"
)

// Native options turn and mirror an image before the resize. Some products do it after the
// resize. The functions of this file rewrite the options, so that both orders give the same
// image.

// turned returns an angle in degrees, from 0 to 359.
func turned(degrees int) int { return (degrees%360 + 360) % 360 }

// turn adds a clockwise turn. resized means that the product turns after the resize. Then a
// turn by 90° also turns the size and the gravity. exact is false for a turn after the resize
// by an angle that isn't a multiple of 90°: it makes the image larger, and native options
// can't do that.
func (o *Options) turn(degrees int, resized bool, from string) (exact bool) {
	degrees = turned(degrees)
	if degrees == 0 {
		return true
	}
	before := 0
	if value, ok := o.Get("rotate"); ok {
		before, _ = strconv.Atoi(value)
	}
	after := before + degrees
	if flip, _ := o.Get("flip"); flip == "h" || flip == "v" {
		// The native flip comes last. A turn before a mirror has the opposite direction.
		after = before - degrees
	}
	o.Unset("rotate")
	if after = turned(after); after != 0 {
		o.Set("rotate", strconv.Itoa(after), from)
	}
	if !resized {
		return true
	}
	for range degrees / 90 {
		o.turnBox()
	}
	return degrees%90 == 0
}

// turnBox turns the size, the ratio and the gravity clockwise by 90°.
func (o *Options) turnBox() {
	o.swapSides()
	for i := range o.Query {
		switch p := &o.Query[i]; p.Name {
		case "fp-x":
			p.Name = "fp-y"
		case "fp-y":
			// The top becomes the right.
			n, _ := number(p.Value)
			p.Name, p.Value = "fp-x", format(1-n)
		case "gravity":
			p.Value = turnedGravity(p.Value)
		}
	}
}

// swapSides swaps width and height.
func (o *Options) swapSides() {
	for i := range o.Query {
		switch p := &o.Query[i]; p.Name {
		case "w":
			p.Name = "h"
		case "h":
			p.Name = "w"
		case "ar":
			w, h, _ := strings.Cut(p.Value, ":")
			p.Value = h + ":" + w
		}
	}
}

// turnedGravity returns a gravity after a clockwise turn by 90°.
func turnedGravity(gravity string) string {
	switch gravity {
	case "north":
		return "east"
	case "east":
		return "south"
	case "south":
		return "west"
	case "west":
		return "north"
	case "northeast":
		return "southeast"
	case "southeast":
		return "southwest"
	case "southwest":
		return "northwest"
	case "northwest":
		return "northeast"
	}
	return gravity
}

// mirror adds a mirror: h, v or hv. resized means that the product mirrors after the resize.
// Then mirror also mirrors the gravity.
func (o *Options) mirror(flip string, resized bool, from string) {
	if flip == "" {
		return
	}
	before, _ := o.Get("flip")
	after := ""
	for _, axis := range [...]string{"h", "v"} {
		if strings.Contains(before, axis) != strings.Contains(flip, axis) {
			after += axis
		}
	}
	o.Unset("flip")
	if after != "" {
		o.Set("flip", after, from)
	}
	if !resized {
		return
	}
	horizontal, vertical := strings.Contains(flip, "h"), strings.Contains(flip, "v")
	for i := range o.Query {
		switch p := &o.Query[i]; {
		case p.Name == "gravity":
			p.Value = mirroredGravity(p.Value, horizontal, vertical)
		case p.Name == "fp-x" && horizontal, p.Name == "fp-y" && vertical:
			n, _ := number(p.Value)
			p.Value = format(1 - n)
		}
	}
}

func mirroredGravity(gravity string, horizontal, vertical bool) string {
	if horizontal {
		if s, ok := strings.CutSuffix(gravity, "west"); ok {
			gravity = s + "east"
		} else if s, ok := strings.CutSuffix(gravity, "east"); ok {
			gravity = s + "west"
		}
	}
	if vertical {
		if s, ok := strings.CutPrefix(gravity, "north"); ok {
			gravity = "south" + s
		} else if s, ok := strings.CutPrefix(gravity, "south"); ok {
			gravity = "north" + s
		}
	}
	return gravity
}

// A span is the part of one side that a region covers.
type span struct {
	at     string // "center", or the distance from an end: pixels or a percentage
	end    bool   // the distance is from the right or the bottom
	length string // pixels or a percentage
}

// rectOf returns the option rect for a region of the image after rotate and flip. The native
// option is a region of the image before them. ok is false if rect can't express the region.
func (o *Options) rectOf(x, y span) (rect string, ok bool) {
	if flip, _ := o.Get("flip"); flip != "" {
		x.end = x.end != strings.Contains(flip, "h")
		y.end = y.end != strings.Contains(flip, "v")
	}
	degrees := 0
	if value, given := o.Get("rotate"); given {
		degrees, _ = strconv.Atoi(value)
	}
	switch degrees {
	case 0:
	case 90:
		// The left was the bottom.
		x, y = y, x
		y.end = !y.end
	case 180:
		x.end, y.end = !x.end, !y.end
	case 270:
		// The top was the right.
		x, y = y, x
		x.end = !x.end
	default:
		return "", false
	}
	atX, okX := x.native("right")
	atY, okY := y.native("bottom")
	return atX + "," + atY + "," + x.length + "," + y.length, okX && okY
}

// native returns the position of a span for the option rect. opposite is rect's word for the
// end of the side: right or bottom.
func (s span) native(opposite string) (at string, ok bool) {
	switch {
	case s.at == "center" || !s.end:
		return s.at, true
	case s.at == "0":
		return opposite, true
	}
	at, isPercent := strings.CutSuffix(s.at, "%")
	length, both := strings.CutSuffix(s.length, "%")
	if !isPercent || !both {
		return "", false
	}
	from, _ := number(at)
	over, _ := number(length)
	return format(max(100-from-over, 0)) + "%", true
}

package dialect

import (
	"image"
	"slices"
	"strconv"
	"testing"

	"github.com/tintype/tintype/transform"
)

// A grid is an image whose pixels are numbered.
type grid struct {
	w, h int
	at   []int
}

func numbered(w, h int) grid {
	g := grid{w, h, make([]int, w*h)}
	for i := range g.at {
		g.at[i] = i
	}
	return g
}

func (g grid) quarter() grid {
	r := grid{g.h, g.w, make([]int, len(g.at))}
	for y := range g.h {
		for x := range g.w {
			r.at[x*r.w+g.h-1-y] = g.at[y*g.w+x]
		}
	}
	return r
}

func (g grid) turn(degrees int) grid {
	for range turned(degrees) / 90 {
		g = g.quarter()
	}
	return g
}

func (g grid) mirror(flip string) grid {
	for _, axis := range flip {
		r := grid{g.w, g.h, make([]int, len(g.at))}
		for y := range g.h {
			for x := range g.w {
				if axis == 'h' {
					r.at[y*g.w+g.w-1-x] = g.at[y*g.w+x]
				} else {
					r.at[(g.h-1-y)*g.w+x] = g.at[y*g.w+x]
				}
			}
		}
		g = r
	}
	return g
}

func (g grid) crop(at image.Rectangle) grid {
	r := grid{at.Dx(), at.Dy(), nil}
	for y := at.Min.Y; y < at.Max.Y; y++ {
		r.at = append(r.at, g.at[y*g.w+at.Min.X:y*g.w+at.Max.X]...)
	}
	return r
}

// apply applies native options in the native order. The sizes don't scale the image.
func (g grid) apply(t *testing.T, q transform.Query) grid {
	t.Helper()
	o, err := transform.Parse(transform.Defaults(), q)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.Plan(transform.Size{W: g.w, H: g.h})
	if err != nil {
		t.Fatal(err)
	}
	g = g.crop(p.Region).turn(o.Rotate).mirror(string(o.Flip))
	if p.Scaled != (transform.Size{W: g.w, H: g.h}) {
		t.Fatalf("%v is scaled to %v", g, p.Scaled)
	}
	return g.crop(p.Crop)
}

// The native options for a turn or a mirror after the resize give the product's pixels.
func TestTurnAfterResize(t *testing.T) {
	original := numbered(6, 4)
	steps := []string{"90", "180", "270", "-90", "h", "v", "hv"}
	for _, fit := range [][]string{
		{"w", "3", "h", "4", "fit", "cover", "gravity", "west"}, {"w", "6", "h", "2", "fit", "cover", "gravity", "south"},
		{"w", "3", "h", "4", "fit", "cover", "fp-x", "0.75", "fp-y", "0.25"}, {"w", "3", "h", "4", "fit", "cover", "gravity", "northeast"},
	} {
		for _, before := range append(steps, "") {
			for _, first := range steps {
				for _, second := range append(steps, "") {
					var o Options
					do := func(step string, resized bool) {
						if n, err := strconv.Atoi(step); err == nil {
							if !o.turn(n, resized, "a") {
								t.Errorf("a turn by %s isn't exact", step)
							}
						} else {
							o.mirror(step, resized, "a")
						}
					}
					do(before, false)
					fitted := o
					fitted.Query = slices.Clone(o.Query)
					for i := 0; i < len(fit); i += 2 {
						o.Set(fit[i], fit[i+1], "")
						fitted.Set(fit[i], fit[i+1], "")
					}
					do(first, true)
					do(second, true)

					if before == "90" || before == "270" || before == "-90" {
						continue // the size would scale
					}
					want := original.apply(t, fitted.Query)
					for _, step := range []string{first, second} {
						if n, err := strconv.Atoi(step); err == nil {
							want = want.turn(n)
						} else {
							want = want.mirror(step)
						}
					}
					if got := original.apply(t, o.Query); got.w != want.w || !slices.Equal(got.at, want.at) {
						t.Errorf("%v, then %s, %s, after %q: %v gives %v, want %v", fit, first, second, before, o.Query, got, want)
					}
				}
			}
		}
	}
	var o Options
	o.Set("w", "3", "")
	if o.turn(30, true, "a") {
		t.Error("a turn by 30° after the resize counts as exact")
	}
}

// rectOf converts a region after a turn to a region before it.
func TestRectAfterTurn(t *testing.T) {
	original := numbered(6, 4)
	for _, degrees := range []int{0, 90, 180, 270} {
		for _, flip := range []string{"", "h", "v", "hv"} {
			var o Options
			o.turn(degrees, false, "a")
			if flip != "" {
				o.mirror(flip, false, "a")
			}
			turned := original.turn(degrees).mirror(flip)
			for _, tt := range []struct {
				x, y span
				want image.Rectangle
			}{
				{span{at: "0", length: "2"}, span{at: "0", length: "3"}, image.Rect(0, 0, 2, 3)},
				{span{at: "0", end: true, length: "2"}, span{at: "0", length: "3"}, image.Rect(turned.w-2, 0, turned.w, 3)},
				{span{at: "center", length: "2"}, span{at: "0", end: true, length: "2"}, image.Rect(turned.w/2-1, turned.h-2, turned.w/2+1, turned.h)},
				{span{at: "50%", length: "50%"}, span{at: "0", length: "100%"}, image.Rect(turned.w/2, 0, turned.w, turned.h)},
			} {
				rect, ok := o.rectOf(tt.x, tt.y)
				if !ok {
					t.Errorf("%d %s: %+v %+v isn't sayable", degrees, flip, tt.x, tt.y)
					continue
				}
				q := append(slices.Clone(o.Query), transform.Param{Name: "rect", Value: rect, Literal: true})
				if got, want := original.apply(t, q), turned.crop(tt.want); got.w != want.w || !slices.Equal(got.at, want.at) {
					t.Errorf("%d %s: rect=%s gives %v, want %v", degrees, flip, rect, got, want)
				}
			}
		}
	}
	var o Options
	o.turn(180, false, "a")
	if rect, ok := o.rectOf(span{at: "1", length: "2"}, span{at: "0", length: "2"}); ok {
		t.Errorf("a distance in pixels from the right is %s", rect)
	}
	o.turn(30, false, "a")
	if rect, ok := o.rectOf(span{at: "0", length: "2"}, span{at: "0", length: "2"}); ok {
		t.Errorf("a region of an image that is turned by 30° is %s", rect)
	}
}

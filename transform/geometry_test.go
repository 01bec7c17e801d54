package transform_test

import (
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/transform"
)

// geometry writes a plan as "scaled crop canvas offset output". It leaves out a crop of the
// whole image, a canvas of the crop's size, and an output of the canvas's size.
func geometry(p transform.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%dx%d", p.Scaled.W, p.Scaled.H)
	if p.Inner != (transform.Size{}) {
		fmt.Fprintf(&b, " around %dx%d", p.Inner.W, p.Inner.H)
	}
	kept := transform.Size{W: p.Crop.Dx(), H: p.Crop.Dy()}
	switch {
	case p.Smart:
		fmt.Fprintf(&b, " smart %dx%d", kept.W, kept.H)
	case kept != p.Scaled:
		fmt.Fprintf(&b, " crop %dx%d+%d+%d", kept.W, kept.H, p.Crop.Min.X, p.Crop.Min.Y)
	}
	if p.Canvas != kept {
		fmt.Fprintf(&b, " on %dx%d+%d+%d", p.Canvas.W, p.Canvas.H, p.Offset.X, p.Offset.Y)
	}
	if p.Output != p.Canvas {
		fmt.Fprintf(&b, " pad %d,%d,%d,%d out %dx%d", p.Pad[0], p.Pad[1], p.Pad[2], p.Pad[3], p.Output.W, p.Output.H)
	}
	if p.Radius > 0 {
		fmt.Fprintf(&b, " round %g", p.Radius)
	}
	return b.String()
}

// size reads "1200x800".
func size(t testing.TB, s string) transform.Size {
	t.Helper()
	w, h, _ := strings.Cut(s, "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return transform.Size{W: width, H: height}
}

func TestPlan(t *testing.T) {
	for _, tt := range []struct{ from, query, want string }{
		// Without options, the image is unchanged, whatever the fit.
		{"1200x800", "", "1200x800"},
		{"1200x800", "fit=contain", "1200x800"},
		{"1200x800", "fit=cover", "1200x800"},
		{"1200x800", "fit=crop", "1200x800"},
		{"1200x800", "fit=pad", "1200x800"},
		{"1200x800", "fit=squeeze", "1200x800"},
		{"1200x800", "dpr=2", "1200x800"},

		// With one side, the other follows, whatever the fit.
		{"1200x800", "w=300", "300x200"},
		{"1200x800", "h=200", "300x200"},
		{"1200x800", "w=300&fit=contain", "300x200"},
		{"1200x800", "w=300&fit=cover", "300x200"},
		{"1200x800", "w=300&fit=crop", "300x200"},
		{"1200x800", "w=300&fit=pad", "300x200"},
		{"1200x800", "w=300&fit=squeeze", "300x200"},
		{"1200x800", "h=200&fit=cover", "300x200"},
		{"1200x800", "w=2400", "1200x800"},
		{"1200x800", "h=1600", "1200x800"},
		{"1200x800", "w=2400&fit=crop", "1200x800"},
		{"1200x800", "w=2400&fit=contain", "2400x1600"},
		{"1200x800", "h=1600&fit=cover", "2400x1600"},
		{"1200x800", "w=2400&fit=pad", "2400x1600"},
		{"1200x800", "w=2400&fit=squeeze", "2400x1600"},
		{"1000x333", "w=500", "500x167"},
		{"333x1000", "w=100", "100x300"},
		// Rounding the derived side must not change the given one.
		{"1000x14", "w=100", "100x1"},
		{"1000x16", "w=100&fit=contain", "100x2"},
		{"1000x16", "w=100&fit=cover", "100x2"},
		{"1000x16", "w=100&fit=crop", "100x2"},
		{"1000x16", "w=100&fit=pad", "100x2"},
		{"14x1000", "h=100", "1x100"},

		// Both sides, fit within.
		{"1200x800", "w=300&h=300", "300x200"},
		{"800x1200", "w=300&h=300", "200x300"},
		{"1200x800", "w=2400&h=2400", "1200x800"},
		{"1200x800", "w=600&h=2400", "600x400"},
		{"1200x800", "w=300&h=300&fit=contain", "300x200"},
		{"1200x800", "w=2400&h=2400&fit=contain", "2400x1600"},
		{"1200x800", "size=300", "300x200"},

		// Filled.
		{"1200x800", "w=300&h=300&fit=cover", "450x300 crop 300x300+75+0"},
		{"800x1200", "w=300&h=300&fit=cover", "300x450 crop 300x300+0+75"},
		{"1200x800", "w=300&h=200&fit=cover", "300x200"},
		{"1200x800", "w=2400&h=2400&fit=cover", "3600x2400 crop 2400x2400+600+0"},
		{"1200x800", "w=1200&h=100&fit=cover", "1200x800 crop 1200x100+0+350"},
		{"1200x800", "w=300&h=300&fit=crop", "450x300 crop 300x300+75+0"},
		{"1200x800", "w=2400&h=2400&fit=crop", "1200x800 crop 800x800+200+0"},
		{"1200x800", "w=2400&h=400&fit=crop", "1200x800 crop 1200x200+0+300"},
		{"1200x800", "w=1000&h=1000&fit=crop", "1200x800 crop 800x800+200+0"},
		{"1000x300", "w=500&h=500&fit=crop", "1000x300 crop 300x300+350+0"},
		{"100x100", "w=200&h=100&fit=crop", "100x100 crop 100x50+0+25"},

		// Padded.
		{"1200x800", "w=300&h=300&fit=pad", "300x200 on 300x300+0+50"},
		{"800x1200", "w=300&h=300&fit=pad", "200x300 on 300x300+50+0"},
		{"1200x800", "w=300&h=200&fit=pad", "300x200"},
		{"120x80", "w=300&h=300&fit=pad", "300x200 on 300x300+0+50"},
		{"1200x800", "w=300&h=301&fit=pad&g=north", "300x200 on 300x301+0+0"},
		{"1200x800", "w=300&h=301&fit=pad&g=southwest", "300x200 on 300x301+0+101"},
		{"800x1200", "w=300&h=300&fit=pad&g=east", "200x300 on 300x300+100+0"},
		{"800x1200", "w=300&h=300&fit=pad&g=northwest", "200x300 on 300x300+0+0"},
		{"800x1200", "w=300&h=300&fit=pad&g=attention", "200x300 on 300x300+50+0"},
		{"800x1200", "w=300&h=300&fit=pad&fp-x=0&fp-z=4", "200x300 on 300x300+50+0"},

		// Around, without a crop.
		{"1200x800", "w=300&h=300&fit=outside", "450x300"},
		{"800x1200", "w=300&h=300&fit=outside", "300x450"},
		{"1200x800", "w=300&fit=outside", "300x200"},
		{"1200x800", "w=2400&h=2400&fit=outside", "3600x2400"},
		{"1200x800", "w=2400&h=2400&fit=outside&enlarge=0", "1200x800"},
		{"1200x800", "w=1000&h=1000&fit=outside&enlarge=0", "1200x800"},
		{"1200x800", "w=300&ar=1:2&fit=outside&gravity=west", "900x600"},
		{"1200x800", "ar=1:1&fit=outside", "1200x800"},
		{"1000x333", "w=500&h=1&fit=outside&pad=3", "500x167 pad 3,3,3,3 out 506x173"},

		// The fit depends on the orientations. A square counts as wide.
		{"1200x800", "w=300&h=150&fit=auto", "300x200 crop 300x150+0+25"},
		{"1200x800", "w=150&h=300&fit=auto", "150x100"},
		{"800x1200", "w=150&h=300&fit=auto&gravity=west", "200x300 crop 150x300+0+0"},
		{"800x1200", "w=300&h=150&fit=auto", "100x150"},
		{"1200x800", "w=300&h=300&fit=auto", "450x300 crop 300x300+75+0"},
		{"800x1200", "w=300&h=300&fit=auto", "200x300"},
		{"800x800", "w=300&h=200&fit=auto", "300x300 crop 300x200+0+50"},
		{"800x800", "w=200&h=300&fit=auto", "200x200"},
		{"1200x800", "w=300&fit=auto", "300x200"},
		{"1200x800", "fit=auto", "1200x800"},
		{"1200x800", "w=300&h=150&fit=auto&rotate=90", "100x150"},
		{"1200x800", "rect=0,0,200,400&w=150&h=300&fit=auto", "150x300"},
		{"1200x800", "w=2400&h=400&fit=auto", "2400x1600 crop 2400x400+0+600"},
		{"1200x800", "w=2400&h=400&fit=auto&enlarge=0", "1200x800 crop 1200x400+0+200"},
		{"1200x800", "w=2400&h=3000&fit=auto&enlarge=0", "1200x800"},
		{"1200x800", "w=300&ar=2:1&fit=auto", "300x200 crop 300x150+0+25"},
		{"1200x800", "ar=2:1&fit=auto", "1200x800 crop 1200x600+0+100"},
		{"1200x800", "ar=1:2&fit=auto", "1200x800"},
		{"1200x800", "w=300&h=150&fit=auto&fp-x=0&fp-z=2", "600x400 crop 300x150+0+125"},

		// Sides in percent of the image.
		{"1200x800", "w=50%25", "600x400"},
		{"1200x800", "h=25%25&dpr=2", "600x400"},
		{"1200x800", "w=100%25&dpr=2", "1200x800"},
		{"1200x800", "w=100%25&dpr=2&fit=contain", "2400x1600"},
		{"1200x800", "size=50%25&fit=cover", "600x400"},
		{"1200x800", "w=50%25&h=100%25&fit=cover", "1200x800 crop 600x800+300+0"},
		{"1200x800", "w=50%25&h=200&fit=squeeze", "600x200"},
		{"1200x800", "w=50%25&ar=1:1&fit=cover", "900x600 crop 600x600+150+0"},
		{"1200x800", "w=50%25&rotate=90", "400x600"},
		{"1200x800", "rect=0,0,200,100&w=50%25", "100x50"},
		{"3x3", "w=0.0001%25", "1x1"},

		// Stretched.
		{"1200x800", "w=300&h=300&fit=squeeze", "300x300"},
		{"1200x800", "w=2400&h=10&fit=fill", "2400x10"},

		// With enlarge, whatever the fit.
		{"1200x800", "w=2400&enlarge=1", "2400x1600"},
		{"1200x800", "w=2400&h=2400&fit=crop&enlarge=1", "3600x2400 crop 2400x2400+600+0"},
		{"1200x800", "w=2400&fit=contain&enlarge=0", "1200x800"},
		{"1200x800", "w=300&h=300&fit=cover&enlarge=0", "450x300 crop 300x300+75+0"},
		{"1200x800", "w=2400&h=2400&fit=cover&enlarge=0", "1200x800"},
		{"1200x800", "w=1000&h=1000&fit=cover&enlarge=0", "1200x800 crop 1000x800+100+0"},
		{"1200x800", "w=2400&h=400&fit=cover&enlarge=0", "1200x800 crop 1200x400+0+200"},
		{"1200x800", "w=2400&h=400&fit=cover&enlarge=0&g=top", "1200x800 crop 1200x400+0+0"},
		{"1200x800", "w=2400&fit=cover&enlarge=0", "1200x800"},
		{"1200x800", "w=2400&ar=3:1&fit=cover&enlarge=0", "1200x800"},
		{"1200x800", "w=600&h=600&fit=cover&enlarge=0&fp-z=2", "1200x800 crop 600x600+300+100"},
		{"1200x800", "w=100&h=100&fit=cover&enlarge=0&fp-z=2", "300x200 crop 100x100+100+50"},
		{"1200x800", "w=1000&h=1000&fit=cover&enlarge=0&g=attention", "1200x800 smart 1000x800"},
		{"1200x800", "w=2400&h=2400&fit=cover&enlarge=0&g=attention", "1200x800"},
		{"1000x16", "w=100&fit=cover&enlarge=0", "100x2"},
		{"1200x800", "w=300&h=300&fit=pad&enlarge=0", "300x200 on 300x300+0+50"},
		{"1200x800", "w=2400&h=2400&fit=pad&enlarge=0", "1200x800 on 2400x2400+600+800"},
		{"1200x800", "w=2400&h=2400&fit=pad&enlarge=0&g=southeast", "1200x800 on 2400x2400+1200+1600"},
		{"1200x800", "w=1300&h=600&fit=pad&enlarge=0", "900x600 on 1300x600+200+0"},
		{"1200x800", "w=2400&fit=pad&enlarge=0", "1200x800 on 2400x1600+600+400"},
		{"1200x800", "w=2400&h=300&fit=squeeze&enlarge=0", "1200x300"},
		{"1200x800", "w=2400&h=2400&fit=squeeze&enlarge=0", "1200x800"},
		{"1200x800", "w=900&dpr=2&h=300&fit=fill&enlarge=0", "1200x600"},

		// An aspect ratio.
		{"1200x800", "w=300&ar=1:1", "300x200"},
		{"1200x800", "w=300&ar=1:1&fit=cover", "450x300 crop 300x300+75+0"},
		{"1200x800", "h=300&ar=2:1&fit=cover", "600x400 crop 600x300+0+50"},
		{"1200x800", "w=300&ar=16:9&fit=crop", "300x200 crop 300x169+0+15"},
		{"1200x800", "w=2400&ar=1:1&fit=crop", "1200x800 crop 800x800+200+0"},
		{"1200x800", "w=300&ar=1:1&fit=pad", "300x200 on 300x300+0+50"},
		{"1200x800", "w=300&ar=1:1&fit=squeeze", "300x300"},
		{"1200x800", "w=300&h=100&ar=1:1&fit=squeeze", "300x100"},
		{"1200x800", "ar=1:1", "1200x800"},
		{"1200x800", "ar=1:1&fit=contain", "1200x800"},
		{"1200x800", "ar=1:1&fit=cover", "1200x800 crop 800x800+200+0"},
		{"1200x800", "ar=2:1&fit=crop", "1200x800 crop 1200x600+0+100"},
		{"1200x800", "ar=3:2&fit=cover", "1200x800"},
		{"1200x800", "ar=1:1&fit=pad", "1200x800 on 1200x1200+0+200"},
		{"1200x800", "ar=2:1&fit=pad", "1200x800 on 1600x800+200+0"},
		{"1200x800", "ar=1:1&fit=squeeze", "800x800"},
		{"1200x800", "w=191&ar=1.91:1&fit=squeeze", "191x100"},

		// DPR multiplies before anything is derived.
		{"1200x800", "w=300&dpr=2", "600x400"},
		{"1200x800", "w=900&dpr=2", "1200x800"},
		{"1200x800", "w=101&dpr=1.5&fit=contain", "152x101"},
		{"1200x800", "w=100&h=100&dpr=2&fit=cover", "300x200 crop 200x200+50+0"},
		{"1200x800", "w=100&dpr=1.5&ar=3:2&fit=squeeze", "150x100"},
		{"1200x800", "w=1&dpr=0.1", "1x1"},
		{"1200x800", "w=4&h=4&dpr=0.1&fit=cover", "2x1 crop 1x1+0+0"},

		// Rotation comes before w and h, mirroring changes no size.
		{"1200x800", "rotate=90", "800x1200"},
		{"1200x800", "rotate=180", "1200x800"},
		{"1200x800", "rotate=270&w=400", "400x600"},
		{"1200x800", "rotate=90&w=300&h=300&fit=cover&flip=h", "300x450 crop 300x300+0+75"},
		{"1200x800", "rotate=90&ar=1:1&fit=cover&g=north", "800x1200 crop 800x800+0+0"},

		// After other angles, w and h apply to the whole with its corners.
		{"1200x800", "rotate=45", "1414x1414 around 1200x800"},
		{"1200x800", "rotate=225", "1414x1414 around 1200x800"},
		{"1200x800", "rotate=1", "1214x821 around 1200x800"},
		{"1200x800", "rotate=89", "821x1214 around 1200x800"},
		{"1200x800", "rotate=-30", "1439x1293 around 1200x800"},
		{"1200x800", "rotate=45&w=300", "300x300 around 255x170"},
		{"1200x800", "rotate=45&w=2828", "1414x1414 around 1200x800"},
		{"1200x800", "rotate=45&w=2828&enlarge", "2828x2828 around 2400x1600"},
		{"1200x800", "rotate=45&w=400&h=200&fit=cover", "400x400 around 339x226 crop 400x200+0+100"},
		{"1200x800", "rotate=45&w=400&h=200&fit=cover&g=top", "400x400 around 339x226 crop 400x200+0+0"},
		{"1200x800", "rotate=45&w=400&h=200&fit=cover&g=face", "400x400 around 339x226 smart 400x200"},
		{"1200x800", "rotate=45&w=400&h=200&fit=pad", "200x200 around 170x113 on 400x200+100+0"},
		{"1200x800", "rotate=45&w=400&h=100&fit=squeeze", "400x100 around 339x226"},
		{"1200x800", "rotate=45&rect=0,0,600,800&w=99", "99x99 around 60x80"},
		{"1x1", "rotate=45", "1x1 around 1x1"},
		{"8192x1", "rotate=45&w=10", "10x10 around 14x1"},

		// A region.
		{"1200x800", "rect=100,100,600,300", "600x300"},
		{"1200x800", "rect=100,100,600,300&w=300", "300x150"},
		{"1200x800", "rect=100,100,600,300&rotate=90&w=100", "100x200"},
		{"1200x800", "rect=25%25,25%25,50%25,50%25", "600x400"},
		{"1200x800", "rect=900,0,600,300&w=600", "300x300"},
		{"1200x800", "rect=right,bottom,600,300&w=300", "300x150"},

		// Gravity.
		{"1200x800", "w=300&h=300&fit=cover&g=west", "450x300 crop 300x300+0+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=east", "450x300 crop 300x300+150+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=north", "450x300 crop 300x300+75+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=northwest", "450x300 crop 300x300+0+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=southeast", "450x300 crop 300x300+150+0"},
		{"800x1200", "w=300&h=300&fit=cover&g=south", "300x450 crop 300x300+0+150"},
		{"800x1200", "w=300&h=300&fit=cover&g=northeast", "300x450 crop 300x300+0+0"},
		{"800x1200", "w=300&h=300&fit=cover&g=southwest", "300x450 crop 300x300+0+150"},
		{"801x1200", "w=800&h=1200&fit=cover", "801x1200 crop 800x1200+0+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=left", "450x300 crop 300x300+0+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=right", "450x300 crop 300x300+150+0"},
		{"800x1200", "w=300&h=300&fit=cover&g=bottom", "300x450 crop 300x300+0+150"},
		{"1200x800", "w=300&h=300&fit=cover&g=face", "450x300 smart 300x300"},
		{"800x1200", "w=300&h=300&fit=pad&g=face", "200x300 on 300x300+50+0"},
		{"1200x800", "w=300&h=300&fit=cover&g=attention", "450x300 smart 300x300"},
		{"1200x800", "w=300&h=300&fit=crop&g=entropy", "450x300 smart 300x300"},
		{"1200x800", "w=300&h=200&fit=cover&g=attention", "300x200"},
		{"1200x800", "w=300&h=300&g=attention", "300x200"},
		{"1200x800", "w=300&fit=cover&g=entropy", "300x200"},

		// The focal point is in the middle, as far as the image allows.
		{"1200x800", "w=300&h=300&fit=cover&fp-x=0.5", "450x300 crop 300x300+75+0"},
		{"1200x800", "w=300&h=300&fit=cover&fp-x=0.4", "450x300 crop 300x300+30+0"},
		{"1200x800", "w=300&h=300&fit=cover&fp-x=0.9", "450x300 crop 300x300+150+0"},
		{"1200x800", "w=300&h=300&fit=cover&fp-x=0", "450x300 crop 300x300+0+0"},
		{"800x1200", "w=300&h=300&fit=crop&fp-y=0.4", "300x450 crop 300x300+0+30"},
		{"1200x800", "w=300&h=300&fp-x=0", "300x200"},

		// Zoomed.
		{"1200x800", "w=300&h=300&fit=cover&fp-z=2", "900x600 crop 300x300+300+150"},
		{"1200x800", "w=300&h=300&fit=cover&fp-z=2&fp-x=0.25&fp-y=0.75", "900x600 crop 300x300+75+300"},
		{"1200x800", "w=300&fit=cover&fp-z=1.5", "450x300 crop 300x200+75+50"},
		{"1200x800", "fit=cover&fp-z=2", "2400x1600 crop 1200x800+600+400"},
		{"1200x800", "w=300&h=300&fp-z=2", "300x200"},
		{"1200x800", "w=300&h=300&fit=crop&fp-z=2", "900x600 crop 300x300+300+150"},
		{"1200x800", "w=800&h=800&fit=crop&fp-z=2", "1200x800 crop 400x400+400+200"},
		{"1200x800", "fit=crop&fp-z=2", "1200x800 crop 600x400+300+200"},
		{"1200x800", "ar=1:1&fit=crop&fp-z=2", "1200x800 crop 400x400+400+200"},
		{"1000x14", "w=100&h=1&fit=cover&fp-z=10", "1000x14 crop 100x1+450+6"},
		{"3x3", "fit=crop&fp-z=10", "3x3 crop 1x1+1+1"},

		// Padding is added at the end.
		{"1200x800", "w=300&pad=10", "300x200 pad 10,10,10,10 out 320x220"},
		{"1200x800", "w=300&pad=10&dpr=2", "600x400 pad 20,20,20,20 out 640x440"},
		{"1200x800", "pad=1,2,3,4&dpr=1.5", "1200x800 pad 2,3,5,6 out 1209x807"},
		{"1200x800", "w=300&h=300&fit=pad&pad=5,0", "300x200 on 300x300+0+50 pad 5,0,5,0 out 300x310"},
		{"1200x800", "w=300&h=300&fit=cover&pad=0,1", "450x300 crop 300x300+75+0 pad 0,1,0,1 out 302x300"},

		// Corners are rounded on the output.
		{"1200x800", "w=300&radius=20", "300x200 round 20"},
		{"1200x800", "w=300&radius=20&dpr=1.5", "450x300 round 30"},
		{"1200x800", "w=300&radius=8192", "300x200 round 100"},
		{"1200x800", "w=300&radius=10%25", "300x200 round 20"},
		{"1200x800", "w=300&h=300&fit=cover&radius=max", "450x300 crop 300x300+75+0 round 150"},
		{"1200x800", "w=300&pad=10&radius=max", "300x200 pad 10,10,10,10 out 320x220 round 110"},
		{"1x1", "radius=max", "1x1 round 0.5"},

		// Extreme values.
		{"1x1", "", "1x1"},
		{"1x1", "w=400&h=300", "1x1"},
		{"1x1", "w=400&h=300&fit=contain", "300x300"},
		{"1x1", "w=400&h=300&fit=cover", "400x400 crop 400x300+0+50"},
		{"1x1", "w=400&h=300&fit=crop", "1x1"},
		{"1x1", "w=400&h=300&fit=pad", "300x300 on 400x300+50+0"},
		{"1x1", "w=400&h=300&fit=squeeze", "400x300"},
		{"1x1", "ar=16:9&fit=cover", "1x1"},
		{"1x1", "ar=16:9&fit=pad", "1x1 on 2x1+0+0"},
		{"1x8192", "w=100&h=100", "1x100"},
		{"1x8192", "w=100&h=100&fit=cover", "100x819200 crop 100x100+0+409550"},
		{"1x8192", "w=100&h=100&fit=crop", "1x8192 crop 1x1+0+4095"},
		{"1x8192", "w=100&h=100&fit=pad", "1x100 on 100x100+49+0"},
		{"1x8192", "w=1&h=1", "1x1"},
		{"8192x1", "h=1", "8192x1"},
		{"8192x1", "w=16&fit=contain", "16x1"},
		{"8192x1", "h=2&fit=contain", "16384x2"},
		{"32768x2", "w=8192&h=8192&fit=cover", "134217728x8192 crop 8192x8192+67104768+0"},
		{"1200x800", "w=8192&ar=10000:0.0001&fit=squeeze", "8192x1"},
		{"1200x800", "w=8192&ar=0.0001:10000&fit=squeeze", "8192x2147483647"},
	} {
		p, err := mustParse(t, tt.query).Plan(size(t, tt.from))
		if err != nil {
			t.Errorf("%s ?%s: %v", tt.from, tt.query, err)
			continue
		}
		if got := geometry(p); got != tt.want {
			t.Errorf("%s ?%s:\n got %s\nwant %s", tt.from, tt.query, got, tt.want)
		}
		checkPlan(t, mustParse(t, tt.query), size(t, tt.from), p)
	}
}

func TestRegion(t *testing.T) {
	for _, tt := range []struct {
		from, rect string
		want       image.Rectangle
	}{
		{"1200x800", "0,0,1200,800", image.Rect(0, 0, 1200, 800)},
		{"1200x800", "100,50,10,20", image.Rect(100, 50, 110, 70)},
		{"1200x800", "1199,799,1,1", image.Rect(1199, 799, 1200, 800)},
		{"1200x800", "1199,799,500,500", image.Rect(1199, 799, 1200, 800)},
		{"1200x800", "left,top,10,20", image.Rect(0, 0, 10, 20)},
		{"1200x800", "center,center,100,50", image.Rect(550, 375, 650, 425)},
		{"1200x800", "right,bottom,100,50", image.Rect(1100, 750, 1200, 800)},
		{"1200x800", "right,bottom,5000,5000", image.Rect(0, 0, 1200, 800)},
		{"1200x800", "right,bottom,25%,50%", image.Rect(900, 400, 1200, 800)},
		{"1200x800", "center,10,25%,50%", image.Rect(450, 10, 750, 410)},
		{"11x11", "center,center,2,2", image.Rect(4, 4, 6, 6)},
		{"1200x800", "0,0,1000000,1", image.Rect(0, 0, 1200, 1)},
		{"1200x800", "10%,10%,50%,50%", image.Rect(120, 80, 720, 480)},
		{"1200x800", "90%,90%,50%,50%", image.Rect(1080, 720, 1200, 800)},
		{"1200x800", "25%,100,50%,200", image.Rect(300, 100, 900, 300)},
		{"1200x800", "100,25%,600,50%", image.Rect(100, 200, 700, 600)},
		// Regions of a third meet without gaps.
		{"100x100", "0,0,33.3333%,100%", image.Rect(0, 0, 33, 100)},
		{"100x100", "33.3333%,0,33.3333%,100%", image.Rect(33, 0, 67, 100)},
		{"100x100", "66.6667%,0,33.3333%,100%", image.Rect(67, 0, 100, 100)},
		// A small region is never empty.
		{"10x10", "0,0,0.0001%,0.0001%", image.Rect(0, 0, 1, 1)},
		{"10x10", "99.9999%,99.9999%,0.0001%,0.0001%", image.Rect(9, 9, 10, 10)},
		{"1x1", "50%,50%,10%,10%", image.Rect(0, 0, 1, 1)},
	} {
		o := mustParse(t, "rect="+strings.ReplaceAll(tt.rect, "%", "%25"))
		got, err := o.Region(size(t, tt.from))
		if err != nil {
			t.Errorf("%s of %s: %v", tt.rect, tt.from, err)
		} else if got != tt.want {
			t.Errorf("%s of %s is %v, want %v", tt.rect, tt.from, got, tt.want)
		}
	}
	for _, tt := range []struct{ from, rect string }{
		{"1200x800", "1200,0,1,1"},
		{"1200x800", "0,800,1,1"},
		{"1200x800", "5000,5000,10,10"},
		{"1200x800", "100%,0,1,1"},
		{"1x1", "0,1,1,1"},
	} {
		o := mustParse(t, "rect="+strings.ReplaceAll(tt.rect, "%", "%25"))
		_, err := o.Plan(size(t, tt.from))
		checkNames(t, tt.rect, err, "rect")
	}
}

// An inset is taken from what rect keeps.
func TestInset(t *testing.T) {
	for _, tt := range []struct {
		from, query string
		want        image.Rectangle
	}{
		{"1200x800", "inset=10", image.Rect(10, 10, 1190, 790)},
		{"1200x800", "inset=1,2,3,4", image.Rect(4, 1, 1198, 797)},
		{"1200x800", "inset=799,0,0", image.Rect(0, 799, 1200, 800)},
		{"1200x800", "inset=10,20&rect=100,50,500,400", image.Rect(120, 60, 580, 440)},
		{"1200x800", "inset=10,20&rect=right,bottom,25%25,50%25", image.Rect(920, 410, 1180, 790)},
	} {
		if got, err := mustParse(t, tt.query).Region(size(t, tt.from)); err != nil || got != tt.want {
			t.Errorf("%s of %s is %v, %v; want %v", tt.query, tt.from, got, err, tt.want)
		}
	}
	for _, query := range []string{"inset=400", "inset=0,600", "inset=1000000", "inset=0,700,0,700", "inset=50&rect=0,0,100,100"} {
		_, err := mustParse(t, query).Plan(transform.Size{W: 1200, H: 800})
		checkNames(t, query, err, "inset")
	}
}

func TestPlanRegion(t *testing.T) {
	// As after a trim: only the region counts, wherever it lies.
	o := mustParse(t, "rect=0,0,10,10&w=100&h=100&fit=cover")
	p, err := o.PlanRegion(image.Rect(50, 60, 450, 260))
	if err != nil {
		t.Fatal(err)
	}
	want := transform.Plan{
		Region: image.Rect(50, 60, 450, 260),
		Scaled: transform.Size{W: 200, H: 100},
		Crop:   image.Rect(50, 0, 150, 100),
		Canvas: transform.Size{W: 100, H: 100},
		Output: transform.Size{W: 100, H: 100},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("PlanRegion (-want +got):\n%s", diff)
	}
	if _, err := o.PlanRegion(image.Rectangle{}); !errors.Is(err, transform.ErrCorrupt) {
		t.Errorf("an empty region: %v, want ErrCorrupt", err)
	}
}

func TestCropOn(t *testing.T) {
	rect := image.Rect
	p, err := mustParse(t, "w=300&h=300&fit=cover&g=face").Plan(transform.Size{W: 1200, H: 800}) // 450 × 300
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		parts []image.Rectangle
		want  image.Rectangle
	}{
		{nil, rect(75, 0, 375, 300)},
		{[]image.Rectangle{rect(0, 0, 20, 20)}, rect(0, 0, 300, 300)},
		{[]image.Rectangle{rect(200, 0, 220, 20)}, rect(60, 0, 360, 300)},
		{[]image.Rectangle{rect(440, 0, 450, 20)}, rect(150, 0, 450, 300)},
		{[]image.Rectangle{rect(100, 0, 120, 20), rect(300, 50, 340, 90)}, rect(70, 0, 370, 300)},
		{[]image.Rectangle{rect(0, 0, 20, 20), rect(400, 50, 440, 90)}, rect(150, 0, 450, 300)}, // the larger
		{[]image.Rectangle{rect(0, 0, 40, 40), rect(400, 50, 440, 90)}, rect(0, 0, 300, 300)},   // the first of equals
		{[]image.Rectangle{rect(10, 0, 430, 300), rect(0, 0, 9, 9)}, rect(70, 0, 370, 300)},     // its middle
	} {
		if got := p.CropOn(tt.parts); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.parts, got, tt.want)
		}
	}
}

// checkPlan checks what is true of every plan.
func checkPlan(t *testing.T, o transform.Options, upright transform.Size, p transform.Plan) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%d×%d ?%s: %s\n%+v", upright.W, upright.H, o, fmt.Sprintf(format, args...), p)
	}
	if p.Region.Empty() || !p.Region.In(image.Rect(0, 0, upright.W, upright.H)) {
		fail("the region is not within the image")
	}
	from := transform.Size{W: p.Region.Dx(), H: p.Region.Dy()}
	slanted := o.Rotate%90 != 0
	switch angle := float64(o.Rotate) * math.Pi / 180; {
	case slanted:
		w, h, sin, cos := float64(from.W), float64(from.H), math.Abs(math.Sin(angle)), math.Abs(math.Cos(angle))
		from = transform.Size{W: max(int(math.Round(w*cos+h*sin)), 1), H: max(int(math.Round(w*sin+h*cos)), 1)}
		// The region keeps its aspect.
		scale := max(float64(p.Scaled.W)/float64(from.W), float64(p.Scaled.H)/float64(from.H))
		if math.Abs(float64(p.Inner.W)-max(w*scale, 1)) > 0.51 || math.Abs(float64(p.Inner.H)-max(h*scale, 1)) > 0.51 {
			fail("the region doesn't fit what is turned")
		}
	case o.Rotate%180 != 0:
		from.W, from.H = from.H, from.W
	}
	if slanted != (p.Inner != transform.Size{}) {
		fail("turned within nothing")
	}
	if shorter := float64(min(p.Output.W, p.Output.H)); p.Radius < 0 || p.Radius > shorter/2 || (p.Radius > 0) != (o.Radius != transform.Length{}) {
		fail("corners with a radius of %g", p.Radius)
	}
	kept := transform.Size{W: p.Crop.Dx(), H: p.Crop.Dy()}
	if p.Crop.Empty() || !p.Crop.In(image.Rect(0, 0, p.Scaled.W, p.Scaled.H)) {
		fail("the crop is not within the scaled image")
	}
	if at := (image.Rectangle{p.Offset, p.Offset.Add(p.Crop.Size())}); !at.In(image.Rect(0, 0, p.Canvas.W, p.Canvas.H)) {
		fail("the image is not within the canvas")
	}
	if p.Canvas != kept && o.Fit != transform.FitPad {
		fail("a canvas without fit=pad")
	}
	if want := (transform.Size{W: p.Canvas.W + p.Pad[1] + p.Pad[3], H: p.Canvas.H + p.Pad[0] + p.Pad[2]}); p.Output != want {
		fail("the output is not the canvas plus pad")
	}
	if p.Smart && kept == p.Scaled {
		fail("smart, with nothing to choose")
	}
	if o.Fit == transform.FitAuto {
		o.Fit = transform.FitContain
		if o.Enlarge == transform.EnlargeNever {
			o.Fit = transform.FitScaleDown
		}
		if same, err := o.Plan(upright); err != nil || same != p {
			o.Fit = transform.FitCover
			if same, err := o.Plan(upright); err != nil || same != p {
				fail("neither that of cover nor that of contain")
			}
		}
	}
	cropping := o.Fit == transform.FitCover || o.Fit == transform.FitCrop
	if kept != p.Scaled && !cropping {
		fail("cropped without being asked")
	}

	side := func(pixels int, percent float64, of int) int {
		exact := (float64(pixels) + percent/100*float64(of)) * o.DPR
		if exact > 0 {
			return max(int(math.Round(exact)), 1)
		}
		return 0
	}
	asked := transform.Size{W: side(o.Width, o.WidthPercent, from.W), H: side(o.Height, o.HeightPercent, from.H)}
	exact := false
	switch o.Fit {
	case transform.FitCover, transform.FitSqueeze:
		exact = o.Enlarge != transform.EnlargeNever
	case transform.FitPad:
		exact = true
	case transform.FitContain:
		exact = (asked.W == 0 || asked.H == 0) && o.Aspect == (transform.Ratio{})
	}
	if o.Fit == transform.FitOutside {
		if o.Enlarge != transform.EnlargeNever && (p.Scaled.W < asked.W || p.Scaled.H < asked.H) {
			fail("smaller than asked for")
		}
		asked = transform.Size{} // either side may be longer
	}
	if asked.W > 0 && (exact && p.Canvas.W != asked.W || p.Canvas.W > asked.W) {
		fail("the width is not the one asked for")
	}
	if asked.H > 0 && (exact && p.Canvas.H != asked.H || p.Canvas.H > asked.H) {
		fail("the height is not the one asked for")
	}
	if o.Fit == transform.FitScaleDown || o.Fit == transform.FitCrop || o.Enlarge == transform.EnlargeNever {
		if p.Scaled.W > from.W || p.Scaled.H > from.H {
			fail("enlarged")
		}
	}
	// Unless it is stretched, the scaled image has the aspect of the region, up to rounding.
	if o.Fit != transform.FitSqueeze && max(p.Scaled.W, p.Scaled.H) < math.MaxInt32 {
		h := float64(p.Scaled.W) * float64(from.H) / float64(from.W)
		w := float64(p.Scaled.H) * float64(from.W) / float64(from.H)
		if off := min(math.Abs(h-float64(p.Scaled.H)), math.Abs(w-float64(p.Scaled.W))); off > 1 {
			fail("stretched: by the aspect it should be %.2f wide or %.2f high", w, h)
		}
	}
	// Without zoom, a crop removes pixels on one side only.
	zoomed := o.FocalZoom != 1
	if cropping && !zoomed && o.Enlarge != transform.EnlargeNever && p.Scaled.W > kept.W && p.Scaled.H > kept.H {
		fail("cropped on both sides")
	}
	if o.Fit == transform.FitPad && o.Enlarge != transform.EnlargeNever && p.Canvas.W > kept.W && p.Canvas.H > kept.H {
		fail("padded on both sides")
	}
}

// Random options, which together reach every branch, pass checkPlan.
func TestPlanProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	side := func() int { return 1 + random.IntN(1<<(1+random.IntN(15))) }
	pixels := func() string { return strconv.Itoa(1 + random.IntN(1<<(1+random.IntN(11)))) }
	for range 50_000 {
		query := strings.Join([]string{
			pick("", "w="+pixels(), "w=33.3333%25"),
			pick("", "h="+pixels(), "h=50%25"),
			pick("", "", "dpr="+pick("0.1", "0.75", "1.3333", "2", "3.5")),
			"fit=" + pick("scale-down", "contain", "cover", "crop", "outside", "pad", "squeeze", "auto"),
			pick("", "", "enlarge="+pick("0", "1")),
			pick("", "", "radius="+pick("1", "7.5%25", "max", "2000")),
			pick("", "ar="+pick("1:1", "16:9", "9:16", "1.91:1", "1:100", "1000:1")),
			pick("gravity="+pick("center", "north", "southeast", "left", "attention", "entropy", "face"), "fp-x="+pick("0", "0.3333", "1")+"&fp-y=0.9"),
			pick("", "fp-z="+pick("1.0001", "1.5", "3", "10")),
			pick("", "", "rect="+pick("0,0,1,1", "10%25,20%25,30%25,40%25", "3,5,70%25,11", "right,center,9,33.3333%25", "center,bottom,1000,7", "33.3333%25,0,50%25,100%25")),
			pick("", "", "inset="+pick("1", "0,3,0,0", "100,0,7")),
			pick("", "rotate="+pick("90", "180", "270"), "rotate="+strconv.Itoa(random.IntN(721)-360)),
			pick("", "", "pad="+pick("1", "10,20", "0,0,7")),
		}, "&")
		o := mustParse(t, query)
		upright := transform.Size{W: side(), H: side()}
		p, err := o.Plan(upright)
		if err != nil {
			var wrong *transform.OptionError
			if !errors.As(err, &wrong) || wrong.Name != "rect" && wrong.Name != "inset" {
				t.Fatalf("%v ?%s: %v", upright, query, err)
			}
			continue
		}
		if checkPlan(t, o, upright, p); t.Failed() {
			return
		}
	}
}

func TestCheckOutput(t *testing.T) {
	limits := transform.DefaultLimits()
	for _, tt := range []struct {
		from, query string
		format      transform.Format
		frames      int
		limits      transform.Limits
		message     string // empty: allowed
	}{
		{"8000x8000", "", transform.JPEG, 1, limits, ""},
		{"8000x8001", "", transform.JPEG, 1, limits, "8000×8001 pixels in 1 frame(s), but the limit of an output is 64 megapixels"},
		{"4000x4000", "", transform.AVIF, 1, limits, ""},
		{"4000x4001", "", transform.AVIF, 1, limits, "the limit of avif is 16 megapixels"},
		{"4000x4001", "", transform.WebP, 1, limits, ""},
		{"800x800", "", transform.GIF, 100, limits, ""},
		{"800x800", "", transform.GIF, 101, limits, "101 frame(s)"},
		{"800x800", "", transform.GIF, 0, limits, ""},
		{"7990x8000", "pad=5", transform.PNG, 1, limits, "8000×8010 pixels"},
		{"16383x10", "", transform.WebP, 1, limits, ""},
		{"16384x10", "", transform.WebP, 1, limits, "webp allows sides of at most 16383"},
		{"10x16385", "", transform.AVIF, 1, limits, "avif allows sides of at most 16384"},
		{"65501x10", "", transform.JPEG, 1, limits, "jpeg allows sides of at most 65500"},
		{"65536x10", "", transform.GIF, 1, limits, "gif allows sides of at most 65535"},
		{"65536x10", "", transform.PNG, 1, limits, ""},
		{"9000x9000", "", transform.PNG, 1, transform.Limits{}, ""},
		{"9000x9000", "", transform.AVIF, 1, transform.Limits{}, ""},
		{"4000x4001", "", transform.AVIF, 1, transform.Limits{AVIFPixels: 16e6}, "avif is 16 megapixels"},
		{"4000x4001", "", transform.AVIF, 1, transform.Limits{OutputPixels: 1e6, AVIFPixels: 16e6}, "an output is 1 megapixels"},

		// Sizes of intermediate images.
		{"32768x2", "w=100&h=100&fit=cover", transform.PNG, 1, limits, ""},
		{"32768x2", "w=8192&h=1024&fit=cover", transform.PNG, 1, limits, "a scaling to 16777216×1024"},
		{"32768x2", "w=8192&h=1024&fit=cover", transform.PNG, 1, transform.Limits{}, "a scaling to 16777216×1024"},
		{"10000x10", "w=1000&h=1000&fit=cover", transform.JPEG, 1, limits, ""},
		{"10000x10", "w=1000&h=1000&fit=cover&g=attention", transform.JPEG, 1, limits, "this gravity reads a scaling to 1000000×1000"},
		{"6000x4000", "rotate=45", transform.PNG, 1, limits, ""},
		{"8000x8000", "rotate=10", transform.PNG, 1, limits, "9268×9268 pixels"},
		{"8000x8001", "rotate=10&w=200&h=200&fit=cover", transform.PNG, 1, limits, ""},
		{"8000x9000", "rotate=10&w=2000&h=2000&fit=cover&fp-z=5", transform.PNG, 1, limits, "this rotation needs a scaling to"},
		{"100x10", "rotate=10&w=3000&h=3000&fit=cover", transform.PNG, 30, limits, "this rotation needs a scaling to"},
		{"8000x9000", "rotate=10&w=2000&h=2000&fit=cover&fp-z=4", transform.PNG, 1, transform.Limits{}, ""},
		{"1x1", "w=8192&ar=0.0001:10000&fit=squeeze", transform.PNG, 1, transform.Limits{}, "png allows sides of at most 10000000"},
	} {
		o := mustParse(t, tt.query)
		p, err := o.Plan(size(t, tt.from))
		if err != nil {
			t.Fatal(err)
		}
		err = o.CheckOutput(p, tt.format, tt.frames, tt.limits)
		name := fmt.Sprintf("%s ?%s as %s", tt.from, tt.query, tt.format)
		switch {
		case tt.message == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.message != "" && !errors.Is(err, transform.ErrOutputTooLarge):
			t.Errorf("%s: %v, want ErrOutputTooLarge", name, err)
		case tt.message != "" && !strings.Contains(err.Error(), tt.message):
			t.Errorf("%s: %q lacks %q", name, err, tt.message)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("w=400&h=300&fit=cover&dpr=2", 1200, 800)
	f.Add("ar=1.91:1&fit=crop&fp-x=0.2&fp-y=0.9&fp-z=3.3", 1, 8192)
	f.Add("rect=33.3333%25,0,33.3333%25,100%25&rotate=90&fit=pad&ar=1:1&pad=1,2,3,4", 100, 7)
	f.Add("w=8192&ar=0.0001:10000&fit=contain", 32768, 1)
	f.Add("h=1&dpr=0.1&fit=squeeze", 1, 1)
	f.Add("w=300&rotate=33&fit=squeeze&enlarge=0&radius=max", 77, 9000)
	f.Add("rect=center,bottom,7,33%25&h=80&w=900&rotate=-1&fit=cover&enlarge=0&gravity=right", 4000, 3)
	f.Add("w=100&fit=cover&gravity=attention", 1000, 16)
	f.Add("size=8192&fit=crop&fp-z=10", 3, 99999)
	f.Add("w=33%25&h=100%25&fit=auto&enlarge=0&rotate=30", 900, 60)
	f.Add("w=33%25&h=100%25&fit=outside&inset=0,1,2,3", 900, 60)
	f.Fuzz(func(t *testing.T, query string, w, h int) {
		const edge = 100_000
		if w < 1 || h < 1 || w > edge || h > edge {
			return
		}
		o, err := parse(query)
		if err != nil {
			return
		}
		upright := transform.Size{W: w, H: h}
		p, err := o.Plan(upright)
		if err != nil {
			if wrong, ok := err.(*transform.OptionError); !ok || wrong.Name != "rect" && wrong.Name != "inset" {
				t.Errorf("%q: %v, want an error about rect or inset", query, err)
			}
			return
		}
		checkPlan(t, o, upright, p)
		if err := o.CheckOutput(p, transform.PNG, 1, transform.DefaultLimits()); err == nil && p.Output.W*p.Output.H > 64e6 {
			t.Errorf("%d×%d ?%s: an output of %d×%d is allowed", w, h, query, p.Output.W, p.Output.H)
		}
	})
}

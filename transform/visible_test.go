package transform_test

import (
	"image"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/tintype/tintype/transform"
)

// shown is the part of a rectangle on the output where the picture of a plan shows, 0–1. The
// picture is opaque.
func shown(o transform.Options, p transform.Plan, r image.Rectangle) float64 {
	angle := float64(o.Rotate) * math.Pi / 180
	sin, cos := math.Sincos(angle)
	w, h := float64(p.Region.Dx()), float64(p.Region.Dy())
	across, down := w*math.Abs(cos)+h*math.Abs(sin), w*math.Abs(sin)+h*math.Abs(cos)
	at := p.Picture().Min.Sub(p.Crop.Min)
	const fine = 40
	seen := 0
	for i := range fine * fine {
		x := float64(r.Min.X) + (float64(i%fine)+.5)/fine*float64(r.Dx())
		y := float64(r.Min.Y) + (float64(i/fine)+.5)/fine*float64(r.Dy())
		if !image.Pt(int(x), int(y)).In(p.Picture()) {
			continue
		}
		dx := max(p.Radius-x, x-(float64(p.Output.W)-p.Radius), 0)
		dy := max(p.Radius-y, y-(float64(p.Output.H)-p.Radius), 0)
		if math.Hypot(dx, dy) > p.Radius+0.5 {
			continue
		}
		if o.Rotate%90 != 0 {
			u := ((x-float64(at.X))/float64(p.Scaled.W) - .5) * across
			v := ((y-float64(at.Y))/float64(p.Scaled.H) - .5) * down
			if o.Flip == transform.FlipH || o.Flip == transform.FlipHV {
				u = -u
			}
			if o.Flip == transform.FlipV || o.Flip == transform.FlipHV {
				v = -v
			}
			if math.Abs(u*cos+v*sin) > w/2 || math.Abs(v*cos-u*sin) > h/2 {
				continue
			}
		}
		seen++
	}
	return float64(seen) / fine / fine
}

func TestPlaceOnWhatShows(t *testing.T) {
	of := transform.Header{Width: 100, Height: 50, Orientation: 1}
	for _, tt := range []struct {
		from, query, mark string
		onPicture         bool
		want              image.Rectangle
	}{
		// Where nothing is cut off, a mark lies where it ever lay.
		{"400x400", "", "mark-w=100&mark-pad=8", true, image.Rect(292, 342, 392, 392)},
		{"400x400", "pad=10", "mark-w=100&mark-pad=8", true, image.Rect(302, 352, 402, 402)},
		{"400x400", "pad=10", "mark-w=100&mark-pad=8", false, image.Rect(312, 362, 412, 412)},
		{"400x400", "rotate=90", "mark-w=100&mark-pad=8", true, image.Rect(292, 342, 392, 392)},
		{"400x400", "radius=20", "mark-w=100&mark-pad=8", true, image.Rect(292, 342, 392, 392)},
		{"400x400", "radius=max", "mark-w=100&mark-align=center", true, image.Rect(150, 175, 250, 225)},

		// In a circle it moves to the largest square within, and so does one that a URL asks for.
		{"400x400", "radius=max", "mark-w=100&mark-pad=8", true, image.Rect(241, 291, 341, 341)},
		{"400x400", "radius=max", "mark-w=100&mark-pad=8", false, image.Rect(241, 291, 341, 341)},
		{"400x400", "radius=max", "mark-w=100&mark-pad=0&mark-align=top,left", true, image.Rect(59, 59, 159, 109)},
		{"400x100", "radius=max", "mark-w=100&mark-pad=0", true, image.Rect(285, 35, 385, 85)},
		// One that is larger still covers as much.
		{"400x400", "radius=max", "mark-w=100%25&mark-h=100%25&mark-fit=squeeze&mark-pad=0", true, image.Rect(0, 0, 400, 400)},
		{"400x400", "radius=max", "mark-w=350&mark-pad=0", true, image.Rect(26, 184, 376, 359)},
		{"400x400", "radius=max", "mark-repeat&mark-w=100&mark-pad=10", true, image.Rect(290, 340, 390, 390)},
		{"200x200", "pad=100&radius=max", "mark-w=100&mark-pad=0", true, image.Rect(200, 250, 300, 300)},
		{"200x200", "pad=0,200,200,0&radius=max", "mark-w=100&mark-pad=0", true, image.Rect(100, 150, 200, 200)},
		{"20x20", "pad=0,380,380,0&radius=max", "mark-w=10&mark-pad=0", true, image.Rect(10, 15, 20, 20)}, // nothing shows

		// In a slanted picture it lies on the picture, if it has to: a URL's doesn't.
		{"283x283", "rotate=45", "mark-w=100&mark-pad=0", true, image.Rect(200, 250, 300, 300)},
		{"283x283", "rotate=45", "mark-w=100&mark-pad=0", false, image.Rect(300, 350, 400, 400)},
		{"283x283", "rotate=45", "mark-w=100%25&mark-h=100%25&mark-fit=squeeze&mark-pad=0", true, image.Rect(0, 0, 400, 400)},
		{"283x283", "rotate=45", "mark-w=400&mark-pad=0", true, image.Rect(0, 120, 400, 320)},
		{"283x283", "rotate=45&w=200&h=200&fit=cover&fp-x=1&fp-y=1&fp-z=2", "mark-w=100&mark-pad=0", true, image.Rect(0, 50, 100, 100)},
		{"283x283", "rotate=45&w=100&h=100&fit=cover&fp-x=1&fp-y=1&fp-z=4", "mark-w=50&mark-pad=0", true, image.Rect(50, 75, 100, 100)}, // nothing shows
	} {
		o := mustParse(t, tt.query)
		p, err := o.Plan(size(t, tt.from))
		if err != nil {
			t.Fatal(err)
		}
		mark := transform.MarkImage{Header: of, Mark: mustParse(t, "mark=m&"+tt.mark).Mark, OnPicture: tt.onPicture}
		got := mark.Place(o, p)
		drawn, err := got.Options.Plan(of.Upright())
		if err != nil {
			t.Fatal(err)
		}
		box := image.Rectangle{got.At, got.At.Add(image.Pt(drawn.Output.W, drawn.Output.H))}
		if far := max(abs(box.Min.X-tt.want.Min.X), abs(box.Min.Y-tt.want.Min.Y)); far > 1 || box.Size() != tt.want.Size() {
			t.Errorf("%s ?%s with %s, on the picture %t: %v, want %v", tt.from, tt.query, tt.mark, tt.onPicture, box, tt.want)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// A mark that is bound to a source and small enough lies on the picture, whatever is cut off;
// one that is larger lies on most of it.
func TestNoMarkOnNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	of := transform.Header{Width: 100, Height: 50, Orientation: 1}
	for range 2000 {
		query := "rotate=" + strconv.Itoa(random.IntN(360)) + "&radius=" + pick("0", "20", "30%25", "max") + "&fit=" + pick("contain", "cover", "squeeze", "pad") +
			pick("", "&w=300", "&h=200", "&w=300&h=400") + pick("", "&pad=40", "&pad=0,90,90,0") + pick("", "&gravity=north", "&gravity=southeast") + pick("", "&flip=h", "&flip=hv")
		o := mustParse(t, query)
		p, err := o.Plan(transform.Size{W: 200 + random.IntN(400), H: 200 + random.IntN(400)})
		if err != nil {
			t.Fatal(err)
		}
		whole := shown(o, p, p.Picture())
		if whole < 0.2 { // hardly a picture
			continue
		}
		align := pick("top,left", "top", "top,right", "left", "center", "bottom,right")
		for _, k := range []struct {
			mark  string
			least float64 // of the mark's area that is on the picture
		}{
			{"mark-w=8%25&mark-pad=0", 0.9},
			{"mark-w=15%25&mark-pad=2%25", 0.8},
			{"mark-w=100%25&mark-h=100%25&mark-fit=squeeze&mark-pad=0", 0.95 * whole},
		} {
			mark := transform.MarkImage{Header: of, Mark: mustParse(t, "mark=m&mark-align="+align+"&"+k.mark).Mark, OnPicture: true}
			place := mark.Place(o, p)
			drawn, err := place.Options.Plan(of.Upright())
			if err != nil {
				t.Fatal(err)
			}
			box := image.Rectangle{place.At, place.At.Add(image.Pt(drawn.Output.W, drawn.Output.H))}
			if !box.In(p.Picture()) {
				t.Errorf("?%s with %s: %v leaves the picture, %v", query, k.mark, box, p.Picture())
			}
			if got := shown(o, p, box); got < k.least {
				t.Errorf("?%s with %s at %s: %v is on %.2f of the picture, want %.2f", query, k.mark, align, box, got, k.least)
			}
		}
		if t.Failed() {
			return
		}
	}
}

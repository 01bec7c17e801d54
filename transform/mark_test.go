package transform_test

import (
	"image"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestPlaceMark(t *testing.T) {
	size := func(w, h int) transform.Size { return transform.Size{W: w, H: h} }
	for _, c := range []struct {
		query  string // after mark=m
		output transform.Size
		mark   transform.Size // size of the mark's image
		dpr    float64
		want   image.Rectangle
	}{
		// Default: 15 % wide, 2 % of the smaller side from the lower right.
		{"", size(400, 300), size(200, 100), 1, image.Rect(334, 264, 394, 294)},
		{"", size(400, 300), size(200, 100), 2, image.Rect(334, 264, 394, 294)},
		{"", size(300, 400), size(100, 200), 1, image.Rect(249, 304, 294, 394)},
		// Lengths.
		{"mark-w=100", size(400, 300), size(200, 100), 1, image.Rect(294, 244, 394, 294)},
		{"mark-w=100", size(400, 300), size(200, 100), 2, image.Rect(194, 194, 394, 294)},
		{"mark-w=50%25", size(400, 300), size(200, 100), 2, image.Rect(194, 194, 394, 294)},
		{"mark-h=50%25", size(400, 300), size(200, 100), 1, image.Rect(94, 144, 394, 294)},
		{"mark-h=30", size(400, 300), size(200, 100), 1, image.Rect(334, 264, 394, 294)},
		{"mark-size=60", size(400, 300), size(200, 100), 1, image.Rect(334, 264, 394, 294)},
		// Positions.
		{"mark-align=top,left", size(400, 300), size(200, 100), 1, image.Rect(6, 6, 66, 36)},
		{"mark-align=top", size(400, 300), size(200, 100), 1, image.Rect(170, 6, 230, 36)},
		{"mark-align=top,right", size(400, 300), size(200, 100), 1, image.Rect(334, 6, 394, 36)},
		{"mark-align=left", size(400, 300), size(200, 100), 1, image.Rect(6, 135, 66, 165)},
		{"mark-align=center", size(400, 300), size(200, 100), 1, image.Rect(170, 135, 230, 165)},
		{"mark-align=right", size(400, 300), size(200, 100), 1, image.Rect(334, 135, 394, 165)},
		{"mark-align=bottom,left", size(400, 300), size(200, 100), 1, image.Rect(6, 264, 66, 294)},
		{"mark-align=bottom", size(400, 300), size(200, 100), 1, image.Rect(170, 264, 230, 294)},
		// Distances.
		{"mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(340, 270, 400, 300)},
		{"mark-pad=20", size(400, 300), size(200, 100), 1, image.Rect(320, 250, 380, 280)},
		{"mark-pad=20", size(400, 300), size(200, 100), 1.5, image.Rect(310, 240, 370, 270)},
		{"mark-pad=10%25", size(400, 300), size(200, 100), 3, image.Rect(310, 240, 370, 270)},
		{"mark-pad=8192", size(400, 300), size(200, 100), 1, image.Rect(0, 0, 60, 30)},
		{"mark-pad=8192&mark-align=top,left", size(400, 300), size(200, 100), 1, image.Rect(340, 270, 400, 300)},
		{"mark-pad=100%25&mark-align=center", size(400, 300), size(200, 100), 1, image.Rect(170, 135, 230, 165)},
		// Fits.
		{"mark-w=80&mark-h=80&mark-fit=contain&mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(320, 260, 400, 300)},
		{"mark-w=80&mark-h=80&mark-fit=cover&mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(320, 220, 400, 300)},
		{"mark-w=80&mark-h=80&mark-fit=pad&mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(320, 220, 400, 300)},
		{"mark-w=80&mark-h=80&mark-fit=squeeze&mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(320, 220, 400, 300)},
		{"mark-w=80&mark-h=80&mark-fit=scale-down&mark-pad=0", size(400, 300), size(20, 10), 1, image.Rect(380, 290, 400, 300)},
		{"mark-w=80&mark-h=80&mark-fit=crop&mark-pad=0", size(400, 300), size(20, 10), 1, image.Rect(390, 290, 400, 300)},
		{"mark-w=80&mark-fit=cover&mark-pad=0", size(400, 300), size(200, 100), 1, image.Rect(320, 260, 400, 300)},
		// Never beyond the edges.
		{"mark-w=8192", size(400, 300), size(200, 100), 1, image.Rect(0, 94, 400, 294)},
		{"mark-w=8192&mark-h=8192&mark-fit=squeeze", size(400, 300), size(200, 100), 5, image.Rect(0, 0, 400, 300)},
		{"mark-w=100%25", size(400, 100), size(100, 100), 1, image.Rect(298, 0, 398, 100)},
		{"mark-w=100%25&mark-fit=squeeze", size(400, 100), size(100, 100), 1, image.Rect(298, 0, 398, 100)},
		{"", size(1, 1), size(200, 100), 1, image.Rect(0, 0, 1, 1)},
		{"", size(1, 1), size(200, 100), 0.1, image.Rect(0, 0, 1, 1)},
		{"mark-w=1", size(10, 10), size(200, 100), 0.1, image.Rect(9, 9, 10, 10)},
		{"", size(8192, 1), size(1, 30000), 1, image.Rect(8191, 0, 8192, 1)},
		{"", size(20, 8000), size(30000, 1), 1, image.Rect(17, 7999, 20, 8000)},
	} {
		o := mustParse(t, "mark=m&"+c.query)
		p := o.Mark.Place(c.output, c.mark, c.dpr)
		plan, err := p.Options.Plan(c.mark)
		if err != nil {
			t.Fatal(err)
		}
		got := image.Rectangle{p.At, p.At.Add(image.Pt(plan.Output.W, plan.Output.H))}
		if got != c.want || p.Pitch != (transform.Size{}) {
			t.Errorf("%q at %g× of %v on %v: %v with pitch %v, want %v", c.query, c.dpr, c.mark, c.output, got, p.Pitch, c.want)
		}
	}
}

func TestPlanPicture(t *testing.T) {
	for query, want := range map[string]image.Rectangle{
		"":                                     image.Rect(0, 0, 400, 300),
		"w=100":                                image.Rect(0, 0, 100, 75),
		"w=100&rotate=90":                      image.Rect(0, 0, 100, 133),
		"w=100&pad=1,2,3,4":                    image.Rect(4, 1, 104, 76),
		"w=100&pad=1,2,3,4&dpr=2":              image.Rect(8, 2, 208, 152),
		"w=100&h=100&fit=cover&pad=5":          image.Rect(5, 5, 105, 105),
		"w=100&h=95&fit=pad":                   image.Rect(0, 10, 100, 85),
		"w=100&h=95&fit=pad&g=south&pad=0,0,9": image.Rect(0, 20, 100, 95),
		"w=300&h=75&fit=pad&g=east":            image.Rect(200, 0, 300, 75),
		"rect=0,0,40,30&pad=0,0,0,7":           image.Rect(7, 0, 47, 30),
	} {
		p, err := mustParse(t, query).Plan(transform.Size{W: 400, H: 300})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Picture(); got != want || !got.In(image.Rect(0, 0, p.Output.W, p.Output.H)) {
			t.Errorf("%q: %v on %v, want %v", query, got, p.Output, want)
		}
	}
}

func TestPlaceRepeatedMark(t *testing.T) {
	o := mustParse(t, "mark=m&mark-w=50&mark-pad=10&mark-repeat&mark-align=top,left")
	p := o.Mark.Place(transform.Size{W: 400, H: 300}, transform.Size{W: 200, H: 100}, 2)
	if want := (transform.Size{W: 120, H: 70}); p.Pitch != want || p.At != image.Pt(20, 20) {
		t.Errorf("at %v with pitch %v, want (20,20) with %v", p.At, p.Pitch, want)
	}
}

// Whatever the lengths, the whole mark lies on the output and is visible.
func FuzzPlaceMark(f *testing.F) {
	f.Add("mark-w=100%25&mark-h=1&mark-fit=cover", 4, 9000, 1, 32768, 5.0)
	f.Add("mark-size=8192&mark-repeat&mark-pad=8192", 8192, 8192, 3, 5, 0.1)
	f.Fuzz(func(t *testing.T, query string, w, h, markW, markH int, dpr float64) {
		q, err := transform.ParseQuery(query + "&mark=m")
		if err != nil {
			return
		}
		o, err := transform.Parse(transform.Defaults(), q)
		if err != nil || min(w, h, markW, markH) < 1 || max(w, h, markW, markH) > 40000 || !(dpr >= 0.1 && dpr <= 5) {
			return
		}
		output, mark := transform.Size{W: w, H: h}, transform.Size{W: markW, H: markH}
		p := o.Mark.Place(output, mark, dpr)
		plan, err := p.Options.Plan(mark)
		if err != nil {
			t.Fatal(err)
		}
		on := image.Rectangle{p.At, p.At.Add(image.Pt(plan.Output.W, plan.Output.H))}
		if on.Empty() || !on.In(image.Rect(0, 0, w, h)) {
			t.Errorf("%q at %g× of %v lies at %v on %v", query, dpr, mark, on, output)
		}
		if o.Mark.Repeat != (p.Pitch != transform.Size{}) || o.Mark.Repeat && (p.Pitch.W < plan.Output.W || p.Pitch.H < plan.Output.H) {
			t.Errorf("%q of %v has pitch %v", query, mark, p.Pitch)
		}
	})
}

package plot

import (
	"html"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/golden"
)

var day = time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC)

func values(n int, of func(i int) float64) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = of(i)
	}
	return list
}

// TestHTML: plots are drawn as the goldens have them.
func TestHTML(t *testing.T) {
	for name, p := range map[string]Plot{
		"stacked": {ID: "requests", Title: "Requests by day and source", Noun: "requests", First: day, Now: day.AddDate(0, 0, 6).Add(time.Hour), Series: []Series{
			{"photos", 1, []float64{1000, 2000, 0, 4000, 12345, 3, 500}},
			{"a-source-with-a-name-of-more-than-22-characters", 2, []float64{500, 100, 0, 0, 1, 2, 3}},
			{"14 others", 0, []float64{1, 1, 0, 1, 1, 1, 1}},
		}},
		"line": {ID: "ratio", Title: "Hit ratio by day", Unit: Percent, Line: true, First: day, Series: []Series{
			{"Hit ratio", 0, []float64{90, math.NaN(), 81.25, math.NaN(), 100, 0, 50}},
		}},
		"long": {ID: "bytes", Title: "Bytes sent by day and source", Unit: Bytes, First: day, Series: []Series{
			{"photos", 1, values(92, func(i int) float64 { return float64(i) * 1e8 })},
			{"shop", 2, values(92, func(i int) float64 { return float64(92-i) * 5e7 })},
		}},
		"nothing": {ID: "errors", Title: "Errors by day and source", Noun: "errors", First: day, Empty: "No errors in this time", Series: []Series{{"None", 1, make([]float64, 30)}}},
	} {
		drawn, err := p.HTML()
		if err != nil {
			t.Fatal(err)
		}
		golden.File(t, "testdata/"+name+".html", string(drawn))
		for _, refused := range []string{"style=", "<script", "NaN", "Inf", "%!", "onclick"} {
			if strings.Contains(string(drawn), refused) {
				t.Errorf("%s holds %s", name, refused)
			}
		}
	}
	if _, err := os.Stat("testdata/stacked.html"); err != nil {
		t.Error(err)
	}
}

// TestEscapes: no text of a plot becomes markup.
func TestEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script><i x='`
	p := Plot{ID: "x", Title: evil, Noun: evil, Empty: evil, First: day, Series: []Series{{evil, 1, []float64{1, 2}}, {evil + "2", 0, []float64{0, 0}}}}
	for range 2 {
		drawn, err := p.HTML()
		if err != nil || strings.Contains(string(drawn), "<script") || !strings.Contains(html.UnescapeString(string(drawn)), "alert(1)") {
			t.Errorf("%v\n%s", err, drawn)
		}
		p.Series = []Series{{evil, 1, []float64{0, 0}}}
	}
}

// TestDrawing: what bars say is what the values say.
func TestDrawing(t *testing.T) {
	p := Plot{First: day, Series: []Series{{"a", 1, []float64{0, 100000}}, {"b", 2, []float64{1, 0}}}}
	d := p.draw()
	if len(d.Paths) != 2 || d.Paths[0] != (path{"s1", "M1.5 180v-180"}) || d.Paths[1] != (path{"s2", "M0.5 180v-1"}) {
		t.Errorf("%+v: a day with a value has no bar, or a wrong one", d.Paths)
	}
	stacked := Plot{First: day, Series: []Series{{"a", 1, []float64{50}}, {"b", 2, []float64{50}}}}.draw()
	if stacked.Paths[1].D != "M0.5 89v-89" {
		t.Errorf("%+v: the parts of a bar have no gap", stacked.Paths)
	}
	if pt := d.points[1]; len(pt.Values) != 1 || pt.Values[0].Name != "a" || pt.Row != "<td>100,000<td>100,000<td>0" {
		t.Errorf("%+v", pt)
	}
}

func TestAxis(t *testing.T) {
	for _, tt := range []struct {
		unit Unit
		top  float64
		want string
	}{
		{Count, 0, "0 1"},
		{Count, 1, "0 1"},
		{Count, 3, "0 1 2 3"},
		{Count, 7, "0 2 4 6 8"},
		{Count, 12, "0 5 10 15"},
		{Count, 13, "0 5 10 15"},
		{Count, 95, "0 20 40 60 80 100"},
		{Count, 12345, "0 2.5k 5k 7.5k 10k 12.5k"},
		{Count, 58000, "0 20k 40k 60k"},
		{Count, 2.4e6, "0 500k 1M 1.5M 2M 2.5M"},
		{Count, 3e9, "0 1B 2B 3B"},
		{Bytes, 850, "0 B 200 B 400 B 600 B 800 B 1 kB"},
		{Bytes, 3.4e9, "0 B 1 GB 2 GB 3 GB 4 GB"},
		{Percent, 12, "0 % 25 % 50 % 75 % 100 %"},
	} {
		var have []string
		for _, v := range tt.unit.ticks(tt.top) {
			have = append(have, tt.unit.Short(v))
		}
		if strings.Join(have, " ") != tt.want {
			t.Errorf("%v: %s, want %s", tt.top, strings.Join(have, " "), tt.want)
		}
	}
	// No value is above the axis, for any magnitude.
	for v := 1.0; v < 1e15; v *= 1.37 {
		v := math.Trunc(v)
		if c, n := Count.ceiling(v), len(Count.ticks(v)); c < v || n < 2 || n > 6 {
			t.Errorf("%v: ceiling %v, %d ticks", v, c, n)
		}
	}
}

func TestWords(t *testing.T) {
	for have, want := range map[string]string{
		Count.Exact(1234567):      "1,234,567",
		Count.Short(12345):        "12.3k",
		Count.Short(999_600):      "1M",
		Bytes.Exact(3412345678):   "3.41 GB",
		Bytes.Exact(999):          "999 B",
		Bytes.Exact(0):            "0 B",
		Percent.Exact(81.25):      "81.3 %",
		Percent.Exact(math.NaN()): "no requests",
		Grouped(-1234):            "-1,234",
		Grouped(100):              "100",
	} {
		if have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
}

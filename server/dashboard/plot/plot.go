// Package plot draws values by day as SVG, with a legend and a table behind the plot. It has
// no scripts and no inline styles: colours are classes, which a style sheet gives values.
//
// For most uses, fill a [Plot] and put [Plot.HTML] into a page. [Grouped], [Unit.Short] and
// [Unit.Exact] write numbers for the text around it.
//
// A plot is as wide as its place in the page. Its texts keep their size: the bars are in an
// SVG of their own that is stretched, and all other positions are percentages.
package plot

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Plot is values by day. Bars are stacked in the order of the series, the first at the
// bottom. The texts may hold anything: they are escaped.
type Plot struct {
	ID    string // of a-z; unique on the page
	Title string // for screen readers, such as "Requests by day and source"
	Noun  string // what the values count, such as "requests"; empty where the unit says it
	Unit  Unit
	First time.Time // the first day
	Now   time.Time // the last day isn't over yet if it is this time's; zero if all are over

	// Series have one value for each day. A Line plot has one.
	Series []Series
	Line   bool   // a line, and no bars
	Empty  string // what the plot says where all values are 0 or missing

	// Link returns the URL of a page about a day that has a value; empty is none. Nil has no
	// links.
	Link func(day time.Time) string
}

// A Series is the values of one thing, such as a source.
type Series struct {
	Name   string
	Colour int       // 1 to Colours; 0 is grey, for what is left over
	Values []float64 // not negative; NaN is a day without a value
}

// Colours is the number of colours that series can have beside grey.
const Colours = 5

const (
	height = 180 // of the area, in pixels

	// mostDetailed is the largest number of days whose tips name each series. With more days,
	// the texts would be the largest part of the page. The table has all values.
	mostDetailed = 31

	// longestName bounds names in tips, in characters. The legend has them in full.
	longestName = 22
)

//go:embed plot.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "plot.html"))

// HTML returns the legend, the plot and the table.
func (p Plot) HTML() (template.HTML, error) {
	var b bytes.Buffer
	if err := page.Execute(&b, p.draw()); err != nil {
		return "", err
	}
	// The template, and tips, have escaped all texts.
	return template.HTML(b.String()), nil
}

// A drawing is what plot.html shows.
type drawing struct {
	Plot
	Description string
	Days        int
	Paths       []path
	Lines       []tick        // of the y axis
	Labels      []tick        // of the x axis
	Dots        []dot         // of a line: the days between two gaps
	Tips        template.HTML // of each day
	Rows        template.HTML // of the table
	Nothing     bool          // all values are 0 or missing

	points   []point
	detailed bool
}

type path struct{ Class, D string }

type tick struct {
	Label, At string
	Last      bool // its text ends at the end of the plot, so that it doesn't stick out
}

// A dot is a day of a line that has no neighbour to draw a line to.
type dot struct{ X, Y string }

// A point is a day: the place that shows its values on hover and on focus.
type point struct {
	Day        string // such as "Thu 12 Nov"
	Total      string
	Exact      string // of the total, where Total is rounded; else empty
	Values     []named
	Row        string // cells of the table, which are numbers only
	RowHeading string
	Link       string
}

type named struct{ Name, Value, Class string }

func (p Plot) draw() drawing {
	n := p.days()
	d := drawing{Plot: p, Days: n, detailed: n <= mostDetailed && len(p.Series) > 1}
	totals, top, sum, topDay := p.totals()
	d.Nothing = sum == 0
	most := p.Unit.ceiling(top)
	for _, v := range p.Unit.ticks(top) {
		if d.Nothing && v > 0 {
			break
		}
		d.Lines = append(d.Lines, tick{Label: p.Unit.Short(v), At: strconv.Itoa(height - int(math.Round(v/most*height)))})
	}
	d.Labels = p.labels()
	if p.Line {
		d.Paths = []path{{"line", line(p.Series[0].Values, most)}}
		d.Dots = dots(p.Series[0].Values, most)
	} else {
		d.Paths = bars(p.Series, totals, most)
	}
	last := p.First.AddDate(0, 0, n-1)
	d.Description = fmt.Sprintf("%d days from %s to %s.", n, p.First.Format("2 January 2006"), last.Format("2 January 2006"))
	if d.Nothing {
		d.Description += " " + p.Empty
	} else if p.Line {
		d.Description += fmt.Sprintf(" The highest value is %s on %s.", p.Unit.Exact(top), p.First.AddDate(0, 0, topDay).Format("2 January"))
	} else {
		d.Description += fmt.Sprintf(" %s in all. The most is %s on %s.", p.measured(sum), p.Unit.Exact(top), p.First.AddDate(0, 0, topDay).Format("2 January"))
	}
	for i := range n {
		d.points = append(d.points, p.point(i, totals[i], d.detailed))
	}
	d.Tips, d.Rows = d.tips(), d.rows()
	return d
}

func (p Plot) days() int {
	if len(p.Series) == 0 {
		return 0
	}
	return len(p.Series[0].Values)
}

// totals returns the sum of each day, the largest of them, the sum of all, and the index of
// the largest.
func (p Plot) totals() (totals []float64, top, sum float64, topDay int) {
	totals = make([]float64, p.days())
	for i := range totals {
		totals[i] = math.NaN()
		for _, s := range p.Series {
			if v := s.Values[i]; !math.IsNaN(v) {
				totals[i] = v + zero(totals[i])
			}
		}
		if v := zero(totals[i]); v > top {
			top, topDay = v, i
		}
		sum += zero(totals[i])
	}
	return totals, top, sum, topDay
}

func zero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// bars returns a path for each series. A bar is a vertical stroke, whose width is a class: so
// that it takes few bytes.
func bars(series []Series, totals []float64, most float64) (paths []path) {
	type stack struct {
		value float64 // sum of the series below
		y     int     // its top edge, above the ground
	}
	stacks := make([]stack, len(totals))
	for k, s := range series {
		var b strings.Builder
		atX, atY := 0.0, 0
		for i, v := range s.Values {
			v = zero(v)
			below := stacks[i]
			to := int(math.Round((below.value + v) / most * height))
			if to == below.y && v > 0 && below.y == 0 && largest(series[k:], i) == v {
				to = 1 // a day with a value is never without a mark
			}
			if to > below.y {
				from := below.y
				if from > 0 && to-from > 3 {
					from++ // a gap between the parts of a bar
				}
				x := float64(i) + .5
				if b.Len() == 0 {
					fmt.Fprintf(&b, "M%g %dv%d", x, height-from, from-to)
				} else {
					fmt.Fprintf(&b, "m%g %dv%d", x-atX, height-from-atY, from-to)
				}
				atX, atY = x, height-to
			}
			stacks[i] = stack{below.value + v, max(to, below.y)}
		}
		if b.Len() > 0 {
			paths = append(paths, path{s.class(), b.String()})
		}
	}
	return paths
}

func largest(series []Series, day int) (most float64) {
	for _, s := range series {
		most = max(most, zero(s.Values[day]))
	}
	return most
}

// line returns the path of a line, which has a gap where days have no value.
func line(values []float64, most float64) string {
	var b strings.Builder
	command := "M"
	for i, v := range values {
		if math.IsNaN(v) {
			command = "M"
			continue
		}
		if !alone(values, i) {
			fmt.Fprintf(&b, "%s%g %d", command, float64(i)+.5, lineY(v, most))
			command = "L"
		}
	}
	return b.String()
}

func lineY(v, most float64) int { return height - int(math.Round(v/most*height)) }

// alone reports whether a day has a value, and the days beside it have none.
func alone(values []float64, i int) bool {
	missing := func(i int) bool { return i < 0 || i >= len(values) || math.IsNaN(values[i]) }
	return !missing(i) && missing(i-1) && missing(i+1)
}

// dots returns the days of a line that the path leaves out, since a line of one point is
// invisible.
func dots(values []float64, most float64) (list []dot) {
	for i, v := range values {
		if alone(values, i) {
			list = append(list, dot{percent((float64(i) + .5) / float64(len(values))), strconv.Itoa(lineY(v, most))})
		}
	}
	return list
}

// Class is the class of a series' colour.
func (s Series) class() string { return "s" + strconv.Itoa(s.Colour) }

// Class is the class of a series' colour, for the legend.
func (s Series) Class() string { return s.class() }

// labels returns the labels of the x axis: each day of a week, some days of a month, the
// firsts and the middles of months of a longer time.
func (p Plot) labels() (list []tick) {
	n := p.days()
	step := 1
	switch {
	case n > mostDetailed:
		step = 0
	case n > 10:
		step = (n + 4) / 5 // so that they stand apart on a phone
	}
	for i := range n {
		day := p.First.AddDate(0, 0, i)
		switch {
		case step == 0 && (day.Day() != 1 && day.Day() != 15 || i < n/20 || i > n-n/20):
			continue
		case step > 0 && (n-1-i)%step != 0:
			continue
		}
		t := tick{Label: day.Format("2 Jan"), At: percent((float64(i) + .5) / float64(n))}
		if i == n-1 && n > 10 {
			t.At, t.Last = "100%", true
		}
		list = append(list, t)
	}
	return list
}

func percent(v float64) string {
	return strconv.FormatFloat(math.Round(v*10000)/100, 'f', -1, 64) + "%"
}

func (p Plot) point(i int, total float64, detailed bool) point {
	day := p.First.AddDate(0, 0, i)
	pt := point{
		Day: day.Format("Mon 2 Jan"), RowHeading: day.Format("2 Jan"), Total: p.Unit.none(),
	}
	if !math.IsNaN(total) {
		pt.Total = p.measured(total)
		if p.Unit == Bytes && total >= 1000 {
			pt.Exact = Grouped(int64(total)) + " bytes"
		}
	}
	if !p.Now.IsZero() && day.Format(time.DateOnly) == p.Now.UTC().Format(time.DateOnly) {
		pt.Day += ", so far"
		pt.RowHeading += ", so far"
	}
	if p.Link != nil && zero(total) > 0 {
		pt.Link = p.Link(day)
	}
	if len(p.Series) > 1 {
		pt.Row += "<td>" + p.Unit.cell(total)
	}
	for _, s := range p.Series {
		v := s.Values[i]
		pt.Row += "<td>" + p.Unit.cell(v)
		if detailed && zero(v) > 0 {
			pt.Values = append(pt.Values, named{shortened(s.Name), p.Unit.Exact(v), s.class()})
		}
	}
	slices.Reverse(pt.Values) // the top of the bar first
	return pt
}

// measured returns a value with what it counts.
func (p Plot) measured(v float64) string {
	if p.Noun == "" {
		return p.Unit.Exact(v)
	}
	return p.Unit.Exact(v) + " " + p.Noun
}

func shortened(name string) string {
	if r := []rune(name); len(r) > longestName {
		return string(r[:longestName-1]) + "…"
	}
	return name
}

// tips returns the places of the days, which show their values. They are written here and not by
// the template, since a page has hundreds of them: html/template takes ten times as long. Each is
// one element, whose label a style sheet shows; those with a line for each series have more.
func (d drawing) tips() template.HTML {
	var b strings.Builder
	escape := template.HTMLEscapeString
	for i, p := range d.points {
		end := "</b>"
		if p.Link != "" && d.Days <= mostDetailed { // the table has all
			b.WriteString("\n<a href=\"" + escape(p.Link) + `"`)
			end = "</a>"
		} else {
			b.WriteString("\n<b tabindex=0 role=img")
		}
		if i == (d.Days+1)/2 {
			b.WriteString(" class=mid") // from here on, tips are to the left of their days
		}
		b.WriteString(` aria-label="` + p.Day + ": " + escape(p.Total))
		if p.Exact != "" {
			b.WriteString(" (" + p.Exact + ")")
		}
		for _, v := range p.Values {
			b.WriteString(", " + escape(v.Name) + " " + v.Value)
		}
		b.WriteString(`">`)
		if d.detailed {
			b.WriteString("<span>" + p.Day + "<br>" + escape(p.Total))
			for _, v := range p.Values {
				b.WriteString("<i class=" + v.Class + ">" + escape(v.Name) + " " + v.Value + "</i>")
			}
			b.WriteString("</span>")
		}
		b.WriteString(end)
	}
	return template.HTML(b.String())
}

// rows returns the rows of the table, the newest first.
func (d drawing) rows() template.HTML {
	var b strings.Builder
	for _, p := range slices.Backward(d.points) {
		b.WriteString("<tr><th>")
		if p.Link != "" {
			b.WriteString(`<a href="` + template.HTMLEscapeString(p.Link) + `">` + p.RowHeading + "</a>")
		} else {
			b.WriteString(p.RowHeading)
		}
		b.WriteString(p.Row)
	}
	return template.HTML(b.String())
}

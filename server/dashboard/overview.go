package dashboard

import (
	"html/template"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/server/dashboard/plot"
	"github.com/tintype/tintype/workspace"
)

// An overviewPage is the data of overview.html.
type overviewPage struct {
	Days        int
	Spans       []int
	From, To    time.Time
	Compared    int // the number of days that changes are of
	Tiles       []tile
	Plots       []figure
	Quotas      []quota
	Sources     []sourceRow
	MoreSources int // that Sources leaves out
	Operations  []sourceRow
	First       *firstSteps // nil once all steps are done
	Idle        bool        // nothing was asked for yet
	Errors      int64
	LogPath     string // of the errors in the log; empty without the right to read it
	Yesterday   string // path of yesterday's errors of images
	ErrorsPath  string // of those of the last days
	MayLimit    bool
	Alerts      []alert.Entry // that aren't over
	MayShow     bool          // the first steps, which are hidden
}

// A tile is a total, and how it differs from the time before.
type tile struct{ Title, Value, Change string }

// A figure is a plot with a heading.
type figure struct {
	ID, Title string
	HTML      template.HTML
	Wide      bool
}

// A sourceRow is a row of the tables by source and by operation.
type sourceRow struct {
	Name                               string
	Requests, Hits, Transforms, Errors string
	Units, Bytes                       string
}

// spans are the days that the overview can show; mostSources bounds its table of sources.
var spans = []int{7, 30, 92}

const (
	defaultSpan = 30
	mostSources = 15
)

// overview is the first page of a workspace: what it did, and its first steps before that.
func (v *visit) overview() error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	p := overviewPage{Days: defaultSpan, Spans: spans, MayLimit: v.may(account.UpdateLimits)}
	for _, n := range spans {
		if v.r.URL.Query().Get("days") == strconv.Itoa(n) {
			p.Days = n
		}
	}
	today := v.d.now().UTC().Truncate(24 * time.Hour)
	p.From, p.To, p.Compared = today.AddDate(0, 0, 1-p.Days), today, p.Days-1
	usage, before, err := v.d.Manage.CompareUsage(v.r.Context(), v.caller(), v.ns, p.From, today, p.Compared)
	if err != nil {
		return err
	}
	rows := usage.Rows
	sum := summarize(rows, p.From, p.Days, p.Compared)
	sum.then.add(&before)
	p.Tiles = sum.tiles(p.Compared)
	oldest := today.Add(-workspace.ErrorsKept)
	if p.Plots, err = sum.plots(p.From, today, func(day time.Time) string {
		if day.Before(oldest) {
			return ""
		}
		return v.errorsOf(day, day)
	}); err != nil {
		return err
	}
	p.Yesterday = v.errorsOf(today.AddDate(0, 0, -1), today.AddDate(0, 0, -1))
	p.ErrorsPath = v.errorsOf(today.AddDate(0, 0, -6), today)
	if p.Quotas, err = v.quotas(v.d.Manage.BoundsOf(w).Limits, rows, p.From); err != nil {
		return err
	}
	p.Sources, p.MoreSources = sum.sourceRows()
	p.Operations = sum.operationRows()
	p.Errors = int64(sum.total[errorsMade])
	if v.may(account.ReadAudit) {
		p.LogPath = "/app/" + v.ns + "/log?" + url.Values{"trail": {"access"}, "errors": {"on"}}.Encode()
	}
	var hidden bool
	if p.First, hidden, err = v.firstSteps(w); err != nil {
		return err
	}
	if v.d.Watch != nil && v.may(account.ReadAlerts) {
		if p.Alerts, err = v.d.Manage.ActiveAlerts(v.r.Context(), v.caller(), v.ns); err != nil {
			return err
		}
	}
	p.MayShow = hidden && v.may(account.UpdateWorkspace)
	p.Idle = (hidden || p.First != nil) && sum.total[requests] == 0
	return v.show(200, "overview", p)
}

// A figure of usage, for the sums below.
type measure int

const (
	requests measure = iota
	hits
	transforms
	errorsMade
	bytesOut
	units
	measures
)

type figures [measures]float64

func (f *figures) add(u *workspace.Usage) {
	f[requests] += float64(u.Requests)
	f[hits] += float64(u.Hits)
	f[transforms] += float64(u.Transforms)
	f[errorsMade] += float64(u.Errors)
	f[bytesOut] += float64(u.BytesOut)
	f[units] += u.Units.Float()
}

// A summary is the usage of a span of days.
type summary struct {
	days         []figures
	sources      []*sourceSum
	operations   []*sourceSum
	total        figures
	lately, then figures // of the full days, and of as many days before the span
}

// A sourceSum is the usage of a source, or of an operation.
type sourceSum struct {
	name  string
	days  []figures
	total figures
}

// fullURLs is the name of the usage of originals that are in no source.
const fullURLs = "full URLs"

// summarize sums up the rows of the days from a day on, and apart the first of these days,
// which are compared.
func summarize(rows []workspace.Usage, from time.Time, days, compared int) *summary {
	s := &summary{days: make([]figures, days)}
	indexes := map[string]int{}
	for i := range days {
		indexes[from.AddDate(0, 0, i).Format(time.DateOnly)] = i
	}
	sources, operations := map[string]*sourceSum{}, map[string]*sourceSum{}
	of := func(m map[string]*sourceSum, list *[]*sourceSum, name string) *sourceSum {
		x := m[name]
		if x == nil {
			x = &sourceSum{name: name, days: make([]figures, days)}
			m[name] = x
			*list = append(*list, x)
		}
		return x
	}
	for k := range rows {
		u := &rows[k]
		i, ok := indexes[u.Day]
		if !ok {
			continue
		}
		s.days[i].add(u)
		s.total.add(u)
		if i < compared {
			s.lately.add(u)
		}
		name := u.Source
		if name == "" {
			name = fullURLs
		}
		source := of(sources, &s.sources, name)
		source.days[i].add(u)
		source.total.add(u)
		of(operations, &s.operations, u.Operation).total.add(u)
	}
	return s
}

func (s *summary) tiles(compared int) []tile {
	ratio := tile{Title: "Hit ratio", Value: "–", Change: "none before"}
	if is := share(s.total); !math.IsNaN(is) {
		ratio.Value = plot.Percent.Exact(is)
		if math.IsNaN(share(s.lately)) && math.IsNaN(share(s.then)) {
			ratio.Change = "of today"
		}
	}
	if was, is := share(s.then), share(s.lately); !math.IsNaN(was) && !math.IsNaN(is) {
		ratio.Change = points(is - was)
	}
	of := func(title string, exact func(float64) string, m measure) tile {
		if s.lately[m] == 0 && s.then[m] == 0 && s.total[m] > 0 {
			return tile{title, exact(s.total[m]), "all of it today"}
		}
		return tile{title, exact(s.total[m]), change(s.lately[m], s.then[m])}
	}
	return []tile{
		of("Requests", plot.Count.Exact, requests), ratio, of("Transforms", plot.Count.Exact, transforms), of("Units", plot.Amount, units),
		of("Bytes sent", plot.Bytes.Exact, bytesOut), of("Errors", plot.Count.Exact, errorsMade),
	}
}

// share returns the hits in percent of the requests, or NaN without requests.
func share(f figures) float64 {
	if f[requests] == 0 {
		return math.NaN()
	}
	return min(100, f[hits]/f[requests]*100)
}

// change says how a total differs from the one before.
func change(is, was float64) string {
	switch {
	case was == 0 && is == 0:
		return "as before"
	case was == 0:
		return "none before"
	case math.Abs(is-was)/was < .005:
		return "as before"
	case is >= 10*was:
		return plot.Grouped(int64(math.Round(is/was))) + " times as much"
	case is > was:
		return "▲ " + strconv.Itoa(int(math.Round((is-was)/was*100))) + " % more"
	}
	return "▼ " + strconv.Itoa(int(math.Round((was-is)/was*100))) + " % less"
}

func points(difference float64) string {
	size := strconv.FormatFloat(math.Round(math.Abs(difference)*10)/10, 'f', -1, 64)
	switch {
	case size == "0":
		return "as before"
	case difference > 0:
		return "▲ " + size + " points higher"
	}
	return "▼ " + size + " points lower"
}

// plots draws the figures. A source that is in several of them has the same colour in all.
// errorsOf returns the page about the errors of a day, or nothing.
func (s *summary) plots(from, now time.Time, errorsOf func(time.Time) string) ([]figure, error) {
	colours := map[string]int{}
	ratios := make([]float64, len(s.days))
	for i, day := range s.days {
		ratios[i] = share(day)
	}
	list := []plot.Plot{
		{ID: "requests", Title: "Requests by day and source", Noun: "requests", Series: s.stacked(requests, colours), Empty: "No requests in this time"},
		{ID: "ratio", Title: "Hit ratio by day", Unit: plot.Percent, Line: true, Series: []plot.Series{{Name: "Hit ratio", Values: ratios}}, Empty: "No hits in this time"},
		{ID: "transforms", Title: "Transforms by day and source", Noun: "transforms", Series: s.stacked(transforms, colours), Empty: "No transforms in this time"},
		{ID: "bytes", Title: "Bytes sent by day and source", Unit: plot.Bytes, Series: s.stacked(bytesOut, colours), Empty: "Nothing was sent in this time"},
		{ID: "errors", Title: "Errors by day and source", Noun: "errors", Series: s.stacked(errorsMade, colours), Empty: "No errors in this time", Link: errorsOf},
	}
	var figures []figure
	for i, p := range list {
		p.First, p.Now = from, now
		drawn, err := p.HTML()
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{p.ID, p.Title, drawn, i == 0})
	}
	return figures, nil
}

// stacked returns a series for each of the sources with the most, and one for all others.
// colours has the colours that sources have in other plots.
func (s *summary) stacked(m measure, colours map[string]int) []plot.Series {
	top := s.most(s.sources, m)
	others := top[min(len(top), plot.Colours):]
	top = top[:len(top)-len(others)]
	if len(top) == 0 {
		return []plot.Series{{Name: "None", Colour: 1, Values: make([]float64, len(s.days))}}
	}
	taken := map[int]bool{}
	for _, source := range top {
		taken[colours[source.name]] = true
	}
	next := 1
	var series []plot.Series
	for _, source := range top {
		if colours[source.name] == 0 {
			for taken[next] {
				next++
			}
			colours[source.name], taken[next] = next, true
		}
		series = append(series, plot.Series{Name: source.name, Colour: colours[source.name], Values: column(source.days, m)})
	}
	if len(others) > 0 {
		rest := plot.Series{Name: "1 other", Values: make([]float64, len(s.days))}
		if len(others) > 1 {
			rest.Name = strconv.Itoa(len(others)) + " others"
		}
		for _, source := range others {
			for i := range source.days {
				rest.Values[i] += source.days[i][m]
			}
		}
		series = append(series, rest)
	}
	return series
}

func column(days []figures, m measure) []float64 {
	values := make([]float64, len(days))
	for i := range days {
		values[i] = days[i][m]
	}
	return values
}

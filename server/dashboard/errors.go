package dashboard

import (
	"cmp"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// errorsPage is the number of kinds of errors on a page. With five long paths each, they are
// 120 kB.
const errorsPage = 40

// An errorQuery is what a visitor asks of the errors of images.
type errorQuery struct {
	From, To             string // days, as 2006-01-02
	Source, Status, Code string
	Page                 int    // from 0
	Problem              string // what is wrong with the days
	filter               manage.ErrorFilter
}

// An errorsData is the data of errors.html.
type errorsData struct {
	errorQuery
	Spans                   []errorSpan
	Days                    []errorsOfDay
	Sources, Statuses       []string // that the errors of these days have
	Codes                   []string
	Help                    []errorHelp // of the codes on the page
	Kinds                   int         // on all pages
	Older, Newer, File, Log string      // URLs
	Clear                   string      // URL without filters but the days
	Filtered                bool
	One                     string // the day, where it is one
	Recent                  bool   // today is one of the days
}

// An errorSpan is a link to some days.
type errorSpan struct {
	Title, URL string
	Current    bool
}

type errorsOfDay struct {
	Day    time.Time
	Count  int64 // of those on the page
	Errors []errorRow
}

// An errorRow is a kind of error.
type errorRow struct {
	workspace.ErrorCount
	Words   []string // the code, where a line may end between them
	Samples []errorSample
}

// An errorSample is a sample with the path of the page that says what would happen. It is
// empty where that can't be said.
type errorSample struct {
	workspace.ErrorSample
	Explain string
}

// An errorHelp says what a code means and what to do.
type errorHelp struct{ Code, Meaning, Remedy string }

func (v *visit) errorQuery() errorQuery {
	q := v.r.URL.Query()
	today := v.d.now().UTC().Truncate(24 * time.Hour)
	day := q.Get("day") // in the place of both
	e := errorQuery{
		From: strings.TrimSpace(cmp.Or(q.Get("from"), day)), To: strings.TrimSpace(cmp.Or(q.Get("to"), day)),
		Source: q.Get("source"), Status: q.Get("status"), Code: q.Get("code"),
	}
	e.Page, _ = strconv.Atoi(q.Get("page")) // 0 where it is none
	e.Page = min(max(e.Page, 0), 10_000)
	e.filter.Source, e.filter.Code = e.Source, e.Code
	if e.Status != "" {
		n, err := strconv.Atoi(e.Status)
		if err != nil {
			n = -1 // no error has it
		}
		e.filter.Status = n
	}
	e.filter.From, e.filter.To = today.AddDate(0, 0, -6), today
	for _, f := range []struct {
		given *string
		day   *time.Time
	}{{&e.From, &e.filter.From}, {&e.To, &e.filter.To}} {
		if *f.given == "" {
			*f.given = f.day.Format(time.DateOnly)
		}
		day, err := time.Parse(time.DateOnly, *f.given)
		if err != nil {
			e.Problem = "A day must be written as 2026-01-31."
			return e
		}
		*f.day = day
	}
	if e.filter.From.After(e.filter.To) {
		e.Problem = "The first day must not be after the last."
	}
	return e
}

// url returns the path and query of a page of errors.
func (e errorQuery) url(path string) string {
	q := url.Values{"from": {e.From}, "to": {e.To}}
	if e.From == e.To {
		q = url.Values{"day": {e.From}}
	}
	for name, value := range map[string]string{"source": e.Source, "status": e.Status, "code": e.Code} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if e.Page > 0 {
		q.Set("page", strconv.Itoa(e.Page))
	}
	return path + "?" + q.Encode()
}

// errorsOf returns the path of the page with the errors of some days.
func (v *visit) errorsOf(from, to time.Time) string {
	return errorQuery{From: from.Format(time.DateOnly), To: to.Format(time.DateOnly)}.url("/app/" + v.ns + "/errors")
}

// readErrors returns the errors of the days, and those of them that pass the filter.
func (v *visit) readErrors(e *errorQuery) (all, passed []workspace.ErrorCount, err error) {
	if e.Problem != "" {
		return nil, nil, nil
	}
	out, err := v.d.Manage.ImageErrors(v.r.Context(), v.caller(), v.ns, manage.ErrorFilter{From: e.filter.From, To: e.filter.To})
	if err != nil {
		if f := fault.OfManaging(err); f.Code == fault.Validation { // of the days
			_, message, _ := strings.Cut(f.Message, ": ")
			e.Problem = sentence(message)
			return nil, nil, nil
		}
		return nil, nil, err
	}
	for _, r := range out.Rows {
		if e.filter.Passes(r) {
			passed = append(passed, r)
		}
	}
	return out.Rows, passed, nil
}

// errors is the page of the requests for images that failed.
func (v *visit) errors() error {
	e := v.errorQuery()
	all, passed, err := v.readErrors(&e)
	if err != nil {
		return err
	}
	path := "/app/" + v.ns + "/errors"
	d := errorsData{errorQuery: e, Filtered: e.Source != "" || e.Status != "" || e.Code != "", Kinds: len(passed), Clear: errorQuery{From: e.From, To: e.To}.url(path)}
	today := v.d.now().UTC().Truncate(24 * time.Hour)
	d.Recent = !e.filter.To.Before(today)
	for _, s := range []struct {
		title    string
		from, to int // days ago
	}{{"Today", 0, 0}, {"Yesterday", 1, 1}, {"7 days", 6, 0}, {"31 days", 30, 0}} {
		at := e
		at.From, at.To, at.Page = today.AddDate(0, 0, -s.from).Format(time.DateOnly), today.AddDate(0, 0, -s.to).Format(time.DateOnly), 0
		d.Spans = append(d.Spans, errorSpan{s.title, at.url(path), at.From == e.From && at.To == e.To})
	}
	if v.may(account.ReadAudit) {
		d.Log = "/app/" + v.ns + "/log?" + url.Values{"trail": {"access"}, "errors": {"on"}}.Encode()
	}
	if e.Problem != "" {
		return v.show(http.StatusUnprocessableEntity, "errors", d)
	}
	if e.From == e.To {
		d.One = e.filter.From.Format("2 January")
		for _, s := range d.Spans[:2] {
			if s.Current {
				d.One = strings.ToLower(s.Title)
			}
		}
	}
	d.choices(all)
	at := e
	at.Page = 0
	d.File = at.url(path + ".csv")
	if at.Page = e.Page + 1; at.Page*errorsPage < len(passed) {
		d.Older = at.url(path)
	}
	if at.Page = e.Page - 1; at.Page >= 0 {
		d.Newer = at.url(path)
	}
	first := min(e.Page*errorsPage, len(passed))
	d.show(v.ns, passed[first:min(first+errorsPage, len(passed))])
	return v.show(http.StatusOK, "errors", d)
}

// choices fills the fields of the filter with what there is.
func (d *errorsData) choices(rows []workspace.ErrorCount) {
	add := func(list *[]string, value string) {
		if value != "" && !slices.Contains(*list, value) {
			*list = append(*list, value)
		}
	}
	for _, r := range rows {
		add(&d.Sources, r.Source)
		add(&d.Codes, r.Code)
		if r.Status > 0 {
			add(&d.Statuses, strconv.Itoa(r.Status))
		}
	}
	if d.Source != manage.NoSource {
		add(&d.Sources, d.Source)
	}
	add(&d.Codes, d.Code)
	add(&d.Statuses, d.Status)
	for _, list := range [][]string{d.Sources, d.Codes, d.Statuses} {
		slices.Sort(list)
	}
}

// show fills the page with rows, by day, and with what to do about them.
func (d *errorsData) show(ns string, rows []workspace.ErrorCount) {
	known := map[string]bool{}
	for _, r := range rows {
		day, err := time.Parse(time.DateOnly, r.Day)
		if err != nil {
			continue // every stored day is one
		}
		if n := len(d.Days); n == 0 || !d.Days[n-1].Day.Equal(day) {
			d.Days = append(d.Days, errorsOfDay{Day: day})
		}
		of := &d.Days[len(d.Days)-1]
		of.Count += r.Count
		row := errorRow{ErrorCount: r, Words: strings.SplitAfter(r.Code, "_")}
		for _, s := range r.Samples {
			row.Samples = append(row.Samples, errorSample{s, explainPath(ns, s)})
		}
		of.Errors = append(of.Errors, row)
		if !known[r.Code] {
			known[r.Code] = true
			d.Help = append(d.Help, helpOf(r.Code))
		}
	}
	slices.SortFunc(d.Help, func(a, b errorHelp) int { return strings.Compare(a.Code, b.Code) })
}

// explainPath returns the path of the page that says what would happen to a sample.
func explainPath(ns string, s workspace.ErrorSample) string {
	if !strings.HasPrefix(s.Path, "/") || strings.Contains(s.Path, "…") {
		return ""
	}
	q := url.Values{"url": {"/" + ns + s.Path}}
	if s.Origin != "" {
		q.Set("origin", s.Origin)
	}
	return "/app/" + ns + "/access?" + q.Encode() + "#what-if"
}

func helpOf(code string) errorHelp {
	switch code {
	case workspace.ClientGone:
		return errorHelp{code, "The client left before the answer, as browsers do when a page is closed.", "Nothing. Where there are many, look whether the server of the originals is slow."}
	case workspace.OtherErrors:
		return errorHelp{code, "The day has more than " + strconv.Itoa(workspace.MaxErrorRows) + " kinds of errors. These are the others, summed up.", "Mend those that are listed first."}
	}
	k := fault.Code(code).Kind()
	return errorHelp{code, plainly(k.Meaning), plainly(k.Remedy)}
}

// errorsFile sends the errors as CSV.
func (v *visit) errorsFile() error {
	e := v.errorQuery()
	_, rows, err := v.readErrors(&e)
	if err != nil {
		return err
	}
	if e.Problem != "" {
		return v.errors()
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.ns+"-errors-"+e.From+"-"+e.To+`.csv"`)
	if v.r.Method == http.MethodHead {
		return nil
	}
	out := csv.NewWriter(v.w)
	head := []string{"day", "source", "status", "code", "requests", "first_seen", "last_seen"}
	for i := range workspace.MaxErrorSamples {
		head = append(head, "path_"+strconv.Itoa(i+1), "origin_"+strconv.Itoa(i+1))
	}
	_ = out.Write(head)
	for _, r := range rows {
		row := []string{r.Day, r.Source, strconv.Itoa(r.Status), r.Code, strconv.FormatInt(r.Count, 10), r.FirstSeen.Format(time.RFC3339), r.LastSeen.Format(time.RFC3339)}
		for _, s := range r.Samples {
			row = append(row, s.Path, s.Origin)
		}
		row = append(row, make([]string, len(head)-len(row))...)
		_ = out.Write(noFormulas(row))
	}
	out.Flush() // the client may be gone, and then there is nobody to tell
	return nil
}

// noFormulas marks the cells of a file that a program would take for formulas.
func noFormulas(row []string) []string {
	for i, text := range row {
		if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
			row[i] = "'" + text
		}
	}
	return row
}

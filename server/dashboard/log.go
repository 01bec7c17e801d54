package dashboard

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

const (
	logPage = 50 // entries on a page

	// logFileMost is the largest number of entries in a file, and logFilePage the number that
	// is read, and sent, at once.
	logFileMost = 10_000
	logFilePage = 500
)

// A logQuery is what a visitor asks of a log.
type logQuery struct {
	Trail   string // "audit" or "access"
	Action  string
	Who     string
	Day     string // as 2006-01-02; empty is any
	Errors  bool
	Before  string
	Problem string // what is wrong with the day
	filter  manage.AuditFilter
}

// A logData is the data of log.html.
type logData struct {
	logQuery
	Entries                    []logEntry
	Actions                    []string // of the entries, for the field of the action
	Older, Newest, File        string   // URLs; Older is empty on the last page
	Audit, Access              string   // URLs of the two logs
	Yesterday, Images          string   // URLs of yesterday's errors, of the API and of images
	Filtered, AtYesterday, Cut bool     // Cut: the search ended before it found a page
	Most                       int64
}

// A logEntry is an entry with what it changed.
type logEntry struct {
	workspace.AuditEntry
	Lines  []changeLine
	More   int
	Failed bool
}

func (v *visit) logQuery() logQuery {
	q := v.r.URL.Query()
	l := logQuery{
		Trail: "audit", Action: strings.TrimSpace(q.Get("action")), Who: strings.TrimSpace(q.Get("who")), Day: strings.TrimSpace(q.Get("day")),
		Errors: q.Get("errors") != "", Before: q.Get("before"),
	}
	if q.Get("trail") == "access" {
		l.Trail = "access"
	}
	l.filter = manage.AuditFilter{Action: l.Action, Actor: l.Who, Failed: l.Errors && l.Trail == "access"}
	if l.Day != "" {
		day, err := time.Parse(time.DateOnly, l.Day)
		if err != nil {
			l.Problem = "The day must be written as 2026-01-31."
			return l
		}
		l.filter.From, l.filter.To = day, day.AddDate(0, 0, 1)
	}
	return l
}

func (l logQuery) trail() workspace.Trail {
	if l.Trail == "access" {
		return workspace.TrailAccess
	}
	return workspace.TrailChanges
}

// url returns the path and query of a page of the log.
func (l logQuery) url(path string) string {
	q := url.Values{"trail": {l.Trail}}
	for name, value := range map[string]string{"action": l.Action, "who": l.Who, "day": l.Day, "before": l.Before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if l.Errors && l.Trail == "access" {
		q.Set("errors", "on")
	}
	return path + "?" + q.Encode()
}

// log is the page of who changed what, and of who asked the API for what.
func (v *visit) log() error {
	l := v.logQuery()
	path := "/app/" + v.ns + "/log"
	yesterday := v.d.now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	d := logData{
		logQuery: l, Most: logFileMost, Filtered: l.Action != "" || l.Who != "" || l.Day != "" || l.filter.Failed,
		Audit: path + "?trail=audit", Access: path + "?trail=access", Yesterday: logQuery{Trail: "access", Day: yesterday, Errors: true}.url(path),
		AtYesterday: l.filter.Failed && l.Day == yesterday,
	}
	day := v.d.now().UTC().AddDate(0, 0, -1)
	d.Images = v.errorsOf(day, day)
	if l.Problem != "" {
		return v.show(http.StatusUnprocessableEntity, "log", d)
	}
	page, err := v.d.Manage.SearchAudit(v.r.Context(), v.caller(), v.ns, l.trail(), l.filter, l.Before, logPage)
	if err != nil {
		return err
	}
	for _, e := range page.Entries {
		entry := logEntry{AuditEntry: e, Failed: e.Status >= 400}
		entry.Lines, entry.More = changeLines(e.Before, e.After)
		d.Entries = append(d.Entries, entry)
		if !slices.Contains(d.Actions, e.Action) {
			d.Actions = append(d.Actions, e.Action)
		}
	}
	d.Cut = page.Next != "" && len(page.Entries) < logPage
	at := l
	if at.Before = ""; l.Before != "" {
		d.Newest = at.url(path)
	}
	d.File = at.url(path + ".csv")
	if at.Before = page.Next; page.Next != "" {
		d.Older = at.url(path)
	}
	return v.show(http.StatusOK, "log", d)
}

// logFile sends the entries as CSV, the newest first. It reads and sends them in parts, so
// that no file is in memory as a whole.
func (v *visit) logFile() error {
	l := v.logQuery()
	if l.Problem != "" {
		return v.log()
	}
	read := func() (manage.LogPage, error) {
		return v.d.Manage.SearchAudit(v.r.Context(), v.caller(), v.ns, l.trail(), l.filter, l.Before, logFilePage)
	}
	page, err := read()
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.ns+"-"+l.Trail+"-"+v.d.now().UTC().Format(time.DateOnly)+`.csv"`)
	if v.r.Method == http.MethodHead {
		return nil
	}
	out := csv.NewWriter(v.w)
	_ = out.Write([]string{"time", "who", "action", "target", "status", "ip", "user_agent", "before", "after", "count"})
	for sent := 0; ; {
		for _, e := range page.Entries {
			if sent++; sent > logFileMost {
				_ = out.Write([]string{"", "", "log.cut", "The file ends after " + strconv.Itoa(logFileMost) + " entries. Choose a day for the others.", "", "", "", "", "", ""})
				page.Next = ""
				break
			}
			_ = out.Write(cells(e))
		}
		// The client may be gone. Then there is nobody to tell.
		if out.Flush(); out.Error() != nil || page.Next == "" {
			return nil
		}
		l.Before = page.Next
		if page, err = read(); err != nil {
			// A part of the file is sent. The client must not take it for the whole.
			panic(http.ErrAbortHandler)
		}
	}
}

// cells returns an entry as a row. A program that opens the file must not take a text for a
// formula.
func cells(e workspace.AuditEntry) []string {
	row := []string{e.Time.Format(time.RFC3339Nano), e.Actor, e.Action, e.Target, "", e.IP, e.UserAgent, string(e.Before), string(e.After), ""}
	if e.Status != 0 {
		row[4] = strconv.Itoa(e.Status)
	}
	if e.Count != 0 {
		row[9] = strconv.FormatInt(e.Count, 10)
	}
	return noFormulas(row)
}

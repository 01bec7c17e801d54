package dashboard_test

import (
	"encoding/csv"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/workspace"
)

// failed stores an error of a workspace, some days ago.
func (s *site) failed(t *testing.T, namespace string, ago int, r workspace.ErrorCount) {
	t.Helper()
	w, err := s.store.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	at := now.AddDate(0, 0, -ago)
	r.Day, r.FirstSeen, r.LastSeen = at.Format(time.DateOnly), at.Add(-4*time.Hour), at
	if err := s.store.PutErrors(t.Context(), workspace.ErrorReport{WorkspaceID: w.ID, Day: r.Day, Part: fmt.Sprint(r.Source, r.Status, r.Code), Rows: []workspace.ErrorCount{r}}); err != nil {
		t.Fatal(err)
	}
}

func sampled(paths ...string) (list []workspace.ErrorSample) {
	for i, p := range paths {
		list = append(list, workspace.ErrorSample{Path: p, SeenAt: now.Add(-time.Duration(i) * time.Minute)})
	}
	return list
}

// see returns a page's text, without tags and with single spaces, and its source.
func (s *site) see(t *testing.T, as, path string, status int) (text, page string) {
	t.Helper()
	w := s.ask(as, "GET", path, nil)
	if w.Code != status {
		t.Fatalf("%s by %s: %d\n%s", path, as, w.Code, w.Body)
	}
	page = w.Body.String()
	plain := regexp.MustCompile(`(?s)<title>.*?</title>|<[^>]*>`).ReplaceAllString(strings.ReplaceAll(page, "<wbr>", ""), " ")
	return strings.Join(strings.Fields(html.UnescapeString(plain)), " "), page
}

// TestErrorsPage: a member sees what failed, why, what to do, and asks of each path what would
// happen. Others see nothing.
func TestErrorsPage(t *testing.T) {
	s := open(t)
	s.failed(t, "acme", 1, workspace.ErrorCount{Source: "photos", Status: 404, Code: "NOT_FOUND", Count: 1234, Samples: sampled("/photos/x.jpg?w=9&h=9", "/photos/…", "DELETE /photos/y.jpg")})
	refused := workspace.ErrorCount{Status: 403, Code: "ORIGIN_NOT_ALLOWED", Count: 1, Samples: sampled("/photos/cat.jpg")}
	refused.Samples[0].Origin = "https://evil.example"
	s.failed(t, "acme", 0, refused)
	s.failed(t, "acme", 9, workspace.ErrorCount{Status: 499, Code: workspace.ClientGone, Count: 5})
	s.failed(t, "acme", 9, workspace.ErrorCount{Code: workspace.OtherErrors, Count: 7})
	s.failed(t, "other", 1, workspace.ErrorCount{Source: "theirs", Status: 404, Code: "NOT_FOUND", Count: 99})
	for as, status := range map[string]int{"": 303, "viewer": 200, "editor": 200, "owner": 200, "operator": 200, "stranger": 403} {
		for _, path := range []string{"/app/acme/errors", "/app/acme/errors.csv"} {
			w := s.ask(as, "GET", path, nil)
			if w.Code != status || strings.Contains(w.Body.String(), "theirs") || strings.Contains(w.Body.String(), "x.jpg") != (status == 200) {
				t.Errorf("%s by %s: %d", path, as, w.Code)
			}
		}
	}
	text, page := s.see(t, "viewer", "/app/acme/errors", 200)
	for _, want := range []string{
		"Sunday, 29 November 2037 Error Source Requests Seen 403 ORIGIN_NOT_ALLOWED none 1 08:00 /photos/cat.jpg on a page of https://evil.example What would happen?",
		"Saturday, 28 November 2037", "404 NOT_FOUND photos 1,234 08:00 – 12:00 /photos/x.jpg?w=9&h=9 What would happen? /photos/… DELETE /photos/y.jpg Download as CSV 2 rows",
		"NOT_FOUND The original, or what an API request names, does not exist. Correct the path.", "Add the origin to “Sites that may load images in scripts”.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q:\n%s", want, text)
		}
	}
	for _, want := range []string{`<a href="#code-NOT_FOUND">`, `<div id="code-NOT_FOUND">`} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s", want)
		}
	}
	link := regexp.MustCompile(`href="(/app/acme/access\?[^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(link) != 2 || html.UnescapeString(link[0][1]) != "/app/acme/access?origin=https%3A%2F%2Fevil.example&url=%2Facme%2Fphotos%2Fcat.jpg#what-if" {
		t.Fatal(link)
	}
	if _, explained := s.see(t, "viewer", strings.TrimSuffix(html.UnescapeString(link[1][1]), "#what-if"), 200); !strings.Contains(explained, `value="/acme/photos/x.jpg?w=9&amp;h=9"`) {
		t.Error(explained)
	}
	text, _ = s.see(t, "viewer", "/app/acme/errors?day="+now.AddDate(0, 0, -9).Format(time.DateOnly), 200)
	if !strings.Contains(text, "499 client_gone none 5") || !strings.Contains(text, "other none 7") || !strings.Contains(text, "summed up") {
		t.Error(text)
	}
}

// TestErrorsFilter: days, source, status and code choose, and stay in the form and the links.
func TestErrorsFilter(t *testing.T) {
	s := open(t)
	if text, _ := s.see(t, "viewer", "/app/acme/errors", 200); !strings.Contains(text, "There were no errors of images on these days.") {
		t.Error(text)
	}
	if text, _ := s.see(t, "viewer", "/app/acme/errors?day=2037-11-28", 200); !strings.Contains(text, "There were no errors of images yesterday.") {
		t.Error(text)
	}
	if text, _ := s.see(t, "viewer", "/app/acme/errors?day=2037-11-20", 200); !strings.Contains(text, "There were no errors of images on 20 November.") {
		t.Error(text)
	}
	for i := range 90 {
		s.failed(t, "acme", 0, workspace.ErrorCount{Source: fmt.Sprintf("source-%02d", i), Status: 404, Code: "NOT_FOUND", Count: int64(100 - i)})
	}
	s.failed(t, "acme", 1, workspace.ErrorCount{Status: 400, Code: "INVALID_OPTION", Count: 3})
	rows := func(path string) (int, string) {
		t.Helper()
		_, page := s.see(t, "viewer", path, 200)
		return strings.Count(page, `<th scope="row">`), page
	}
	href := func(page, text string) string {
		t.Helper()
		m := regexp.MustCompile(`href="([^"]*)"[^>]*>` + text + `<`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no link %q in\n%s", text, page)
		}
		return html.UnescapeString(m[1])
	}
	n, page := rows("/app/acme/errors")
	next, page2 := rows(href(page, "More"))
	last, page3 := rows(href(page2, "More"))
	if n != 40 || next != 40 || last != 11 || strings.Contains(page3, ">More<") || href(page3, "Back") != href(page, "More") {
		t.Error(n, next, last)
	}
	if n, page := rows(href(page, "Yesterday")); n != 1 || !strings.Contains(page, `value="2037-11-28"`) || !strings.Contains(page, `aria-current="true">Yesterday`) {
		t.Error(n, page)
	}
	for query, want := range map[string]int{"?source=source-03": 1, "?source=-": 1, "?status=400": 1, "?code=INVALID_OPTION": 1, "?code=INVALID_OPTION&status=404": 0, "?code=%3Cscript%3E": 0, "?status=x": 0, "?page=-1": 40, "?page=99": 0, "?from=2037-11-29": 40} {
		n, page := rows("/app/acme/errors" + query)
		if n != want || strings.Contains(page, "<script>") {
			t.Errorf("%s: %d rows", query, n)
		}
		if want == 0 && !strings.Contains(page, "passes the filter") && !strings.Contains(page, "no more errors") {
			t.Errorf("%s: %s", query, page)
		}
	}
	if n, page := rows("/app/acme/errors?code=NOT_FOUND&source=source-03"); n != 1 || !strings.Contains(page, "<option selected>source-03") || !strings.Contains(href(page, "31 days"), "code=NOT_FOUND") || strings.Contains(href(page, "Clear"), "code") {
		t.Error(page)
	}
	for _, query := range []string{"?from=yesterday", "?day=2037-02-30", "?from=2037-11-29&to=2037-11-01", "?from=2037-01-01"} {
		for _, file := range []string{"", ".csv"} {
			if text, page := s.see(t, "viewer", "/app/acme/errors"+file+query, 422); !strings.Contains(page, `id="day-fault"`) || !strings.Contains(text, "Filter") {
				t.Errorf("%s: %s", query, text)
			}
		}
	}
}

// TestErrorsFile: the file has all rows, and no cell is a formula.
func TestErrorsFile(t *testing.T) {
	s := open(t)
	evil := workspace.ErrorCount{Source: "photos", Status: 404, Code: "NOT_FOUND", Count: 2, Samples: sampled("=1+1", `"><script>alert(1)</script>`)}
	evil.Samples[1].Origin = "@SUM(A1)"
	s.failed(t, "acme", 1, evil)
	for i := range 60 {
		s.failed(t, "acme", 0, workspace.ErrorCount{Source: fmt.Sprint("s", i), Status: 404, Code: "NOT_FOUND", Count: 1})
	}
	w := s.ask("viewer", "GET", "/app/acme/errors.csv", nil)
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 62 || w.Header().Get("Content-Disposition") != `attachment; filename="acme-errors-2037-11-23-2037-11-29.csv"` {
		t.Fatal(err, len(rows), w.Header())
	}
	if last := strings.Join(rows[61], "|"); last != `2037-11-28|photos|404|NOT_FOUND|2|2037-11-28T08:00:00Z|2037-11-28T12:00:00Z|'=1+1||"><script>alert(1)</script>|'@SUM(A1)||||||` {
		t.Error(last)
	}
	if _, page := s.see(t, "viewer", "/app/acme/errors", 200); strings.Contains(page, "<script>alert") {
		t.Error(page)
	}
	if w := s.ask("viewer", "GET", "/app/acme/errors.csv?source=s1", nil); strings.Count(w.Body.String(), "\n") != 2 {
		t.Error(w.Body)
	}
}

// TestErrorsWeight: a page of errors with the longest paths is under 150 kB.
func TestErrorsWeight(t *testing.T) {
	s := open(t)
	for i := range 100 {
		var paths []string
		for k := range workspace.MaxErrorSamples {
			paths = append(paths, fmt.Sprintf("/photos/%d-%d?%s", i, k, strings.Repeat("%C3", (workspace.MaxErrorPath-20)/3)))
		}
		s.failed(t, "acme", 0, workspace.ErrorCount{Source: fmt.Sprintf("%064d", i), Status: 404, Code: "NOT_FOUND", Count: 1, Samples: sampled(paths...)})
	}
	if _, page := s.see(t, "viewer", "/app/acme/errors", 200); len(page) > 150_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// TestErrorsOnTheOverview: the overview leads to yesterday's errors, and each day of its plot
// with errors, as long as they are kept, to those of the day.
func TestErrorsOnTheOverview(t *testing.T) {
	s := open(t)
	for _, ago := range []int{0, 1, 40} {
		s.used(t, "acme", ago, "photos", workspace.Usage{Requests: 9, Errors: 3})
	}
	for days, inPlot := range map[string]int{"7": 1, "92": 0} {
		_, page := s.see(t, "viewer", "/app/acme?days="+days, 200)
		if !strings.Contains(page, `href="/app/acme/errors?day=2037-11-28">Yesterday&#39;s errors`) && !strings.Contains(page, `href="/app/acme/errors?day=2037-11-28">Yesterday's errors`) {
			t.Errorf("%s days: no link to yesterday's errors", days)
		}
		if n := strings.Count(page, `<a href="/app/acme/errors?day=2037-11-29" aria-label="`); n != inPlot {
			t.Errorf("%s days: %d links in the plot", days, n)
		}
		if strings.Count(page, `<th><a href="/app/acme/errors?day=2037-11-29">29 Nov, so far</a>`) != 1 || strings.Contains(page, "errors?day=2037-10-20") || strings.Contains(page, "errors?day=2037-11-27") {
			t.Errorf("%s days: links in the table", days)
		}
	}
	_, page := s.see(t, "viewer", "/app/acme/log", 200)
	if !strings.Contains(page, `href="/app/acme/errors?day=2037-11-28"`) {
		t.Error("the log doesn't lead to the errors of images")
	}
}

// TestFirstDay: on the first day nothing is compared with days before it.
func TestFirstDay(t *testing.T) {
	s := open(t)
	s.used(t, "acme", 0, "photos", workspace.Usage{Requests: 9, Hits: 3, BytesOut: 5})
	text, page := s.see(t, "viewer", "/app/acme", 200)
	for _, want := range []string{"Requests 9 all of it today", "Hit ratio 33.3 % of today", "Errors 0 as before"} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q: %s", want, text)
		}
	}
	if strings.Contains(text, "before either") || strings.Count(page, `<circle class="dot" cx="98.33%"`) != 1 {
		t.Error("the ratio of a single day has no dot")
	}
}

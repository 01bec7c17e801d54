package dashboard_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/workspace"
)

// logged appends entries to a log of acme, the oldest first.
func (s *site) logged(t *testing.T, entries ...workspace.AuditEntry) {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		entries[i].WorkspaceID = w.ID
	}
	if err := s.store.AppendAudit(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

// TestLog: members read the log of their workspace only.
func TestLog(t *testing.T) {
	s := open(t)
	s.logged(t, workspace.AuditEntry{Time: now, Actor: "root", Action: "workspace.update", Target: "acme"})
	for as, status := range map[string]int{"": 303, "viewer": 200, "editor": 200, "owner": 200, "operator": 200, "stranger": 403} {
		for _, page := range []string{"/app/acme/log", "/app/acme/log?trail=access", "/app/acme/log.csv"} {
			w := s.ask(as, "GET", page, nil)
			if w.Code != status || status != 200 && strings.Contains(w.Body.String(), "workspace.update") {
				t.Errorf("%s %s: %d", as, page, w.Code)
			}
		}
	}
	if have := s.ask("stranger", "GET", "/app/other/log", nil).Body.String(); !strings.Contains(have, "owner@other.example") || strings.Contains(have, "acme.example") {
		t.Error(have)
	}
}

// TestLogChanges: what a change did is lines of text, and nothing in an entry is markup.
func TestLogChanges(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ before, after, want string }{
		"values":        {`{"limits":{"transforms_per_day":0,"x":1}}`, `{"limits":{"transforms_per_day":500,"x":1}}`, "limits.transforms_per_day 0 → is now 500"},
		"lists":         {`{"allowed_origins":["*"]}`, `{"allowed_origins":["https://a.example","https://b.example"]}`, "allowed_origins * → is now https://a.example, https://b.example"},
		"emptied":       {`{"allowed_origins":["*"]}`, `{"allowed_origins":[]}`, "allowed_origins * → is now none"},
		"parts":         {`{"sources":[{"key":"photos","url":"https://a/"}]}`, `{"sources":[{"key":"photos","url":"https://b/"},{"key":"new","url":"https://n/","private":false}]}`, "sources[new].key new sources[new].url https://n/ sources[photos].url https://a/ → is now https://b/"},
		"part removed":  {`{"marks":[{"name":"logo"}]}`, `{"marks":[]}`, "marks[logo].name logo removed"},
		"made":          {``, `{"name":"CI","scopes":["read"]}`, "name CI scopes read"},
		"made by null":  {`null`, `{"name":"CI","test":false}`, "name CI"},
		"plain":         {`"a"`, `"b"`, "a → is now b"},
		"wrong":         {`{`, `[`, "by root"},
		"left out":      {``, `{"left_out":"99999 bytes, more than an entry holds"}`, "left_out 99999 bytes"},
		"duplicates":    {`[{"name":"a"},{"name":"a"}]`, `[]`, `{"name":"a"}, {"name":"a"} → is now none`},
		"other types":   {`{"a":[1]}`, `{"a":{"b":true}}`, `a 1 → is now {"b":true}`},
		"markup":        {`{"name":` + string(quoted) + `}`, `{"name":"x"}`, "name " + evil + " → is now x"},
		"markup in key": {`{` + string(quoted) + `:1}`, `{}`, evil + " 1 removed"},
	} {
		s := open(t)
		s.logged(t, workspace.AuditEntry{Time: now, Actor: "root", Action: "workspace.update", Target: evil, IP: evil, UserAgent: evil, Before: json.RawMessage(tt.before), After: json.RawMessage(tt.after)})
		page := s.ask("viewer", "GET", "/app/acme/log", nil).Body.String()
		tagless := strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " "))), " ")
		if !strings.Contains(tagless, tt.want) || strings.Contains(page, "<script>alert") {
			t.Errorf("%s: without %q in\n%s", name, tt.want, page)
		}
	}
}

// TestLogFilter: filters stay in the form and in the links, and yesterday's errors are one
// link away.
func TestLogFilter(t *testing.T) {
	s := open(t)
	var entries []workspace.AuditEntry
	for i := range 240 {
		e := workspace.AuditEntry{Trail: workspace.TrailAccess, Time: now.Add(time.Duration(i-240) * 15 * time.Minute), Actor: "key:CI", Action: "GET /v1/workspaces/{ns}", Target: fmt.Sprintf("/t%d.", i), Status: 200}
		if i%40 == 0 {
			e.Status, e.Actor, e.Action = 422, "root", "DELETE /v1/workspaces/{ns}"
		}
		entries = append(entries, e)
	}
	s.logged(t, entries...)
	targets := regexp.MustCompile(`/t\d+\.`)
	see := func(query string) (targetsOf []string, page string) {
		t.Helper()
		w := s.ask("viewer", "GET", query, nil)
		if w.Code != 200 {
			t.Fatal(query, w.Code, w.Body)
		}
		page = w.Body.String()
		return targets.FindAllString(page, -1), page
	}
	link := func(page, text string) string {
		t.Helper()
		m := regexp.MustCompile(`href="([^"]*)"[^>]*>` + text + `<`).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("no link %q in\n%s", text, page)
		}
		return html.UnescapeString(m[1])
	}
	have, page := see("/app/acme/log")
	if len(have) != 0 {
		t.Error("the log of changes has requests")
	}
	have, page = see(link(page, "Yesterday's API errors"))
	if strings.Join(have, " ") != "/t160. /t120." {
		t.Error(have)
	}
	for _, want := range []string{`value="2037-11-28"`, `name="errors" checked`} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s", want)
		}
	}
	s.logged(t, workspace.AuditEntry{Trail: workspace.TrailAccess, Time: now.AddDate(0, 0, -9), Actor: "key:CI", Action: "GET /v1/x", Status: 429, Count: 2999})
	if _, page := see("/app/acme/log?trail=access&action=/v1/x"); !strings.Contains(page, "2,999 times within an hour") {
		t.Errorf("the page doesn't say how many requests an entry stands for:\n%s", page)
	}
	have, page = see("/app/acme/log?trail=access&who=CI&action=get")
	older, _ := see(link(page, "Older"))
	if len(have) != 50 || len(older) != 50 || have[0] != "/t239." || older[0] == have[49] {
		t.Errorf("%d and %d entries, from %v", len(have), len(older), have[0])
	}
	if have, _ := see("/app/acme/log?trail=access&errors=on"); len(have) != 6 {
		t.Error(have)
	}
	if have, page := see("/app/acme/log?trail=access&who=%3Cscript%3E"); len(have) != 0 || !strings.Contains(page, `value="&lt;script&gt;"`) || !strings.Contains(page, "No entry passes") {
		t.Error(page)
	}
	if w := s.ask("viewer", "GET", "/app/acme/log?day=yesterday%22%3E", nil); w.Code != 422 || !strings.Contains(w.Body.String(), `id="day-fault"`) {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("viewer", "GET", "/app/acme/log?before="+strings.Repeat("9", 3000), nil); w.Code != 422 && w.Code != 400 {
		t.Error(w.Code)
	}
}

// TestLogFile: the file has what the page shows, in full, and no cell is a formula.
func TestLogFile(t *testing.T) {
	s := open(t)
	formulas := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"}
	var entries []workspace.AuditEntry
	for i := range 1200 {
		entries = append(entries, workspace.AuditEntry{Time: now.Add(time.Duration(i) * time.Second), Actor: "root", Action: "workspace.update", Target: formulas[i%len(formulas)], UserAgent: "a \"b\",\nc", After: json.RawMessage(`{"a":1}`)})
	}
	s.logged(t, entries...)
	w := s.ask("viewer", "GET", "/app/acme/log.csv?action=update", nil)
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 1201 || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || w.Header().Get("Content-Disposition") != `attachment; filename="acme-audit-2037-11-29.csv"` {
		t.Fatal(err, len(rows), w.Header())
	}
	for i, row := range rows[1:] {
		if !strings.HasPrefix(row[3], "'") || row[6] != "a \"b\",\nc" || row[8] != `{"a":1}` || row[0] != now.Add(time.Duration(1199-i)*time.Second).Format(time.RFC3339) {
			t.Fatalf("%q", row)
		}
	}
	if w := s.ask("viewer", "GET", "/app/acme/log.csv?day=x", nil); w.Code != 422 {
		t.Error(w.Code)
	}
	// A file is bounded, and says so.
	var many []workspace.AuditEntry
	for len(many) < 9000 {
		many = append(many, entries...)
	}
	s.logged(t, many...)
	rows, err = csv.NewReader(s.ask("viewer", "GET", "/app/acme/log.csv", nil).Body).ReadAll()
	if err != nil || len(rows) != 10_002 || rows[10_001][2] != "log.cut" {
		t.Error(err, len(rows))
	}
}

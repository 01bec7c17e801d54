package manage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// TestSearchAudit: pages of a search have each entry that passes once, whatever lies between
// them, and a search looks at a bounded number of entries.
func TestSearchAudit(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Now().UTC().Add(-24 * time.Hour).Truncate(time.Hour)
	var entries []workspace.AuditEntry
	for i := range 12_000 {
		e := workspace.AuditEntry{WorkspaceID: w.ID, Trail: workspace.TrailAccess, Time: first.Add(time.Duration(i) * time.Second), Actor: "key:CI", Action: "GET /v1/workspaces/{ns}", Target: fmt.Sprint(i), Status: 200}
		if i%1000 == 0 {
			e.Status, e.Actor = 403, "root"
		}
		entries = append(entries, e)
	}
	if err := db.AppendAudit(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		filter manage.AuditFilter
		want   int
	}{
		"errors":           {manage.AuditFilter{Failed: true}, 12},
		"who":              {manage.AuditFilter{Actor: "ROOT"}, 12},
		"who else":         {manage.AuditFilter{Actor: "ci"}, 11_988},
		"nobody":           {manage.AuditFilter{Actor: "eve"}, 0},
		"an hour":          {manage.AuditFilter{From: first.Add(time.Hour), To: first.Add(2 * time.Hour)}, 3600},
		"errors of a time": {manage.AuditFilter{Failed: true, From: first, To: first.Add(4000 * time.Second)}, 4},
		"action":           {manage.AuditFilter{Action: "get /V1", Failed: true}, 12},
		"all":              {manage.AuditFilter{}, 12_000},
	} {
		seen, pages := map[string]bool{}, 0
		for before := ""; ; pages++ {
			page, err := m.SearchAudit(t.Context(), manage.Operator, "acme", workspace.TrailAccess, tt.filter, before, 700)
			if err != nil || len(page.Entries) > 700 {
				t.Fatal(name, err, len(page.Entries))
			}
			for _, e := range page.Entries {
				if seen[e.ID] {
					t.Errorf("%s: %s twice", name, e.Target)
				}
				seen[e.ID] = true
			}
			if before = page.Next; before == "" {
				break
			}
		}
		if len(seen) != tt.want {
			t.Errorf("%s: %d entries, want %d", name, len(seen), tt.want)
		}
		if name == "nobody" && pages != 4 {
			t.Errorf("%s: looked at all of the log in %d searches", name, pages+1)
		}
	}
	if _, err := m.SearchAudit(t.Context(), manage.Operator, "acme", workspace.TrailAccess, manage.AuditFilter{}, string(make([]byte, 2000)), 9); err == nil {
		t.Error("a cursor of 2000 bytes is taken")
	}
}

// TestLargeEntries: pages of a log with large entries have few of them, so that nobody takes
// the server's memory by asking for many pages at the same time. No entry is left out.
func TestLargeEntries(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	var entries []workspace.AuditEntry
	for i := range 300 {
		e := workspace.AuditEntry{WorkspaceID: w.ID, Trail: workspace.TrailChanges, Time: time.Now().Add(time.Duration(i-1000) * time.Second), Actor: "root", Action: "workspace.update", Target: fmt.Sprint(i)}
		if i%3 > 0 {
			e.Before = json.RawMessage(`"` + strings.Repeat("x", workspace.MaxAuditDetail-2) + `"`)
			e.After = e.Before
		}
		entries = append(entries, e)
	}
	if err := db.AppendAudit(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	read := map[string]func(before string, limit int) (manage.LogPage, error){
		"the log": func(before string, limit int) (manage.LogPage, error) {
			return m.Audit(t.Context(), manage.Operator, "acme", "", workspace.TrailChanges, before, limit)
		},
		"a search": func(before string, limit int) (manage.LogPage, error) {
			return m.SearchAudit(t.Context(), manage.Operator, "acme", workspace.TrailChanges, manage.AuditFilter{Actor: "root"}, before, limit)
		},
	}
	for name, page := range read {
		for _, limit := range []int{1, 7, 50, 51, 500} {
			seen := 0
			for before := ""; ; {
				p, err := page(before, limit)
				if err != nil || len(p.Entries) > limit || len(p.Entries) == 0 {
					t.Fatal(name, limit, len(p.Entries), err)
				}
				bytes := 0
				for _, e := range p.Entries {
					if seen++; e.Target != fmt.Sprint(300-seen) {
						t.Fatalf("%s by %d: entry %d is %s", name, limit, seen, e.Target)
					}
					bytes += len(e.Before) + len(e.After)
				}
				if bytes > 1<<20 {
					t.Errorf("%s by %d: a page of %d bytes", name, limit, bytes)
				}
				if before = p.Next; before == "" {
					break
				}
			}
			if seen != 300 {
				t.Errorf("%s by %d: %d entries", name, limit, seen)
			}
		}
	}
}

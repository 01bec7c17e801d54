package manage_test

import (
	"fmt"
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

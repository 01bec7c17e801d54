package workspacetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/workspace"
)

// testPlans: what one server writes of plans, another one reads, with the lines of the audit
// log. Of writers at once, none loses what another wrote without seeing it.
func testPlans(t *testing.T, s Store) {
	ctx := t.Context()
	open := func() *plan.Book {
		b, err := plan.New(plan.Config{Records: s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	entry := func(before *plan.Plan) workspace.AuditEntry {
		e := workspace.AuditEntry{Actor: "root", Action: "plan.create"}
		if before != nil {
			e.Action = fmt.Sprint("plan.update of ", before.RequestsPerMinute)
		}
		return e
	}
	a, b := open(), open()
	none := 0
	pro := plan.Plan{
		Name: "pro", Limits: workspace.Limits{RequestsPerMinute: 1, TransformsPerMinute: 2, TransformsPerDay: 3, TransformsPerMonth: 4},
		RequestsPerMinute: 100, Domains: &none, WorkspacesPerAccount: 2,
	}
	if before, err := a.Put(ctx, pro, entry); before != nil || err != nil {
		t.Fatalf("%v, %v", before, err)
	}
	if err := b.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&pro, b.Plan("pro")); d != "" {
		t.Errorf("the other server has another plan: %s", d)
	}

	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := pro
			p.RequestsPerMinute = 101 + i
			if _, err := []*plan.Book{a, b}[i%2].Put(ctx, p, entry); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	log, err := s.Audit(ctx, workspace.OperatorLog, workspace.TrailChanges, "", 10)
	if err != nil || len(log) != 5 {
		t.Fatalf("audit log: %v, %v", log, err)
	}
	seen := map[string]bool{}
	for _, e := range log {
		if e.Target != "pro" || seen[e.Action] {
			t.Errorf("two writers replaced the same plan: %+v", log)
		}
		seen[e.Action] = true
	}

	if _, err := b.Delete(ctx, "pro", entry); err != nil {
		t.Fatal(err)
	}
	if p, err := a.Fresh(ctx, "pro"); p != nil || err != nil {
		t.Errorf("a deleted plan: %v, %v", p, err)
	}
	if _, err := a.Delete(ctx, "pro", entry); !errors.Is(err, plan.ErrNoPlan) {
		t.Errorf("deleting it twice: %v", err)
	}
}

package plan_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExample: the file of deploy/ is one that a server takes, and has the numbers that
// docs/plans.md explains.
func TestExample(t *testing.T) {
	b, err := plan.New(plan.Config{File: "../../deploy/plans.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(b.Names(), " "); names != "free pro" || b.Signup() != b.Plan("free") || b.Signup().WorkspacesPerAccount != 1 {
		t.Errorf("%s, signup plan %+v", names, b.Signup())
	}
	if free, pro := b.Plan("free").KeyRequests(), b.Plan("pro").KeyRequests(); free != 100 || pro != 500 {
		t.Errorf("free has %d API requests a minute, pro %d", free, pro)
	}
	if p := b.Plan("free"); p.Name != "free" || !p.InFile || !p.Signup || *p.Domains != 0 || *p.Members != 3 || b.Plan("pro").Signup {
		t.Errorf("%+v", p)
	}
}

// TestMistakes: what is wrong with a file is said with the file, the field and what to do.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plans.yaml", "plans:\n  free:\n    limit: 1\n", "plans.yaml: plans.free.limit: unknown field; known are name, limits, requests_per_minute, members, domains, workspaces_per_account"},
		{"plans.yaml", "plans:\n  free:\n    limits: {transforms_per_day: many}\n", "plans.yaml: plans.free.limits.transforms_per_day: must be a whole number, not a string"},
		{"plans.yaml", "plans:\n  free:\n    limits: {transforms_per_day: -1}\n", "plans.free.limits.transforms_per_day: -1 is not allowed: give 0 for no limit"},
		{"plans.yaml", "plans:\n  free: {requests_per_minute: -1, members: 0, domains: -1, workspaces_per_account: -1}\n", "plans.free.requests_per_minute: -1 is not allowed: give a number above 0, or leave it out for 100; " +
			"plans.free.members: 0 is not allowed: a workspace has an owner, so give a number from 1, or leave it out for any number; plans.free.domains: -1 is not allowed: give a number from 0, or leave it out for any number; plans.free.workspaces_per_account: -1"},
		{"plans.yaml", "plans:\n  Free Plan: {}\n", `Free Plan`},
		{"plans.yaml", "plans:\n  free: {}\nsignup_plan: fre\n", `plans.yaml: signup_plan: "fre" is no plan of this file: name one of its plans`},
		{"plans.yaml", "plans:\n  free: {name: pro}\n", `plans.free.name: is "pro": leave it out`},
		{"plans.yaml", "plans:\n  free: {signup: true}\n", `name the plan of new workspaces in signup_plan`},
		{"plans.yaml", "plans:\n  free: {}\n  pro: {stripe_price: 12, lapsed: fre}\n", "plans.pro.stripe_price: must be a string, not a number"},
		{"plans.yaml", "plans:\n  free: {}\n  pro: {stripe_price: prod_1, lapsed: fre}\n", `plans.pro.stripe_price: "prod_1" is no price at Stripe: give its ID, which begins with price_; plans.pro.lapsed: "fre" is no plan of this file`},
		{"plans.yaml", "plans:\n  pro: {lapsed: pro}\n", `plans.pro.lapsed: "pro" is not allowed: name another plan`},
		{"plans.yaml", "units: {transform: 1.5, crop: 1}\n", "units.crop: is no operation: use grid, info, placeholder, transform"},
		{"plans.yaml", "units: {info: -1, grid: 0.0001, transform: 1001}\n", "units.grid: 0.0001 is not allowed: give a number from 0 to 1000, with up to three decimals; units.info: -1 is not allowed: give a number from 0 to 1000, with up to three decimals; units.transform: 1001 is not allowed"},
		{"plans.yaml", "units: {info: cheap}\n", "units.info: must be a number, not a string"},
		{"plans.yaml", "plans:\n  free: {}\n  free: {}\n", `plans.free: given twice, the second time in line 3`},
		{"plans.yaml", "plans: [free]\n", "plans: must be an object, not a list"},
		{"plans.yaml", "plans:\n\tfree: {}\n", "invalid YAML: yaml: line 2"},
		{"plans.yaml", "", "has 0 documents: it must have one"},
		{"plans.yaml", "plans: {}\n---\nplans: {}\n", "has 2 documents: it must have one"},
		{"plans.json", "{\n\"plans\": {\"free\": {,\n", "plans.json: document 1: invalid JSON in line 2"},
	} {
		b, err := plan.New(plan.Config{File: file(t, c.name, c.text)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, %v\nwant %s", c.text, b.Names(), err, c.want)
		}
	}
	if _, err := plan.New(plan.Config{File: filepath.Join(t.TempDir(), "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// TestUnits: operations have the prices of the file, and their defaults where it has none.
func TestUnits(t *testing.T) {
	b, err := plan.New(plan.Config{File: file(t, "plans.yaml", "units: {transform: 1.25, grid: 0}\n")})
	if err != nil {
		t.Fatal(err)
	}
	var none *plan.Book
	for operation, want := range map[string][2]workspace.Units{"transform": {1250, 1000}, "info": {500, 500}, "placeholder": {500, 500}, "grid": {0, 2000}} {
		if got := [2]workspace.Units{b.Units(operation), none.Units(operation)}; got != want {
			t.Errorf("%s is %d, want %d", operation, got, want)
		}
	}
}

// TestReload: the file is read again, and a mistake in it leaves the plans as they were.
func TestReload(t *testing.T) {
	path := file(t, "plans.json", `{"plans":{"free":{"limits":{"transforms_per_day":5}},"pro":{}},"signup_plan":"free"}`)
	b, err := plan.New(plan.Config{File: path})
	if err != nil {
		t.Fatal(err)
	}
	free, pro := b.Plan("free"), b.Plan("pro")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"plans":{"free":{"limits":{"transforms_per_day":9}},"pro":{}},"signup_plan":"gone"}`)
	if err := b.Reload(); err == nil || b.Plan("free") != free || b.Signup() != free {
		t.Errorf("with a mistake: %v, %+v", err, b.Plan("free"))
	}
	write(`{"plans":{"free":{"limits":{"transforms_per_day":9}},"pro":{}}}`)
	if err := b.Reload(); err != nil || b.Plan("free").Limits.TransformsPerDay != 9 || b.Signup() != nil {
		t.Errorf("%v, %+v", err, b.Plan("free"))
	}
	if b.Plan("pro") != pro {
		t.Error("a plan that has not changed is another pointer")
	}
}

// TestBound: the lower one of each limit holds.
func TestBound(t *testing.T) {
	p := &plan.Plan{Limits: workspace.Limits{RequestsPerMinute: 10, TransformsPerDay: 20, TransformsPerMonth: 30}}
	for _, c := range []struct{ own, want workspace.Limits }{
		{workspace.Limits{}, p.Limits},
		{workspace.Limits{RequestsPerMinute: 9, TransformsPerMinute: 8, TransformsPerDay: 21}, workspace.Limits{RequestsPerMinute: 9, TransformsPerMinute: 8, TransformsPerDay: 20, TransformsPerMonth: 30}},
	} {
		if got := p.Bound(c.own); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.own, got, c.want)
		}
		if got := (*plan.Plan)(nil).Bound(c.own); got != c.own {
			t.Errorf("no plan: %+v", got)
		}
	}
	if n := (*plan.Plan)(nil).KeyRequests(); n != 100 {
		t.Errorf("without a plan, an API key may send %d requests a minute", n)
	}
	var none *plan.Book
	if none.Plan("free") != nil || none.Signup() != nil || none.Names() != nil {
		t.Error("a nil Book has plans")
	}
}

// TestStore: what one server writes, another has after Poll. A plan of the file can't be
// changed, and wins over one of the store.
func TestStore(t *testing.T) {
	path := file(t, "plans.yaml", "plans: {free: {requests_per_minute: 7}}")
	synctest.Test(t, func(t *testing.T) {
		db := workspacetest.NewMemory()
		open := func(path string) *plan.Book {
			b, err := plan.New(plan.Config{File: path, Records: db})
			if err != nil {
				t.Fatal(err)
			}
			go b.Run(t.Context())
			return b
		}
		a, b := open(path), open("")
		synctest.Wait() // for their first look at the store
		entry := func(before *plan.Plan) workspace.AuditEntry {
			action := "plan.create"
			if before != nil {
				action = "plan.update"
			}
			return workspace.AuditEntry{Actor: "root", Action: action}
		}
		three := 3
		pro := plan.Plan{Name: "pro", Limits: workspace.Limits{TransformsPerDay: 5}, Members: &three}
		if before, err := a.Put(t.Context(), pro, entry); before != nil || err != nil {
			t.Fatalf("%v, %v", before, err)
		}
		if d := cmp.Diff(&pro, a.Plan("pro")); d != "" {
			t.Error(d)
		}
		if p, err := b.Fresh(t.Context(), "pro"); err != nil || !cmp.Equal(p, &pro) || b.Plan("pro") != nil {
			t.Errorf("at once on the other server: %v, %v", p, err)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if d := cmp.Diff(&pro, b.Plan("pro")); d != "" {
			t.Error(d)
		}
		pro.RequestsPerMinute = 9
		if before, err := b.Put(t.Context(), pro, entry); err != nil || before.RequestsPerMinute != 0 {
			t.Errorf("%+v, %v", before, err)
		}

		if _, err := a.Put(t.Context(), plan.Plan{Name: "free"}, entry); !errors.Is(err, plan.ErrInFile) {
			t.Errorf("a plan of the file: %v", err)
		}
		if _, err := a.Delete(t.Context(), "free", entry); !errors.Is(err, plan.ErrInFile) {
			t.Errorf("a plan of the file: %v", err)
		}
		if _, err := b.Put(t.Context(), plan.Plan{Name: "free", RequestsPerMinute: 8}, entry); err != nil {
			t.Error(err)
		}
		if _, ok := errors.AsType[*workspace.ValidationError](second(b.Put(t.Context(), plan.Plan{Name: "No Name"}, entry))); !ok {
			t.Error("a wrong name was stored")
		}
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if a.Plan("free").RequestsPerMinute != 7 || b.Plan("free").RequestsPerMinute != 8 {
			t.Errorf("%+v, %+v", a.Plan("free"), b.Plan("free"))
		}
		if _, err := b.Delete(t.Context(), "pro", entry); err != nil || b.Plan("pro") != nil {
			t.Error(err)
		}
		if _, err := b.Delete(t.Context(), "pro", entry); !errors.Is(err, plan.ErrNoPlan) {
			t.Error(err)
		}
		if p, err := a.Fresh(t.Context(), "pro"); p != nil || err != nil {
			t.Errorf("a deleted plan: %v, %v", p, err)
		}
		log, err := db.Audit(t.Context(), workspace.OperatorLog, workspace.TrailChanges, "", 9)
		if err != nil || len(log) != 4 || log[0].Action != "plan.update" || log[0].Target != "pro" || log[3].Action != "plan.create" {
			t.Errorf("%+v, %v", log, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestStoreAway: while the store fails, the plans are as they were.
func TestStoreAway(t *testing.T) {
	records := &failing{Memory: workspacetest.NewMemory()}
	b, err := plan.New(plan.Config{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(*plan.Plan) workspace.AuditEntry { return workspace.AuditEntry{} }
	if _, err := b.Put(t.Context(), plan.Plan{Name: "pro"}, entry); err != nil {
		t.Fatal(err)
	}
	records.away = true
	if err := b.Load(t.Context()); !errors.Is(err, workspace.ErrUnavailable) || b.Plan("pro") == nil {
		t.Errorf("%v, %v", err, b.Names())
	}
}

// failing are records of a store that may be away.
type failing struct {
	*workspacetest.Memory
	away bool
}

func (f *failing) Records(ctx context.Context, group, after string, limit int) ([]account.Record, error) {
	if f.away {
		return nil, workspace.ErrUnavailable
	}
	return f.Memory.Records(ctx, group, after, limit)
}

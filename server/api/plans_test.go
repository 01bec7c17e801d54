package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// newPlans returns plans that are in the store.
func newPlans(t *testing.T, records account.Records, stored ...plan.Plan) *plan.Book {
	t.Helper()
	b, err := plan.New(plan.Config{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range stored {
		if _, err := b.Put(t.Context(), p, func(*plan.Plan) workspace.AuditEntry { return workspace.AuditEntry{} }); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestPlans: plans are made, listed, read, changed and deleted by the API.
func TestPlans(t *testing.T) {
	db := workspacetest.NewMemory()
	file := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(file, []byte("plans: {free: {limits: {transforms_per_day: 5}, workspaces_per_account: 1}}\nsignup_plan: free\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plans, err := plan.New(plan.Config{File: file, Records: db})
	if err != nil {
		t.Fatal(err)
	}
	s := startOn(t, db, func(c *config) { c.Plans = plans })
	const free = `{"name":"free","limits":{"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_day":5,"transforms_per_month":0},` +
		`"requests_per_minute":0,"members":null,"domains":null,"workspaces_per_account":1,"stripe_price":"","stripe_metered_price":"","lapsed":"","in_file":true,"signup":true}`
	if a := s.do(t, "GET", "/v1/plans", "").want(t, 200); a.body != `{"plans":[`+free+"]}\n" {
		t.Error(a.body)
	}
	made := s.do(t, "PUT", "/v1/plans/pro", `{"limits":{"transforms_per_day":500},"requests_per_minute":500,"members":3,"domains":0}`).want(t, 200).body
	got := s.do(t, "GET", "/v1/plans/pro", "").want(t, 200).body
	if got != made || !strings.Contains(got, `"requests_per_minute":500,"members":3,"domains":0,"workspaces_per_account":0,"stripe_price":"","stripe_metered_price":"","lapsed":"","in_file":false,"signup":false`) {
		t.Errorf("%s%s", made, got)
	}
	if again := s.do(t, "PUT", "/v1/plans/pro", got).want(t, 200).body; again != got {
		t.Errorf("the answer, sent back, makes %s", again)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		code, says         string
	}{
		{"GET", "/v1/plans/none", "", 404, "NOT_FOUND", "There is no plan of this name"},
		{"PUT", "/v1/plans/pro", `{"name":"free"}`, 400, "VALIDATION_ERROR", `name: must be "pro"`},
		{"PUT", "/v1/plans/Pro", `{}`, 400, "VALIDATION_ERROR", `name: "Pro" is not allowed: use 1 to 63 of a-z`},
		{"PUT", "/v1/plans/pro", `{"limits":{"transforms_per_day":-1},"members":0}`, 400, "VALIDATION_ERROR", "members: 0 is not allowed"},
		{"PUT", "/v1/plans/pro", `{"limit":{}}`, 400, "VALIDATION_ERROR", "limit: unknown field"},
		{"PUT", "/v1/plans/free", `{}`, 409, "CONFLICT", "The plan is in the server's file of plans: change it there, and send the server a SIGHUP."},
		{"DELETE", "/v1/plans/free", "", 409, "CONFLICT", "The plan is in the server's file of plans"},
		{"DELETE", "/v1/plans/none", "", 404, "NOT_FOUND", "There is no plan of this name"},
	} {
		if m := s.do(t, c.method, c.path, c.body).wantError(t, c.status, c.code); !strings.Contains(m, c.says) {
			t.Errorf("%s %s %s: %s", c.method, c.path, c.body, m)
		}
	}

	// A plan that a workspace is on stays.
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","plan":"pro"}`).want(t, 201)
	if m := s.do(t, "DELETE", "/v1/plans/pro", "").wantError(t, 409, "CONFLICT"); m != "Workspaces are on the plan pro: acme. Give them another plan first." {
		t.Error(m)
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"plan":null}`).want(t, 200)
	s.do(t, "DELETE", "/v1/plans/pro", "").want(t, 204)
	s.do(t, "GET", "/v1/plans/pro", "").want(t, 404)

	var log struct {
		Entries []struct{ Action, Target, Actor string }
	}
	if err := json.Unmarshal([]byte(s.do(t, "GET", "/v1/audit?trail=changes", "").want(t, 200).body), &log); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, e := range log.Entries {
		said += e.Action + " " + e.Target + " by " + e.Actor + "; "
	}
	if said != "plan.delete pro by root; plan.update pro by root; plan.create pro by root; " {
		t.Error(said)
	}
	s.do(t, "GET", "/v1/audit?trail=all", "").wantError(t, 400, "VALIDATION_ERROR")
}

// TestPlanOfWorkspace: only the operator sets it, and the workspace's own limits may only be
// lower. What an older client leaves out stays.
func TestPlanOfWorkspace(t *testing.T) {
	db := workspacetest.NewMemory()
	one := 1
	s := startOn(t, db, func(c *config) {
		c.Plans = newPlans(t, db, plan.Plan{Name: "free", Limits: workspace.Limits{TransformsPerDay: 100}, RequestsPerMinute: 7, Domains: &one}, plan.Plan{Name: "pro"})
		c.Limiter = limit.New(limit.Config{})
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","plan":"gold"}`).wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","plan":"free","limits":{"transforms_per_day":101}}`).wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","plan":"free","limits":{"transforms_per_day":60}}`).want(t, 201)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	secret := apikey.New(false)
	if err := db.CreateAPIKey(t.Context(), &workspace.APIKey{ID: "k", WorkspaceID: w.ID, Namespace: "acme", Hash: secret.Hash(), Scopes: []string{"admin"}}); err != nil {
		t.Fatal(err)
	}
	key := []string{"Authorization", "Bearer " + secret.Reveal()}
	for _, c := range []struct {
		method, body string
		headers      []string
		status       int
		code, says   string
	}{
		{"PATCH", `{"plan":"gold"}`, nil, 400, "VALIDATION_ERROR", `plan: "gold" is no plan of this server. The plans are free, pro.`},
		{"PATCH", `{"plan":"pro"}`, key, 403, "FORBIDDEN", `plan: only an operator of this server sets the plan of a workspace. Leave it at "free"`},
		{"PATCH", `{"plan":null}`, key, 403, "FORBIDDEN", `plan: only an operator`},
		{"PUT", `{"namespace":"acme","revision":1,"plan":"pro"}`, key, 403, "FORBIDDEN", `plan: only an operator`},
		{"PATCH", `{"limits":{"transforms_per_day":101}}`, key, 400, "VALIDATION_ERROR", "limits.transforms_per_day: 101 is more than the plan free allows: give at most 100, or 0 for the plan's limit."},
		{"PATCH", `{"domains":["a.example.org","b.example.org"]}`, key, 409, "CONFLICT", "domains: the plan free allows 1 domain, and these are 2."},
	} {
		if m := s.do(t, c.method, "/v1/workspaces/acme", c.body, c.headers...).wantError(t, c.status, c.code); !strings.Contains(m, c.says) {
			t.Errorf("%s: %s", c.body, m)
		}
	}
	// The seventh request of the key in this minute is its last.
	last := s.do(t, "PUT", "/v1/workspaces/acme", `{"namespace":"acme","revision":1,"name":"Acme","limits":{"transforms_per_day":99}}`, key...).want(t, 200)
	last.wantHeader(t, "X-RateLimit-Limit", "7")
	if !strings.Contains(last.body, `"plan":"free"`) {
		t.Errorf("a PUT of a client that knows no plans: %s", last.body)
	}
	if a := s.do(t, "GET", "/v1/workspaces/acme/limits", "").want(t, 200); !strings.HasPrefix(a.body, `{"limits":{"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_day":99,"transforms_per_month":0},"plan":"free",`+
		`"holds":{"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_day":99,"transforms_per_month":0},"prices":{"grid":2,"info":0.5,"placeholder":0.5,"transform":1},"quotas":[{"window":"day","limit":99,`) {
		t.Error(a.body)
	}

	// A plan that becomes lower holds, and other settings can still be changed.
	s.do(t, "PUT", "/v1/plans/free", `{"limits":{"transforms_per_day":50,"transforms_per_month":70},"domains":0}`).want(t, 200)
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"Acme again"}`).want(t, 200)
	if a := s.do(t, "GET", "/v1/workspaces/acme/limits", "").want(t, 200); !strings.Contains(a.body, `"holds":{"requests_per_minute":0,"transforms_per_minute":0,"transforms_per_day":50,"transforms_per_month":70}`) {
		t.Error(a.body)
	}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"limits":{"transforms_per_day":80}}`).wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"plan":"pro","limits":{"transforms_per_day":80}}`).want(t, 200)
}

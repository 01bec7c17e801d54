package dashboard_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/manage"
)

// withPlans gives a site plans of a file: on free, people make two workspaces each.
func withPlans(t *testing.T) func(*manage.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plans.yaml")
	text := "plans: {free: {limits: {transforms_per_day: 1000}, members: 3, domains: 0, workspaces_per_account: 2}, pro: {requests_per_minute: 500}}\nsignup_plan: free\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := plan.New(plan.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *manage.Config) { c.Plans = b }
}

// TestOwnWorkspaces: where the signup plan lets people make workspaces, who is no operator makes
// as many as it allows, and owns them. The pages say what one may do.
func TestOwnWorkspaces(t *testing.T) {
	s := open(t, withPlans(t))
	s.people.Signup = account.SignupOpen
	s.tokens["new"] = signIn(t, s.people, s.mail, "new@x.example", account.Client{IP: "192.0.2.5"})
	page := text(s.ask("new", "GET", "/app", nil).Body.String())
	for _, says := range []string{"Make your first one. It will be on the plan free .", "Make the workspace", "What the plan allows", "Transforms a day 1,000", "API requests a minute of each key 100", "Members, with open invitations 3", "Domains 0"} {
		if !strings.Contains(page, says) {
			t.Errorf("the first page doesn't say %q:\n%s", says, page)
		}
	}
	for _, c := range []struct{ target, namespace, says string }{
		{"/app", "acme", "This name is taken. This one is free: acme-photos."},
		{"/app/me/new", "www", "is reserved: choose another. This one is free: www-photos."},
		{"/app/me/new", "No", "is not allowed: use 3 to 63"},
	} {
		w := s.ask("new", "POST", c.target, url.Values{"namespace": {c.namespace}})
		if body := text(w.Body.String()); w.Code != 409 && w.Code != 422 || !strings.Contains(strings.ReplaceAll(body, "\n", " "), c.says) {
			t.Errorf("%s: %d, without %q:\n%s", c.namespace, w.Code, c.says, body)
		}
	}
	if w := s.ask("new", "POST", "/app", url.Values{"namespace": {"shop"}}); w.Code != 303 || w.Header().Get("Location") != "/app/shop" {
		t.Fatal(w.Code, w.Body)
	}
	if w, err := s.store.Get(t.Context(), "shop"); err != nil || w.Plan != "free" {
		t.Errorf("%+v, %v", w, err)
	}
	if w := s.ask("new", "GET", "/app/shop", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "First steps") {
		t.Error(w.Code, w.Body)
	}
	if page := s.ask("new", "GET", "/app", nil).Body.String(); !strings.Contains(page, `href="/app/me/new">Make a workspace</a>`) || strings.Contains(page, `name="namespace"`) {
		t.Error(page)
	}
	if page := text(s.ask("new", "GET", "/app/me/new", nil).Body.String()); !strings.Contains(page, "The plan lets you own 2, and you own 1.") {
		t.Error(page)
	}
	if w := s.ask("new", "POST", "/app/me/new", url.Values{"namespace": {"blog"}}); w.Code != 303 || w.Header().Get("Location") != "/app/blog" {
		t.Fatal(w.Code, w.Body)
	}
	const full = "The plan free lets you own 2 workspaces, and you own 2. To make another, delete one, or ask the operator of this server."
	for _, target := range []string{"/app", "/app/me/new"} {
		if page := s.ask("new", "GET", target, nil).Body.String(); !strings.Contains(text(page), full) || strings.Contains(page, `name="namespace"`) || strings.Contains(page, "Make a workspace") {
			t.Errorf("%s: %s", target, page)
		}
	}
	if w := s.ask("new", "POST", "/app/me/new", url.Values{"namespace": {"third"}}); w.Code != 409 || !strings.Contains(w.Body.String(), full) {
		t.Error(w.Code, w.Body)
	}
	if _, err := s.store.Get(t.Context(), "third"); err == nil {
		t.Error("a third workspace was made")
	}
	// The operator makes any number, on no plan.
	if w := s.ask("operator", "POST", "/app", url.Values{"namespace": {"third"}}); w.Code != 303 {
		t.Error(w.Code)
	}
	if w, err := s.store.Get(t.Context(), "third"); err != nil || w.Plan != "" {
		t.Errorf("%+v, %v", w, err)
	}
	// A member of others' workspaces may make own ones, too.
	if page := s.ask("viewer", "GET", "/app", nil).Body.String(); !strings.Contains(page, `href="/app/me/new">Make a workspace</a>`) {
		t.Error(page)
	}

	// Without a signup plan, the pages say who makes workspaces.
	s = open(t)
	if page := s.ask("viewer", "GET", "/app/me/new", nil).Body.String(); !strings.Contains(page, "Operators of this server make workspaces. Ask the operator for one.") || strings.Contains(page, "<form method=\"post\" class=\"sheet\"") {
		t.Error(page)
	}
}

// TestPlanAndLimits: the page of limits has the plan and its numbers, and refuses a limit above
// the plan's next to its field.
func TestPlanAndLimits(t *testing.T) {
	s := open(t, withPlans(t))
	set := func(name string) {
		t.Helper()
		w, err := s.store.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		w = w.Clone()
		w.Plan = name
		if err := s.store.Update(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	for name, says := range map[string][]string{
		"":     {"This workspace has no plan.", `placeholder="no limit"`, "An empty field is no limit."},
		"free": {"This workspace is on the plan <strong>free</strong>.", "What the plan free allows", `placeholder="the plan’s: 1,000"`, `placeholder="no limit"`, "An empty field is the plan’s limit.", "<strong>0</strong> of 1,000 transforms today"},
		"pro":  {"on the plan <strong>pro</strong>", "<dd>500</dd>"},
		"gone": {"on the plan <strong>gone</strong>, which this server doesn’t know", `placeholder="no limit"`},
	} {
		set(name)
		page := s.ask("owner", "GET", "/app/acme/limits", nil).Body.String()
		for _, what := range says {
			if !strings.Contains(page, what) {
				t.Errorf("plan %q: the page doesn't have %s\n%s", name, what, page)
			}
		}
	}
	set("free")
	w := s.ask("owner", "POST", "/app/acme/limits", url.Values{"transforms_per_day": {"1001"}})
	if w.Code != 422 || !strings.Contains(text(w.Body.String()), "1001 is more than the plan free allows: give at most 1000, or 0 for the plan's limit.") {
		t.Error(w.Code, text(w.Body.String()))
	}
	if w := s.ask("owner", "POST", "/app/acme/limits", url.Values{"transforms_per_day": {"900"}}); w.Code != 200 || !strings.Contains(w.Body.String(), "900") {
		t.Error(w.Code, w.Body)
	}
	// Members and domains are refused in words.
	if w := s.ask("owner", "POST", "/app/acme/members", url.Values{"do": {"invite"}, "email": {"more@x.example"}, "role": {"viewer"}}); w.Code != 409 || !strings.Contains(w.Body.String(), "The plan free allows 3 members") {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("owner", "POST", "/app/acme/domains", url.Values{"domain": {"img.acme.example"}}); w.Code != 409 || !strings.Contains(w.Body.String(), "the plan free allows no domains") {
		t.Error(w.Code, w.Body)
	}
}

// TestImportKeepsPlan: an owner's file that leaves out the plan keeps it, also with prune. One
// that names another plan is refused.
func TestImportKeepsPlan(t *testing.T) {
	s := open(t, withPlans(t))
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w = w.Clone()
	w.Plan = "free"
	if err := s.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	fields := url.Values{"text": {"namespace: acme\nname: Acme\n"}, "prune": {"on"}, "step": {"save"}, "revision": {"2"}}
	if a := s.ask("owner", "POST", "/app/acme/settings/import", fields); a.Code != 303 {
		t.Fatal(a.Code, a.Body)
	}
	if w, err := s.store.Get(t.Context(), "acme"); err != nil || w.Plan != "free" || w.Name != "Acme" {
		t.Errorf("%+v, %v", w, err)
	}
	fields = url.Values{"text": {"namespace: acme\nplan: pro\n"}}
	if a := s.ask("owner", "POST", "/app/acme/settings/import", fields); a.Code != 403 || !strings.Contains(a.Body.String(), "only an operator of this server sets the plan") {
		t.Error(a.Code, a.Body)
	}
}

package dashboard_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/manage"
)

// seller stands for Stripe.
type seller struct{ state, plan string }

func (s *seller) Subscription(context.Context, string) (state, plan string, holds bool, err error) {
	return s.state, s.plan, s.state == "active" || s.state == "past_due", nil
}

func (*seller) Checkout(_ context.Context, namespace, _, plan, back string) (string, error) {
	return "https://stripe.example/buy?" + url.Values{"for": {namespace}, "plan": {plan}, "back": {back}}.Encode(), nil
}

func (*seller) Portal(_ context.Context, _, back string) (string, error) {
	return "javascript:alert(1)", nil // as no answer of Stripe is
}

func (*seller) Webhook(context.Context, []byte, string) error { return nil }

// TestSubscription: the page of the plan says what is paid, and owners get a link to Stripe.
// Others see no button, and can't ask for the link.
func TestSubscription(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(file, []byte("plans: {free: {limits: {transforms_per_day: 1000}}, pro: {stripe_price: price_1, requests_per_minute: 500}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plans, err := plan.New(plan.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	stripe := &seller{}
	s := open(t, func(c *manage.Config) { c.Plans, c.Billing, c.PublicURL = plans, stripe, "https://img.example" })
	for _, c := range []struct {
		as, state string
		says      []string
		not       []string
	}{
		{"owner", "", []string{"This workspace has no subscription yet.", "API requests a minute of each key 500", "Buy pro"}, []string{"Buy free", "Plan, payment and invoices"}},
		{"viewer", "", []string{"This workspace has no subscription yet.", "An owner of the workspace may change it."}, []string{"Buy pro"}},
		{"owner", "active", []string{"This workspace pays for the plan pro.", "Plan, payment and invoices"}, []string{"Buy pro", "For another one, ask the operator"}},
		{"owner", "past_due", []string{"The last payment has failed, and is tried again."}, []string{"Buy pro"}},
		{"owner", "on_hold", []string{"Stripe calls the subscription to the plan pro on_hold."}, nil},
		{"owner", "canceled", []string{"The subscription to the plan pro has ended. This workspace has no plan now.", "Buy pro again", "Plan, payment and invoices"}, nil},
	} {
		stripe.state, stripe.plan = c.state, ""
		if c.state != "" {
			stripe.plan = "pro"
		}
		page := text(s.ask(c.as, "GET", "/app/acme/limits", nil).Body.String())
		for _, want := range c.says {
			if !strings.Contains(page, want) {
				t.Errorf("%s, %q: without %q in\n%s", c.as, c.state, want, page)
			}
		}
		for _, never := range c.not {
			if strings.Contains(page, never) {
				t.Errorf("%s, %q: with %q in\n%s", c.as, c.state, never, page)
			}
		}
	}
	buy := url.Values{"do": {"buy"}, "plan": {"pro"}}
	for as, status := range map[string]int{"viewer": 403, "editor": 403, "stranger": 403, "owner": 200, "operator": 200} {
		w := s.ask(as, "POST", "/app/acme/billing", buy)
		if w.Code != status {
			t.Errorf("%s: %d", as, w.Code)
		}
		link := `href="https://stripe.example/buy?back=https%3A%2F%2Fimg.example%2Fapp%2Facme%2Flimits&amp;for=acme&amp;plan=pro"`
		if got := strings.Contains(w.Body.String(), link); got != (status == 200) {
			t.Errorf("%s: %s", as, w.Body)
		}
		if status == 200 && !strings.Contains(w.Body.String(), `<a href="/app/acme/limits" aria-current="page">`) {
			t.Errorf("%s: the menu doesn't show where the page is", as)
		}
	}
	if w := s.ask("owner", "POST", "/app/acme/billing", url.Values{"do": {"portal"}}); w.Code != 502 || strings.Contains(w.Body.String(), "javascript:") {
		t.Error(w.Code, w.Body)
	}
	if w := s.ask("owner", "POST", "/app/acme/billing", url.Values{"do": {"x"}}); w.Code != 400 {
		t.Error(w.Code, w.Body)
	}
	none := open(t)
	if page := none.ask("owner", "GET", "/app/acme/limits", nil).Body.String(); strings.Contains(page, "Subscription") {
		t.Error("a server that sells nothing offers a subscription")
	}
	if w := none.ask("owner", "POST", "/app/acme/billing", buy); w.Code != 409 {
		t.Error(w.Code, w.Body)
	}
}

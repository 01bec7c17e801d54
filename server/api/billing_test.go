package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/billing/stripe"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestBilling: an owner's key gets pages of Stripe, and Stripe's signed events put the workspace
// on its plan. Forged ones change nothing.
func TestBilling(t *testing.T) {
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("mode") == "subscription" && (r.FormValue("success_url") != "https://img.example.com/app/acme/limits" || r.FormValue("subscription_data[metadata][tintype_plan]") != "pro") {
			t.Errorf("%v", r.Form)
		}
		fmt.Fprintf(w, `{"url":"https://stripe.example%s"}`, r.URL.Path)
	}))
	defer pages.Close()
	db := workspacetest.NewMemory()
	file := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(file, []byte("plans: {free: {}, pro: {stripe_price: price_pro, lapsed: free}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plans, err := plan.New(plan.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	seller := stripe.New(stripe.Config{Key: func() string { return "sk_test_1" }, WebhookSecret: func() string { return "whsec_1" }, API: pages.URL, Transport: http.DefaultTransport, Records: db, Plans: plans, Read: db, Write: db, Log: slog.New(slog.DiscardHandler)})
	s := startOn(t, db, func(c *config) { c.Plans, c.Billing = plans, seller })
	w := workspace.New("acme")
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	want := func(body string) {
		t.Helper()
		if got := s.do(t, "GET", "/v1/workspaces/acme/billing", "").want(t, 200).body; got != body+"\n" {
			t.Errorf("%s, want %s", got, body)
		}
	}
	want(`{"state":"","plan":"","holds":false,"sold":["pro"]}`)
	s.do(t, "POST", "/v1/workspaces/acme/billing/checkout", `{"plan":"free"}`).wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "POST", "/v1/workspaces/acme/billing/checkout", `{"plan":7}`).wantError(t, 400, "VALIDATION_ERROR")
	s.do(t, "POST", "/v1/workspaces/acme/billing/portal", "").wantError(t, 409, "CONFLICT")
	if got := s.do(t, "POST", "/v1/workspaces/acme/billing/checkout", `{"plan":"pro"}`).want(t, 200).body; got != `{"url":"https://stripe.example/v1/checkout/sessions"}`+"\n" {
		t.Error(got)
	}

	event := func(kind, status string, at int) string {
		return fmt.Sprintf(`{"id":"evt_%d","object":"event","type":"customer.subscription.%s","created":%d,"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1","status":%q,"created":1,`+
			`"metadata":{"tintype_workspace":"acme","tintype_workspace_id":%q},"items":{"data":[{"price":{"id":"price_pro"}}]}}}}`, at, kind, at, status, w.ID)
	}
	send := func(body, secret string) answer {
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: secret, Timestamp: time.Now()})
		return s.do(t, "POST", "/v1/billing/stripe", body, "Stripe-Signature", signed.Header, "Authorization", "", "Content-Type", "application/json; charset=utf-8")
	}
	active := event("created", "active", 10)
	send(active, "whsec_forged").wantError(t, 403, "SIGNATURE_INVALID")
	s.do(t, "POST", "/v1/billing/stripe", active).wantError(t, 403, "SIGNATURE_INVALID")
	want(`{"state":"","plan":"","holds":false,"sold":["pro"]}`)
	send(active, "whsec_1").want(t, 204)
	send(active, "whsec_1").want(t, 204) // twice
	want(`{"state":"active","plan":"pro","holds":true,"sold":["pro"]}`)
	if w, err := db.Get(t.Context(), "acme"); err != nil || w.Plan != "pro" {
		t.Errorf("%+v, %v", w, err)
	}
	s.do(t, "POST", "/v1/workspaces/acme/billing/checkout", `{"plan":"pro"}`).wantError(t, 409, "CONFLICT")
	if got := s.do(t, "POST", "/v1/workspaces/acme/billing/portal", "").want(t, 200).body; got != `{"url":"https://stripe.example/v1/billing_portal/sessions"}`+"\n" {
		t.Error(got)
	}
	send(event("deleted", "canceled", 9), "whsec_1").want(t, 204) // older
	want(`{"state":"active","plan":"pro","holds":true,"sold":["pro"]}`)
	send(event("deleted", "canceled", 11), "whsec_1").want(t, 204)
	want(`{"state":"canceled","plan":"pro","holds":false,"sold":["pro"]}`)
	if w, err := db.Get(t.Context(), "acme"); err != nil || w.Plan != "free" {
		t.Errorf("%+v, %v", w, err)
	}
	log := s.do(t, "GET", "/v1/workspaces/acme/audit?trail=changes", "").want(t, 200).body
	for _, says := range []string{`"actor":"stripe"`, `"action":"subscription.canceled"`, `"plan":"free"`} {
		if !strings.Contains(log, says) {
			t.Errorf("the audit log is without %s: %s", says, log)
		}
	}
}

// TestSellsNothing: a server without a key of Stripe says so.
func TestSellsNothing(t *testing.T) {
	s := startOn(t, workspacetest.NewMemory(), nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	if got := s.do(t, "GET", "/v1/workspaces/acme/billing", "").want(t, 200).body; got != `{"state":"","plan":"","holds":false,"sold":[]}`+"\n" {
		t.Error(got)
	}
	s.do(t, "POST", "/v1/workspaces/acme/billing/checkout", `{"plan":"pro"}`).wantError(t, 409, "CONFLICT")
	s.do(t, "POST", "/v1/billing/stripe", `{}`).wantError(t, 404, "NOT_FOUND")
}

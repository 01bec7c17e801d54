package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestBillingOfFlags: what is missing or wrong ends the start, with what to do.
func TestBillingOfFlags(t *testing.T) {
	public := publicURL{&url.URL{Scheme: "https", Host: "img.example.com"}}
	secretOf := webhook.NewSecret()
	for _, c := range []struct {
		name string
		c    serveCmd
		env  map[string]string
		says string // empty: it starts
		with string // that is made: stripe, meter
	}{
		{"nothing", serveCmd{}, nil, "", ""},
		{"webhook", serveCmd{BillingWebhook: "https://b.example/x"}, map[string]string{"TINTYPE_BILLING_WEBHOOK_SECRET": secretOf}, "", "meter"},
		{"webhook without a secret", serveCmd{BillingWebhook: "https://b.example/x"}, nil, "TINTYPE_BILLING_WEBHOOK_SECRET is not set: --billing-webhook needs it, so that the receiver knows who sends. Make one: whsec_", ""},
		{"webhook with a bad one", serveCmd{BillingWebhook: "https://b.example/x"}, map[string]string{"TINTYPE_BILLING_WEBHOOK_SECRET": "hunter2"}, "TINTYPE_BILLING_WEBHOOK_SECRET: a webhook's secret is whsec_", ""},
		{"webhook, no URL", serveCmd{BillingWebhook: "b.example"}, nil, "--billing-webhook: must be a URL such as https://billing.example.com/tintype", ""},
		{"webhook with a password", serveCmd{BillingWebhook: "https://a:b@b.example"}, nil, "secrets go into variables", ""},
		{"OpenMeter", serveCmd{BillingOpenMeter: "https://openmeter.cloud"}, nil, "", "meter"},
		{"Stripe", serveCmd{PublicURL: public, StripeMeter: "units"}, map[string]string{"TINTYPE_STRIPE_KEY": "sk_test_1", "TINTYPE_STRIPE_WEBHOOK_SECRET": "whsec_x"}, "", "stripe meter"},
		{"Stripe sells only", serveCmd{PublicURL: public}, map[string]string{"TINTYPE_STRIPE_KEY": "sk_test_1"}, "", "stripe"},
		{"Stripe without --public-url", serveCmd{}, map[string]string{"TINTYPE_STRIPE_KEY": "sk_test_1"}, "--public-url is not set", ""},
		{"Stripe without a key", serveCmd{PublicURL: public, StripeMeter: "units"}, nil, "TINTYPE_STRIPE_KEY is not set", ""},
		{"Stripe, missing file", serveCmd{PublicURL: public}, map[string]string{"TINTYPE_STRIPE_KEY_FILE": "/nowhere"}, "TINTYPE_STRIPE_KEY_FILE: open /nowhere", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			secrets := &liveSecrets{getenv: of(c.env)}
			made := ""
			err := c.c.checkBilling()
			if err == nil {
				seller, wrong := c.c.openStripe(secrets, nil, nil, nil, origin.HTTPConfig{}, log)
				if seller != nil {
					made = "stripe "
				}
				if err = wrong; err == nil {
					m, wrong := c.c.openMeter(secrets, nil, seller, origin.HTTPConfig{}, nil, log)
					if m != nil {
						made += "meter"
					}
					err = wrong
				}
			}
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) || strings.TrimSpace(made) != c.with && c.says == "" {
				t.Errorf("%v; made %q, want %q", err, made, c.with)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error(err)
			}
		})
	}
}

// TestBillingSecretsReadAgain: after SIGHUP, the next call to Stripe and the next events have the
// new secrets, and Stripe's events are verified by the new one. A secret that isn't usable leaves
// the old one.
func TestBillingSecretsReadAgain(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{}
	put := func(name, text string) {
		t.Helper()
		env[name+"_FILE"] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var last *http.Request
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Clone(context.WithoutCancel(r.Context()))
		w.WriteHeader(http.StatusBadRequest) // an answer is all that is asked for here
	}))
	defer receiver.Close()
	first, second := webhook.NewSecret(), webhook.NewSecret()
	put(stripeKey, "sk_test_one")
	put(stripeWebhookSecret, "whsec_one")
	put(openMeterKey, "om_one")
	put(billingWebhookSecret, first)
	secrets, log := &liveSecrets{getenv: of(env)}, slog.New(slog.DiscardHandler)
	c := serveCmd{
		PublicURL: publicURL{&url.URL{Scheme: "https", Host: "img.example.com"}}, StripeAPI: receiver.URL,
		BillingWebhook: receiver.URL + "/hook", BillingOpenMeter: receiver.URL,
	}
	fetching := origin.HTTPConfig{Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	file := filepath.Join(dir, "plans.yaml")
	if err := os.WriteFile(file, []byte("plans: {pro: {stripe_price: price_pro}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	plans, err := plan.New(plan.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	seller, err := c.openStripe(secrets, workspacetest.NewMemory(), nil, plans, fetching, log)
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.openMeter(secrets, nil, seller, fetching, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when, key, signing, hook string) {
		t.Helper()
		e := meter.Event{ID: "w1/2026-05-01/transform/0-1", Data: meter.Data{Workspace: "acme"}}
		for _, s := range m.Sinks {
			_ = s.Send(t.Context(), e)
			if got := last.Header.Get("Authorization"); s.Name() == "openmeter" && got != "Bearer om_"+key {
				t.Errorf("%s: OpenMeter got %q", when, got)
			}
			if at, err := strconv.ParseInt(last.Header.Get("webhook-timestamp"), 10, 64); s.Name() == "webhook" {
				body, _ := json.Marshal(e)
				parsed, _ := webhook.ParseSecret(signing)
				if want := webhook.Sign(parsed, e.ID, time.Unix(at, 0), body); err != nil || last.Header.Get("webhook-signature") != want {
					t.Errorf("%s: the webhook got %q, want %q", when, last.Header.Get("webhook-signature"), want)
				}
			}
		}
		_, _ = seller.Checkout(t.Context(), "acme", "w1", "pro", "https://img.example.com/")
		if got := last.Header.Get("Authorization"); got != "Bearer sk_test_"+key {
			t.Errorf("%s: Stripe got %q", when, got)
		}
		body, at := []byte(`{"id":"evt_1","object":"event","type":"ping","created":1}`), time.Now()
		mac := hmac.New(sha256.New, []byte("whsec_"+hook))
		fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
		signature := fmt.Sprintf("t=%d,v1=%x", at.Unix(), mac.Sum(nil))
		if err := seller.Webhook(t.Context(), body, signature); err != nil {
			t.Errorf("%s: an event of Stripe: %v", when, err)
		}
	}
	reload := func() (failed []error) {
		for _, r := range secrets.rereads() {
			if err := r.read(); err != nil {
				failed = append(failed, err)
			}
		}
		return failed
	}
	check("at the start", "one", first, "one")
	put(stripeKey, "sk_test_two")
	put(stripeWebhookSecret, "whsec_two")
	put(openMeterKey, "om_two")
	put(billingWebhookSecret, second)
	check("before SIGHUP", "one", first, "one")
	if failed := reload(); len(failed) > 0 {
		t.Error(failed)
	}
	check("after SIGHUP", "two", second, "two")
	put(billingWebhookSecret, "hunter2")
	if failed := reload(); len(failed) != 1 || !strings.Contains(failed[0].Error(), billingWebhookSecret) || strings.Contains(failed[0].Error(), "hunter2") {
		t.Error(failed)
	}
	check("after one that isn't usable", "two", second, "two")
}

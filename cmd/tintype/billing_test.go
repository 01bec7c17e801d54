package main

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/webhook"
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
			getenv := func(name string) string { return c.env[name] }
			made := ""
			err := c.c.checkBilling()
			if err == nil {
				seller, wrong := c.c.openStripe(getenv, nil, nil, nil, origin.HTTPConfig{}, log)
				if seller != nil {
					made = "stripe "
				}
				if err = wrong; err == nil {
					m, wrong := c.c.openMeter(getenv, nil, seller, origin.HTTPConfig{}, nil, log)
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

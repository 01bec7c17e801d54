package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/billing/stripe"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/webhook"
)

// Secrets of billing.
const (
	stripeKey            = "TINTYPE_STRIPE_KEY"
	stripeWebhookSecret  = "TINTYPE_STRIPE_WEBHOOK_SECRET"
	openMeterKey         = "TINTYPE_OPENMETER_KEY"
	billingWebhookSecret = "TINTYPE_BILLING_WEBHOOK_SECRET"
)

// checkBilling returns an error about a flag of billing.
func (c *serveCmd) checkBilling() error {
	for _, f := range []struct{ flag, value, example string }{
		{"--billing-webhook", c.BillingWebhook, "https://billing.example.com/tintype"},
		{"--billing-openmeter", c.BillingOpenMeter, "https://openmeter.cloud"},
		{"--stripe-api", c.StripeAPI, "https://api.stripe.com"},
	} {
		if f.value == "" {
			continue
		}
		if u, err := url.Parse(f.value); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" && f.flag != "--billing-webhook" {
			return fmt.Errorf("%s: must be a URL such as %s; secrets go into variables", f.flag, f.example)
		}
	}
	return nil
}

// openStripe returns the client of Stripe, or nil without a key.
func (c *serveCmd) openStripe(secrets *liveSecrets, s store, cached stripe.Writer, plans *plan.Book, fetching origin.HTTPConfig, log *slog.Logger) (*stripe.Client, error) {
	key, err := secrets.read(stripeKey, nil)
	if err != nil {
		return nil, err
	}
	hook, err := secrets.read(stripeWebhookSecret, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case key() == "" && (hook() != "" || c.StripeMeter != ""):
		return nil, fmt.Errorf("%s is not set: %s and --stripe-meter need it", stripeKey, stripeWebhookSecret)
	case key() == "":
		return nil, nil
	case hook() == "":
		log.Warn("Stripe's events are refused, so no subscription changes a plan: make an endpoint for them at Stripe, and set its secret", "variable", stripeWebhookSecret)
	}
	if c.PublicURL.text() == "" {
		return nil, errors.New("--public-url is not set: Stripe's pages lead back to it")
	}
	return stripe.New(stripe.Config{
		Key: key, WebhookSecret: hook, Meter: c.StripeMeter, API: c.StripeAPI, Transport: origin.NewTransport(fetching),
		Records: s, Plans: plans, Read: s, Write: cached, Log: log,
	}), nil
}

// openMeter returns what tells those who bill what workspaces used, or nil where nobody does.
func (c *serveCmd) openMeter(secrets *liveSecrets, s store, seller *stripe.Client, fetching origin.HTTPConfig, metrics prometheus.Registerer, log *slog.Logger) (*meter.Meter, error) {
	var sinks []meter.Sink
	var signing atomic.Pointer[[]byte]
	use := func(value string) error {
		key, err := webhook.ParseSecret(value)
		if err != nil {
			return fmt.Errorf("%s: %w", billingWebhookSecret, err)
		}
		signing.Store(&key)
		return nil
	}
	hook, err := secrets.read(billingWebhookSecret, use)
	if err != nil {
		return nil, err
	}
	key, err := secrets.read(openMeterKey, nil)
	if err != nil {
		return nil, err
	}
	if c.BillingWebhook != "" {
		if hook() == "" {
			return nil, fmt.Errorf("%s is not set: --billing-webhook needs it, so that the receiver knows who sends. Make one: %s", billingWebhookSecret, webhook.NewSecret())
		}
		if err := use(hook()); err != nil {
			return nil, err
		}
		sinks = append(sinks, &meter.Webhook{
			Sender: &webhook.Sender{URL: c.BillingWebhook, Transport: origin.NewTransport(fetching)}, Key: func() []byte { return *signing.Load() },
		})
	}
	if c.BillingOpenMeter != "" {
		sinks = append(sinks, &meter.OpenMeter{URL: c.BillingOpenMeter, Key: key, Transport: origin.NewTransport(fetching)})
	}
	if seller != nil && c.StripeMeter != "" {
		sinks = append(sinks, seller)
	}
	if len(sinks) == 0 {
		return nil, nil
	}
	return meter.New(meter.Config{
		Workspaces: s, Counts: s, Records: s, Sinks: sinks, Source: cmp.Or(c.PublicURL.text(), "tintype"), Metrics: metrics, Log: log,
	}), nil
}

// billingOf is the seller for package manage; nil sells nothing.
func billingOf(seller *stripe.Client) manage.Billing {
	if seller == nil {
		return nil
	}
	return seller
}

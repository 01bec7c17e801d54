package stripe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/billing/stripe"
	"github.com/tintype/tintype/internal/stripemock"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

const secret = "whsec_test_secret"

// plans are what the tests sell.
const plans = `
plans:
  free: {limits: {transforms_per_month: 1000}}
  pro: {stripe_price: price_pro, stripe_metered_price: price_units, lapsed: free}
  team: {stripe_price: price_team}
  gift: {}
`

// A bench is a client of stripe-mock over a store.
type bench struct {
	*testing.T
	*stripe.Client
	store *workspacetest.Memory
	log   bytes.Buffer
	now   time.Time
}

// setPlan is what an operator does.
func (b *bench) setPlan(namespace, plan string) {
	b.Helper()
	w, err := b.store.Get(b.Context(), namespace)
	if err != nil {
		b.Fatal(err)
	}
	w.Plan = plan
	if err := b.store.Update(b.Context(), w); err != nil {
		b.Fatal(err)
	}
}

func newBench(t *testing.T, change ...func(*stripe.Config)) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(path, []byte(plans), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := plan.New(plan.Config{File: path})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, store: workspacetest.NewMemory(), now: time.Now()}
	c := stripe.Config{
		Key: func() string { return "sk_test_123" }, WebhookSecret: func() string { return secret }, Meter: "tintype_units", Transport: http.DefaultTransport, Records: b.store,
		Plans: book, Read: b.store, Write: b.store, Log: slog.New(slog.NewTextHandler(&b.log, nil)), Now: func() time.Time { return b.now },
	}
	for _, f := range change {
		f(&c)
	}
	b.Client = stripe.New(c)
	return b
}

func (b *bench) workspace(namespace string) *workspace.Workspace {
	b.Helper()
	w := workspace.New(namespace)
	if err := b.store.Create(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	return w
}

func (b *bench) planOf(namespace string) string {
	b.Helper()
	w, err := b.store.Get(b.Context(), namespace)
	if err != nil {
		b.Fatal(err)
	}
	return w.Plan
}

// An event is what Stripe says of a subscription.
type event struct {
	kind, status, price, customer string
	w                             *workspace.Workspace
	at                            int // seconds after the first
	since                         int // of the subscription
}

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func (e event) body(id int) []byte {
	if e.customer == "" {
		e.customer = "cus_" + e.w.Namespace
	}
	body, err := json.Marshal(map[string]any{
		"id": fmt.Sprint("evt_", id), "object": "event", "api_version": "2024-01-01", "type": "customer.subscription." + e.kind, "created": start.Unix() + int64(e.at),
		"data": map[string]any{"object": map[string]any{
			"id": "sub_1", "object": "subscription", "customer": e.customer, "status": e.status, "created": start.Unix() + int64(e.since),
			"metadata": map[string]string{"tintype_workspace": e.w.Namespace, "tintype_workspace_id": e.w.ID, "tintype_plan": "pro"},
			"items":    map[string]any{"object": "list", "data": []any{map[string]any{"id": "si_1", "object": "subscription_item", "price": map[string]any{"id": e.price, "object": "price"}}}},
		}},
	})
	if err != nil {
		panic(err)
	}
	return body
}

func sign(body []byte, with string) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: with}).Header
}

func (b *bench) take(events ...event) {
	b.Helper()
	for i, e := range events {
		body := e.body(i)
		if err := b.Webhook(b.Context(), body, sign(body, secret)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSubscription: a subscription puts the workspace on its plan, a change of its price on
// another one, a late payment changes nothing, and its end leads to the plan that the file
// says.
func TestSubscription(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	for _, c := range []struct {
		event
		plan string
	}{
		{event{kind: "created", status: "incomplete", price: "price_pro"}, ""},
		{event{kind: "updated", status: "active", price: "price_pro", at: 1}, "pro"},
		{event{kind: "updated", status: "active", price: "price_team", at: 2}, "team"},
		{event{kind: "updated", status: "active", price: "price_units", at: 3}, "pro"},
		{event{kind: "updated", status: "past_due", price: "price_pro", at: 4}, "pro"},
		{event{kind: "updated", status: "unpaid", price: "price_pro", at: 5}, "free"},
		{event{kind: "updated", status: "active", price: "price_pro", at: 6}, "pro"},
		{event{kind: "updated", status: "active", price: "price_of_something_else", at: 7}, "pro"}, // by its metadata
		{event{kind: "deleted", status: "canceled", price: "price_pro", at: 8}, "free"},
		{event{kind: "created", status: "active", price: "price_team", at: 9, since: 9}, "team"}, // a new one
		{event{kind: "deleted", status: "canceled", price: "price_team", at: 10, since: 9}, "team"},
	} {
		c.w = w
		b.take(c.event)
		if got := b.planOf("acme"); got != c.plan {
			t.Errorf("after %s %s %s: plan %q, want %q", c.kind, c.status, c.price, got, c.plan)
		}
	}
	records, err := b.store.Records(t.Context(), "billing-stripe", "", 10)
	if err != nil || len(records) != 1 || string(records[0].Data) != `{"customer":"cus_acme","state":"canceled","plan":"team","given":"team","since":"2026-05-01T12:00:09Z","at":"2026-05-01T12:00:10Z","rank":3}` {
		t.Errorf("%s, %v", records[0].Data, err)
	}
}

// TestOrder: whatever order events come in, and how often, the last one by its time holds.
func TestOrder(t *testing.T) {
	for seed := range uint64(60) {
		b := newBench(t)
		w := b.workspace("acme")
		events := []event{
			{kind: "created", status: "incomplete", price: "price_pro"}, {kind: "updated", status: "active", price: "price_pro"}, // in one second
			{kind: "updated", status: "active", price: "price_team", at: 20}, {kind: "updated", status: "past_due", price: "price_team", at: 30},
			{kind: "updated", status: "active", price: "price_pro", at: 40},
		}
		want := "pro"
		if seed%2 == 1 {
			events, want = append(events, event{kind: "deleted", status: "canceled", price: "price_pro", at: 40}), "free"
		}
		for i := range events {
			events[i].w = w
		}
		if seed%4 >= 2 { // an older subscription of the workspace ends later
			events = append(events, event{w: w, kind: "deleted", status: "canceled", price: "price_team", at: 90, since: -1000})
		}
		events = append(events, events...)
		random := rand.New(rand.NewPCG(seed, 1))
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		b.take(events...)
		got := b.planOf("acme")
		if want == "free" && got == "" { // it ended before anything else of it came
			got = "free"
		}
		if got != want {
			t.Errorf("seed %d: plan %q, want %q", seed, got, want)
		}
	}
}

// TestForged: without the right signature nothing changes, and the answer says so.
func TestForged(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	body := event{kind: "created", status: "active", price: "price_pro", w: w}.body(1)
	old := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: time.Now().Add(-time.Hour)}).Header
	for name, c := range map[string]struct {
		body []byte
		sig  string
		want error
	}{
		"no signature":  {body, "", stripe.ErrSignature},
		"other secret":  {body, sign(body, "whsec_other"), stripe.ErrSignature},
		"other body":    {bytes.Replace(body, []byte("pro"), []byte("gem"), 1), sign(body, secret), stripe.ErrSignature},
		"replayed late": {body, old, stripe.ErrSignature},
		"no JSON":       {[]byte("hello"), sign([]byte("hello"), secret), stripe.ErrEvent},
		"no object":     {[]byte(`{"type":"customer.subscription.updated"}`), sign([]byte(`{"type":"customer.subscription.updated"}`), secret), stripe.ErrEvent},
	} {
		if err := b.Webhook(t.Context(), c.body, c.sig); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	closed := newBench(t, func(c *stripe.Config) { c.WebhookSecret = func() string { return "" } })
	if err := closed.Webhook(t.Context(), body, sign(body, "")); !errors.Is(err, stripe.ErrSignature) {
		t.Errorf("without a secret: %v", err)
	}
	if b.planOf("acme") != "" {
		t.Error("a forged event changed the plan")
	}
}

// TestOthers: events about another customer, a workspace that was deleted and made again, no
// workspace, or something else, change nothing.
func TestOthers(t *testing.T) {
	b := newBench(t)
	w, other := b.workspace("acme"), b.workspace("other")
	b.take(event{kind: "created", status: "active", price: "price_pro", w: w})
	gone := *other
	gone.ID = "an-older-one"
	nobody := workspace.New("nobody")
	nobody.ID = "x"
	b.take(
		event{kind: "updated", status: "active", price: "price_team", customer: "cus_attacker", w: w, at: 5, since: 5},
		event{kind: "deleted", status: "canceled", price: "price_pro", customer: "cus_attacker", w: w, at: 6, since: 5},
		event{kind: "created", status: "active", price: "price_pro", w: &gone},
		event{kind: "created", status: "active", price: "price_pro", w: nobody},
	)
	invoice := []byte(`{"id":"evt_9","object":"event","type":"invoice.paid","created":1,"data":{"object":{"object":"invoice"}}}`)
	if err := b.Webhook(t.Context(), invoice, sign(invoice, secret)); err != nil {
		t.Error(err)
	}
	if a, o := b.planOf("acme"), b.planOf("other"); a != "pro" || o != "" {
		t.Errorf("acme is on %q, other on %q", a, o)
	}
	if c, _, err := b.Customer(t.Context(), w.ID); err != nil || c.ID != "cus_acme" || !c.Live() {
		t.Errorf("%+v, %v", c, err)
	}
	if !strings.Contains(b.log.String(), "another customer") || !strings.Contains(b.log.String(), "deleted") {
		t.Error(b.log.String())
	}
}

// TestOperatorsPlan: a workspace that an operator has given another plan keeps it when its
// subscription ends.
func TestOperatorsPlan(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	b.take(event{kind: "created", status: "active", price: "price_pro", w: w})
	b.setPlan("acme", "gift")
	b.take(event{kind: "deleted", status: "canceled", price: "price_pro", w: w, at: 5})
	if got := b.planOf("acme"); got != "gift" {
		t.Errorf("plan %q", got)
	}
}

// flaky is a store that fails twice, before and after it has done what it was asked for. Then
// it says once that another server was faster.
type flaky struct {
	*workspacetest.Memory
	calls int
}

func (f *flaky) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	f.calls++
	switch f.calls {
	case 1:
		return workspace.ErrUnavailable
	case 2:
		return workspace.ErrConflict
	case 3:
		_ = f.Memory.Update(ctx, w, audit...)
		return workspace.ErrUnavailable
	}
	return f.Memory.Update(ctx, w, audit...)
}

// TestStoreAway: an event that the store didn't take is an error, after which Stripe sends it
// again, and then it is taken.
func TestStoreAway(t *testing.T) {
	b := newBench(t, func(c *stripe.Config) { c.Write = &flaky{Memory: c.Write.(*workspacetest.Memory)} })
	w := b.workspace("acme")
	body := event{kind: "created", status: "active", price: "price_pro", w: w}.body(1)
	for range 2 {
		if err := b.Webhook(t.Context(), body, sign(body, secret)); !errors.Is(err, workspace.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if err := b.Webhook(t.Context(), body, sign(body, secret)); err != nil || b.planOf("acme") != "pro" {
		t.Errorf("%v, plan %q", err, b.planOf("acme"))
	}
}

// TestAgainstMock: stripe-mock, which checks requests against the description of Stripe's API,
// takes ours.
func TestAgainstMock(t *testing.T) {
	mock := stripemock.Start(t) // it takes a second
	t.Run("pages", func(t *testing.T) { testPages(t, mock) })
	t.Run("units", func(t *testing.T) { testUnits(t, mock) })
}

// testPages: Stripe makes the pages, for plans that are sold to workspaces without a
// subscription.
func testPages(t *testing.T, mock string) {
	b := newBench(t, func(c *stripe.Config) { c.API = mock })
	w := b.workspace("acme")
	for name, want := range map[string]error{"gift": stripe.ErrNotSold, "unknown": stripe.ErrNotSold, "free": stripe.ErrNotSold} {
		if _, err := b.Checkout(t.Context(), "acme", w.ID, name, "https://img.example.com/app/acme/limits"); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Portal(t.Context(), w.ID, "https://img.example.com/app/acme/limits"); !errors.Is(err, stripe.ErrNoCustomer) {
		t.Error(err)
	}
	if _, err := b.Checkout(t.Context(), "acme", w.ID, "pro", "https://img.example.com/app/acme/limits"); err != nil {
		t.Error(err, b.log.String())
	}
	b.take(event{kind: "created", status: "active", price: "price_pro", w: w})
	if _, err := b.Checkout(t.Context(), "acme", w.ID, "team", "https://img.example.com"); !errors.Is(err, stripe.ErrSubscribed) {
		t.Error(err)
	}
	page, err := b.Portal(t.Context(), w.ID, "https://img.example.com/app/acme/limits")
	if u, wrong := url.Parse(page); err != nil || wrong != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("%q, %v, %v", page, err, wrong)
	}
	b.take(event{kind: "deleted", status: "canceled", price: "price_pro", w: w, at: 9})
	if _, err := b.Checkout(t.Context(), "acme", w.ID, "team", "https://img.example.com"); err != nil { // the same customer
		t.Error(err, b.log.String())
	}
}

// units is an event of the meter.
func units(w *workspace.Workspace, at time.Time) meter.Event {
	return meter.Event{ID: w.ID + "/2026-05-01/transform/0-1500", Time: at, Data: meter.Data{Workspace: w.Namespace, WorkspaceID: w.ID, Operation: "transform", Units: 1500}}
}

// testUnits: units go to Stripe as meter events. Those of a workspace that never had a
// subscription are skipped.
func testUnits(t *testing.T, mock string) {
	var sent url.Values
	b := newBench(t, func(c *stripe.Config) {
		c.API, c.Transport = mock, roundTrip(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			if sent, err = url.ParseQuery(string(body)); err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			return http.DefaultTransport.RoundTrip(r)
		})
	})
	w := b.workspace("acme")
	if err := b.Send(t.Context(), units(w, start)); !errors.Is(err, meter.ErrSkip) {
		t.Error(err)
	}
	b.take(event{kind: "created", status: "active", price: "price_pro", w: w})
	if err := b.Send(t.Context(), units(w, start)); err != nil {
		t.Error(err)
	}
	want := url.Values{
		"event_name": {"tintype_units"}, "identifier": {w.ID + "/2026-05-01/transform/0-1500"}, "timestamp": {fmt.Sprint(start.Unix())},
		"payload[stripe_customer_id]": {"cus_acme"}, "payload[value]": {"1500"},
	}
	if sent.Encode() != want.Encode() {
		t.Errorf("sent %v, want %v", sent, want)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRefusals: what an answer of Stripe means for an event: whether it may have it, and
// whether it is worth another try.
func TestRefusals(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		status       int
		body         string
		age          time.Duration
		sure, report bool
	}{
		"busy":              {429, `{"error":{"type":"invalid_request_error","code":"rate_limit"}}`, 0, true, false},
		"wrong key":         {401, `{"error":{"type":"invalid_request_error"}}`, 0, true, false},
		"broken":            {500, `{"error":{"type":"api_error"}}`, 0, false, false},
		"broken proxy":      {502, `<html>`, 0, false, false},
		"redirect":          {302, ``, 0, false, false},
		"no such customer":  {400, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"payload[stripe_customer_id]"}}`, 0, true, true},
		"no such meter":     {400, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"event_name"}}`, 0, true, false},
		"clock ahead":       {400, `{"error":{"type":"invalid_request_error","param":"timestamp"}}`, -time.Hour, true, false},
		"too old":           {400, `{"error":{"type":"invalid_request_error","param":"timestamp"}}`, 36 * 24 * time.Hour, true, true},
		"something is odd":  {400, `{"error":{"type":"invalid_request_error"}}`, 0, true, false},
		"connection closed": {0, ``, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var visits atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				visits.Add(1)
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			b := newBench(t, func(c *stripe.Config) { c.API = server.URL })
			w := b.workspace("acme")
			b.take(event{kind: "created", status: "active", price: "price_pro", w: w})
			err := b.Send(t.Context(), units(w, now.Add(-c.age)))
			refusal, sure := errors.AsType[*meter.Refusal](err)
			if err == nil || sure != c.sure || sure && refusal.Event != c.report || visits.Load() != 1 {
				t.Errorf("%v: sure %v, %+v, %d requests", err, sure, refusal, visits.Load())
			}
			if strings.Contains(err.Error(), "sk_test") {
				t.Error(err)
			}
		})
	}
}

// Package stripe sells plans by Stripe, and bills usage there.
//
// For most uses, call [New]. A [Client] makes pages of Stripe on which an owner buys a plan
// ([Client.Checkout]) or changes the payment ([Client.Portal]), takes what Stripe says of
// subscriptions ([Client.Webhook]), and is a [meter.Sink] for units.
//
// It keeps of each workspace: the ID of the customer, the state of the subscription, the plan,
// and since when that holds. Stripe keeps all else.
package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	stripego "github.com/stripe/stripe-go/v82"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// Errors of a Client, as clients of the API see them.
var (
	ErrNotSold    = fault.New(fault.Validation, "plan: is not for sale. GET /v1/plans lists the plans; those with a price at Stripe are.")
	ErrNoCustomer = fault.New(fault.Conflict, "The workspace has no subscription yet: buy a plan first.")
	ErrSubscribed = fault.New(fault.Conflict, "The workspace has a subscription: change it there.")
	ErrSignature  = fault.New(fault.SignatureInvalid, "The signature of the event is not valid: it is no event of Stripe, it is over five minutes old, or TINTYPE_STRIPE_WEBHOOK_SECRET is not the secret of this endpoint.")
	ErrEvent      = fault.New(fault.Validation, "The event can't be read.")
	ErrAway       = fault.New(fault.OriginError, "Stripe doesn't answer, or refuses the request. Try again later; the log of the server has the reason.")
)

// Plans has the plans that are sold: see [plan.Book].
type Plans interface {
	Plan(name string) *plan.Plan
	All() []*plan.Plan
}

// Reader and Writer are parts of a [workspace.Store]. The reader asks the store itself, since
// what a cache has may be some seconds old.
type (
	Reader interface {
		Get(ctx context.Context, namespace string) (*workspace.Workspace, error)
	}
	Writer interface {
		Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error
	}
)

// Config has what a [Client] needs.
type Config struct {
	Key           func() string // returns the secret of the API, as it is now
	WebhookSecret func() string // returns that of the endpoint that Stripe sends events to; empty takes none
	Meter         string        // name of the events of the meter; empty bills no units
	API           string        // URL; empty is Stripe's
	Transport     http.RoundTripper
	Records       account.Records
	Plans         Plans
	Read          Reader
	Write         Writer
	Log           *slog.Logger     // nil logs nothing
	Now           func() time.Time // nil is time.Now
}

// A Client speaks with Stripe. It is safe for concurrent use.
type Client struct {
	Config
	backend stripego.Backend
}

// callFor bounds one call.
const callFor = 20 * time.Second

// New returns a Client.
func New(c Config) *Client {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	none := int64(0)
	config := &stripego.BackendConfig{
		HTTPClient: &http.Client{
			Transport: keyed{c.Transport, c.Key}, Timeout: callFor,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key is for one host
		},
		MaxNetworkRetries: &none, // who calls tries again
		LeveledLogger:     &stripego.LeveledLogger{Level: stripego.LevelNull},
	}
	if c.API != "" {
		config.URL = stripego.String(c.API)
	}
	return &Client{c, stripego.NewBackendsWithConfig(config).API}
}

// post calls the API. A [stripego.Client] would do the same, but it brings every service of
// Stripe into the program, which makes it 3 MB larger.
func (c *Client) post(ctx context.Context, path string, params stripego.ParamsContainer, made stripego.LastResponseSetter) error {
	const unused = "sk_unused" // keyed sends the key of the moment
	params.GetParams().Context = ctx
	return c.backend.Call(http.MethodPost, path, unused, params, made)
}

// group has the records of customers, each under the ID of its workspace.
const group = "billing-stripe"

// A Customer is what is kept of a workspace.
type Customer struct {
	ID    string `json:"customer"`
	State string `json:"state"` // of the subscription, as Stripe names it
	Plan  string `json:"plan"`  // that the subscription pays for
	Given string `json:"given"` // the plan that it has put the workspace on last

	// Since is when the subscription began, and At the time of the last event about it, by
	// which events are put into order.
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
	Rank  int       `json:"rank"` // of the kind of that event
}

// Live reports whether the subscription holds. A payment that is late doesn't end it: Stripe
// tries again, and says when it gives up.
func (c Customer) Live() bool {
	switch stripego.SubscriptionStatus(c.State) {
	case stripego.SubscriptionStatusActive, stripego.SubscriptionStatusTrialing, stripego.SubscriptionStatusPastDue:
		return true
	}
	return false
}

// Lapsed reports whether the subscription has ended.
func (c Customer) Lapsed() bool {
	return c.State != "" && !c.Live() && stripego.SubscriptionStatus(c.State) != stripego.SubscriptionStatusIncomplete
}

// Customer returns what is kept of a workspace. ok is false where there is nothing.
func (c *Client) Customer(ctx context.Context, workspaceID string) (customer Customer, ok bool, err error) {
	customer, r, err := c.customer(ctx, workspaceID)
	return customer, r.Version > 0, err
}

// Subscription returns the state of a workspace's subscription, and the plan that it pays for.
// holds is false where it has ended. All are empty where there never was one.
func (c *Client) Subscription(ctx context.Context, workspaceID string) (state, plan string, holds bool, err error) {
	customer, _, err := c.customer(ctx, workspaceID)
	return customer.State, customer.Plan, customer.Live(), err
}

func (c *Client) customer(ctx context.Context, workspaceID string) (customer Customer, r account.Record, err error) {
	r, err = c.Records.Record(ctx, group, workspaceID)
	if errors.Is(err, workspace.ErrNotFound) {
		return customer, account.Record{Group: group, Name: workspaceID}, nil
	}
	if err == nil {
		err = json.Unmarshal(r.Data, &customer)
	}
	return customer, r, err
}

// Keys of the metadata of a subscription, by which its events find their workspace. Only the
// holder of the API key writes them.
const (
	metaID        = "tintype_workspace_id"
	metaNamespace = "tintype_workspace"
	metaPlan      = "tintype_plan"
)

// Checkout returns the URL of a page of Stripe on which a workspace buys a plan. Stripe sends
// the buyer back to the URL back. The error may be ErrNotSold, ErrSubscribed or ErrAway.
func (c *Client) Checkout(ctx context.Context, namespace, id, name, back string) (url string, err error) {
	p := c.Plans.Plan(name)
	if p == nil || !p.Sold() {
		return "", ErrNotSold
	}
	customer, _, err := c.customer(ctx, id)
	if err != nil {
		return "", err
	}
	if customer.Live() {
		return "", ErrSubscribed
	}
	meta := map[string]string{metaID: id, metaNamespace: namespace, metaPlan: name}
	session := &stripego.CheckoutSessionCreateParams{
		Mode: stripego.String(string(stripego.CheckoutSessionModeSubscription)), ClientReferenceID: &id, Metadata: meta,
		SubscriptionData: &stripego.CheckoutSessionCreateSubscriptionDataParams{Metadata: meta},
		SuccessURL:       &back, CancelURL: &back,
	}
	if customer.ID != "" {
		session.Customer = &customer.ID
	}
	if p.StripePrice != "" {
		session.LineItems = append(session.LineItems, &stripego.CheckoutSessionCreateLineItemParams{Price: &p.StripePrice, Quantity: stripego.Int64(1)})
	}
	if p.StripeMeteredPrice != "" { // has no quantity: that is what the meter counts
		session.LineItems = append(session.LineItems, &stripego.CheckoutSessionCreateLineItemParams{Price: &p.StripeMeteredPrice})
	}
	made := &stripego.CheckoutSession{}
	if err := c.post(ctx, "/v1/checkout/sessions", session, made); err != nil {
		return "", c.away("checkout", err)
	}
	return made.URL, nil
}

// Portal returns the URL of a page of Stripe on which a workspace changes its subscription and
// how it pays. The error may be ErrNoCustomer or ErrAway.
func (c *Client) Portal(ctx context.Context, id, back string) (url string, err error) {
	customer, _, err := c.customer(ctx, id)
	if err != nil {
		return "", err
	}
	if customer.ID == "" {
		return "", ErrNoCustomer
	}
	made := &stripego.BillingPortalSession{}
	if err := c.post(ctx, "/v1/billing_portal/sessions", &stripego.BillingPortalSessionCreateParams{Customer: &customer.ID, ReturnURL: &back}, made); err != nil {
		return "", c.away("portal", err)
	}
	return made.URL, nil
}

// away logs why a call failed: what Stripe says is for the operator.
func (c *Client) away(what string, err error) error {
	c.Log.Error("a page of Stripe could not be made", "page", what, "err", plain(err))
	return ErrAway
}

// plain is an error of a call, without what Stripe sends beside it.
func plain(err error) error {
	if e, ok := errors.AsType[*stripego.Error](err); ok {
		return fmt.Errorf("the answer of Stripe was %d %s: %s", e.HTTPStatusCode, e.Code, e.Msg)
	}
	return err
}

// keyed sends requests with the key that Stripe knows now, since it may be replaced.
type keyed struct {
	http.RoundTripper
	key func() string
}

// RoundTrip implements [http.RoundTripper].
func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+k.key())
	return k.RoundTripper.RoundTrip(r)
}

package stripe

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	stripego "github.com/stripe/stripe-go/v82"

	"github.com/tintype/tintype/billing/meter"
)

var (
	_ meter.Sink      = (*Client)(nil)
	_ meter.Forgetful = (*Client)(nil)
)

// Name implements [meter.Sink].
func (c *Client) Name() string { return "stripe" }

// Remembers implements [meter.Forgetful]. Stripe promises to recognise an identifier for 24
// hours.
func (c *Client) Remembers() time.Duration { return 20 * time.Hour }

// Send implements [meter.Sink]. The value of a meter event is in thousandths of a unit, since
// Stripe takes whole numbers only. A workspace that never had a subscription is skipped.
func (c *Client) Send(ctx context.Context, e meter.Event) error {
	customer, _, err := c.customer(ctx, e.Data.WorkspaceID)
	if err != nil {
		return &meter.Refusal{Err: err} // nothing was sent
	}
	if customer.ID == "" {
		return meter.ErrSkip
	}
	err = c.post(ctx, "/v1/billing/meter_events", &stripego.BillingMeterEventCreateParams{
		EventName: &c.Meter, Identifier: &e.ID, Timestamp: stripego.Int64(e.Time.Unix()),
		Payload: map[string]string{"stripe_customer_id": customer.ID, "value": strconv.FormatInt(int64(e.Data.Units), 10)},
	}, &stripego.BillingMeterEvent{})
	said, answered := errors.AsType[*stripego.Error](err)
	switch {
	case err == nil:
		return nil
	case !answered || said.HTTPStatusCode >= 500 || said.HTTPStatusCode == 0:
		return plain(err) // it may have it
	case said.HTTPStatusCode == http.StatusBadRequest && c.final(said, e):
		return &meter.Refusal{Err: plain(err), Event: true}
	}
	return &meter.Refusal{Err: plain(err)}
}

// final reports whether Stripe will never take the event: it has no such customer any more, or
// the event is too old. What is wrong with the meter or with a clock can be mended.
func (c *Client) final(said *stripego.Error, e meter.Event) bool {
	const oldest = 35 * 24 * time.Hour
	switch {
	case said.Code == stripego.ErrorCodeResourceMissing && said.Param != "event_name":
		return true
	case said.Param == "timestamp":
		return c.Now().Sub(e.Time) > oldest
	}
	return false
}

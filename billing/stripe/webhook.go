package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	stripego "github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// tries is how often a write starts over after one of another server.
const tries = 10

// ranks are the kinds of events that are taken, in their order where several are of the same
// second, which is all that Stripe tells.
var ranks = map[stripego.EventType]int{
	stripego.EventTypeCustomerSubscriptionCreated: 1,
	stripego.EventTypeCustomerSubscriptionUpdated: 2,
	stripego.EventTypeCustomerSubscriptionPaused:  2,
	stripego.EventTypeCustomerSubscriptionResumed: 2,
	stripego.EventTypeCustomerSubscriptionDeleted: 3,
}

// Webhook takes an event that Stripe has sent: the body as it came, and the header
// Stripe-Signature. Events may come twice and in any order. The error is ErrSignature, ErrEvent,
// or one of the store, after which Stripe sends the event again. Events that concern no
// workspace are taken, and change nothing.
func (c *Client) Webhook(ctx context.Context, body []byte, signature string) error {
	secret := c.WebhookSecret()
	if secret == "" {
		return ErrSignature
	}
	e, err := webhook.ConstructEventWithOptions(body, signature, secret, webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		if json.Valid(body) {
			return ErrSignature
		}
		return ErrEvent
	}
	rank, known := ranks[e.Type]
	if !known {
		return nil
	}
	var s stripego.Subscription
	if e.Data == nil || json.Unmarshal(e.Data.Raw, &s) != nil || s.Customer == nil || s.Customer.ID == "" {
		return ErrEvent
	}
	id, namespace := s.Metadata[metaID], s.Metadata[metaNamespace]
	if id == "" || namespace == "" {
		c.Log.Warn("an event of Stripe is about a subscription of no workspace: give it the metadata "+metaID+" and "+metaNamespace+", if it is one's", "event", e.ID, "type", e.Type)
		return nil
	}
	w, err := c.Read.Get(ctx, namespace)
	if errors.Is(err, workspace.ErrNotFound) || err == nil && w.ID != id {
		c.Log.Warn("an event of Stripe is about a workspace that was deleted", "event", e.ID, "type", e.Type, "workspace", namespace)
		return nil
	}
	if err != nil {
		return err
	}
	is := Customer{
		ID: s.Customer.ID, State: string(s.Status), Plan: c.planOf(&s),
		Since: time.Unix(s.Created, 0).UTC(), At: time.Unix(e.Created, 0).UTC(), Rank: rank,
	}
	return c.note(ctx, namespace, id, is, e.ID)
}

// planOf returns the name of the plan that a subscription pays for. Its prices say it, since
// Stripe's portal changes them.
func (c *Client) planOf(s *stripego.Subscription) string {
	if s.Items != nil {
		for _, item := range s.Items.Data {
			for _, p := range c.Plans.All() {
				if item.Price != nil && item.Price.ID != "" && (item.Price.ID == p.StripePrice || item.Price.ID == p.StripeMeteredPrice) {
					return p.Name
				}
			}
		}
	}
	return s.Metadata[metaPlan]
}

// after reports whether what an event says is newer than what is known, or the same.
func (is Customer) after(was Customer) bool {
	switch {
	case !is.Since.Equal(was.Since):
		// Of two subscriptions the later one counts, unless it has ended and the other one lives.
		if is.Since.After(was.Since) {
			return is.Live() || !was.Live()
		}
		return is.Live() && !was.Live()
	case !is.At.Equal(was.At):
		return is.At.After(was.At)
	}
	return is.Rank >= was.Rank
}

// note keeps what an event says, unless it is older than what is known, and puts the workspace
// on the plan of what is kept in the end.
func (c *Client) note(ctx context.Context, namespace, id string, is Customer, event string) error {
	for try := 1; ; try++ {
		was, r, err := c.customer(ctx, id)
		if err != nil {
			return err
		}
		if was.ID != "" && was.ID != is.ID && was.Live() {
			c.Log.Error("an event of Stripe is about another customer than the workspace's, and changes nothing: cancel one of the two subscriptions", "event", event, "workspace", namespace)
			return nil
		}
		if r.Version > 0 && !is.after(was) {
			return nil
		}
		if is.Given = was.Given; is.Live() {
			is.Given = is.Plan
		}
		if r.Data, err = json.Marshal(is); err != nil {
			return err
		}
		err = c.Records.WriteRecords(ctx, []account.Write{{Record: r}}, workspace.AuditEntry{
			WorkspaceID: id, Actor: "stripe", Action: "subscription." + is.State, Target: is.Plan,
		})
		if errors.Is(err, workspace.ErrConflict) && try < tries {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	for try := 1; ; try++ {
		now, r, err := c.customer(ctx, id)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, namespace, id, now); err != nil {
			return err
		}
		_, again, err := c.customer(ctx, id)
		if err != nil || again.Version == r.Version || try == tries {
			return err
		}
	}
}

// apply puts a workspace on the plan that its subscription pays for, or on the one that the
// plan names for lapsed subscriptions. Variants that are cached go on, whatever the plan.
func (c *Client) apply(ctx context.Context, namespace, id string, is Customer) error {
	paid := c.Plans.Plan(is.Plan)
	if paid == nil {
		c.Log.Error("a subscription pays for a plan that this server doesn't know: the workspace keeps its plan", "workspace", namespace, "plan", is.Plan)
		return nil
	}
	to := ""
	switch {
	case is.Live():
		to = is.Plan
	case is.Lapsed():
		to = paid.Lapsed
	}
	if to == "" {
		return nil
	}
	if c.Plans.Plan(to) == nil {
		c.Log.Error("a lapsed subscription leads to a plan that this server doesn't know: the workspace keeps its plan", "workspace", namespace, "plan", to)
		return nil
	}
	for try := 1; ; try++ {
		w, err := c.Read.Get(ctx, namespace)
		if errors.Is(err, workspace.ErrNotFound) || err == nil && (w.ID != id || w.Plan == to) {
			return nil
		}
		if err == nil && !is.Live() && w.Plan != is.Plan && w.Plan != is.Given {
			return nil // an operator has given it another one
		}
		if err == nil {
			before := w.Plan
			w.Plan = to
			err = c.Write.Update(ctx, w, workspace.AuditEntry{
				WorkspaceID: id, Actor: "stripe", Action: "workspace.update", Target: namespace,
				Before: fmt.Appendf(nil, `{"plan":%q}`, before), After: fmt.Appendf(nil, `{"plan":%q}`, to),
			})
		}
		if errors.Is(err, workspace.ErrConflict) && try < tries {
			continue
		}
		if err != nil {
			return fmt.Errorf("putting workspace %q on the plan %q: %w", namespace, to, err)
		}
		return nil
	}
}

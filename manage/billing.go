package manage

import (
	"context"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

// Billing sells plans: see package billing/stripe. Errors are of package fault, or a store's.
type Billing interface {
	// Subscription returns the state of the workspace's subscription, as Stripe names it, and
	// the plan that it pays for. Both are empty where there never was one. holds is false where
	// it has ended.
	Subscription(ctx context.Context, workspaceID string) (state, plan string, holds bool, err error)
	// Checkout returns the URL of a page on which the workspace buys a plan, and Portal that of
	// one on which it changes its subscription. Both lead back.
	Checkout(ctx context.Context, namespace, workspaceID, plan, back string) (url string, err error)
	Portal(ctx context.Context, workspaceID, back string) (url string, err error)
	// Webhook takes what the seller says of subscriptions.
	Webhook(ctx context.Context, body []byte, signature string) error
}

// A Subscription is what a workspace pays for.
type Subscription struct {
	State string   `json:"state" doc:"Of the subscription, as Stripe names it, such as active, past_due or canceled; empty if there never was one."`
	Plan  string   `json:"plan" doc:"The plan of the subscription, also after it has ended; empty if there never was one. The workspace's own plan is the one that holds."`
	Holds bool     `json:"holds" doc:"The subscription hasn't ended. A payment that is late doesn't end it, until Stripe gives up."`
	Sold  []string `json:"sold" nullable:"false" doc:"Names of the plans that can be bought. Empty where this server sells none."`
}

// A BillingPage is a page of Stripe.
type BillingPage struct {
	URL string `json:"url" doc:"Open it in a browser. It is good for some hours, and leads back to the dashboard."`
}

var errSellsNothing = conflict("This server sells no plans. Ask its operator for another plan.")

// Subscription returns what a workspace pays for, and what it can buy.
func (m *Manager) Subscription(ctx context.Context, who Caller, namespace string) (s Subscription, err error) {
	w, err := m.open(ctx, who, account.ReadWorkspace, namespace)
	if err != nil {
		return s, err
	}
	s.Sold = []string{}
	if m.billing == nil {
		return s, nil
	}
	for _, p := range m.plans.All() {
		if p.Sold() {
			s.Sold = append(s.Sold, p.Name)
		}
	}
	s.State, s.Plan, s.Holds, err = m.billing.Subscription(ctx, w.ID)
	return s, err
}

// Checkout returns a page on which a workspace buys a plan.
func (m *Manager) Checkout(ctx context.Context, who Caller, namespace, plan string) (BillingPage, error) {
	return m.billingPage(ctx, who, namespace, func(w *workspace.Workspace, back string) (string, error) {
		return m.billing.Checkout(ctx, namespace, w.ID, plan, back)
	})
}

// BillingPortal returns a page on which a workspace changes its subscription, and how it pays.
func (m *Manager) BillingPortal(ctx context.Context, who Caller, namespace string) (BillingPage, error) {
	return m.billingPage(ctx, who, namespace, func(w *workspace.Workspace, back string) (string, error) {
		return m.billing.Portal(ctx, w.ID, back)
	})
}

func (m *Manager) billingPage(ctx context.Context, who Caller, namespace string, page func(w *workspace.Workspace, back string) (string, error)) (p BillingPage, err error) {
	w, err := m.open(ctx, who, account.Pay, namespace)
	if err != nil {
		return p, err
	}
	if m.billing == nil {
		return p, errSellsNothing
	}
	p.URL, err = page(w, m.publicURL+"/app/"+namespace+"/limits")
	return p, err
}

// TakeBillingEvent takes what Stripe says of subscriptions. The signature proves that it does,
// so anybody may call it.
func (m *Manager) TakeBillingEvent(ctx context.Context, body []byte, signature string) error {
	if m.billing == nil {
		return errNoBilling
	}
	return m.billing.Webhook(ctx, body, signature)
}

var errNoBilling = notFound("This server takes no events of Stripe: it has no TINTYPE_STRIPE_KEY.")

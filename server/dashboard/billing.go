package dashboard

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

// A billingPage is the data of billing.html.
type billingPage struct {
	Plan string // that is bought; empty: the subscription is changed
	URL  string // of Stripe's page
}

// billing makes a page of Stripe, and shows the link to it. It doesn't redirect: forms may only
// lead to this host.
func (v *visit) billing() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, made := billingPage{}, manage.BillingPage{}
	switch f.get("do") {
	case "buy":
		p.Plan = f.get("plan")
		made, err = v.d.Manage.Checkout(v.r.Context(), v.caller(), v.ns, p.Plan)
	case "portal":
		made, err = v.d.Manage.BillingPortal(v.r.Context(), v.caller(), v.ns)
	default:
		return fault.New(fault.Validation, "This form is not known. Open the page again.")
	}
	if err != nil {
		return err
	}
	if u, err := url.Parse(made.URL); err != nil || u.Scheme != "https" {
		return fault.New(fault.OriginError, "Stripe's answer has no page. Try again later.")
	}
	p.URL = made.URL
	return v.show(http.StatusOK, "billing", p)
}

// A sale is what the page of the plan says of the subscription.
type sale struct {
	manage.Subscription
	Plans []soldPlan // that can be bought now
	May   bool       // change it
}

// A soldPlan is a plan that can be bought.
type soldPlan struct {
	Name  string
	Facts []planFact
}

// subscriptionStates has what the page says of a subscription in each state, where PLAN is its plan.
var subscriptionStates = map[string]string{
	"active":             "This workspace pays for the plan PLAN.",
	"trialing":           "This workspace tries the plan PLAN.",
	"past_due":           "This workspace pays for the plan PLAN. The last payment has failed, and is tried again. Check how you pay.",
	"unpaid":             "The subscription to the plan PLAN was not paid, so it has ended.",
	"canceled":           "The subscription to the plan PLAN has ended.",
	"incomplete":         "The first payment for the plan PLAN is not complete.",
	"incomplete_expired": "The first payment for the plan PLAN was not complete in time.",
	"paused":             "The subscription to the plan PLAN is paused.",
}

// Says returns the state of the subscription in words.
func (s sale) Says() string {
	says := cmp.Or(subscriptionStates[s.State], "Stripe calls the subscription to the plan PLAN "+s.State+".")
	return strings.ReplaceAll(says, "PLAN", s.Plan)
}

// sale returns what the page of the plan says of the subscription, or nil where this server
// sells nothing.
func (v *visit) sale() (*sale, error) {
	is, err := v.d.Manage.Subscription(v.r.Context(), v.caller(), v.ns)
	if err != nil || len(is.Sold) == 0 && is.State == "" {
		return nil, err
	}
	s := &sale{Subscription: is, May: v.may(account.Pay)}
	if is.Holds || !s.May {
		return s, nil
	}
	all, err := v.d.Manage.Plans(v.r.Context(), v.caller())
	for _, p := range all {
		if slices.Contains(is.Sold, p.Name) {
			s.Plans = append(s.Plans, soldPlan{p.Name, planFacts(&p)})
		}
	}
	return s, err
}

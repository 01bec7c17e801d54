package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
)

type (
	subscriptionOutput struct{ Body manage.Subscription }
	billingPageOutput  struct{ Body manage.BillingPage }
	checkoutInput      struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Request   body
	}
	stripeInput struct {
		Signature string `header:"Stripe-Signature" doc:"As Stripe makes it."`
		Event     body
	}
)

// CheckoutRequest says what is bought.
type CheckoutRequest struct {
	Plan string `json:"plan" doc:"Name of a plan that is sold."`
}

func (a *api) billingRoutes() {
	tags := []string{"Billing"}
	handle(a, account.ReadWorkspace, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/billing", OperationID: "getSubscription", Tags: tags,
		Summary: "Read the subscription, and which plans can be bought",
	}, a.getSubscription)
	handle(a, account.Pay, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/billing/checkout", OperationID: "buyPlan", Tags: tags,
		Summary:     "Make a page of Stripe on which a plan is bought",
		Description: "The workspace is on the plan once Stripe says that the subscription is active, mostly some seconds after the payment. While there is a subscription, the answer is 409 `CONFLICT`: the portal changes it.",
		RequestBody: jsonBody("CheckoutRequest", "What is bought.", "application/json"),
	}, a.buyPlan)
	handle(a, account.Pay, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/billing/portal", OperationID: "openBillingPortal", Tags: tags,
		Summary:     "Make a page of Stripe on which the subscription is changed or ended",
		Description: "Also for cards, addresses and invoices.",
	}, a.openBillingPortal)
	handle(a, anybody, huma.Operation{
		Method: http.MethodPost, Path: "/v1/billing/stripe", OperationID: "takeStripeEvent", Tags: tags,
		Summary: "Take an event of Stripe",
		Description: "For Stripe only, as the endpoint of webhooks for the events `customer.subscription.*`. The signature in the header `Stripe-Signature` is verified. An event may come twice and in any order: " +
			"the last one by its time holds. See [billing.md](billing.md#stripe).",
		RequestBody:   &huma.RequestBody{Description: "The event, as Stripe sends it.", Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}}},
		DefaultStatus: http.StatusNoContent,
	}, a.takeStripeEvent)
}

func (a *api) getSubscription(ctx context.Context, in *namespaceInput) (out *subscriptionOutput, err error) {
	out = &subscriptionOutput{}
	out.Body, err = a.manage.Subscription(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) buyPlan(ctx context.Context, in *checkoutInput) (out *billingPageOutput, err error) {
	var r CheckoutRequest
	if err := in.Request.decode(&r); err != nil {
		return nil, err
	}
	out = &billingPageOutput{}
	out.Body, err = a.manage.Checkout(ctx, caller(ctx), in.Namespace, r.Plan)
	return out, err
}

func (a *api) openBillingPortal(ctx context.Context, in *namespaceInput) (out *billingPageOutput, err error) {
	out = &billingPageOutput{}
	out.Body, err = a.manage.BillingPortal(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) takeStripeEvent(ctx context.Context, in *stripeInput) (*struct{}, error) {
	data, err := in.Event.read()
	if err != nil {
		return nil, err
	}
	return nil, a.manage.TakeBillingEvent(ctx, data, in.Signature)
}

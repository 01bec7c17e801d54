package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

type (
	usageInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		From      day    `query:"from" doc:"First day, as 2026-01-31 (UTC). Left out, 29 days before to."`
		To        day    `query:"to" doc:"Last day. Left out, today."`
	}
	usageOutput struct {
		Body struct{ manage.Usage }
	}
	errorsInput struct {
		Namespace string      `path:"ns" doc:"Namespace of the workspace."`
		From      day         `query:"from" doc:"First day, as 2026-01-31 (UTC). Left out, 6 days before to."`
		To        day         `query:"to" doc:"Last day. Left out, today."`
		Source    string      `query:"source" doc:"Key of a source, or - for the errors of no source. Left out, any."`
		Status    errorStatus `query:"status" doc:"HTTP status of the answers. Left out, any."`
		Code      string      `query:"code" doc:"Code of the error, as in the answers. Left out, any." example:"NOT_FOUND"`
	}
	errorsOutput struct {
		Body struct{ manage.ImageErrors }
	}
	limitsOutput struct {
		Body struct {
			Limits workspace.Limits `json:"limits" doc:"As in the workspace. 0 is no limit of its own."`
			Plan   string           `json:"plan" doc:"Name of the workspace's plan; empty for none."`
			Holds  workspace.Limits `json:"holds" doc:"The limits that hold: of each, the lower one of the workspace's and the plan's. 0 is no limit."`
			Prices plan.Prices      `json:"prices" doc:"What one of each operation costs, in units, which are what usage is billed in."`
			Quotas []manage.Quota   `json:"quotas" nullable:"false" doc:"The limits on days and months, and how much of each is used. Empty without such a limit."`
		}
	}
)

func (a *api) usageRoutes() {
	handle(a, account.ReadUsage, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/usage", OperationID: "getUsage", Tags: []string{"Usage"},
		Summary: "Read the usage",
		Description: "Requests, cache hits, variants made, errors, bytes from origins (`bytes_in`) and to clients (`bytes_out`), and units, which are what usage is billed in. " +
			"Each row says which part was of a country, where the server has `--geoip`, and of an API key. " +
			"The counts of other servers are some seconds behind, with DynamoDB up to five minutes. Reads up to 92 days at a time. Counts are kept for 400 days. Requests with test keys are not counted.",
	}, a.getUsage)
	handle(a, account.ReadErrors, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/errors", OperationID: "getErrors", Tags: []string{"Usage"},
		Summary: "Read which images failed",
		Description: "Requests for images that were answered with an error, by day, source, status and code, with up to five samples of each. " +
			"A sample has no signature, no key and no credentials. The counts are up to a minute behind, with DynamoDB up to 10 minutes where such errors are known already. A server that is killed loses that time. " +
			"They are kept for 31 days. Requests with test keys are not counted.",
	}, a.getErrors)
	handle(a, account.ReadUsage, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/limits", OperationID: "getLimits", Tags: []string{"Usage"},
		Summary:     "Read the limits and how much is used",
		Description: "PATCH of the workspace changes the limits.",
	}, a.getLimits)
}

func (a *api) getLimits(ctx context.Context, in *namespaceInput) (*limitsOutput, error) {
	bounds, quotas, err := a.manage.Quotas(ctx, caller(ctx), in.Namespace)
	out := &limitsOutput{}
	out.Body.Limits, out.Body.Holds, out.Body.Prices, out.Body.Quotas = bounds.Own, bounds.Limits, bounds.Prices, append([]manage.Quota{}, quotas...)
	if bounds.Plan != nil {
		out.Body.Plan = bounds.Plan.Name
	}
	return out, err
}

// A day is a date in a query.
type day string

// Schema describes the parameter.
func (day) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date"}
}

// date returns the day, or zero if it is left out.
func (d day) date(name string) (t time.Time, err error) {
	if d == "" {
		return t, nil
	}
	if t, err = time.Parse(time.DateOnly, string(d)); err != nil {
		return t, invalid(name + ": must be a day, written as 2026-01-31.")
	}
	return t, nil
}

func (a *api) getUsage(ctx context.Context, in *usageInput) (out *usageOutput, err error) {
	to, err := in.To.date("to")
	if err != nil {
		return nil, err
	}
	from, err := in.From.date("from")
	if err != nil {
		return nil, err
	}
	out = &usageOutput{}
	out.Body.Usage, err = a.manage.Usage(ctx, caller(ctx), in.Namespace, from, to)
	return out, err
}

func (a *api) getErrors(ctx context.Context, in *errorsInput) (out *errorsOutput, err error) {
	f := manage.ErrorFilter{Source: in.Source, Code: in.Code}
	if f.Status, err = in.Status.number(); err != nil {
		return nil, err
	}
	if f.To, err = in.To.date("to"); err != nil {
		return nil, err
	}
	if f.From, err = in.From.date("from"); err != nil {
		return nil, err
	}
	out = &errorsOutput{}
	out.Body.ImageErrors, err = a.manage.ImageErrors(ctx, caller(ctx), in.Namespace, f)
	return out, err
}

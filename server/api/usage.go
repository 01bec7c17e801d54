package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/workspace"
)

const (
	usageDays    = 30 // of an answer, where the request names none
	maxUsageDays = 92 // of one answer
)

type (
	usageInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		From      day    `query:"from" doc:"First day, as 2026-01-31 (UTC). Left out, 29 days before to."`
		To        day    `query:"to" doc:"Last day. Left out, today."`
	}
	usageOutput struct {
		Body struct {
			From  string            `json:"from" doc:"First day of the answer."`
			To    string            `json:"to" doc:"Last day of the answer."`
			Usage []workspace.Usage `json:"usage" nullable:"false" doc:"One row for each day, operation and source that something was counted of, in this order. The source of originals by full URL is empty."`
		}
	}
)

func (a *api) usageRoutes() {
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/usage", OperationID: "getUsage", Tags: []string{"Usage"}, Security: needsRead,
		Summary: "Read what was counted",
		Description: "Requests, cache hits, variants made, errors, and bytes from origins (`bytes_in`) and to clients (`bytes_out`). " +
			"Some seconds behind. Up to 92 days at a time; kept for 400. What test keys do is not counted.",
	}, a.getUsage)
}

// A day is a date in a query.
type day string

// Schema describes the parameter.
func (day) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date"}
}

// date returns the day, or what it is where it is left out.
func (d day) date(name string, absent time.Time) (time.Time, error) {
	if d == "" {
		return absent, nil
	}
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return t, invalid(name + ": must be a day, written as 2026-01-31.")
	}
	return t, nil
}

func (a *api) getUsage(ctx context.Context, in *usageInput) (*usageOutput, error) {
	to, err := in.To.date("to", a.now().UTC())
	if err != nil {
		return nil, err
	}
	from, err := in.From.date("from", to.AddDate(0, 0, 1-usageDays))
	if err != nil {
		return nil, err
	}
	out := &usageOutput{}
	out.Body.From, out.Body.To = from.Format(time.DateOnly), to.Format(time.DateOnly)
	out.Body.Usage = []workspace.Usage{}
	switch {
	case out.Body.To < out.Body.From:
		return nil, invalid("from: must not be after to.")
	case from.AddDate(0, 0, maxUsageDays).Format(time.DateOnly) <= out.Body.To:
		return nil, invalid(fmt.Sprintf("from: the days may be %d at a time.", maxUsageDays))
	}
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	if a.records == nil {
		return out, nil
	}
	rows, err := a.records.Usage(ctx, w.ID, out.Body.From, out.Body.To)
	if err != nil {
		return nil, fmt.Errorf("reading the usage of workspace %q: %w", in.Namespace, err)
	}
	out.Body.Usage = append(out.Body.Usage, rows...)
	return out, nil
}

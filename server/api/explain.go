package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
)

type (
	explainInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		URL       string `query:"url" doc:"A URL of the workspace, or its path and query, as clients send it. Percent-encode it, as every value in a query."`
		Accept    string `query:"accept" doc:"The Accept header of the request. Left out, the request has none."`
		Origin    string `query:"origin" doc:"The Origin header of the request. Left out, the request has none."`
	}
	explainOutput struct{ Body delivery.Explanation }
)

func (a *api) explainRoutes() {
	handle(a, account.Explain, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/explain", OperationID: "explainURL", Tags: []string{"Images"},
		Summary: "Explain a URL",
		Description: "Says how the server would answer a request for this URL without a key, and why: each check, the source, the marks, the options, " +
			"the format, the variant key, and whether the variant is cached. The original is not fetched.",
	}, a.explainURL)
}

func (a *api) explainURL(ctx context.Context, in *explainInput) (*explainOutput, error) {
	e, err := a.manage.Explain(ctx, caller(ctx), in.Namespace, in.URL, in.Accept, in.Origin)
	return &explainOutput{e}, err
}

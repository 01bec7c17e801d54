package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/delivery"
)

type (
	explainInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		URL       string `query:"url" doc:"A URL of the workspace, or the path and query of one, as clients send it; percent-encoded, as every value of a query."`
		Accept    string `query:"accept" doc:"The Accept header that is to be imagined. Left out, there is none."`
		Origin    string `query:"origin" doc:"The Origin header that is to be imagined. Left out, there is none."`
	}
	explainOutput struct{ Body delivery.Explanation }
)

func (a *api) explainRoutes() {
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/explain", OperationID: "explainURL", Tags: []string{"Images"}, Security: needsRead,
		Summary: "Explain a URL",
		Description: "Says what would happen to a request for this URL without a key, and why: each check, the source, the marks, the options, " +
			"the format, the variant key, and whether the variant is cached. The original is not fetched.",
	}, a.explainURL)
}

func (a *api) explainURL(ctx context.Context, in *explainInput) (*explainOutput, error) {
	e, err := a.manage.Explain(ctx, caller(ctx), in.Namespace, in.URL, in.Accept, in.Origin)
	return &explainOutput{e}, err
}

package api

import (
	"context"

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

func (a *api) explainURL(ctx context.Context, in *explainInput) (*explainOutput, error) {
	e, err := a.manage.Explain(ctx, caller(ctx), in.Namespace, in.URL, in.Accept, in.Origin)
	return &explainOutput{e}, err
}

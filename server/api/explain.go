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
	if in.URL == "" {
		return nil, invalid("url: say which URL to explain.")
	}
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	_, _, target, err := a.target(ctx, w, in.URL)
	if err != nil {
		return nil, err
	}
	e, err := a.explain(ctx, target, in.Accept, in.Origin)
	if err != nil {
		return nil, err
	}
	return &explainOutput{Body: e}, nil
}

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
)

type (
	purgeInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		What      body
	}
	purgeOutput struct {
		Body struct{ manage.Purged }
	}
)

func (a *api) purgeRoutes() {
	handle(a, account.Purge, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/purge", OperationID: "purge", Tags: []string{"Cache"},
		Summary: "Purge variants from the cache",
		Description: "The server stops serving these variants, and makes them again from newly fetched originals. Originals are not touched. Caches in front " +
			"need a purge too: by the tags in `Cache-Tag`, or by the operator's hook.",
		RequestBody:   jsonBody("PurgeRequest", "What to purge: exactly one of the fields.", "application/json"),
		DefaultStatus: http.StatusAccepted,
	}, a.purge)
}

func (a *api) purge(ctx context.Context, in *purgeInput) (out *purgeOutput, err error) {
	var req manage.PurgeRequest
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	out = &purgeOutput{}
	out.Body.Purged, err = a.manage.Purge(ctx, caller(ctx), in.Namespace, req)
	return out, err
}

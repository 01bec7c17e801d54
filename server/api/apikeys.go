package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
)

type (
	apiKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key's id."`
	}
	newAPIKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Key       body
	}
	newAPIKeyOutput struct{ Body manage.MadeAPIKey }
	apiKeysOutput   struct {
		Body struct {
			APIKeys []manage.APIKey `json:"api_keys" nullable:"false" doc:"The oldest first."`
		}
	}
	revokedOutput struct {
		Body struct {
			Revoked int `json:"revoked" doc:"How many keys were revoked."`
		}
	}
)

func (a *api) apiKeyRoutes() {
	apiKeys := []string{"API keys"}
	handle(a, account.WriteAPIKeys, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "createAPIKey", Tags: apiKeys,
		Summary:       "Make an API key",
		Description:   "Needs the root key, or an API key with the scope admin. That can't make a key with a scope that it lacks, nor one that lasts longer than itself. The key is shown in this answer only.",
		RequestBody:   jsonBody("NewAPIKey", "The name, scopes and lifetime of the key.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createAPIKey)
	handle(a, account.ReadAPIKeys, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "listAPIKeys", Tags: apiKeys,
		Summary: "List API keys, without the keys themselves",
	}, a.listAPIKeys)
	handle(a, account.WriteAPIKeys, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "revokeAPIKeys", Tags: apiKeys,
		Summary:     "Revoke all API keys",
		Description: "Needs the root key, or an API key with the scope admin. Use it when you don't know which key leaked. This server refuses the keys at once, others within 60 seconds.",
	}, a.revokeAPIKeys)
	handle(a, account.WriteAPIKeys, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/api-keys/{id}", OperationID: "revokeAPIKey", Tags: apiKeys,
		Summary:     "Revoke an API key",
		Description: "Needs the root key, or an API key with the scope admin. This server refuses the key at once, others within 60 seconds. Revoking a revoked key changes nothing.",
	}, a.revokeAPIKey)
}

func (a *api) createAPIKey(ctx context.Context, in *newAPIKeyInput) (*newAPIKeyOutput, error) {
	var req manage.NewAPIKey
	if err := in.Key.decode(&req); err != nil {
		return nil, err
	}
	made, err := a.manage.CreateAPIKey(ctx, caller(ctx), in.Namespace, req)
	return &newAPIKeyOutput{made}, err
}

func (a *api) listAPIKeys(ctx context.Context, in *namespaceInput) (out *apiKeysOutput, err error) {
	out = &apiKeysOutput{}
	out.Body.APIKeys, err = a.manage.APIKeys(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) revokeAPIKey(ctx context.Context, in *apiKeyInput) (*struct{}, error) {
	return nil, a.manage.RevokeAPIKey(ctx, caller(ctx), in.Namespace, in.ID)
}

func (a *api) revokeAPIKeys(ctx context.Context, in *namespaceInput) (out *revokedOutput, err error) {
	out = &revokedOutput{}
	out.Body.Revoked, err = a.manage.RevokeAPIKeys(ctx, caller(ctx), in.Namespace)
	return out, err
}

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

type (
	namespaceInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
	}
	signingKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key's id."`
	}
	signInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Request   body
	}
)

type (
	// NewSigningKey is a key as it is shown once.
	NewSigningKey struct {
		ID        string    `json:"id"`
		Secret    string    `json:"secret" doc:"64 hex digits: the 32 bytes that URLs are signed with. Shown this once."`
		CreatedAt time.Time `json:"created_at"`
	}
	newSigningKeyOutput struct{ Body NewSigningKey }
	signingKeysOutput   struct {
		Body struct {
			SigningKeys []manage.SigningKey `json:"signing_keys" nullable:"false" doc:"The active keys, the newest last."`
		}
	}
	signOutput struct {
		Body struct {
			SignedURL string    `json:"signed_url"`
			ExpiresAt time.Time `json:"expires_at"`
		}
	}
)

// SignRequest is what is to be signed.
type SignRequest struct {
	URL       string `json:"url" doc:"A URL of the workspace, or the path and query of one, as clients will send it."`
	ExpiresIn int    `json:"expires_in,omitempty" doc:"Seconds, 1 to 604800 (7 days). Left out, 3600."`
}

func (a *api) signingRoutes() {
	keys := []string{"Signing"}
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "createSigningKey", Tags: keys, Security: needsWrite,
		Summary:       "Make a signing key",
		Description:   "The newest key that is 10 seconds old, and so known to every server, signs; any active one verifies; five may be active. The secret is shown in this answer only.",
		DefaultStatus: http.StatusCreated,
	}, a.createSigningKey)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "listSigningKeys", Tags: keys, Security: needsRead,
		Summary: "List signing keys, without their secrets",
	}, a.listSigningKeys)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/signing-keys/{id}", OperationID: "deleteSigningKey", Tags: keys, Security: needsWrite,
		Summary:     "Revoke a signing key",
		Description: "What it signed is refused from then on.",
	}, a.deleteSigningKey)
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/sign", OperationID: "signURL", Tags: keys, Security: needsWrite,
		Summary:     "Sign a URL",
		Description: "With the newest key that every server knows, 10 seconds after it was made. The URL is taken as it stands: its options are signed too, in their order and spelling.",
		RequestBody: jsonBody("SignRequest", "What to sign.", "application/json"),
	}, a.sign)
}

func (a *api) createSigningKey(ctx context.Context, in *namespaceInput) (*newSigningKeyOutput, error) {
	key, err := a.manage.CreateSigningKey(ctx, caller(ctx), in.Namespace)
	if err != nil {
		return nil, err
	}
	return &newSigningKeyOutput{NewSigningKey{key.ID, key.Secret.Reveal(), key.CreatedAt}}, nil
}

func (a *api) listSigningKeys(ctx context.Context, in *namespaceInput) (out *signingKeysOutput, err error) {
	out = &signingKeysOutput{}
	out.Body.SigningKeys, err = a.manage.SigningKeys(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) deleteSigningKey(ctx context.Context, in *signingKeyInput) (*struct{}, error) {
	return nil, a.manage.DeleteSigningKey(ctx, caller(ctx), in.Namespace, in.ID)
}

func (a *api) sign(ctx context.Context, in *signInput) (out *signOutput, err error) {
	data, err := in.Request.read()
	if err != nil {
		return nil, err
	}
	var req SignRequest
	if err := workspace.DecodeInto(data, &req); err != nil {
		return nil, err
	}
	out = &signOutput{}
	out.Body.SignedURL, out.Body.ExpiresAt, err = a.manage.SignURL(ctx, caller(ctx), in.Namespace, req.URL, req.ExpiresIn)
	return out, err
}

package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
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
	// NewSigningKey is a new key with its secret, which no later answer shows.
	NewSigningKey struct {
		ID        string    `json:"id"`
		Secret    string    `json:"secret,omitempty" doc:"64 hex digits: the 32 bytes that sign URLs. Only this answer shows it. Left out for a key that was brought along."`
		CreatedAt time.Time `json:"created_at"`

		Dialect       string   `json:"dialect,omitempty" doc:"Of a key that was brought along: the product whose URLs it verifies."`
		Algorithm     string   `json:"algorithm,omitempty" doc:"Of a key that was brought along: md5, sha1, sha256 or sha512."`
		SignatureSize int      `json:"signature_size,omitempty" doc:"Of a key that was brought along: how long its signatures are, where they aren't whole."`
		Warnings      []string `json:"warnings,omitempty" doc:"What the key can't do. Left out where there is nothing."`
	}
	newSigningKeyOutput struct{ Body NewSigningKey }
	newSigningKeyInput  struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Request   optionalBody
	}
	signingKeysOutput struct {
		Body struct {
			SigningKeys []manage.SigningKey `json:"signing_keys" nullable:"false" doc:"The active keys, the newest last."`
		}
	}
	signOutput struct {
		Body struct {
			SignedURL  string    `json:"signed_url,omitempty" doc:"With url."`
			SignedURLs []string  `json:"signed_urls,omitempty" doc:"With urls: the signed URLs, in their order."`
			ExpiresAt  time.Time `json:"expires_at"`
		}
	}
)

// SignRequest names the URL to sign, or several.
type SignRequest struct {
	URL       string   `json:"url,omitempty" doc:"A URL of the workspace, or its path and query, as clients will send it."`
	URLs      []string `json:"urls,omitempty" maxItems:"1000" doc:"In the place of url: up to 1,000 URLs."`
	ExpiresIn int      `json:"expires_in,omitempty" doc:"Lifetime in seconds, 1 to 604800 (7 days). Left out, 3600."`
}

func (a *api) signingRoutes() {
	keys := []string{"Signing"}
	handle(a, account.WriteSigningKeys, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "createSigningKey", Tags: keys,
		Summary: "Make a signing key",
		Description: "A new key signs after 10 seconds, when every server knows it. The newest such key signs, and every active key verifies. Five keys can be active. Only this answer shows the secret.\n\n" +
			"With a body, the key is one that you bring along from another product, so that signed URLs in use go on working. It verifies URLs of that dialect only; five of each may be active. Its secret is never shown.",
		DefaultStatus: http.StatusCreated,
		RequestBody:   optional(jsonBody("NewDialectKey", "A key of another product. Left out or {}, a key is made.", "application/json")),
	}, a.createSigningKey)
	handle(a, account.ReadSigningKeys, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "listSigningKeys", Tags: keys,
		Summary: "List signing keys, without their secrets",
	}, a.listSigningKeys)
	handle(a, account.WriteSigningKeys, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/signing-keys/{id}", OperationID: "deleteSigningKey", Tags: keys,
		Summary: "Revoke a signing key", DefaultStatus: http.StatusNoContent,
		Description: "URLs that it signed are refused from then on. The header `Tintype-Warning` says so.",
	}, a.deleteSigningKey)
	handle(a, account.Sign, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/sign", OperationID: "signURL", Tags: keys,
		Summary:     "Sign a URL, or up to 1,000",
		Description: "Signs with the newest key that is at least 10 seconds old, since every server knows it. The URL is signed as given: the order and the spelling of its options count.",
		RequestBody: jsonBody("SignRequest", "The URL to sign.", "application/json"),
	}, a.sign)
}

func (a *api) createSigningKey(ctx context.Context, in *newSigningKeyInput) (*newSigningKeyOutput, error) {
	data, err := in.Request.read()
	if err != nil {
		return nil, err
	}
	var n manage.NewDialectKey
	if data != nil {
		if err := workspace.DecodeInto(data, &n); err != nil {
			return nil, err
		}
	}
	if n != (manage.NewDialectKey{}) {
		return a.createDialectKey(ctx, in.Namespace, n)
	}
	key, err := a.manage.CreateSigningKey(ctx, caller(ctx), in.Namespace)
	if err != nil {
		return nil, err
	}
	return &newSigningKeyOutput{NewSigningKey{ID: key.ID, Secret: key.Secret.Reveal(), CreatedAt: key.CreatedAt}}, nil
}

func (a *api) createDialectKey(ctx context.Context, namespace string, n manage.NewDialectKey) (*newSigningKeyOutput, error) {
	key, warnings, err := a.manage.CreateDialectKey(ctx, caller(ctx), namespace, n)
	if err != nil {
		return nil, err
	}
	return &newSigningKeyOutput{NewSigningKey{ID: key.ID, CreatedAt: key.CreatedAt, Dialect: key.Dialect,
		Algorithm: key.Algorithm, SignatureSize: key.SignatureSize, Warnings: warnings}}, nil
}

func (a *api) listSigningKeys(ctx context.Context, in *namespaceInput) (out *signingKeysOutput, err error) {
	out = &signingKeysOutput{}
	out.Body.SigningKeys, err = a.manage.SigningKeys(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) deleteSigningKey(ctx context.Context, in *signingKeyInput) (*deletedPartOutput, error) {
	if err := a.manage.DeleteSigningKey(ctx, caller(ctx), in.Namespace, in.ID); err != nil {
		return nil, err
	}
	return &deletedPartOutput{Warnings: []string{"signing key " + in.ID + " is gone: URLs that it signed are refused from now on"}}, nil
}

func (a *api) sign(ctx context.Context, in *signInput) (out *signOutput, err error) {
	var req SignRequest
	if err := in.Request.decode(&req); err != nil {
		return nil, err
	}
	out = &signOutput{}
	if len(req.URLs) > 0 {
		if req.URL != "" {
			return nil, invalid("Exactly one of url and urls must be given.")
		}
		out.Body.SignedURLs, out.Body.ExpiresAt, err = a.manage.SignURLs(ctx, caller(ctx), in.Namespace, req.URLs, req.ExpiresIn)
		return out, err
	}
	out.Body.SignedURL, out.Body.ExpiresAt, err = a.manage.SignURL(ctx, caller(ctx), in.Namespace, req.URL, req.ExpiresIn)
	return out, err
}

package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// routes registers every operation of the API.
func (a *api) routes() {
	workspaces := []string{"Workspaces"}
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces", OperationID: "createWorkspace", Tags: workspaces, Security: needsRoot,
		Summary:       "Create a workspace",
		Description:   "Needs the root key. A namespace that is taken is 409 `CONFLICT`.",
		RequestBody:   jsonBody("NewWorkspace", "The settings; what is left out has its default.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces", OperationID: "listWorkspaces", Tags: workspaces, Security: needsRoot,
		Summary:     "List workspaces",
		Description: "Needs the root key. Workspaces come in the order of their namespaces.",
	}, a.listWorkspaces)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}", OperationID: "getWorkspace", Tags: workspaces, Security: needsRead,
		Summary:     "Get a workspace",
		Description: "Secrets are answered as `***`. PUT accepts what this answers, unchanged.",
	}, a.getWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodPut, Path: "/v1/workspaces/{ns}", OperationID: "replaceWorkspace", Tags: workspaces, Security: needsWrite,
		Summary: "Replace a workspace",
		Description: "The body must carry the `revision` that it was based on; if the workspace has another one by now, " +
			"the answer is 409 `CONFLICT` and nothing changes. A body that changes nothing is answered with the present revision.",
		RequestBody: jsonBody("WorkspaceReplacement", "All of the settings; what is left out gets its default.", "application/json"),
	}, a.replaceWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodPatch, Path: "/v1/workspaces/{ns}", OperationID: "patchWorkspace", Tags: workspaces, Security: needsWrite,
		Summary: "Change parts of a workspace",
		Description: "The body is a JSON Merge Patch (RFC 7396): members replace the workspace's, null restores a default, " +
			"arrays are replaced whole. It may carry the `revision` that it was based on: another one in the store is then " +
			"409 `CONFLICT`. A patch that changes nothing is answered with the present revision.",
		RequestBody: jsonBody("WorkspacePatch", "What is to change.", "application/merge-patch+json", "application/json"),
	}, a.patchWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}", OperationID: "deleteWorkspace", Tags: workspaces, Security: needsRoot,
		Summary:     "Delete a workspace",
		Description: "Needs the root key. Deletes the workspace with all of its settings; originals are not touched. Its API keys are revoked; its logs are kept for 400 days, for the root key.",
	}, a.deleteWorkspace)

	a.partRoutes()

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

	a.purgeRoutes()
	a.domainRoutes()
	a.usageRoutes()

	apiKeys := []string{"API keys"}
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "createAPIKey", Tags: apiKeys, Security: needsRoot,
		Summary:       "Make an API key",
		Description:   "Needs the root key. The key is shown in this answer only.",
		RequestBody:   jsonBody("NewAPIKey", "What the key is to be.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createAPIKey)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "listAPIKeys", Tags: apiKeys, Security: needsRead,
		Summary: "List API keys, without the keys themselves",
	}, a.listAPIKeys)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/api-keys", OperationID: "revokeAPIKeys", Tags: apiKeys, Security: needsRoot,
		Summary:     "Revoke all API keys",
		Description: "Needs the root key. For when it isn't known which key leaked. Other servers refuse them within 60 seconds.",
	}, a.revokeAPIKeys)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/api-keys/{id}", OperationID: "revokeAPIKey", Tags: apiKeys, Security: needsRoot,
		Summary:     "Revoke an API key",
		Description: "Needs the root key. This server refuses the key from then on, others within 60 seconds. Revoking again changes nothing.",
	}, a.revokeAPIKey)

	a.auditRoutes()

	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/explain", OperationID: "explainURL", Tags: []string{"Images"}, Security: needsRead,
		Summary: "Explain a URL",
		Description: "Says what would happen to a request for this URL without a key, and why: each check, the source, the marks, the options, " +
			"the format, the variant key, and whether the variant is cached. The original is not fetched.",
	}, a.explainURL)

	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/openapi.json", OperationID: "getOpenAPI", Tags: []string{"Documentation"},
		Summary:     "Get this document",
		Description: "Needs no key.",
		Security:    public,
		Responses: map[string]*huma.Response{"200": {
			Description: "An OpenAPI 3.1 document.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
		}},
	}, a.getDocument)
	a.pageRoute()
}

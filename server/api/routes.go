package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// routes registers every operation of the API.
func (a *api) routes() {
	workspaces := []string{"Workspaces"}
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces", OperationID: "createWorkspace", Tags: workspaces,
		Summary:       "Create a workspace",
		Description:   "Needs the root key. A namespace that is taken is 409 `CONFLICT`.",
		RequestBody:   jsonBody("NewWorkspace", "The settings; what is left out has its default.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces", OperationID: "listWorkspaces", Tags: workspaces,
		Summary:     "List workspaces",
		Description: "Needs the root key. Workspaces come in the order of their namespaces.",
	}, a.listWorkspaces)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}", OperationID: "getWorkspace", Tags: workspaces,
		Summary:     "Get a workspace",
		Description: "Secrets are answered as `***`. PUT accepts what this answers, unchanged.",
	}, a.getWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodPut, Path: "/v1/workspaces/{ns}", OperationID: "replaceWorkspace", Tags: workspaces,
		Summary: "Replace a workspace",
		Description: "The body must carry the `revision` that it was based on; if the workspace has another one by now, " +
			"the answer is 409 `CONFLICT` and nothing changes. A body that changes nothing is answered with the present revision.",
		RequestBody: jsonBody("WorkspaceReplacement", "All of the settings; what is left out gets its default.", "application/json"),
	}, a.replaceWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodPatch, Path: "/v1/workspaces/{ns}", OperationID: "patchWorkspace", Tags: workspaces,
		Summary: "Change parts of a workspace",
		Description: "The body is a JSON Merge Patch (RFC 7396): members replace the workspace's, null restores a default, " +
			"arrays are replaced whole. It may carry the `revision` that it was based on: another one in the store is then " +
			"409 `CONFLICT`. A patch that changes nothing is answered with the present revision.",
		RequestBody: jsonBody("WorkspacePatch", "What is to change.", "application/merge-patch+json", "application/json"),
	}, a.patchWorkspace)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}", OperationID: "deleteWorkspace", Tags: workspaces,
		Summary:     "Delete a workspace",
		Description: "Needs the root key. Deletes the workspace with all of its settings; originals are not touched.",
	}, a.deleteWorkspace)

	a.partRoutes()

	keys := []string{"Signing"}
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "createSigningKey", Tags: keys,
		Summary:       "Make a signing key",
		Description:   "The newest key signs, any active one verifies; five may be active. The secret is shown in this answer only.",
		DefaultStatus: http.StatusCreated,
	}, a.createSigningKey)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/signing-keys", OperationID: "listSigningKeys", Tags: keys,
		Summary: "List signing keys, without their secrets",
	}, a.listSigningKeys)
	handle(a, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/signing-keys/{id}", OperationID: "deleteSigningKey", Tags: keys,
		Summary:     "Revoke a signing key",
		Description: "What it signed is refused from then on.",
	}, a.deleteSigningKey)
	handle(a, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/sign", OperationID: "signURL", Tags: keys,
		Summary:     "Sign a URL",
		Description: "With the newest key. The URL is taken as it stands: its options are signed too, in their order and spelling.",
		RequestBody: jsonBody("SignRequest", "What to sign.", "application/json"),
	}, a.sign)

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
}

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

type (
	createWorkspaceInput struct {
		Settings body
	}
	listWorkspacesInput struct {
		Limit pageSize `query:"limit" doc:"Maximum number of workspaces."`
		After cursor   `query:"after" doc:"The next of the previous page. Left out, the first page."`
	}
	changeWorkspaceInput struct {
		Namespace string  `path:"ns" doc:"Namespace of the workspace."`
		IfMatch   ifMatch `header:"If-Match" doc:"The ETag that the change is based on. If the workspace has another revision, the answer is 409 CONFLICT."`
		Settings  body
	}
	deleteWorkspaceInput struct {
		Namespace string            `path:"ns" doc:"Namespace of the workspace."`
		Revision  revisionParameter `query:"revision" doc:"Delete only if this is the workspace's revision; otherwise 409 CONFLICT. Left out, any revision is deleted."`
		IfMatch   ifMatch           `header:"If-Match" doc:"As revision, written as an ETag."`

		revisionGiven bool // whether the query has the parameter, even without a value
	}
)

type (
	createdWorkspaceOutput struct {
		Location string `header:"Location" doc:"Path of the workspace."`
		ETag     string `header:"ETag" doc:"The revision, in quotes."`
		Body     *workspace.Workspace
	}
	workspaceOutput struct {
		ETag string `header:"ETag" doc:"The revision, in quotes."`
		Body *workspace.Workspace
	}
	listWorkspacesOutput struct {
		Body workspacePage
	}
	workspacePage struct {
		Workspaces []*workspace.Workspace `json:"workspaces" nullable:"false" doc:"In the order of their namespaces."`
		Next       string                 `json:"next" doc:"The after of the next page; empty on the last one."`
	}
)

// Resolve notes whether the query has a revision. huma calls it before the operation.
func (in *deleteWorkspaceInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.revisionGiven = u.Query().Has("revision")
	return nil
}

func (a *api) workspaceRoutes() {
	workspaces := []string{"Workspaces"}
	handle(a, account.CreateWorkspace, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces", OperationID: "createWorkspace", Tags: workspaces,
		Summary:       "Create a workspace",
		Description:   "Needs the root key. If the namespace is taken, the answer is 409 `CONFLICT`.",
		RequestBody:   jsonBody("NewWorkspace", "The settings. Fields that are left out get their default.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.createWorkspace)
	handle(a, account.ListWorkspaces, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces", OperationID: "listWorkspaces", Tags: workspaces,
		Summary:     "List workspaces",
		Description: "Needs the root key. Workspaces come in the order of their namespaces.",
	}, a.listWorkspaces)
	handle(a, account.ReadWorkspace, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}", OperationID: "getWorkspace", Tags: workspaces,
		Summary:     "Get a workspace",
		Description: "Secrets are shown as `***`. PUT accepts this answer unchanged.",
	}, a.getWorkspace)
	handle(a, account.UpdateWorkspace, huma.Operation{
		Method: http.MethodPut, Path: "/v1/workspaces/{ns}", OperationID: "replaceWorkspace", Tags: workspaces,
		Summary: "Replace a workspace",
		Description: "The body must have the `revision` that it is based on. If the workspace has another one by now, " +
			"the answer is 409 `CONFLICT` and nothing changes. A body that changes nothing keeps the revision.",
		RequestBody: jsonBody("WorkspaceReplacement", "All of the settings. Fields that are left out get their default.", "application/json"),
	}, a.replaceWorkspace)
	handle(a, account.UpdateWorkspace, huma.Operation{
		Method: http.MethodPatch, Path: "/v1/workspaces/{ns}", OperationID: "patchWorkspace", Tags: workspaces,
		Summary: "Change parts of a workspace",
		Description: "The body is a JSON Merge Patch (RFC 7396): its fields replace the workspace's, null restores a default, " +
			"arrays are replaced as a whole. It may have the `revision` that it is based on. If the workspace has another one by now, " +
			"the answer is 409 `CONFLICT`. A patch that changes nothing keeps the revision.",
		RequestBody: jsonBody("WorkspacePatch", "The fields to change.", "application/merge-patch+json", "application/json"),
	}, a.patchWorkspace)
	handle(a, account.DeleteWorkspace, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}", OperationID: "deleteWorkspace", Tags: workspaces,
		Summary:     "Delete a workspace",
		Description: "Needs the root key. Deletes the workspace with all of its settings, and revokes its API keys. Originals are not touched. The root key can read its logs for 400 days.",
	}, a.deleteWorkspace)
}

func (a *api) createWorkspace(ctx context.Context, in *createWorkspaceInput) (*createdWorkspaceOutput, error) {
	data, err := in.Settings.read()
	if err != nil {
		return nil, err
	}
	w, err := workspace.Decode(data)
	if err != nil {
		return nil, err
	}
	if w, err = a.manage.CreateWorkspace(ctx, caller(ctx), w); err != nil {
		return nil, err
	}
	return &createdWorkspaceOutput{Location: "/v1/workspaces/" + w.Namespace, ETag: etag(w.Revision), Body: w}, nil
}

func (a *api) listWorkspaces(ctx context.Context, in *listWorkspacesInput) (*listWorkspacesOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	out := &listWorkspacesOutput{}
	out.Body.Workspaces, out.Body.Next, err = a.manage.ListWorkspaces(ctx, caller(ctx), string(in.After), limit)
	return out, err
}

func (a *api) getWorkspace(ctx context.Context, in *namespaceInput) (*workspaceOutput, error) {
	return show(a.manage.Workspace(ctx, caller(ctx), in.Namespace))
}

func (a *api) replaceWorkspace(ctx context.Context, in *changeWorkspaceInput) (*workspaceOutput, error) {
	data, err := in.Settings.read()
	if err != nil {
		return nil, err
	}
	w, err := workspace.Decode(data)
	if err != nil {
		return nil, err
	}
	return show(a.manage.ReplaceWorkspace(ctx, caller(ctx), in.Namespace, w, in.IfMatch.condition()))
}

func (a *api) patchWorkspace(ctx context.Context, in *changeWorkspaceInput) (*workspaceOutput, error) {
	patch, err := in.Settings.read()
	if err != nil {
		return nil, err
	}
	return show(a.manage.PatchWorkspace(ctx, caller(ctx), in.Namespace, patch, in.IfMatch.condition()))
}

func (a *api) deleteWorkspace(ctx context.Context, in *deleteWorkspaceInput) (*struct{}, error) {
	revision, err := in.Revision.number()
	if err != nil {
		return nil, err
	}
	if in.revisionGiven && revision == 0 {
		return nil, errRevision // an empty value may be an unset variable in a script
	}
	return nil, a.manage.DeleteWorkspace(ctx, caller(ctx), in.Namespace, revision, in.IfMatch.condition())
}

// show returns the answer for a workspace. The ETag is its revision.
func show(w *workspace.Workspace, err error) (*workspaceOutput, error) {
	if err != nil {
		return nil, err
	}
	return &workspaceOutput{ETag: etag(w.Revision), Body: w}, nil
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

type (
	createWorkspaceInput struct {
		Settings body
	}
	listWorkspacesInput struct {
		Limit pageSize `query:"limit" doc:"How many workspaces to answer at most."`
		After cursor   `query:"after" doc:"The next of the page before; left out for the first page."`
	}
	getWorkspaceInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
	}
	changeWorkspaceInput struct {
		Namespace string  `path:"ns" doc:"Namespace of the workspace."`
		IfMatch   ifMatch `header:"If-Match" doc:"The ETag of what the change is based on: of another revision it is 409 CONFLICT."`
		Settings  body
	}
	deleteWorkspaceInput struct {
		Namespace string            `path:"ns" doc:"Namespace of the workspace."`
		Revision  revisionParameter `query:"revision" doc:"Delete only if this is the workspace's revision; otherwise 409 CONFLICT. Left out, any revision is deleted."`
		IfMatch   ifMatch           `header:"If-Match" doc:"The same as an ETag."`

		revisionGiven bool // may be empty
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

// Resolve is called by huma before the operation.
func (in *deleteWorkspaceInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	in.revisionGiven = u.Query().Has("revision")
	return nil
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
	if err := w.Unmask(nil); err != nil {
		return nil, err
	}
	if err := a.validate(w); err != nil {
		return nil, err
	}
	if err := a.store.Create(ctx, w, a.workspaceChanged(ctx, "workspace.create", w.Namespace, nil, w)); err != nil {
		return nil, fmt.Errorf("creating workspace %q: %w", w.Namespace, err)
	}
	visitOf(ctx).about = w.ID
	out := show(w)
	return &createdWorkspaceOutput{Location: "/v1/workspaces/" + w.Namespace, ETag: out.ETag, Body: out.Body}, nil
}

func (a *api) listWorkspaces(ctx context.Context, in *listWorkspacesInput) (*listWorkspacesOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	after, err := in.After.position("after")
	if err != nil {
		return nil, err
	}
	// One more than asked for tells whether there is a next page.
	found, err := a.reads.List(ctx, after, limit+1)
	if err != nil {
		return nil, fmt.Errorf("listing workspaces after %q: %w", after, err)
	}
	var page workspacePage
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].Namespace
	}
	page.Workspaces = make([]*workspace.Workspace, len(found))
	for i, w := range found {
		page.Workspaces[i] = w.Masked()
	}
	return &listWorkspacesOutput{Body: page}, nil
}

func (a *api) getWorkspace(ctx context.Context, in *getWorkspaceInput) (*workspaceOutput, error) {
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	return show(w), nil
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
	if w.Revision < 1 {
		return nil, invalid("revision: PUT must carry the revision that it was based on. GET the workspace, change what it answers, and send that.")
	}
	old, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	if w.Namespace != old.Namespace {
		return nil, invalid(fmt.Sprintf("namespace: must be %q, as in the path. A namespace can't be changed: create another workspace instead.", old.Namespace))
	}
	if w.Revision != old.Revision || !in.IfMatch.matches(old) {
		return nil, workspace.ErrConflict
	}
	if err := w.Unmask(old); err != nil {
		return nil, err
	}
	w.ID, w.CreatedAt, w.UpdatedAt = old.ID, old.CreatedAt, old.UpdatedAt
	return a.change(ctx, old, w)
}

// patchAttempts bounds how often a patch without a revision is applied anew
// because the workspace changed in between.
const patchAttempts = 50

func (a *api) patchWorkspace(ctx context.Context, in *changeWorkspaceInput) (*workspaceOutput, error) {
	patch, err := in.Settings.read()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		old, err := a.workspace(ctx, in.Namespace)
		if err != nil {
			return nil, err
		}
		w, err := workspace.MergePatch(old, patch)
		if err != nil {
			return nil, err
		}
		if w.Revision != old.Revision || !in.IfMatch.matches(old) {
			return nil, workspace.ErrConflict
		}
		out, err := a.change(ctx, old, w)
		if errors.Is(err, workspace.ErrConflict) && in.IfMatch == "" && !carriesRevision(patch) && attempt < patchAttempts {
			continue
		}
		return out, err
	}
}

// carriesRevision tells whether a merge patch names the revision it is based on.
func carriesRevision(patch []byte) bool {
	var p struct {
		Revision int64 `json:"revision"`
	}
	// What isn't JSON of this shape has been refused before.
	return json.Unmarshal(patch, &p) == nil && p.Revision != 0
}

func (a *api) deleteWorkspace(ctx context.Context, in *deleteWorkspaceInput) (*struct{}, error) {
	revision, err := in.Revision.number()
	if err != nil {
		return nil, err
	}
	if in.revisionGiven && revision == 0 {
		return nil, errRevision // rather than any: it may be a variable that nobody set
	}
	old, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	if !in.IfMatch.matches(old) {
		return nil, workspace.ErrConflict
	}
	if in.IfMatch != "" && revision == 0 {
		revision = old.Revision
	}
	if err := a.store.Delete(ctx, in.Namespace, revision, a.workspaceChanged(ctx, "workspace.delete", in.Namespace, old, nil)); err != nil {
		return nil, fmt.Errorf("deleting workspace %q: %w", in.Namespace, err)
	}
	return nil, nil
}

// workspace reads the workspace of a path.
func (a *api) workspace(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if !workspace.ValidNamespace(namespace) {
		return nil, workspace.ErrNotFound
	}
	w, err := a.reads.Get(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("reading workspace %q: %w", namespace, err)
	}
	if who := visitOf(ctx).who; who.Kind == apikey.Key && who.WorkspaceID != w.ID {
		return nil, errOrphan // as identify answers, but that the cache it asks may not know yet
	}
	visitOf(ctx).about = w.ID
	return w, nil
}

// validate judges w as this process would serve it.
func (a *api) validate(w *workspace.Workspace) error {
	if err := (workspace.Process{Dirs: a.dirSources(w.Namespace), LendsCredentials: a.lends}).Validate(w); err != nil {
		return err
	}
	if err := a.check(w); err != nil {
		return invalid("The workspace can't be served: " + err.Error() + ".")
	}
	return nil
}

// change puts w in the place of old, from which w has its namespace, revision, id
// and times, and answers it. Where nothing differs, nothing is written and the
// revision stays.
func (a *api) change(ctx context.Context, old, w *workspace.Workspace) (*workspaceOutput, error) {
	if err := a.validate(w); err != nil {
		return nil, err
	}
	same, err := equal(w, old)
	if err != nil {
		return nil, err
	}
	if same {
		return show(old), nil
	}
	if err := a.store.Update(ctx, w, a.workspaceChanged(ctx, "workspace.update", w.Namespace, old, w)); err != nil {
		return nil, fmt.Errorf("updating workspace %q: %w", w.Namespace, err)
	}
	return show(w), nil
}

// equal compares what is stored of the two, which doesn't tell nil from empty.
func equal(a, b *workspace.Workspace) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	return bytes.Equal(x, y), err
}

// show answers a workspace, its secrets masked, with what its owner is to be warned of.
func show(w *workspace.Workspace) *workspaceOutput {
	out := &workspaceOutput{ETag: etag(w), Body: w.Masked()}
	out.Body.Warnings = w.Warn()
	return out
}

package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

// changed makes the entry of a change, to be written with it. before and after are what
// is different, secrets masked; nil is nothing to show.
func (a *api) changed(ctx context.Context, action, target string, before, after any) workspace.AuditEntry {
	e := visitOf(ctx).entry(action, target)
	e.Before, e.After = shown(before), shown(after)
	return e
}

func shown(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("api: an audit entry of what can't be written as JSON: " + err.Error())
	}
	return data
}

type (
	auditInput struct {
		Namespace string    `path:"ns" doc:"Namespace of the workspace."`
		Trail     trailName `query:"trail" doc:"Which log: changes is who changed what; access is which requests the API was sent, and which keys fetched images."`
		Limit     pageSize  `query:"limit" doc:"How many entries to answer at most."`
		Before    cursor    `query:"before" doc:"The next of the page before; left out for the newest."`
		Workspace string    `query:"workspace" doc:"ID of a workspace that had the namespace before, for its log. Needs the root key. Left out, it is the one that has the namespace now, or had it last."`
	}
	operatorAuditInput struct {
		Limit  pageSize `query:"limit" doc:"How many entries to answer at most."`
		Before cursor   `query:"before" doc:"The next of the page before; left out for the newest."`
	}
	auditOutput struct {
		Body struct {
			Entries []AuditEntry       `json:"entries" nullable:"false" doc:"The newest first."`
			Next    string             `json:"next" doc:"The before of the next page; empty on the last one."`
			Deleted []DeletedWorkspace `json:"deleted,omitempty" nullable:"false" doc:"To the root key: workspaces that had the namespace and were deleted within 400 days, the latest first. The parameter workspace reads their logs."`
		}
	}
	operatorAuditOutput struct {
		Body auditPage
	}
	auditPage struct {
		Entries []AuditEntry `json:"entries" nullable:"false" doc:"The newest first."`
		Next    string       `json:"next" doc:"The before of the next page; empty on the last one."`
	}
)

// DeletedWorkspace is a workspace that had a namespace.
type DeletedWorkspace struct {
	ID        string    `json:"id" doc:"ID of the workspace, under which its logs are kept."`
	DeletedAt time.Time `json:"deleted_at" doc:"When it was deleted, UTC."`
}

// AuditEntry is a line of a workspace's log.
type AuditEntry struct {
	workspace.AuditEntry
}

// MarshalJSON writes the entry as it is kept.
func (e AuditEntry) MarshalJSON() ([]byte, error) { return json.Marshal(e.AuditEntry) }

// Schema describes the entry: what was there before and after may be any JSON.
func (AuditEntry) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject,
		Properties: map[string]*huma.Schema{
			"id":         text("Sorts by time."),
			"time":       {Type: huma.TypeString, Format: "date-time", Description: "When it happened, UTC."},
			"actor":      text("Who: `root`, `key:ID` or `operator`, who is at the machine."),
			"action":     text("What was done, such as `workspace.update`; in the access log method and route."),
			"target":     text("What it was done to."),
			"status":     {Type: huma.TypeInteger, Description: "HTTP status of the answer, in the access log."},
			"before":     {Description: "What was there, as far as it differs; secrets are `***`."},
			"after":      {Description: "What is there now, as far as it differs; secrets are `***`."},
			"ip":         text("Address of the client."),
			"user_agent": text("User-Agent of the client."),
		},
		Required: []string{"id", "time", "actor", "action"},
	}
}

// A trailName is one of the logs in a query.
type trailName string

// Schema describes the parameter.
func (trailName) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"changes", "access"}, Default: "changes"}
}

func (t trailName) trail() (workspace.Trail, error) {
	switch t {
	case "", "changes":
		return workspace.TrailChanges, nil
	case "access":
		return workspace.TrailAccess, nil
	}
	return "", invalid("trail: must be changes or access.")
}

func (a *api) auditRoutes() {
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/audit", OperationID: "listAudit", Tags: []string{"Audit"}, Security: needsRead,
		Summary: "Read the audit log or the access log",
		Description: "The newest entries first. Entries are kept for 400 days. The access log is written in batches, some seconds behind. " +
			"The root key reads the logs of deleted workspaces too.",
	}, a.listAudit)
	handle(a, huma.Operation{
		Method: http.MethodGet, Path: "/v1/audit", OperationID: "listOperatorAudit", Tags: []string{"Audit"}, Security: needsRoot,
		Summary: "Read the operator's access log",
		Description: "Needs the root key. Requests with it that are about no workspace, such as listing workspaces, and those that were refused before it was known about which. " +
			"The newest entries first; kept for 400 days; some seconds behind.",
	}, a.listOperatorAudit)
}

func (a *api) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	trail, err := in.Trail.trail()
	if err != nil {
		return nil, err
	}
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	out := &auditOutput{}
	id, deleted, err := a.logged(ctx, in.Namespace, in.Workspace)
	if err != nil {
		return nil, err
	}
	for _, d := range deleted {
		out.Body.Deleted = append(out.Body.Deleted, DeletedWorkspace{d.WorkspaceID, d.At})
	}
	page, err := a.auditPage(ctx, id, trail, in.Before, limit)
	out.Body.Entries, out.Body.Next = page.Entries, page.Next
	return out, err
}

func (a *api) listOperatorAudit(ctx context.Context, in *operatorAuditInput) (*operatorAuditOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	page, err := a.auditPage(ctx, workspace.OperatorLog, workspace.TrailAccess, in.Before, limit)
	return &operatorAuditOutput{page}, err
}

// logged is whose logs are read: of the workspace with this ID, where one is asked for,
// or of the one that has the namespace now or had it last. Only the root key is told
// of those that are gone.
func (a *api) logged(ctx context.Context, namespace, asked string) (id string, deleted []workspace.Deletion, err error) {
	w, err := a.workspace(ctx, namespace)
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return "", nil, err
	}
	if w != nil {
		id = w.ID
	}
	root := visitOf(ctx).who.Kind == apikey.Root
	if root && a.records != nil && workspace.ValidNamespace(namespace) {
		var failed error
		if deleted, failed = a.records.Deletions(ctx, namespace); failed != nil {
			return "", nil, fmt.Errorf("looking for deleted workspaces %q: %w", namespace, failed)
		}
	}
	switch {
	case asked != "" && asked != id:
		if !root {
			return "", nil, errNeedsRoot
		}
		if !slices.ContainsFunc(deleted, func(d workspace.Deletion) bool { return d.WorkspaceID == asked }) {
			return "", nil, errNoSuchLog
		}
		id = asked
	case w == nil && len(deleted) > 0:
		id = deleted[0].WorkspaceID
	case w == nil:
		return "", nil, err
	}
	visitOf(ctx).about = id
	return id, deleted, nil
}

// auditPage reads a page of a log.
func (a *api) auditPage(ctx context.Context, id string, trail workspace.Trail, before cursor, limit int) (auditPage, error) {
	page := auditPage{Entries: []AuditEntry{}}
	position, err := before.position("before")
	if err != nil {
		return page, err
	}
	if a.records == nil {
		return page, nil
	}
	found, err := a.records.Audit(ctx, id, trail, position, limit+1)
	if err != nil {
		return page, fmt.Errorf("reading the log of workspace %s: %w", id, err)
	}
	if len(found) > limit {
		found = found[:limit]
		page.Next = found[limit-1].ID
	}
	for _, e := range found {
		page.Entries = append(page.Entries, AuditEntry{e})
	}
	return page, nil
}

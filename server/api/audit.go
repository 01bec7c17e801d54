package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

type (
	auditInput struct {
		Namespace string    `path:"ns" doc:"Namespace of the workspace."`
		Trail     trailName `query:"trail" doc:"The log: changes lists who changed what. access lists the requests to the API, and the keys that fetched images."`
		Limit     pageSize  `query:"limit" doc:"Maximum number of entries."`
		Before    cursor    `query:"before" doc:"The next of the previous page. Left out, the newest entries."`
		Action    string    `query:"action" doc:"Text in the action, in any case. Left out, all."`
		Actor     string    `query:"actor" doc:"Text in the actor, in any case. Left out, all."`
		From      day       `query:"from" doc:"First day, as 2026-01-31 (UTC). Left out, there is no bound."`
		To        day       `query:"to" doc:"Last day. Left out, there is no bound."`
		Failed    string    `query:"failed" doc:"true lists only requests with a status of 400 or above, of the access log."`
		Workspace string    `query:"workspace" doc:"ID of a workspace that had the namespace before: read its log. Needs the root key. Left out, the workspace that has the namespace now, or had it last."`
	}
	operatorAuditInput struct {
		Trail  operatorTrail `query:"trail" doc:"The log: access lists requests. changes lists who changed plans."`
		Limit  pageSize      `query:"limit" doc:"Maximum number of entries."`
		Before cursor        `query:"before" doc:"The next of the previous page. Left out, the newest entries."`
	}
	auditOutput struct {
		Body struct {
			Entries []AuditEntry       `json:"entries" nullable:"false" doc:"The newest first."`
			Next    string             `json:"next" doc:"The before of the next page; empty on the last one."`
			Deleted []DeletedWorkspace `json:"deleted,omitempty" nullable:"false" doc:"With the root key only: workspaces that had the namespace and were deleted within 400 days, the latest first. The parameter workspace reads their logs."`
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
	ID        string    `json:"id" doc:"ID of the workspace. Its logs are kept under this ID."`
	DeletedAt time.Time `json:"deleted_at" doc:"When it was deleted, UTC."`
}

// AuditEntry is a line of a workspace's log.
type AuditEntry struct {
	workspace.AuditEntry
}

// MarshalJSON writes the entry as the store keeps it.
func (e AuditEntry) MarshalJSON() ([]byte, error) { return json.Marshal(e.AuditEntry) }

// Schema describes the entry for OpenAPI. before and after may be any JSON.
func (AuditEntry) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	return &huma.Schema{
		Type: huma.TypeObject,
		Properties: map[string]*huma.Schema{
			"id":         text("Sorts by time."),
			"time":       {Type: huma.TypeString, Format: "date-time", Description: "When it happened, UTC."},
			"actor":      text("Who did it: `root`, `key:ID`, or `operator` for flags and commands on the server itself."),
			"action":     text("What was done, such as `workspace.update`. In the access log, the method and the route."),
			"target":     text("What it was done to."),
			"status":     {Type: huma.TypeInteger, Description: "HTTP status of the answer, in the access log."},
			"count":      {Type: huma.TypeInteger, Description: "How many requests the entry stands for: of those that a rate limit or a key's end refuses, the first has an entry, and an hour later one entry has the number of the others, with the time of the last. Left out for one."},
			"before":     {Description: "The fields that differ, before the change. Secrets are `***`."},
			"after":      {Description: "The fields that differ, after the change. Secrets are `***`."},
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

// An operatorTrail is one of the operator's logs in a query.
type operatorTrail string

// Schema describes the parameter.
func (operatorTrail) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"changes", "access"}, Default: "access"}
}

func (a *api) auditRoutes() {
	handle(a, account.ReadAudit, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/audit", OperationID: "listAudit", Tags: []string{"Audit"},
		Summary: "Read the audit log or the access log",
		Description: "The newest entries come first. Entries are kept for 400 days. The access log is written in batches, and is some seconds behind. " +
			"A search looks at a bounded number of entries: while `next` isn't empty, there may be more, also if the page is short or empty. " +
			"The root key reads the logs of deleted workspaces too.",
	}, a.listAudit)
	handle(a, account.ReadOperatorLog, huma.Operation{
		Method: http.MethodGet, Path: "/v1/audit", OperationID: "listOperatorAudit", Tags: []string{"Audit"},
		Summary: "Read the operator's logs",
		Description: "Needs the root key. The access log has requests with the root key that concern no workspace, such as listing workspaces, and those that were refused before the workspace was known. " +
			"The newest entries come first. Entries are kept for 400 days, and appear some seconds later.",
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
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	page, err := a.manage.SearchAudit(ctx, caller(ctx), in.Namespace, trail, filter, string(in.Before), limit)
	if err != nil {
		return nil, err
	}
	out := &auditOutput{}
	out.Body.Entries, out.Body.Next = entries(page), page.Next
	for _, d := range page.Deleted {
		out.Body.Deleted = append(out.Body.Deleted, DeletedWorkspace{d.WorkspaceID, d.At})
	}
	return out, nil
}

func (in *auditInput) filter() (f manage.AuditFilter, err error) {
	f = manage.AuditFilter{Workspace: in.Workspace, Action: in.Action, Actor: in.Actor}
	if f.Failed, err = readBool("failed", in.Failed); err != nil {
		return f, err
	}
	if f.From, err = in.From.date("from"); err != nil {
		return f, err
	}
	if f.To, err = in.To.date("to"); err != nil || f.To.IsZero() {
		return f, err
	}
	f.To = f.To.AddDate(0, 0, 1)
	if !f.From.Before(f.To) {
		return f, invalid("from: must not be after to.")
	}
	return f, nil
}

func (a *api) listOperatorAudit(ctx context.Context, in *operatorAuditInput) (*operatorAuditOutput, error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	trail, err := trailName(cmp.Or(in.Trail, "access")).trail()
	if err != nil {
		return nil, err
	}
	page, err := a.manage.OperatorAudit(ctx, caller(ctx), trail, string(in.Before), limit)
	return &operatorAuditOutput{auditPage{entries(page), page.Next}}, err
}

func entries(page manage.LogPage) []AuditEntry {
	all := make([]AuditEntry, len(page.Entries))
	for i, e := range page.Entries {
		all[i] = AuditEntry{e}
	}
	return all
}

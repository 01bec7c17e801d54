package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/workspace"
)

// changed makes the entry of a change, to be written with it. before and after are what
// is different, secrets masked; nil is nothing to show.
func (a *api) changed(ctx context.Context, action, target string, before, after any) workspace.AuditEntry {
	e := visitOf(ctx).entry(action, target)
	e.Before, e.After = shown(before), shown(after)
	return e
}

// workspaceChanged makes the entry of a change of a workspace; nil is one that isn't
// there.
func (a *api) workspaceChanged(ctx context.Context, action, target string, before, after *workspace.Workspace) workspace.AuditEntry {
	e := visitOf(ctx).entry(action, target)
	e.Before, e.After = workspace.AuditDetail(before, after)
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
		Before    string    `query:"before" doc:"The next of the page before; left out for the newest."`
	}
	auditOutput struct {
		Body struct {
			Entries []AuditEntry `json:"entries" nullable:"false" doc:"The newest first."`
			Next    string       `json:"next" doc:"The before of the next page; empty on the last one."`
		}
	}
)

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

func (a *api) listAudit(ctx context.Context, in *auditInput) (*auditOutput, error) {
	trail, err := in.Trail.trail()
	if err != nil {
		return nil, err
	}
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	out := &auditOutput{}
	out.Body.Entries = []AuditEntry{}
	if a.records == nil {
		return out, nil
	}
	found, err := a.records.Audit(ctx, w.ID, trail, in.Before, limit+1)
	if err != nil {
		return nil, fmt.Errorf("reading the log of workspace %q: %w", in.Namespace, err)
	}
	if len(found) > limit {
		found = found[:limit]
		out.Body.Next = found[limit-1].ID
	}
	for _, e := range found {
		out.Body.Entries = append(out.Body.Entries, AuditEntry{e})
	}
	return out, nil
}

package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tintype/tintype/workspace"
)

var errNoSuchLog = notFound("No workspace with this id has had the namespace within 400 days. Those that have are in `deleted`, where workspace is left out.")

// A LogPage is a part of a log.
type LogPage struct {
	Entries []workspace.AuditEntry // the newest first
	Next    string                 // the `before` of the next page; empty is none

	// Deleted are workspaces that had the namespace, the latest first: for callers who may do
	// everything.
	Deleted []workspace.Deletion
}

// Audit returns up to limit entries of a log of a workspace, from the first one that is
// older than the entry `before`; empty is the newest. It is the log of the workspace that has
// the namespace, or had it last. Where id is not empty, it is the log of the workspace that
// has this ID and had the namespace once: for callers who may do everything.
func (m *Manager) Audit(ctx context.Context, who Caller, namespace, id string, trail workspace.Trail, before string, limit int) (LogPage, error) {
	id, deleted, err := m.logged(ctx, who, namespace, id)
	if err != nil {
		return LogPage{}, err
	}
	page, err := m.page(ctx, id, trail, before, limit)
	page.Deleted = deleted
	return page, err
}

// OperatorAudit is [Manager.Audit] for the access log of requests that are about no
// workspace.
func (m *Manager) OperatorAudit(ctx context.Context, who Caller, before string, limit int) (LogPage, error) {
	if err := who.Allow(Root, ""); err != nil {
		return LogPage{}, err
	}
	return m.page(ctx, workspace.OperatorLog, workspace.TrailAccess, before, limit)
}

// logged is whose logs are read: of the workspace with this ID, where one is asked for,
// or of the one that has the namespace now or had it last. Only callers who may do everything
// are told of those that are gone.
func (m *Manager) logged(ctx context.Context, who Caller, namespace, asked string) (id string, deleted []workspace.Deletion, err error) {
	w, err := m.open(ctx, who, Read, namespace)
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return "", nil, err
	}
	if w != nil {
		id = w.ID
	}
	if who.everywhere() && m.records != nil && workspace.ValidNamespace(namespace) {
		var failed error
		if deleted, failed = m.records.Deletions(ctx, namespace); failed != nil {
			return "", nil, fmt.Errorf("looking for deleted workspaces %q: %w", namespace, failed)
		}
	}
	switch {
	case asked != "" && asked != id:
		if !who.everywhere() {
			return "", nil, ErrNeedsRoot
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
	who.about(id)
	return id, deleted, nil
}

// page reads a page of a log.
func (m *Manager) page(ctx context.Context, id string, trail workspace.Trail, before string, limit int) (page LogPage, err error) {
	if err := checkCursor("before", before); err != nil || m.records == nil {
		return page, err
	}
	if page.Entries, err = m.records.Audit(ctx, id, trail, before, limit+1); err != nil {
		return LogPage{}, fmt.Errorf("reading the log of workspace %s: %w", id, err)
	}
	if len(page.Entries) > limit {
		page.Entries = page.Entries[:limit]
		page.Next = page.Entries[limit-1].ID
	}
	return page, nil
}

// changed makes the entry of a change. before and after are what differs, without secrets;
// nil leaves them out.
func (c Caller) changed(action, target string, before, after any) workspace.AuditEntry {
	e := c.entry(action, target)
	e.Before, e.After = detail(before), detail(after)
	return e
}

func detail(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("manage: an audit entry of what can't be written as JSON: " + err.Error())
	}
	return data
}

package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

var errNoSuchLog = notFound("No workspace with this id has had the namespace within 400 days. Leave workspace out, and `deleted` lists those that have.")

// A LogPage is a part of a log.
type LogPage struct {
	Entries []workspace.AuditEntry // the newest first
	Next    string                 // the `before` of the next page; empty on the last page

	// Deleted are the deleted workspaces that had the namespace, the latest first. Only
	// callers with rights everywhere get them.
	Deleted []workspace.Deletion
}

// Audit returns up to limit entries of a workspace's log that are older than the entry
// `before`. An empty before starts with the newest. With an empty id, it reads the log of
// the workspace that has the namespace now, or had it last. Otherwise it reads the log of
// the workspace with this ID, which must have had the namespace. That needs rights everywhere.
func (m *Manager) Audit(ctx context.Context, who Caller, namespace, id string, trail workspace.Trail, before string, limit int) (LogPage, error) {
	id, deleted, err := m.logged(ctx, who, namespace, id)
	if err != nil {
		return LogPage{}, err
	}
	page, err := m.page(ctx, id, trail, before, limit)
	page.Deleted = deleted
	return page, err
}

// OperatorAudit is [Manager.Audit] for what concerns no workspace: requests, and changes of plans.
func (m *Manager) OperatorAudit(ctx context.Context, who Caller, trail workspace.Trail, before string, limit int) (LogPage, error) {
	if err := who.Allow(account.ReadOperatorLog, ""); err != nil {
		return LogPage{}, err
	}
	return m.page(ctx, workspace.OperatorLog, trail, before, limit)
}

// logged returns the ID of the workspace whose log is read: asked, or, if that is empty,
// the workspace that has the namespace now or had it last. It returns deleted workspaces
// only to callers with rights everywhere.
func (m *Manager) logged(ctx context.Context, who Caller, namespace, asked string) (id string, deleted []workspace.Deletion, err error) {
	w, err := m.open(ctx, who, account.ReadAudit, namespace)
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

// A page of a log holds entries of pageBytes together, or the one entry that is larger. An
// entry may have 128 KiB, so that a thousand of them would take the memory of the server. So
// they are read in batches.
const (
	pageBytes = 1 << 20
	pageBatch = 50
)

func (m *Manager) page(ctx context.Context, id string, trail workspace.Trail, before string, limit int) (page LogPage, err error) {
	if err := checkCursor("before", before); err != nil || m.records == nil {
		return page, err
	}
	for bytes := 0; ; {
		n := min(limit-len(page.Entries), pageBatch) + 1 // one more shows that there are more
		batch, err := m.records.Audit(ctx, id, trail, before, n)
		if err != nil {
			return LogPage{}, fmt.Errorf("reading the log of workspace %s: %w", id, err)
		}
		for _, e := range batch {
			if bytes += sizeOf(e); len(page.Entries) == limit || bytes > pageBytes && len(page.Entries) > 0 {
				page.Next = before
				return page, nil
			}
			page.Entries = append(page.Entries, e)
			before = e.ID
		}
		if len(batch) < n {
			return page, nil
		}
	}
}

// sizeOf returns about how many bytes an entry takes.
func sizeOf(e workspace.AuditEntry) int {
	return 256 + len(e.Target) + len(e.UserAgent) + len(e.Before) + len(e.After)
}

// changed returns the audit entry of a change. before and after hold what differs, without
// secrets. Nil leaves them out.
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
		panic("manage: encoding an audit entry: " + err.Error())
	}
	return data
}

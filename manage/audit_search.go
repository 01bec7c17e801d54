package manage

import (
	"context"
	"strings"
	"time"

	"github.com/tintype/tintype/workspace"
)

const (
	searchBatch = 500   // entries that one read of a search asks for
	searchMost  = 2_500 // entries that one search looks at
)

// An AuditFilter says which entries of a log a search is for. The zero value is all.
type AuditFilter struct {
	Workspace string // ID of a workspace that had the namespace; empty is the one of now: see [Manager.Audit]

	Action string // text in the action, in any case
	Actor  string // text in the actor, in any case
	Failed bool   // only requests with a status of 400 or above

	// From and To bound the time: from From on, and before To. Zero is no bound.
	From, To time.Time
}

// SearchAudit returns up to limit entries of a workspace's log that pass the filter and are
// older than the entry `before`. It looks at a bounded number of entries: where Next isn't
// empty, there may be more, also if the page has fewer entries than limit.
func (m *Manager) SearchAudit(ctx context.Context, who Caller, namespace string, trail workspace.Trail, f AuditFilter, before string, limit int) (LogPage, error) {
	id, deleted, err := m.logged(ctx, who, namespace, f.Workspace)
	if err != nil {
		return LogPage{}, err
	}
	if err := checkCursor("before", before); err != nil {
		return LogPage{}, err
	}
	f.Action, f.Actor = strings.ToLower(f.Action), strings.ToLower(f.Actor)
	if !f.To.IsZero() {
		if to := workspace.AuditSince(f.To); before == "" || to < before {
			before = to
		}
	}
	batch := searchBatch
	if f.Action == "" && f.Actor == "" && !f.Failed {
		batch = limit + 1
	}
	out := LogPage{Next: before, Deleted: deleted}
	bytes := 0
	for looked := 0; looked < searchMost; {
		page, err := m.page(ctx, id, trail, out.Next, batch)
		if err != nil {
			return LogPage{}, err
		}
		looked += max(len(page.Entries), pageBatch)
		for _, e := range page.Entries {
			if e.Time.Before(f.From) {
				out.Next = ""
				return out, nil
			}
			if !f.passes(e) {
				continue
			}
			if bytes += sizeOf(e); len(out.Entries) == limit || bytes > pageBytes && len(out.Entries) > 0 {
				out.Next = out.Entries[len(out.Entries)-1].ID
				return out, nil
			}
			out.Entries = append(out.Entries, e)
		}
		if out.Next = page.Next; out.Next == "" {
			return out, nil
		}
	}
	return out, nil
}

func (f AuditFilter) passes(e workspace.AuditEntry) bool {
	return strings.Contains(strings.ToLower(e.Action), f.Action) && strings.Contains(strings.ToLower(e.Actor), f.Actor) && (!f.Failed || e.Status >= 400)
}

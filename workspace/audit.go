package workspace

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// AuditKept is how long entries of the audit log are kept.
	AuditKept = 400 * 24 * time.Hour

	// MaxAuditDetail is how many bytes Before and After of an entry may have each.
	// What is longer is replaced by a note of its size.
	MaxAuditDetail = 64 << 10

	maxAuditText = 512 // bytes of each other text
)

// A Trail is one of the logs that a workspace has.
type Trail string

// The trails. The zero value is the audit log.
const (
	TrailChanges Trail = ""       // who changed what
	TrailAccess  Trail = "access" // which requests the API was sent
)

// An AuditEntry is one line of a workspace's log. Stores set ID and, where they are
// zero, Time and, where it goes with a write to a workspace, WorkspaceID.
type AuditEntry struct {
	ID          string          `json:"id"` // sorts by time
	WorkspaceID string          `json:"-"`
	Trail       Trail           `json:"-"`
	Time        time.Time       `json:"time"`
	Actor       string          `json:"actor"` // such as "root", "key:ID"
	Action      string          `json:"action"`
	Target      string          `json:"target,omitempty"`
	Status      int             `json:"status,omitempty"` // of the answer; in the access log
	Before      json.RawMessage `json:"before,omitempty"` // secrets masked
	After       json.RawMessage `json:"after,omitempty"`  // secrets masked
	IP          string          `json:"ip,omitempty"`
	UserAgent   string          `json:"user_agent,omitempty"`
}

// An AuditLog keeps the logs of workspaces, each entry for AuditKept. It is safe for
// concurrent use. Errors wrap this package's, or are the context's.
type AuditLog interface {
	// AppendAudit appends entries, each with its WorkspaceID set. After
	// ErrUnavailable some of them may be there.
	AppendAudit(ctx context.Context, entries ...AuditEntry) error
	// Audit returns up to limit entries of a trail, the newest first, from the first
	// one that is older than the entry `before`; empty is the newest.
	Audit(ctx context.Context, workspaceID string, trail Trail, before string, limit int) ([]AuditEntry, error)
}

// OperatorLog is kept like the ID of a workspace: under it is the access log of
// requests that are about no workspace.
const OperatorLog = "operator"

// A Deletion says that a workspace was deleted.
type Deletion struct {
	WorkspaceID string    `json:"workspace_id"`
	At          time.Time `json:"deleted_at"`
}

// MaxDeletions is how many deletions of one namespace can be asked for.
const MaxDeletions = 100

// Deletions remembers deleted workspaces for AuditKept, as long as their logs. It is
// safe for concurrent use. Errors wrap this package's, or are the context's.
type Deletions interface {
	// Deletions returns those of the workspaces that had this namespace, the latest
	// first, MaxDeletions at most.
	Deletions(ctx context.Context, namespace string) ([]Deletion, error)
}

// Stamped returns the entry as stores keep it: with an ID and a time, within its
// bounds, and of the workspace where it says none. Stores call it.
func (e AuditEntry) Stamped(workspaceID string, now time.Time) AuditEntry {
	if e.WorkspaceID == "" {
		e.WorkspaceID = workspaceID
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	e.ID = auditID(e.Time) + "-" + rand.Text()[:10]
	for _, text := range []*string{&e.Actor, &e.Action, &e.Target, &e.IP, &e.UserAgent} {
		if len(*text) > maxAuditText {
			*text = strings.ToValidUTF8((*text)[:maxAuditText], "") + "…"
		}
	}
	for _, detail := range []*json.RawMessage{&e.Before, &e.After} {
		if len(*detail) > MaxAuditDetail {
			*detail = json.RawMessage(fmt.Sprintf(`{"left_out":"%d bytes, more than an entry holds"}`, len(*detail)))
		}
	}
	return e
}

// AuditSince is before every ID of entries from t on, and after all older ones.
// Stores use it to forget.
func AuditSince(t time.Time) string { return auditID(t) }

func auditID(t time.Time) string { return t.UTC().Format("20060102T150405.000000") }

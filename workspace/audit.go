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

	// MaxAuditDetail is the maximum length of Before and of After, in bytes. A longer one is
	// replaced by a note of its size.
	MaxAuditDetail = 64 << 10

	maxAuditText = 512 // bytes of each other text
)

// A Trail is one of the logs that a workspace has.
type Trail string

// The trails. The zero value is the audit log.
const (
	TrailChanges Trail = ""       // who changed what
	TrailAccess  Trail = "access" // requests to the API
)

// An AuditEntry is one line of a workspace's log. Stores set ID. They set Time if it is
// zero, and WorkspaceID if it is empty and the entry comes with a write to a workspace.
type AuditEntry struct {
	ID          string          `json:"id"` // sorts by time
	WorkspaceID string          `json:"-"`
	Trail       Trail           `json:"-"`
	Time        time.Time       `json:"time"`
	Actor       string          `json:"actor"` // such as "root", "key:ID"
	Action      string          `json:"action"`
	Target      string          `json:"target,omitempty"`
	Status      int             `json:"status,omitempty"` // of the answer; in the access log
	Count       int64           `json:"count,omitempty"`  // of refusals of an hour that are one entry; 0 is one
	Before      json.RawMessage `json:"before,omitempty"` // secrets masked
	After       json.RawMessage `json:"after,omitempty"`  // secrets masked
	IP          string          `json:"ip,omitempty"`
	UserAgent   string          `json:"user_agent,omitempty"`
}

// An AuditLog keeps the logs of workspaces, each entry for AuditKept. It is safe for
// concurrent use. Errors wrap this package's, or are the context's.
type AuditLog interface {
	// AppendAudit appends entries, each with its WorkspaceID set. After ErrUnavailable, some
	// of them may be stored.
	AppendAudit(ctx context.Context, entries ...AuditEntry) error
	// Audit returns up to limit entries of a trail, the newest first. They are older than
	// the entry `before`; an empty before starts with the newest.
	Audit(ctx context.Context, workspaceID string, trail Trail, before string, limit int) ([]AuditEntry, error)
}

// OperatorLog takes the place of a workspace ID for the access log of requests that concern
// no workspace.
const OperatorLog = "operator"

// A Deletion says that a workspace was deleted.
type Deletion struct {
	WorkspaceID string    `json:"workspace_id"`
	At          time.Time `json:"deleted_at"`
}

// MaxDeletions is the maximum number of deletions that Deletions returns.
const MaxDeletions = 100

// Deletions remembers deleted workspaces for AuditKept, as long as their logs. It is safe
// for concurrent use. Errors wrap this package's, or are the context's.
type Deletions interface {
	// Deletions returns the deletions of workspaces that had this namespace, the latest
	// first, at most MaxDeletions.
	Deletions(ctx context.Context, namespace string) ([]Deletion, error)
}

// Stamped returns the entry as stores keep it: with an ID and a time, its texts cut to
// their bounds, and with workspaceID if it names no workspace. Stores call it.
func (e AuditEntry) Stamped(workspaceID string, now time.Time) AuditEntry {
	if e.WorkspaceID == "" {
		e.WorkspaceID = workspaceID
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	e.ID = auditID(e.Time) + "-" + rand.Text()[:10]
	return e.Cut()
}

// Cut returns the entry with its texts cut to their bounds. Who keeps entries in memory calls
// it, since clients choose some of the texts.
func (e AuditEntry) Cut() AuditEntry {
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

// AuditSince returns a text that sorts before the ID of every entry from t on, and after
// the IDs of older entries. Stores use it to delete old entries.
func AuditSince(t time.Time) string { return auditID(t) }

func auditID(t time.Time) string { return t.UTC().Format("20060102T150405.000000") }

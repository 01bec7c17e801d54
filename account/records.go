package account

import (
	"context"
	"time"

	"github.com/tintype/tintype/workspace"
)

// A Record is what a store keeps of people: an account, a session, a membership, an
// invitation or a code. This package knows what is in it; the store doesn't.
type Record struct {
	Group   string    // records of one group are listed together
	Name    string    // unique in the group, which is sorted by it
	Version int64     // 1 when it is made, and one more with every write
	Expires time.Time // it is gone from then on, to the second; zero is never
	Data    []byte    // JSON
}

// A Write makes, replaces or deletes a record. It holds only if the store has the record's
// Version now. 0 means that it has no such record.
type Write struct {
	Record
	Delete bool
}

// Records is a store of records. It is safe for concurrent use. Errors wrap those of package
// workspace, or are the context's.
type Records interface {
	// Record returns a record, or workspace.ErrNotFound.
	Record(ctx context.Context, group, name string) (Record, error)
	// Records returns up to limit records of a group with names after the one given.
	Records(ctx context.Context, group, after string, limit int) ([]Record, error)
	// WriteRecords makes up to 20 writes of different records and appends to audit
	// logs, all or nothing. The error is workspace.ErrConflict if a write doesn't hold. Audit
	// entries name their workspace.
	WriteRecords(ctx context.Context, writes []Write, audit ...workspace.AuditEntry) error
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tintype/tintype/workspace"
)

// A workspace's log of purges is a snapshot in the table purges, and one row in
// purge_events for each write of purges since then, with the sequence of its last purge. A
// purge therefore writes one small row. The snapshot is written once in a thousand purges.

// AddPurges implements [workspace.Purges].
func (s *Store) AddPurges(ctx context.Context, namespace, workspaceID string, known workspace.PurgeLog, purges []workspace.Purge, audit ...workspace.AuditEntry) (l workspace.PurgeLog, widened []workspace.Widened, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		old, err := readPurges(ctx, tx, workspaceID, known)
		if err != nil {
			return err
		}
		l, widened = old.Add(purges...)
		data, err := workspace.EncodePurges(purges)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO purge_events (workspace_id, sequence, json) VALUES (?, ?, ?)`,
			workspaceID, l.Sequence, data); err != nil {
			return err
		}
		// Each log needs its row in purges: forget deletes by it.
		if old.Sequence == 0 || l.Base != old.Base {
			if err := writeSnapshot(ctx, tx, workspaceID, l); err != nil {
				return err
			}
		}
		return record(ctx, tx, workspace.ChangedPurges, namespace, workspaceID, workspace.Tell(widened, audit))
	})
	if err != nil {
		return workspace.PurgeLog{}, nil, err
	}
	return l, widened, nil
}

// writeSnapshot replaces the snapshot. It deletes purges that were in the previous snapshot.
// Later ones stay, for servers that know the log as it was then.
func writeSnapshot(ctx context.Context, tx *sql.Tx, workspaceID string, l workspace.PurgeLog) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM purge_events WHERE workspace_id = ?1
		AND sequence <= (SELECT sequence FROM purges WHERE workspace_id = ?1)`, workspaceID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO purges (workspace_id, sequence, json) VALUES (?, ?, ?)`, workspaceID, l.Sequence, string(data))
	return err
}

// PurgeLog implements [workspace.Purges].
func (s *Store) PurgeLog(ctx context.Context, workspaceID string, known workspace.PurgeLog) (workspace.PurgeLog, error) {
	tx, err := s.reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one view for all queries
	if err != nil {
		return workspace.PurgeLog{}, failure(ctx, err)
	}
	defer tx.Rollback()
	l, err := readPurges(ctx, tx, workspaceID, known)
	return l, failure(ctx, err)
}

// readPurges reads a log. If possible, it reads only the purges after known.
func readPurges(ctx context.Context, tx *sql.Tx, workspaceID string, known workspace.PurgeLog) (l workspace.PurgeLog, err error) {
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT max(coalesce((SELECT max(sequence) FROM purge_events WHERE workspace_id = ?1), 0),
		coalesce((SELECT sequence FROM purges WHERE workspace_id = ?1), 0))`, workspaceID).Scan(&last); err != nil || last == 0 {
		return l, err
	}
	if known.Sequence > 0 && known.Sequence <= last {
		if l, err = addSince(ctx, tx, workspaceID, known); err != nil || l.Sequence == last {
			return l, err
		}
	}
	var data []byte
	l = workspace.PurgeLog{}
	err = tx.QueryRowContext(ctx, `SELECT json FROM purges WHERE workspace_id = ?`, workspaceID).Scan(&data)
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return l, fmt.Errorf("purges as stored: %w", err)
	}
	if l, err = addSince(ctx, tx, workspaceID, l); err == nil && l.Sequence != last {
		err = fmt.Errorf("purges as stored end at %d, not at %d", l.Sequence, last)
	}
	return l, err
}

// addSince adds the purges after a log, up to the first one that is missing.
func addSince(ctx context.Context, tx *sql.Tx, workspaceID string, l workspace.PurgeLog) (workspace.PurgeLog, error) {
	rows, err := tx.QueryContext(ctx, `SELECT sequence, json FROM purge_events WHERE workspace_id = ? AND sequence > ? ORDER BY sequence`, workspaceID, l.Sequence)
	if err != nil {
		return l, err
	}
	defer rows.Close()
	var since []workspace.Purge
	for rows.Next() {
		var sequence int64
		var data []byte
		var purges []workspace.Purge
		err := rows.Scan(&sequence, &data)
		if err == nil {
			purges, err = workspace.DecodePurges(data)
		}
		if err != nil {
			return l, err
		}
		if sequence != l.Sequence+int64(len(since)+len(purges)) {
			break
		}
		since = append(since, purges...)
	}
	if err := rows.Err(); err != nil || len(since) == 0 {
		return l, err
	}
	l, _ = l.Add(since...)
	return l, nil
}

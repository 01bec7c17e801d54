package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/tintype/tintype/workspace"
)

// PutErrors implements [workspace.ImageErrors].
func (s *Store) PutErrors(ctx context.Context, reports ...workspace.ErrorReport) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		for _, r := range reports {
			text, err := workspace.EncodeErrors(r.Rows)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO image_errors (workspace_id, day, part, json) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET json = excluded.json`, r.WorkspaceID, r.Day, r.Part, text); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM image_errors WHERE day < ?`, now().Add(-workspace.ErrorsKept).Format(time.DateOnly))
		return err
	})
}

// Errors implements [workspace.ImageErrors].
func (s *Store) Errors(ctx context.Context, workspaceID, from, to string) ([]workspace.ErrorCount, error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT day, json FROM image_errors WHERE workspace_id = ? AND day BETWEEN ? AND ?`, workspaceID, from, to)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	var all []workspace.ErrorCount
	for rows.Next() {
		var day, text string
		if err := rows.Scan(&day, &text); err != nil {
			return nil, failure(ctx, err)
		}
		part, err := workspace.DecodeErrors(day, text)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	if err := rows.Err(); err != nil {
		return nil, failure(ctx, err)
	}
	return workspace.MergeErrors(all), nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
)

var _ account.Records = (*Store)(nil)

// Record implements [account.Records].
func (s *Store) Record(ctx context.Context, group, name string) (account.Record, error) {
	row := s.reader().QueryRowContext(ctx, `SELECT name, version, expires, data FROM people
		WHERE grp = ? AND name = ? AND (expires = 0 OR expires > ?)`, group, name, now().Unix())
	r, err := scanPerson(row, group)
	if errors.Is(err, sql.ErrNoRows) {
		return r, workspace.ErrNotFound
	}
	return r, failure(ctx, err)
}

// Records implements [account.Records].
func (s *Store) Records(ctx context.Context, group, after string, limit int) (list []account.Record, err error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT name, version, expires, data FROM people
		WHERE grp = ? AND name > ? AND (expires = 0 OR expires > ?) ORDER BY name LIMIT ?`, group, after, now().Unix(), max(0, limit))
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanPerson(rows, group)
		if err != nil {
			return nil, failure(ctx, err)
		}
		list = append(list, r)
	}
	return list, failure(ctx, rows.Err())
}

func scanPerson(row interface{ Scan(...any) error }, group string) (r account.Record, err error) {
	var expires int64
	r.Group = group
	err = row.Scan(&r.Name, &r.Version, &expires, &r.Data)
	if expires != 0 {
		r.Expires = time.Unix(expires, 0).UTC()
	}
	return r, err
}

// WriteRecords implements [account.Records].
func (s *Store) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		at := now().Unix()
		if _, err := tx.ExecContext(ctx, `DELETE FROM people WHERE expires > 0 AND expires <= ?`, at); err != nil {
			return err
		}
		for _, w := range writes {
			var done sql.Result
			var err error
			switch {
			case w.Delete:
				done, err = tx.ExecContext(ctx, `DELETE FROM people WHERE grp = ? AND name = ? AND version = ?`, w.Group, w.Name, w.Version)
			case w.Version == 0:
				done, err = tx.ExecContext(ctx, `INSERT INTO people (grp, name, version, expires, data) VALUES (?, ?, 1, ?, ?) ON CONFLICT DO NOTHING`,
					w.Group, w.Name, unix(w.Expires), w.Data)
			default:
				done, err = tx.ExecContext(ctx, `UPDATE people SET version = version + 1, expires = ?, data = ? WHERE grp = ? AND name = ? AND version = ?`,
					unix(w.Expires), w.Data, w.Group, w.Name, w.Version)
			}
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil {
				return err
			} else if n != 1 {
				return workspace.ErrConflict
			}
		}
		return appendAudit(ctx, tx, "", audit)
	})
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// PutRecords makes, replaces or deletes records whatever version they have.
func (s *Store) PutRecords(ctx context.Context, writes ...account.Write) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM people WHERE expires > 0 AND expires <= ?`, now().Unix()); err != nil {
			return err
		}
		for _, w := range writes {
			var err error
			if w.Delete {
				_, err = tx.ExecContext(ctx, `DELETE FROM people WHERE grp = ? AND name = ?`, w.Group, w.Name)
			} else {
				_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO people (grp, name, version, expires, data) VALUES (?, ?, 1, ?, ?)`, w.Group, w.Name, unix(w.Expires), w.Data)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

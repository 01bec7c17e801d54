package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// rekey checks that the codec can read the database. If the codec's newest key isn't the
// one that encrypted the database, it encrypts all secrets again, in one transaction.
// Revisions don't change.
func (s *Store) rekey(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*busyTimeout)
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	newest, err := s.keyIsNewest(ctx, tx)
	if newest || err != nil {
		return err
	}
	if err := s.rewrite(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM secret_key`); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO secret_key (token) VALUES (?)`, s.codec.Token()); err != nil {
		return err
	}
	return tx.Commit()
}

// keyIsNewest reports whether the codec's newest key encrypted the database. It fails if
// the codec doesn't have the database's key.
func (s *Store) keyIsNewest(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (bool, error) {
	var token string
	err := db.QueryRowContext(ctx, `SELECT token FROM secret_key`).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.codec.CheckToken(token)
}

// rewrite encrypts the secrets of all workspaces with the newest key.
func (s *Store) rewrite(ctx context.Context, tx *sql.Tx) error {
	for after := ""; ; {
		w, err := s.scan(tx.QueryRowContext(ctx,
			`SELECT namespace, json FROM workspaces WHERE namespace > ? ORDER BY namespace LIMIT 1`, after))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := s.codec.Marshal(w)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE workspaces SET json = ? WHERE namespace = ?`, string(data), w.Namespace); err != nil {
			return err
		}
		after = w.Namespace
	}
}

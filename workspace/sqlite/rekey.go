package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// rekey makes sure that the codec can read the database, and where another key
// encrypts now than when it was last written, writes all secrets anew: whole or
// not at all. Nobody's revision changes.
func (s *Store) rekey() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*busyTimeout)
	defer cancel()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var token string
	err = tx.QueryRowContext(ctx, `SELECT token FROM secret_key`).Scan(&token)
	if err == nil {
		newest, err := s.codec.CheckToken(token)
		if newest || err != nil {
			return err
		}
	} else if !errors.Is(err, sql.ErrNoRows) {
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

// rewrite encrypts the secrets of all workspaces under the newest key.
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

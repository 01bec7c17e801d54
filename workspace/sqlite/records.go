package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tintype/tintype/workspace"
	sqlite3 "modernc.org/sqlite/lib"
)

// Domain implements [workspace.Domains].
func (s *Store) Domain(ctx context.Context, name string) (workspace.Domain, error) {
	d := workspace.Domain{Name: name}
	var claimed, verified int64
	err := s.reader().QueryRowContext(ctx, `SELECT d.namespace, w.id, d.claimed_at, d.verified_at
		FROM domains d JOIN workspaces w USING (namespace) WHERE d.domain = ?`, name).
		Scan(&d.Namespace, &d.WorkspaceID, &claimed, &verified)
	if errors.Is(err, sql.ErrNoRows) {
		return workspace.Domain{}, workspace.ErrDomainNotFound
	}
	if err != nil {
		return workspace.Domain{}, failure(ctx, err)
	}
	d.ClaimedAt, d.VerifiedAt = fromMicros(claimed), fromMicros(verified)
	return d, nil
}

// VerifyDomain implements [workspace.Domains].
func (s *Store) VerifyDomain(ctx context.Context, name, namespace string, at time.Time, audit ...workspace.AuditEntry) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		w, err := s.in(ctx, tx, namespace)
		if errors.Is(err, workspace.ErrNotFound) || err == nil && !slices.Contains(w.Domains, name) {
			return workspace.ErrDomainNotFound
		}
		if err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO domains (domain, namespace, claimed_at, verified_at) VALUES (?1, ?2, ?3, ?3)
			ON CONFLICT (domain) DO UPDATE SET
				namespace = excluded.namespace, verified_at = excluded.verified_at,
				claimed_at = iif(namespace = excluded.namespace, claimed_at, excluded.claimed_at)
			WHERE namespace = excluded.namespace OR verified_at = 0`, name, namespace, micros(at))
		if err != nil {
			return err
		}
		if made, err := done.RowsAffected(); err != nil || made == 0 {
			return errors.Join(err, workspace.ErrDomainTaken)
		}
		return record(ctx, tx, workspace.ChangedDomains, namespace, w.ID, audit)
	})
}

// CreateAPIKey implements [workspace.APIKeys].
func (s *Store) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	data, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("API key %q: %w", k.ID, err)
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		var live int // forget_at is KeyKept after the key expires or was revoked
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_keys
			WHERE workspace_id = ? AND revoked_at = 0 AND (forget_at = 0 OR forget_at > ?)`,
			k.WorkspaceID, micros(now().Add(workspace.KeyKept))).Scan(&live); err != nil {
			return err
		}
		if live >= workspace.MaxAPIKeys {
			return workspace.ErrTooManyKeys
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO api_keys (hash, workspace_id, id, json, created_at, revoked_at, forget_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			k.Hash[:], k.WorkspaceID, k.ID, string(data), micros(k.CreatedAt), micros(k.RevokedAt), micros(k.ForgetAt()))
		if code(err)&0xff == sqlite3.SQLITE_CONSTRAINT {
			return workspace.ErrKeyExists
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, workspace.ChangedKeys, k.Namespace, k.WorkspaceID, audit)
	})
}

// APIKey implements [workspace.APIKeys].
func (s *Store) APIKey(ctx context.Context, hash [32]byte) (*workspace.APIKey, error) {
	k, err := scanKey(s.reader().QueryRowContext(ctx, `SELECT json, revoked_at FROM api_keys WHERE hash = ?`, hash[:]))
	return k, failure(ctx, err)
}

// scanKey reads a row with the columns json and revoked_at.
func scanKey(row *sql.Row) (*workspace.APIKey, error) {
	var data []byte
	var revoked int64
	err := row.Scan(&data, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, workspace.ErrKeyNotFound
	}
	if err != nil {
		return nil, err
	}
	k := &workspace.APIKey{}
	if err := json.Unmarshal(data, k); err != nil {
		return nil, err
	}
	if k.RevokedAt = fromMicros(revoked); k.Forgotten(now()) {
		return nil, workspace.ErrKeyNotFound
	}
	return k, nil
}

// APIKeys implements [workspace.APIKeys].
func (s *Store) APIKeys(ctx context.Context, workspaceID string) (list []*workspace.APIKey, err error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT json, revoked_at, last_used_at, total_requests, total_errors FROM api_keys
		WHERE workspace_id = ? AND (revoked_at = 0 OR revoked_at > ?) AND (forget_at = 0 OR forget_at > ?) ORDER BY created_at, id`,
		workspaceID, micros(now().Add(-workspace.RevokedFor)), micros(now()))
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		var revoked, used int64
		k := &workspace.APIKey{}
		err := rows.Scan(&data, &revoked, &used, &k.TotalRequests, &k.TotalErrors)
		if err == nil {
			err = json.Unmarshal(data, k)
		}
		if err != nil {
			return nil, failure(ctx, err)
		}
		k.RevokedAt, k.LastUsedAt = fromMicros(revoked), fromMicros(used)
		list = append(list, k)
	}
	return list, failure(ctx, rows.Err())
}

// RevokeAPIKey implements [workspace.APIKeys].
func (s *Store) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		k, err := scanKey(tx.QueryRowContext(ctx, `SELECT json, revoked_at FROM api_keys WHERE workspace_id = ? AND id = ?`, workspaceID, id))
		if err != nil || !k.RevokedAt.IsZero() {
			return err
		}
		if err := revoke(ctx, tx, k, at); err != nil {
			return err
		}
		return record(ctx, tx, workspace.ChangedKeys, k.Namespace, workspaceID, audit)
	})
}

func revoke(ctx context.Context, tx *sql.Tx, k *workspace.APIKey, at time.Time) error {
	k.RevokedAt = at
	_, err := tx.ExecContext(ctx, `UPDATE api_keys SET revoked_at = ?, forget_at = ? WHERE hash = ?`, micros(at), micros(k.ForgetAt()), k.Hash[:])
	return err
}

// revokeAll revokes all keys of a workspace that aren't revoked.
func revokeAll(ctx context.Context, tx *sql.Tx, workspaceID string, at time.Time) error {
	rows, err := tx.QueryContext(ctx, `SELECT json FROM api_keys WHERE workspace_id = ? AND revoked_at = 0`, workspaceID)
	if err != nil {
		return err
	}
	defer rows.Close()
	var active []*workspace.APIKey
	for rows.Next() {
		var data []byte
		k := &workspace.APIKey{}
		if err := rows.Scan(&data); err != nil {
			return err
		}
		if err := json.Unmarshal(data, k); err != nil {
			return err
		}
		active = append(active, k)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, k := range active {
		if err := revoke(ctx, tx, k, at); err != nil {
			return err
		}
	}
	return nil
}

// Deletions implements [workspace.Deletions].
func (s *Store) Deletions(ctx context.Context, namespace string) (list []workspace.Deletion, err error) {
	rows, err := s.reader().QueryContext(ctx, `SELECT id, at FROM deleted WHERE namespace = ? AND at > ? ORDER BY at DESC, id LIMIT ?`,
		namespace, micros(now().Add(-workspace.AuditKept)), workspace.MaxDeletions)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var d workspace.Deletion
		var at int64
		if err := rows.Scan(&d.WorkspaceID, &at); err != nil {
			return nil, failure(ctx, err)
		}
		d.At = fromMicros(at)
		list = append(list, d)
	}
	return list, failure(ctx, rows.Err())
}

// appendAudit appends entries, and deletes some old records. Entries without a workspace
// get workspaceID.
func appendAudit(ctx context.Context, tx *sql.Tx, workspaceID string, entries []workspace.AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	at := now()
	for _, e := range entries {
		e = e.Stamped(workspaceID, at)
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit (workspace_id, trail, id, json) VALUES (?, ?, ?, ?)`,
			e.WorkspaceID, string(e.Trail), e.ID, string(data)); err != nil {
			return err
		}
	}
	return forget(ctx, tx, at)
}

// forget deletes some old records: lines of the logs, API keys, and deleted workspaces with
// their purges.
func forget(ctx context.Context, tx *sql.Tx, at time.Time) error {
	horizon := micros(at.Add(-workspace.AuditKept))
	for _, step := range []struct {
		statement string
		before    any
	}{
		{`DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < ? LIMIT 100)`, auditHorizon(at)},
		{`DELETE FROM api_keys WHERE hash IN (SELECT hash FROM api_keys WHERE forget_at > 0 AND forget_at < ? LIMIT 100)`, micros(at)},
		{`DELETE FROM purge_events WHERE workspace_id IN (SELECT id FROM deleted WHERE at < ? ORDER BY at LIMIT 100)`, horizon},
		{`DELETE FROM purges WHERE workspace_id IN (SELECT id FROM deleted WHERE at < ? ORDER BY at LIMIT 100)`, horizon},
		{`DELETE FROM deleted WHERE id IN (SELECT id FROM deleted WHERE at < ? ORDER BY at LIMIT 100)`, horizon},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.before); err != nil {
			return err
		}
	}
	return nil
}

// auditHorizon sorts before the oldest ID that is kept.
func auditHorizon(at time.Time) string { return workspace.AuditSince(at.Add(-workspace.AuditKept)) }

// AppendAudit implements [workspace.AuditLog].
func (s *Store) AppendAudit(ctx context.Context, entries ...workspace.AuditEntry) error {
	return s.inTx(ctx, func(tx *sql.Tx) error { return appendAudit(ctx, tx, "", entries) })
}

// Audit implements [workspace.AuditLog].
func (s *Store) Audit(ctx context.Context, workspaceID string, trail workspace.Trail, before string, limit int) (list []workspace.AuditEntry, err error) {
	if before == "" {
		before = "~" // sorts after every ID
	}
	rows, err := s.reader().QueryContext(ctx, `SELECT json FROM audit
		WHERE workspace_id = ? AND trail = ? AND id < ? AND id >= ? ORDER BY id DESC LIMIT ?`,
		workspaceID, string(trail), before, auditHorizon(now()), max(0, limit))
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		e := workspace.AuditEntry{WorkspaceID: workspaceID, Trail: trail}
		err := rows.Scan(&data)
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		if err != nil {
			return nil, failure(ctx, err)
		}
		list = append(list, e)
	}
	return list, failure(ctx, rows.Err())
}

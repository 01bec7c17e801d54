package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// Migration i brings a database from version i to i+1. PRAGMA user_version holds the
// version. Never change a migration; only add new ones.
var migrations = []string{
	`CREATE TABLE workspaces (
		namespace  TEXT PRIMARY KEY,
		id         TEXT NOT NULL UNIQUE,
		revision   INTEGER NOT NULL,
		json       TEXT NOT NULL,
		created_at TEXT NOT NULL,
		updated_at TEXT NOT NULL
	) STRICT;
	CREATE TABLE domains (
		domain    TEXT PRIMARY KEY,
		namespace TEXT NOT NULL REFERENCES workspaces (namespace) ON DELETE CASCADE
	) STRICT, WITHOUT ROWID;
	CREATE INDEX domains_namespace ON domains (namespace);
	CREATE TABLE changes (
		seq       INTEGER PRIMARY KEY AUTOINCREMENT,
		namespace TEXT NOT NULL
	) STRICT;`,
	`CREATE TABLE secret_key (
		token TEXT NOT NULL
	) STRICT;`,
	// Times are in microseconds since 1970. 0 means none.
	`ALTER TABLE changes ADD COLUMN kind TEXT NOT NULL DEFAULT 'workspace';
	ALTER TABLE domains ADD COLUMN claimed_at INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE domains ADD COLUMN verified_at INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE api_keys (
		hash           BLOB PRIMARY KEY,
		workspace_id   TEXT NOT NULL,
		id             TEXT NOT NULL,
		json           TEXT NOT NULL,
		created_at     INTEGER NOT NULL,
		revoked_at     INTEGER NOT NULL DEFAULT 0,
		last_used_at   INTEGER NOT NULL DEFAULT 0,
		total_requests INTEGER NOT NULL DEFAULT 0,
		total_errors   INTEGER NOT NULL DEFAULT 0,
		UNIQUE (workspace_id, id)
	) STRICT, WITHOUT ROWID;
	CREATE TABLE audit (
		workspace_id TEXT NOT NULL,
		trail        TEXT NOT NULL,
		id           TEXT NOT NULL,
		json         TEXT NOT NULL,
		PRIMARY KEY (workspace_id, trail, id)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX audit_age ON audit (id);
	CREATE TABLE usage (
		workspace_id TEXT NOT NULL,
		day          TEXT NOT NULL,
		operation    TEXT NOT NULL,
		source       TEXT NOT NULL,
		requests     INTEGER NOT NULL,
		hits         INTEGER NOT NULL,
		transforms   INTEGER NOT NULL,
		errors       INTEGER NOT NULL,
		bytes_in     INTEGER NOT NULL,
		bytes_out    INTEGER NOT NULL,
		PRIMARY KEY (workspace_id, day, operation, source)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX usage_age ON usage (day);
	CREATE TABLE tallies (
		id    TEXT PRIMARY KEY,
		until INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE TABLE purges (
		workspace_id TEXT PRIMARY KEY,
		json         TEXT NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE TABLE leases (
		key   TEXT NOT NULL,
		span  TEXT NOT NULL,
		start INTEGER NOT NULL,
		until INTEGER NOT NULL,
		used  INTEGER NOT NULL,
		PRIMARY KEY (key, span, start)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX leases_age ON leases (until);
	CREATE TABLE answers (
		key         TEXT PRIMARY KEY,
		fingerprint TEXT NOT NULL,
		sealed      TEXT NOT NULL,
		until       INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;
	CREATE INDEX answers_age ON answers (until);`,
	// Clean up what deleted workspaces left.
	`CREATE TABLE deleted (
		namespace TEXT NOT NULL,
		id        TEXT NOT NULL,
		at        INTEGER NOT NULL,
		PRIMARY KEY (namespace, at, id)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX deleted_age ON deleted (at, id);
	CREATE INDEX deleted_id ON deleted (id);
	DELETE FROM purges WHERE workspace_id NOT IN (SELECT id FROM workspaces);
	UPDATE api_keys SET revoked_at = unixepoch() * 1000000 WHERE revoked_at = 0 AND workspace_id NOT IN (SELECT id FROM workspaces);
	ALTER TABLE api_keys ADD COLUMN forget_at INTEGER NOT NULL DEFAULT 0;
	UPDATE api_keys SET forget_at = 400 * 86400000000 + CASE
		WHEN json ->> 'expires_at' LIKE '0001-%' THEN revoked_at
		WHEN revoked_at = 0 THEN unixepoch(json ->> 'expires_at') * 1000000
		ELSE min(revoked_at, unixepoch(json ->> 'expires_at') * 1000000) END
		WHERE revoked_at > 0 OR json ->> 'expires_at' NOT LIKE '0001-%';
	CREATE INDEX api_keys_age ON api_keys (forget_at) WHERE forget_at > 0;`,
	// Rows of the first schema contain only the workspace.
	`UPDATE workspaces SET json = json_object('workspace', json(json)) WHERE json -> 'workspace' IS NULL;`,
	// A log of purges is a snapshot and the purges since then.
	`ALTER TABLE purges ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
	UPDATE purges SET sequence = json ->> 'sequence';
	CREATE TABLE purge_events (
		workspace_id TEXT NOT NULL,
		sequence     INTEGER NOT NULL,
		json         TEXT NOT NULL,
		PRIMARY KEY (workspace_id, sequence)
	) STRICT, WITHOUT ROWID;`,
	// expires is in seconds since 1970, 0 is never.
	`CREATE TABLE people (
		grp     TEXT NOT NULL,
		name    TEXT NOT NULL,
		version INTEGER NOT NULL,
		expires INTEGER NOT NULL,
		data    BLOB NOT NULL,
		PRIMARY KEY (grp, name)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX people_expires ON people (expires) WHERE expires > 0;`,
	`ALTER TABLE usage ADD COLUMN previews INTEGER NOT NULL DEFAULT 0;`,
	`CREATE TABLE image_errors (
		workspace_id TEXT NOT NULL,
		day          TEXT NOT NULL,
		part         TEXT NOT NULL,
		json         TEXT NOT NULL,
		PRIMARY KEY (workspace_id, day, part)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX image_errors_age ON image_errors (day);`,
	// units are in thousandths. parts has JSON of countries and keys; empty is none.
	`ALTER TABLE usage ADD COLUMN units INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE usage ADD COLUMN parts TEXT NOT NULL DEFAULT '';`,
	// seq is that of the latest tally of an ID.
	`ALTER TABLE tallies ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;`,
}

// migrate brings the database to the newest version, in one transaction.
func migrate(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*busyTimeout)
	defer cancel()
	version, err := userVersion(ctx, db)
	if err != nil {
		return err
	}
	if err := known(version); err != nil {
		return err
	}
	if err := walMode(ctx, db); err != nil {
		return err
	}
	if version == len(migrations) {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if version, err = userVersion(ctx, tx); err != nil { // another process may have migrated it
		return err
	}
	if err := known(version); err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		if _, err := tx.ExecContext(ctx, migrations[version]); err != nil {
			return fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version)); err != nil {
		return err
	}
	return tx.Commit()
}

func known(version int) error {
	if version < 0 || version > len(migrations) {
		return fmt.Errorf("was written by a newer tintype (schema %d; this one knows up to %d): "+
			"run that version, or use another data folder", version, len(migrations))
	}
	return nil
}

func userVersion(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version)
	return version, err
}

// walMode switches to write-ahead logging. SQLite doesn't wait for another process that
// switches at the same time, so this retries.
func walMode(ctx context.Context, db *sql.DB) error {
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for {
		var mode string
		err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode)
		switch {
		case err == nil && mode == "wal":
			return nil
		case err == nil:
			return fmt.Errorf("the file system supports no write-ahead log (journal mode is %q): use a local disk", mode)
		case code(err)&0xff != sqlite3.SQLITE_BUSY:
			return err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return err
		}
	}
}

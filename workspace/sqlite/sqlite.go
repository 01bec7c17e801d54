// Package sqlite keeps workspaces in one SQLite file, for one machine. It is the default
// store.
//
// For most uses, call [Open]. Several processes may have the same file open. Readers don't
// wait for writers. For several machines, use package workspace/dynamodb.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	sqlite "modernc.org/sqlite"
)

const (
	busyTimeout = 5 * time.Second  // how long a writer waits for other processes' writers
	turnTimeout = 10 * time.Second // how long a write waits for its turn behind others of this process
	readers     = 4                // number of connections for reading
	changesKept = 10_000           // maximum number of changes for cursors
)

// Store is a [workspace.Store] in a SQLite file. It also keeps everything that is stored
// beside workspaces. It is safe for concurrent use.
type Store struct {
	file  *file // its writer has one connection, since SQLite allows one writer at a time
	codec *workspace.Codec
	turn  time.Duration        // turnTimeout, but in tests
	watch func(workspace.Call) // nil where nobody counts
}

var (
	_ workspace.Store    = (*Store)(nil)
	_ workspace.Domains  = (*Store)(nil)
	_ workspace.APIKeys  = (*Store)(nil)
	_ workspace.AuditLog = (*Store)(nil)
	_ workspace.Counters = (*Store)(nil)

	_ workspace.ImageErrors = (*Store)(nil)
	_ workspace.Purges      = (*Store)(nil)
	_ workspace.Replays     = (*Store)(nil)
	_ limit.Leases          = (*Store)(nil)

	_ workspace.Deletions = (*Store)(nil)
)

// Open opens the database at path. codec encrypts its secrets. Open makes the file (mode
// 0600) and its folder (0700) if they are missing. It refuses a database of a newer version
// and doesn't change it.
//
// If the disk is full or read-only, Open succeeds, and writes fail with workspace.ErrFull
// or workspace.ErrReadOnly. Each write and each call of Changes tries whether the database
// can be written again.
//
// A write returns after its commit was synced to the disk (synchronous=FULL), since
// [workspace.Store] promises durability. Settings are written rarely, so the milliseconds
// don't matter.
func Open(path string, codec *workspace.Codec) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	s := &Store{codec: codec, turn: turnTimeout}
	s.file = &file{name: "workspace database", path: path, full: func() (*handles, error) { return s.openFull(path) }, part: s.checkPart}
	if err := s.file.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// openFull opens the database for reading and writing.
func (s *Store) openFull(path string) (*handles, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	pragmas := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)", "synchronous(FULL)",
	}}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode() + "&_txlock=immediate"}
	write, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := migrate(write); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if err := s.rekey(write); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	pragmas.Add("_pragma", "query_only(1)")
	dsn.RawQuery = pragmas.Encode()
	read, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &handles{read: read, write: write, close: func() error { return errors.Join(read.Close(), write.Close()) }}, nil
}

// checkPart checks that a database that can't be written can be read.
func (s *Store) checkPart(h *handles) error {
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	version, err := userVersion(ctx, h.read)
	if err == nil {
		err = known(version)
	}
	if err == nil && version < len(migrations) {
		err = fmt.Errorf("its schema is %d, and this tintype needs %d: it must be writable once for the migration", version, len(migrations))
	}
	if err == nil {
		_, err = s.keyIsNewest(ctx, h.read)
	}
	return err
}

// private makes the file, or restricts its permissions to the owner, since it contains
// secrets. SQLite gives the files beside it the same mode.
func private(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if info.Mode().Perm()&0o077 != 0 {
		return f.Chmod(0o600)
	}
	return nil
}

// Close closes the database.
func (s *Store) Close() error { return s.file.close() }

// Get implements [workspace.Store].
func (s *Store) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	w, err := s.scan(s.reader().QueryRowContext(ctx, `SELECT namespace, json FROM workspaces WHERE namespace = ?`, namespace))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, workspace.ErrNotFound
	}
	return w, failure(ctx, err)
}

// List implements [workspace.Store].
func (s *Store) List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error) {
	if limit <= 0 {
		return nil, ctx.Err()
	}
	rows, err := s.reader().QueryContext(ctx,
		`SELECT namespace, json FROM workspaces WHERE namespace > ? ORDER BY namespace LIMIT ?`, after, limit)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer rows.Close()
	var list []*workspace.Workspace
	for rows.Next() {
		w, err := s.scan(rows)
		if err != nil {
			return nil, failure(ctx, err)
		}
		list = append(list, w)
	}
	return list, failure(ctx, rows.Err())
}

// scan reads a row with the columns namespace and json. It fails if it can't read
// everything: a newer version may have written a rule that would otherwise be ignored.
func (s *Store) scan(row interface{ Scan(...any) error }) (*workspace.Workspace, error) {
	var namespace string
	var data []byte
	if err := row.Scan(&namespace, &data); err != nil {
		return nil, err
	}
	w, err := s.codec.Unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("%w: workspace %q as stored: %w", workspace.ErrUndecodable, namespace, err)
	}
	return w, nil
}

// Create implements [workspace.Store].
func (s *Store) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	n := w.Clone()
	n.ID = rand.Text()
	n.Revision = 1
	n.CreatedAt = now()
	n.UpdatedAt = n.CreatedAt
	data, err := s.codec.Marshal(n)
	if err != nil {
		return fmt.Errorf("workspace %q: %w", w.Namespace, err)
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx,
			`INSERT INTO workspaces (namespace, id, revision, json, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)
			 ON CONFLICT (namespace) DO NOTHING`,
			n.Namespace, n.ID, n.Revision, string(data), n.CreatedAt.Format(time.RFC3339Nano), n.UpdatedAt.Format(time.RFC3339Nano))
		if err != nil {
			return err
		}
		if made, err := done.RowsAffected(); err != nil || made == 0 {
			return errors.Join(err, workspace.ErrExists)
		}
		if err := setDomains(ctx, tx, n, nil); err != nil {
			return err
		}
		return record(ctx, tx, workspace.ChangedWorkspace, n.Namespace, n.ID, audit)
	})
	if err != nil {
		return err
	}
	w.ID, w.Revision, w.CreatedAt, w.UpdatedAt = n.ID, n.Revision, n.CreatedAt, n.UpdatedAt
	return nil
}

// Update implements [workspace.Store].
func (s *Store) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	n := w.Clone()
	err := s.inTx(ctx, func(tx *sql.Tx) error {
		old, err := s.in(ctx, tx, n.Namespace)
		switch {
		case err != nil:
			return err
		case old.ID != w.ID || old.Revision != w.Revision:
			return workspace.ErrConflict
		}
		n.CreatedAt = old.CreatedAt
		n.Revision++
		n.UpdatedAt = now()
		data, err := s.codec.Marshal(n)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE workspaces SET revision = ?, json = ?, updated_at = ? WHERE namespace = ?`,
			n.Revision, string(data), n.UpdatedAt.Format(time.RFC3339Nano), n.Namespace); err != nil {
			return err
		}
		if err := setDomains(ctx, tx, n, old.Domains); err != nil {
			return err
		}
		return record(ctx, tx, workspace.ChangedWorkspace, n.Namespace, n.ID, audit)
	})
	if err != nil {
		return err
	}
	w.ID, w.Revision, w.CreatedAt, w.UpdatedAt = n.ID, n.Revision, n.CreatedAt, n.UpdatedAt
	return nil
}

// Delete implements [workspace.Store].
func (s *Store) Delete(ctx context.Context, namespace string, revision int64, audit ...workspace.AuditEntry) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		var id string
		var stored int64
		err := tx.QueryRowContext(ctx, `SELECT id, revision FROM workspaces WHERE namespace = ?`, namespace).Scan(&id, &stored)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return workspace.ErrNotFound
		case err != nil:
			return err
		case revision != 0 && revision != stored:
			return workspace.ErrConflict
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM workspaces WHERE namespace = ?`, namespace); err != nil {
			return err
		}
		at := now()
		if _, err := tx.ExecContext(ctx, `INSERT INTO deleted (namespace, id, at) VALUES (?, ?, ?)`, namespace, id, micros(at)); err != nil {
			return err
		}
		if err := revokeAll(ctx, tx, id, at); err != nil {
			return err
		}
		return record(ctx, tx, workspace.ChangedWorkspace, namespace, id, audit)
	})
}

// in reads a workspace in a transaction.
func (s *Store) in(ctx context.Context, tx *sql.Tx, namespace string) (*workspace.Workspace, error) {
	w, err := s.scan(tx.QueryRowContext(ctx, `SELECT namespace, json FROM workspaces WHERE namespace = ?`, namespace))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, workspace.ErrNotFound
	}
	return w, err
}

// setDomains claims the new domains of w, and gives up those that w doesn't have any more.
// had are its domains before.
func setDomains(ctx context.Context, tx *sql.Tx, w *workspace.Workspace, had []string) error {
	names, err := json.Marshal(w.Domains)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM domains WHERE namespace = ? AND domain NOT IN (SELECT value FROM json_each(?))`,
		w.Namespace, string(names)); err != nil {
		return err
	}
	for _, domain := range w.Domains {
		if slices.Contains(had, domain) {
			continue
		}
		var owner string
		var verified int64
		err := tx.QueryRowContext(ctx, `INSERT INTO domains (domain, namespace, claimed_at) VALUES (?, ?, ?)
			ON CONFLICT (domain) DO UPDATE SET domain = domain RETURNING namespace, verified_at`,
			domain, w.Namespace, micros(w.UpdatedAt)).Scan(&owner, &verified)
		if err != nil {
			return err
		}
		if owner != w.Namespace && verified != 0 {
			return fmt.Errorf("%w: %s", workspace.ErrDomainTaken, domain)
		}
	}
	return nil
}

// record adds a change, deletes the oldest changes, and appends to the audit log.
func record(ctx context.Context, tx *sql.Tx, kind workspace.ChangeKind, namespace, id string, audit []workspace.AuditEntry) error {
	done, err := tx.ExecContext(ctx, `INSERT INTO changes (kind, namespace) VALUES (?, ?)`, string(kind), namespace)
	if err != nil {
		return err
	}
	seq, err := done.LastInsertId()
	if err != nil {
		return err
	}
	if _, err = tx.ExecContext(ctx, `DELETE FROM changes WHERE seq <= ?`, seq-changesKept); err != nil {
		return err
	}
	return appendAudit(ctx, tx, id, audit)
}

// Changes implements [workspace.Store]. A cursor is the number of a change.
func (s *Store) Changes(ctx context.Context, cursor string) (changes []workspace.Change, next string, err error) {
	_, _ = s.file.writer()                                             // Changes is called regularly, so this notices when the file can be written again
	tx, err := s.reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one view for both queries
	if err != nil {
		return nil, "", failure(ctx, err)
	}
	defer tx.Rollback()
	var kept, last int64
	err = tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM changes),
		coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)`).Scan(&kept, &last)
	if err != nil {
		return nil, "", failure(ctx, err)
	}
	next = strconv.FormatInt(last, 10)
	if cursor == "" {
		return nil, next, nil
	}
	since, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || since < last-kept || since > last { // since > last: the file was restored from a backup
		return nil, "", workspace.ErrCursor
	}
	rows, err := tx.QueryContext(ctx,
		`SELECT kind, namespace FROM changes WHERE seq > ? GROUP BY kind, namespace ORDER BY max(seq)`, since)
	if err != nil {
		return nil, "", failure(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var c workspace.Change
		if err := rows.Scan(&c.Kind, &c.Namespace); err != nil {
			return nil, "", failure(ctx, err)
		}
		changes = append(changes, c)
	}
	if err := rows.Err(); err != nil {
		return nil, "", failure(ctx, err)
	}
	return changes, next, nil
}

// inTx runs do in a transaction that holds the write lock from its start. What do reads
// therefore stays true until the commit. Where the database is slow and many writes wait, the
// error is workspace.ErrUnavailable: otherwise requests would pile up for minutes.
func (s *Store) inTx(ctx context.Context, do func(*sql.Tx) error) (err error) {
	defer s.watched(ctx, "write", time.Now(), &err)
	db, err := s.file.writer()
	if err != nil {
		return err
	}
	turn, cancel := context.WithTimeout(ctx, s.turn)
	defer cancel()
	conn, err := db.Conn(turn)
	if err != nil {
		return failure(ctx, err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return failure(ctx, err)
	}
	err = checkFrozen(ctx, tx)
	if err == nil {
		err = do(tx)
	}
	if err != nil {
		_ = tx.Rollback() // if this fails, the connection is dropped
		return failure(ctx, err)
	}
	return failure(ctx, tx.Commit())
}

// answers are the errors that describe what is stored.
var answers = []error{
	workspace.ErrNotFound, workspace.ErrExists, workspace.ErrConflict, workspace.ErrDomainTaken, workspace.ErrDomainNotFound,
	workspace.ErrKeyNotFound, workspace.ErrKeyExists, workspace.ErrTooManyKeys, workspace.ErrUndecodable,
}

// failure converts an error. Errors in answers and the context's stay. All others mean that
// the database can't be used.
func failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case slices.ContainsFunc(answers, func(a error) bool { return errors.Is(err, a) }):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if reason := unwritable(err); reason != nil {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return fmt.Errorf("%w: %w", workspace.ErrUnavailable, err)
}

// code returns the extended result code of a SQLite error, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return 0
}

// micros converts a time for the newer tables. 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros.
func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// now returns the time in UTC, rounded to microseconds, as JSON and the database keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

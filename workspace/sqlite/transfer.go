package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/transfer"
)

// A kind is a table whose rows are records of package transfer.
type kind struct {
	table   string
	columns []string
	// fields returns the places of the columns' values in a record, whose part it makes.
	fields func(*transfer.Record) []any
}

// kinds are the tables that are read and written row by row.
var kinds = []kind{
	{"audit", []string{"workspace_id", "trail", "id", "json"}, func(r *transfer.Record) []any {
		a := orNew(&r.Audit)
		return []any{&a.WorkspaceID, &a.Trail, &a.ID, &a.JSON}
	}},
	{"image_errors", []string{"workspace_id", "day", "part", "json"}, func(r *transfer.Record) []any {
		e := orNew(&r.Errors)
		return []any{&e.WorkspaceID, &e.Day, &e.Part, &e.JSON}
	}},
	{"deleted", []string{"namespace", "id", "at"}, func(r *transfer.Record) []any {
		d := orNew(&r.Deletion)
		return []any{&d.Namespace, &d.ID, &d.At}
	}},
	{"people", []string{"grp", "name", "version", "expires", "data"}, func(r *transfer.Record) []any {
		p := orNew(&r.Person)
		return []any{&p.Group, &p.Name, &p.Version, &p.Expires, &p.Data}
	}},
}

// elsewhere are the tables that kinds doesn't have. Those with a reason aren't transferred.
var elsewhere = map[string]struct {
	columns []string
	why     string
}{
	"workspaces":      {[]string{"namespace", "id", "revision", "json", "created_at", "updated_at"}, ""},
	"domains":         {[]string{"domain", "namespace", "claimed_at", "verified_at"}, ""},
	"api_keys":        {[]string{"hash", "workspace_id", "id", "json", "created_at", "revoked_at", "last_used_at", "total_requests", "total_errors", "forget_at"}, ""},
	"purges":          {[]string{"workspace_id", "json", "sequence"}, ""},
	"purge_events":    {[]string{"workspace_id", "sequence", "json"}, ""},
	"leases":          {[]string{"key", "span", "start", "until", "used"}, ""},
	"usage":           {nil, ""}, // read and written by UsageInParts and AddTally; the tests of package transfer hold them to it
	"secret_key":      {nil, "the file's first line has the token"},
	"changes":         {nil, "servers that start on the target read all anew"},
	"sqlite_sequence": {nil, "SQLite's own, of changes"},
	"tallies":         {nil, "they tell for a week that counts came twice"},
	"answers":         {nil, "DynamoDB keeps hashes of their keys, from which SQLite's keys can't be made"},
}

func orNew[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// This record says that the database was exported to be moved.
const (
	storeGroup = "store"
	frozenName = "frozen"
)

// checkFrozen returns workspace.ErrFrozen in a database that was frozen.
func checkFrozen(ctx context.Context, tx *sql.Tx) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM people WHERE grp = ? AND name = ?`, storeGroup, frozenName).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = workspace.ErrFrozen
	}
	return err
}

// Freeze refuses all changes of the database at path from now on, by all servers that have it
// open, until Thaw. Reads go on.
func Freeze(ctx context.Context, path string) error {
	return setFrozen(ctx, path, `INSERT INTO people (grp, name, version, expires, data) VALUES (?, ?, 1, 0, X'7B7D') ON CONFLICT DO NOTHING`)
}

// Thaw ends a Freeze.
func Thaw(ctx context.Context, path string) error {
	return setFrozen(ctx, path, `DELETE FROM people WHERE grp = ? AND name = ?`)
}

func setFrozen(ctx context.Context, path, statement string) error {
	db, err := openExisting(ctx, path, "rw", len(migrations))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement, storeGroup, frozenName)
	if reason := unwritable(err); reason != nil {
		err = fmt.Errorf("%s: %w: %w", path, reason, err)
	}
	return errors.Join(err, db.Close())
}

// openExisting opens a database without changing its schema, which must have at least this
// version.
func openExisting(ctx context.Context, path, mode string, least int) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database %s: name the data folder with --data, or the database with --store sqlite:PATH", path)
	} else if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"mode": {mode}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "synchronous(FULL)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	version, err := userVersion(ctx, db)
	if err == nil {
		err = known(version)
	}
	if err == nil && version < least {
		err = fmt.Errorf("its schema is %d, and this tintype needs %d: start tintype serve of this version on it once, or use the version that wrote it", version, least)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("workspace database %s: %w", path, err), db.Close())
	}
	return db, nil
}

// Backup copies the database at path to a new file, as it is at one moment, while servers may
// write to it. Secrets stay encrypted: the secret key is to be kept apart. The file is there
// only when it is whole, and can be opened as a database.
func Backup(ctx context.Context, path, to string) (err error) {
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s is there already: name a new file", to)
	}
	db, err := openExisting(ctx, path, "ro", 0)
	if err != nil {
		return err
	}
	defer db.Close()
	dir, err := os.MkdirTemp(filepath.Dir(to), ".backup-*") // mode 0700, as SQLite makes files that all may read
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "copy.db")
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, copied); err != nil {
		if reason := unwritable(err); reason != nil {
			return fmt.Errorf("%s: make room, or name a folder that this process may write to: %w", filepath.Dir(to), err)
		}
		return err
	}
	if err := whole(ctx, copied); err != nil {
		return err
	}
	f, err := os.OpenFile(copied, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(copied, to); err != nil { // unlike a rename, it replaces nothing
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// whole checks that a database can be read to its end.
func whole(ctx context.Context, path string) error {
	db, err := openExisting(ctx, path, "ro", 0)
	if err != nil {
		return err
	}
	defer db.Close()
	var said string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return fmt.Errorf("the database is damaged: %s: restore a backup", said)
	}
	return nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// An Exporter reads a database to export it. It changes nothing in it.
type Exporter struct {
	db    *sql.DB
	store *Store // for reading with the store's own functions
}

var _ transfer.Source = (*Exporter)(nil)

// OpenExport opens the database at path for an export. Servers may have it open and write to
// it.
func OpenExport(ctx context.Context, path string) (*Exporter, error) {
	db, err := openExisting(ctx, path, "ro", len(migrations))
	if err != nil {
		return nil, err
	}
	s := &Store{file: &file{name: "workspace database", path: path}}
	s.file.open.Store(&handles{read: db, why: workspace.ErrReadOnly, stale: func() bool { return false }, close: func() error { return nil }})
	return &Exporter{db, s}, nil
}

// Close closes the database.
func (e *Exporter) Close() error { return e.db.Close() }

// Token implements [transfer.Source].
func (e *Exporter) Token(ctx context.Context) (token string, err error) {
	err = e.db.QueryRowContext(ctx, `SELECT token FROM secret_key`).Scan(&token)
	return token, err
}

// Export implements [transfer.Source]. All but usage is of one moment.
func (e *Exporter) Export(ctx context.Context, do func(transfer.Record) error) error {
	tx, err := e.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, read := range []func(context.Context, *sql.Tx, func(transfer.Record) error) error{
		readWorkspaces, readDomains, readKeys, readRows, readLogs, readLeases, e.readUsage,
	} {
		if err := read(ctx, tx, do); err != nil {
			return err
		}
	}
	return nil
}

// each calls do after each row was read into the places.
func each(ctx context.Context, tx *sql.Tx, query string, places []any, do func() error, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func readWorkspaces(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var w transfer.Workspace
	return each(ctx, tx, `SELECT namespace, id, revision, json FROM workspaces ORDER BY namespace`, []any{&w.Namespace, &w.ID, &w.Revision, &w.JSON}, func() error {
		return do(transfer.Record{Workspace: &w})
	})
}

func readDomains(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var d transfer.Domain
	return each(ctx, tx, `SELECT d.domain, d.namespace, w.id, d.claimed_at, d.verified_at FROM domains d JOIN workspaces w USING (namespace)`,
		[]any{&d.Domain, &d.Namespace, &d.WorkspaceID, &d.ClaimedAt, &d.VerifiedAt}, func() error { return do(transfer.Record{Domain: &d}) })
}

func readKeys(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var k transfer.APIKey
	return each(ctx, tx, `SELECT json, revoked_at, last_used_at, total_requests, total_errors FROM api_keys`,
		[]any{&k.JSON, &k.RevokedAt, &k.LastUsedAt, &k.TotalRequests, &k.TotalErrors}, func() error { return do(transfer.Record{APIKey: &k}) })
}

// readRows reads the tables of kinds.
func readRows(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	at := now().Unix()
	for _, k := range kinds {
		var r transfer.Record
		places := k.fields(&r)
		err := each(ctx, tx, `SELECT `+strings.Join(k.columns, ", ")+` FROM `+k.table, places, func() error {
			if p := r.Person; p != nil && (p.Expires != 0 && p.Expires <= at || p.Group == storeGroup) {
				return nil
			}
			return do(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readLogs reads the logs of purges of workspaces that are there.
func readLogs(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var ids []string
	var id string
	err := each(ctx, tx, `SELECT workspace_id FROM purges JOIN workspaces ON workspace_id = id`, []any{&id}, func() error {
		ids = append(ids, id)
		return nil
	})
	for _, id := range ids {
		if err != nil {
			break
		}
		var l workspace.PurgeLog
		if l, err = readPurges(ctx, tx, id, workspace.PurgeLog{}); err == nil {
			err = do(transfer.Record{Purges: &transfer.Purges{WorkspaceID: id, Log: l}})
		}
	}
	return err
}

func readLeases(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var l transfer.Limit
	return each(ctx, tx, `SELECT key, span, start / 1000000, until / 1000000, used FROM leases WHERE until > ?`,
		[]any{&l.Key, &l.Window, &l.Start, &l.Until, &l.Used}, func() error { return do(transfer.Record{Limit: &l}) }, micros(now()))
}

func (e *Exporter) readUsage(ctx context.Context, tx *sql.Tx, do func(transfer.Record) error) error {
	var ids []string
	var id string
	err := each(ctx, tx, `SELECT DISTINCT workspace_id FROM usage`, []any{&id}, func() error {
		ids = append(ids, id)
		return nil
	})
	for _, id := range ids {
		if err != nil {
			break
		}
		var rows []workspace.Usage
		rows, err = e.store.UsageInParts(ctx, id, "", "~")
		for _, u := range rows {
			if err == nil {
				err = do(transfer.Record{Usage: transfer.NewUsage(u)})
			}
		}
	}
	return err
}

var _ transfer.Target = (*Store)(nil)

// CheckToken implements [transfer.Target].
func (s *Store) CheckToken(token string) error {
	_, err := s.codec.CheckToken(token)
	return err
}

// Fits implements [transfer.Target].
func (s *Store) Fits(r transfer.Record) error { return check(r) }

// check reports what would make writing fail.
func check(r transfer.Record) error {
	var err error
	switch {
	case r.Workspace != nil:
		_, err = r.Workspace.Facts()
	case r.APIKey != nil:
		_, err = r.APIKey.Key()
	case r.Audit != nil:
		_, err = r.Audit.Time()
	}
	return err
}

// Take implements [transfer.Target]: in one transaction, so that a kill leaves the database as
// it was.
func (s *Store) Take(ctx context.Context, records iter.Seq2[transfer.Record, error], token string, replace bool) error {
	db, err := s.file.writer()
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := empty(ctx, tx, replace); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `PRAGMA defer_foreign_keys = ON`); err != nil { // workspaces come last
		return err
	}
	for r, err := range records {
		if err == nil {
			err = write(ctx, tx, r)
		}
		if err != nil {
			return err
		}
	}
	for _, statement := range []string{
		`DELETE FROM domains WHERE namespace NOT IN (SELECT namespace FROM workspaces)`,
		`DELETE FROM secret_key`,
		// Servers that have the database open notice that their place in the feed is gone.
		`DELETE FROM changes`,
		`INSERT INTO changes (kind, namespace) VALUES ('workspace', ''), ('workspace', '')`,
		`DELETE FROM changes`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO secret_key (token) VALUES (?)`, token); err != nil {
		return err
	}
	return tx.Commit()
}

// empty empties the tables, or fails if they aren't empty.
func empty(ctx context.Context, tx *sql.Tx, replace bool) error {
	tables := []string{"domains", "workspaces", "api_keys", "purges", "purge_events", "leases", "usage", "tallies", "answers"}
	for _, k := range kinds {
		tables = append(tables, k.table)
	}
	for _, table := range tables {
		if replace {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
			continue
		}
		var one int
		err := tx.QueryRowContext(ctx, `SELECT 1 FROM `+table+` LIMIT 1`).Scan(&one)
		if err == nil {
			err = transfer.ErrNotEmpty
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// write writes a record.
func write(ctx context.Context, tx *sql.Tx, r transfer.Record) error {
	exec := func(statement string, args ...any) error {
		_, err := tx.ExecContext(ctx, statement, args...)
		return err
	}
	switch {
	case r.Workspace != nil:
		w := r.Workspace
		f, err := w.Facts()
		if err != nil {
			return err
		}
		return exec(`INSERT INTO workspaces (namespace, id, revision, json, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
			w.Namespace, w.ID, w.Revision, w.JSON, f.CreatedAt.Format(time.RFC3339Nano), f.UpdatedAt.Format(time.RFC3339Nano))
	case r.Domain != nil:
		d := r.Domain
		return exec(`INSERT INTO domains (domain, namespace, claimed_at, verified_at) VALUES (?, ?, ?, ?)`, d.Domain, d.Namespace, d.ClaimedAt, d.VerifiedAt)
	case r.APIKey != nil:
		k, err := r.APIKey.Key()
		if err != nil {
			return err
		}
		return exec(`INSERT INTO api_keys (hash, workspace_id, id, json, created_at, revoked_at, forget_at, last_used_at, total_requests, total_errors) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.Hash[:], k.WorkspaceID, k.ID, r.APIKey.JSON, micros(k.CreatedAt), micros(k.RevokedAt), micros(k.ForgetAt()), r.APIKey.LastUsedAt, r.APIKey.TotalRequests, r.APIKey.TotalErrors)
	case r.Purges != nil:
		return writeSnapshot(ctx, tx, r.Purges.WorkspaceID, r.Purges.Log)
	case r.Limit != nil:
		l := r.Limit
		return exec(`INSERT INTO leases (key, span, start, until, used) VALUES (?, ?, ?, ?, ?)`, l.Key, l.Window, l.Start*1e6, l.Until*1e6, l.Used)
	case r.Usage != nil:
		return addUsage(ctx, tx, r.Usage.Row())
	}
	for _, k := range kinds {
		if values, ok := k.valuesOf(r); ok {
			return exec(`INSERT INTO `+k.table+` (`+strings.Join(k.columns, ", ")+`) VALUES (?`+strings.Repeat(", ?", len(values)-1)+`)`, values...)
		}
	}
	_, err := r.Kind()
	return err
}

// valuesOf returns the values of a record's columns, if it is of the kind.
func (k kind) valuesOf(r transfer.Record) ([]any, bool) {
	before, _ := r.Kind()
	places := k.fields(&r) // it makes another part in r where r is of another kind
	if after, err := r.Kind(); err != nil || after != before {
		return nil, false
	}
	return places, true
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"

	"github.com/tintype/tintype/workspace/cached"
)

// Copies is a [cached.Copies] in a SQLite file. A server whose store is elsewhere keeps its
// copies there. It is safe for concurrent use.
type Copies struct{ file *file }

var _ cached.Copies = (*Copies)(nil)

// OpenCopies opens the file at path. It makes the file (mode 0600) and its folder (0700) if
// they are missing. It empties a file of another version, since copies can be fetched
// again. If the disk is full or read-only, it opens the file for reading, and Keep fails
// until the file can be written.
//
// A commit doesn't wait for the disk. After a loss of power, the latest commits may be
// missing.
func OpenCopies(path string) (*Copies, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f := &file{name: "last known copies", path: path, full: func() (*handles, error) { return openCopies(path) }, part: checkCopies}
	err = f.start()
	if unwritable(err) != nil {
		slog.Error("can't open the last known copies: a server that starts while the store is down would serve nothing", "err", err)
		f.open.Store(nothing(err))
	} else if err != nil {
		return nil, err
	}
	return &Copies{f}, nil
}

func openCopies(path string) (*handles, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "synchronous(NORMAL)",
	}}.Encode() + "&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := prepareCopies(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &handles{read: db, write: db, close: db.Close}, nil
}

// copiesVersion is the version of the table and of its contents.
const copiesVersion = 2

func prepareCopies(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*busyTimeout)
	defer cancel()
	if err := walMode(ctx, db); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil) // tests whether the file can be written
	if err == nil {
		err = tx.Rollback()
	}
	if err != nil {
		return err
	}
	version, err := userVersion(ctx, db)
	if err != nil || version == copiesVersion {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
		DROP TABLE IF EXISTS copies;
		CREATE TABLE copies (
			key  TEXT PRIMARY KEY,
			data BLOB NOT NULL
		) STRICT, WITHOUT ROWID;
		PRAGMA user_version = %d;
		COMMIT`, copiesVersion))
	return err
}

// checkCopies checks that copies that can't be written can be read.
func checkCopies(h *handles) error {
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	version, err := userVersion(ctx, h.read)
	if err == nil && version != copiesVersion {
		err = fmt.Errorf("its version is %d, which this tintype can't read", version)
	}
	return err
}

// Copy implements [cached.Copies].
func (c *Copies) Copy(ctx context.Context, key string) (data []byte, err error) {
	db := c.file.reader()
	if db == nil {
		return nil, nil
	}
	err = db.QueryRowContext(ctx, `SELECT data FROM copies WHERE key = ?`, key).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return data, err
}

// Keep implements [cached.Copies].
func (c *Copies) Keep(ctx context.Context, changes []cached.CopyChange) error {
	db, err := c.file.writer()
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, change := range changes {
		switch {
		case change.Data != nil:
			_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO copies (key, data) VALUES (?, ?)`, change.Key, change.Data)
		case change.Key != "":
			_, err = tx.ExecContext(ctx, `DELETE FROM copies WHERE key = ?`, change.Key)
		default:
			_, err = tx.ExecContext(ctx, `DELETE FROM copies`)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Close closes the file.
func (c *Copies) Close() error { return c.file.close() }

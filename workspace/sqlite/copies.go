package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/tintype/tintype/workspace/cached"
)

// Copies is a [cached.Copies] in a SQLite file. A server whose store is elsewhere keeps its
// copies there. It is safe for concurrent use.
type Copies struct {
	file *file
	most int64        // bytes of the file
	used atomic.Int64 // after the last Keep
	gone atomic.Int64 // copies that made room for others
}

var _ cached.Copies = (*Copies)(nil)

// OpenCopies opens the file at path. It makes the file (mode 0600) and its folder (0700) if
// they are missing. It makes a file of another version anew, since copies can be fetched
// again. If the disk is full or read-only, it opens the file for reading, and Keep fails
// until the file can be written. It takes no longer where there are many copies.
//
// The file may have about this many bytes. Copies that were not written for longest make room. A
// file that is larger doesn't shrink, but it doesn't grow until there is room in it.
//
// A commit doesn't wait for the disk. After a loss of power, the latest commits may be
// missing.
func OpenCopies(path string, most int64) (*Copies, error) {
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
	c := &Copies{file: f, most: most}
	if db := f.reader(); db != nil {
		ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
		defer cancel()
		var used int64
		if err := db.QueryRowContext(ctx, `SELECT `+bytesUsed).Scan(&used); err != nil {
			return nil, errors.Join(err, f.close())
		}
		c.used.Store(used)
	}
	return c, nil
}

func openCopies(path string) (*handles, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	pragmas := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "synchronous(NORMAL)"}}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode() + "&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	switch err := prepareCopies(db); {
	case errors.Is(err, errOtherVersion): // dropping its tables would take as long as reading all of it
		if err := errors.Join(db.Close(), removeDatabase(path)); err != nil {
			return nil, err
		}
		return openCopies(path)
	case err != nil:
		return nil, errors.Join(err, db.Close())
	}
	pragmas.Add("_pragma", "query_only(1)")
	dsn.RawQuery = pragmas.Encode()
	read, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &handles{read: read, write: db, close: func() error { return errors.Join(read.Close(), db.Close()) }}, nil
}

// removeDatabase removes a database that nobody has open.
func removeDatabase(path string) error {
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// copiesVersion is the version of the tables and of their contents.
const copiesVersion = 3

var errOtherVersion = errors.New("the copies are of another version")

// prepareCopies makes the tables. Each row that is written gets a number above all others, so those
// that were not written for longest come first. Rows up to a number may have been wiped: they
// count as gone, and make room first.
func prepareCopies(db *sql.DB) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*busyTimeout)
	defer cancel()
	version, err := userVersion(ctx, db)
	if err != nil {
		return err
	}
	if version != 0 && version != copiesVersion {
		return errOtherVersion
	}
	if err := walMode(ctx, db); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil) // tests whether the file can be written
	if err == nil {
		err = tx.Rollback()
	}
	if err != nil || version == copiesVersion {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(`BEGIN IMMEDIATE;
		CREATE TABLE copies (
			number INTEGER PRIMARY KEY AUTOINCREMENT,
			key    TEXT NOT NULL UNIQUE,
			data   BLOB NOT NULL
		) STRICT;
		CREATE TABLE wiped (up_to INTEGER NOT NULL) STRICT;
		INSERT INTO wiped VALUES (0);
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

// bytesUsed is an expression: how many bytes of the file hold something.
const bytesUsed = `((SELECT page_count FROM pragma_page_count()) - (SELECT freelist_count FROM pragma_freelist_count())) * (SELECT page_size FROM pragma_page_size())`

// Copy implements [cached.Copies]. A copy is old in the first half of the numbers, where half of the
// room is taken.
func (c *Copies) Copy(ctx context.Context, key string) (data []byte, old bool, err error) {
	db := c.file.reader()
	if db == nil {
		return nil, false, nil
	}
	err = db.QueryRowContext(ctx, `SELECT data, 2 * number < (SELECT max(number) FROM copies) + (SELECT number FROM copies WHERE key <> '>' ORDER BY number LIMIT 1)
		FROM copies WHERE key = ? AND number > (SELECT up_to FROM wiped)`, key).Scan(&data, &old)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, old && 2*c.used.Load() > c.most, err
}

const (
	roomAtOnce = 64  // copies that make room in one step
	roomInTx   = 512 // in one transaction
)

// Keep implements [cached.Copies].
func (c *Copies) Keep(ctx context.Context, changes []cached.CopyChange) (gone []string, more bool, err error) {
	db, err := c.file.writer()
	if err != nil {
		return nil, false, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	defer tx.Rollback()
	for _, change := range changes {
		switch {
		case change.Data != nil:
			_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO copies (key, data) VALUES (?, ?)`, change.Key, change.Data)
		case change.Key != "":
			_, err = tx.ExecContext(ctx, `DELETE FROM copies WHERE key = ?`, change.Key)
		default:
			_, err = tx.ExecContext(ctx, `UPDATE wiped SET up_to = (SELECT seq FROM sqlite_sequence WHERE name = 'copies') WHERE EXISTS (SELECT 1 FROM copies)`)
		}
		if err != nil {
			return nil, false, err
		}
	}
	if gone, more, err = c.makeRoom(ctx, tx); err != nil {
		return nil, false, err
	}
	if err := tx.Commit(); err != nil {
		return nil, false, err
	}
	c.gone.Add(int64(len(gone)))
	return gone, more, nil
}

// makeRoom deletes what has been wiped, and what was not written for longest where there are too many bytes. It
// returns the keys of the latter, and whether there is more to delete.
func (c *Copies) makeRoom(ctx context.Context, tx *sql.Tx) (gone []string, more bool, err error) {
	listed := map[string]bool{}
	for deleted := 0; ; {
		var wiped bool
		var used int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT min(number) FROM copies) <= up_to, FALSE),
			`+bytesUsed+` FROM wiped`).Scan(&wiped, &used); err != nil {
			return nil, false, err
		}
		c.used.Store(used)
		if !wiped && used <= c.most {
			return gone, false, nil
		}
		if deleted >= roomInTx {
			return gone, true, nil
		}
		oldest := `SELECT number FROM copies WHERE key <> '>' ORDER BY number LIMIT ?`
		if wiped {
			oldest = `SELECT number FROM copies WHERE number <= (SELECT up_to FROM wiped) ORDER BY number LIMIT ?`
		}
		keys, err := deleteCopies(ctx, tx, `number IN (`+oldest+`)`, roomAtOnce)
		if err != nil || len(keys) == 0 {
			return gone, false, err
		}
		deleted += len(keys)
		if wiped {
			continue // nobody counts on it
		}
		for _, key := range keys {
			namespace, base := strings.CutPrefix(key, "%")
			other := "%" + key
			if base {
				other = namespace
			}
			if !strings.HasPrefix(key, "@") {
				if _, err := deleteCopies(ctx, tx, `key = ?`, other); err != nil {
					return nil, false, err
				}
			}
			if !listed[namespace] {
				listed[namespace] = true
				gone = append(gone, namespace)
			}
		}
	}
}

// deleteCopies deletes rows, and returns their keys.
func deleteCopies(ctx context.Context, tx *sql.Tx, where string, arg any) (keys []string, err error) {
	rows, err := tx.QueryContext(ctx, `DELETE FROM copies WHERE `+where+` RETURNING key`, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// CopiesStats are figures of Copies.
type CopiesStats struct {
	Bytes, Limit int64 // of the file that are in use, and may be
	Gone         int64 // copies that made room for others
}

// Stats returns the figures as of the last Keep.
func (c *Copies) Stats() CopiesStats { return CopiesStats{c.used.Load(), c.most, c.gone.Load()} }

// Close closes the file.
func (c *Copies) Close() error { return c.file.close() }

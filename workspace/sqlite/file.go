package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tintype/tintype/workspace"
)

// A file is an open database. It is open for reading and writing. While its disk is full or
// read-only, it is open only for reading. It is safe for concurrent use.
type file struct {
	name string // for messages
	path string
	full func() (*handles, error) // opens it for reading and writing
	part func(*handles) error     // checks a database that is open only for reading

	open atomic.Pointer[handles]

	mu     sync.Mutex // guards former, and is held while the database is reopened
	former *handles   // the previous handles, which reads may still be using
}

// handles are an open database, for reading and writing, or only for reading.
type handles struct {
	read  *sql.DB     // nil: nothing can be read
	write *sql.DB     // nil: nothing can be written
	why   error       // the reason why write is nil
	stale func() bool // with write nil: whether the database changed, so that reads fail
	close func() error
}

// start opens the database, only for reading if it can't be written.
func (f *file) start() error {
	h, err := f.full()
	if err != nil {
		if h, err = f.openPart(err); err != nil {
			return err
		}
		slog.Error(f.name+": it can't be written. Reads go on, and changes are refused until it can be written", "file", f.path, "err", h.why)
	}
	f.open.Store(h)
	return nil
}

// nothing returns the handles of a database that can't be opened now. why is the reason.
func nothing(why error) *handles {
	return &handles{why: why, stale: func() bool { return true }, close: func() error { return nil }}
}

// openPart opens the database only for reading. why is the error of full. If it doesn't
// mean that the database can't be written, openPart fails.
func (f *file) openPart(why error) (*handles, error) {
	reason := unwritable(why)
	if reason == nil {
		return nil, fmt.Errorf("%s %s: %w", f.name, f.path, why)
	}
	h, err := openSnapshot(f.path)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %w", f.name, f.path, reason, errors.Join(why, err))
	}
	if err := f.part(h); err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w: %w", f.name, f.path, reason, err), h.close())
	}
	h.why = fmt.Errorf("%w: %w", reason, why)
	return h, nil
}

// reader returns the handle for reading.
func (f *file) reader() *sql.DB { return f.open.Load().read }

// writer returns the handle for writing. The error is workspace.ErrFull or
// workspace.ErrReadOnly.
func (f *file) writer() (*sql.DB, error) {
	if h := f.open.Load(); h.write != nil {
		return h.write, nil
	}
	if err := f.again(); err != nil {
		return nil, err
	}
	return f.open.Load().write, nil
}

// again tries to reopen a database for writing.
func (f *file) again() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.open.Load()
	if old.write != nil {
		return nil
	}
	h, err := f.full()
	written := err == nil
	if !written {
		if !old.stale() {
			return old.why
		}
		if h, err = f.openPart(err); err != nil {
			return err
		}
	}
	if f.former != nil {
		_ = f.former.close() // it was only read
	}
	f.former = old
	f.open.Store(h)
	if !written {
		return h.why
	}
	slog.Info(f.name+": it can be written again", "file", f.path)
	return nil
}

func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.open.Load().close()
	if f.former != nil {
		err = errors.Join(err, f.former.close())
	}
	return err
}

// unwritable returns workspace.ErrFull or workspace.ErrReadOnly if the error means that a
// file can't be written, else nil.
func unwritable(err error) error {
	has := func(errs ...error) bool {
		return slices.ContainsFunc(errs, func(e error) bool { return errors.Is(err, e) })
	}
	c := code(err)
	switch {
	case has(workspace.ErrFull, syscall.ENOSPC, syscall.EDQUOT), c&0xff == sqlite3.SQLITE_FULL, c == sqlite3.SQLITE_IOERR_SHMSIZE:
		return workspace.ErrFull
	case has(workspace.ErrReadOnly, syscall.EROFS, syscall.EACCES, syscall.EPERM), c&0xff == sqlite3.SQLITE_READONLY, c&0xff == sqlite3.SQLITE_CANTOPEN:
		return workspace.ErrReadOnly
	}
	switch c {
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE,
		sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_DELETE:
		return workspace.ErrReadOnly
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tintype/tintype/workspace"
)

// Watch has a function told of every write and most reads. It must not wait. Call Watch before the
// Store is used.
func (s *Store) Watch(told func(workspace.Call)) { s.watch = told }

// watched tells who watches of a call that began at a time. Use it with defer.
func (s *Store) watched(ctx context.Context, name string, began time.Time, err *error) {
	if s.watch != nil {
		s.watch(workspace.Call{Name: name, Result: resultOf(ctx, *err), Took: time.Since(began)})
	}
}

func resultOf(ctx context.Context, err error) workspace.CallResult {
	switch {
	case err == nil:
		return workspace.CallOK
	case slices.ContainsFunc(answers, func(a error) bool { return errors.Is(err, a) }):
		return workspace.CallCondition
	case code(err)&0xff == sqlite3.SQLITE_BUSY:
		return workspace.CallTimeout
	}
	return workspace.CallFailed(ctx, err)
}

// reads are the handle for reading, whose reads are watched until their first row is there.
type reads struct {
	*sql.DB
	store *Store
}

func (s *Store) reader() reads { return reads{s.file.reader(), s} }

func (r reads) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	defer r.store.watched(ctx, "read", time.Now(), &err)
	return r.DB.QueryContext(ctx, query, args...)
}

func (r reads) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	began := time.Now()
	row := r.DB.QueryRowContext(ctx, query, args...)
	err := row.Err()
	r.store.watched(ctx, "read", began, &err)
	return row
}

func (r reads) BeginTx(ctx context.Context, opts *sql.TxOptions) (tx *sql.Tx, err error) {
	defer r.store.watched(ctx, "read", time.Now(), &err)
	return r.DB.BeginTx(ctx, opts)
}

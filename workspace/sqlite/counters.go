package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// AddTally implements [workspace.Counters].
func (s *Store) AddTally(ctx context.Context, t workspace.Tally) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		if _, err := tx.ExecContext(ctx, `DELETE FROM tallies WHERE until < ?`, micros(at)); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO tallies (id, seq, until) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET seq = excluded.seq, until = excluded.until WHERE seq < excluded.seq`, t.ID, t.Seq, micros(at.Add(workspace.TallyKnown)))
		if err != nil {
			return err
		}
		if added, err := done.RowsAffected(); err != nil || added == 0 {
			return err
		}
		t := t.Merged()
		for _, u := range t.Usage {
			if err := addUsage(ctx, tx, u); err != nil {
				return err
			}
		}
		for _, k := range t.Keys {
			if _, err := tx.ExecContext(ctx, `UPDATE api_keys SET total_requests = total_requests + ?, total_errors = total_errors + ?, last_used_at = ?
				WHERE workspace_id = ? AND id = ?`, k.Requests, k.Errors, micros(k.LastUsedAt), k.WorkspaceID, k.ID); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM usage WHERE day < ?`, at.Add(-workspace.UsageKept).Format(time.DateOnly))
		return err
	})
}

// addUsage adds to a row of usage.
func addUsage(ctx context.Context, tx *sql.Tx, u workspace.Usage) error {
	parts, err := addParts(ctx, tx, u)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO usage
		(workspace_id, day, operation, source, requests, hits, transforms, errors, bytes_in, bytes_out, units, previews, parts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, hits = hits + excluded.hits,
		transforms = transforms + excluded.transforms, errors = errors + excluded.errors,
		bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out,
		units = units + excluded.units, previews = previews + excluded.previews, parts = iif(excluded.parts = '', parts, excluded.parts)`,
		u.WorkspaceID, u.Day, u.Operation, u.Source, u.Requests, u.Hits, u.Transforms, u.Errors, u.BytesIn, u.BytesOut, u.Units, u.Previews, parts)
	return err
}

// parts are the countries and keys of a row of usage.
type parts struct {
	Countries map[string]workspace.Part `json:"countries,omitempty"`
	Keys      map[string]workspace.Part `json:"keys,omitempty"`
}

// addParts returns the parts of a row of usage together with those that are stored. Empty
// changes nothing.
func addParts(ctx context.Context, tx *sql.Tx, u workspace.Usage) (string, error) {
	if len(u.Countries)+len(u.Keys) == 0 {
		return "", nil
	}
	var text string
	err := tx.QueryRowContext(ctx, `SELECT parts FROM usage WHERE workspace_id = ? AND day = ? AND operation = ? AND source = ?`,
		u.WorkspaceID, u.Day, u.Operation, u.Source).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	var sum workspace.Usage
	if err := openParts(text, &sum); err != nil {
		return "", err
	}
	sum.Add(u)
	data, err := json.Marshal(parts{sum.Countries, sum.Keys})
	return string(data), err
}

func openParts(text string, u *workspace.Usage) error {
	if text == "" {
		return nil
	}
	var p parts
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parts of usage: %w", err)
	}
	u.Countries, u.Keys = p.Countries, p.Keys
	return nil
}

// Usage implements [workspace.Counters].
func (s *Store) Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return s.usage(ctx, workspaceID, from, to, "''")
}

// UsageInParts implements [workspace.Counters].
func (s *Store) UsageInParts(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error) {
	return s.usage(ctx, workspaceID, from, to, "parts")
}

// usage reads rows; inParts is what to read for their parts.
func (s *Store) usage(ctx context.Context, workspaceID, from, to, inParts string) (list []workspace.Usage, err error) {
	conn, err := s.file.reader().Conn(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	defer conn.Close()
	// 92 days of 200 sources are 18,400 rows. database/sql locks and reflects for each, and the
	// driver locks twice for each column, which together take four times as long as the query.
	// So a row is one text.
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, `SELECT concat_ws(char(9), requests, hits, transforms, errors, bytes_in, bytes_out, units, previews, day, operation, source, `+inParts+`)
			FROM usage WHERE workspace_id = ? AND day BETWEEN ? AND ? ORDER BY day, operation, source`,
			[]driver.NamedValue{{Ordinal: 1, Value: workspaceID}, {Ordinal: 2, Value: from}, {Ordinal: 3, Value: to}})
		if err != nil {
			return err
		}
		defer rows.Close()
		v := make([]driver.Value, 1)
		for err = rows.Next(v); err == nil; err = rows.Next(v) {
			text, _ := v[0].(string)
			u := workspace.Usage{WorkspaceID: workspaceID}
			for _, n := range []*int64{&u.Requests, &u.Hits, &u.Transforms, &u.Errors, &u.BytesIn, &u.BytesOut, (*int64)(&u.Units), &u.Previews} {
				var number string
				number, text, _ = strings.Cut(text, "\t")
				if *n, err = strconv.ParseInt(number, 10, 64); err != nil {
					return fmt.Errorf("a count of usage: %w", err)
				}
			}
			u.Day, text, _ = strings.Cut(text, "\t")
			u.Operation, text, _ = strings.Cut(text, "\t")
			u.Source, text, _ = strings.Cut(text, "\t")
			if err = openParts(text, &u); err != nil {
				return err
			}
			list = append(list, u)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, failure(ctx, err)
	}
	return list, nil
}

var _ workspace.Totals = (*Store)(nil)

// Total implements [workspace.Totals].
func (s *Store) Total(ctx context.Context, workspaceID, from, to string) (workspace.Usage, error) {
	u := workspace.Usage{WorkspaceID: workspaceID}
	row := s.reader().QueryRowContext(ctx, `SELECT coalesce(sum(requests), 0), coalesce(sum(hits), 0), coalesce(sum(transforms), 0), coalesce(sum(errors), 0),
		coalesce(sum(bytes_in), 0), coalesce(sum(bytes_out), 0), coalesce(sum(units), 0), coalesce(sum(previews), 0) FROM usage WHERE workspace_id = ? AND day BETWEEN ? AND ?`, workspaceID, from, to)
	return u, failure(ctx, row.Scan(&u.Requests, &u.Hits, &u.Transforms, &u.Errors, &u.BytesIn, &u.BytesOut, &u.Units, &u.Previews))
}

// Lease implements [limit.Leases]. All processes that have the file open share a clock.
func (s *Store) Lease(ctx context.Context, r limit.Request) (g limit.Grant, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		start, end := r.Window.Bounds(at)
		if _, err := tx.ExecContext(ctx, `DELETE FROM leases WHERE until < ?`, micros(at)); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `SELECT used FROM leases WHERE key = ? AND span = ? AND start = ?`, r.Key, string(r.Window), micros(start)).Scan(&g.Used)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		g.Granted = max(0, min(r.Want, r.Max-g.Used))
		g.Used += g.Granted
		g.Start, g.Ends = start, end.Sub(at)
		if g.Granted == 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO leases (key, span, start, until, used) VALUES (?, ?, ?, ?, ?)`,
			r.Key, string(r.Window), micros(start), micros(end), g.Used)
		return err
	})
	if err != nil {
		return limit.Grant{}, err
	}
	return g, nil
}

// Return implements [limit.Leases].
func (s *Store) Return(ctx context.Context, r limit.Request, g limit.Grant, unused int64) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE leases SET used = max(0, used - ?) WHERE key = ? AND span = ? AND start = ?`,
			min(unused, g.Granted), r.Key, string(r.Window), micros(g.Start))
		return err
	})
}

// BeginReplay implements [workspace.Replays].
func (s *Store) BeginReplay(ctx context.Context, key, fingerprint string) (prior *workspace.Answer, err error) {
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		if _, err := tx.ExecContext(ctx, `DELETE FROM answers WHERE until < ?`, micros(at)); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO answers (key, fingerprint, sealed, until) VALUES (?, ?, '', ?) ON CONFLICT DO NOTHING`,
			key, fingerprint, micros(at.Add(workspace.AnswerDue)))
		if err != nil {
			return err
		}
		if begun, err := done.RowsAffected(); err != nil || begun > 0 {
			return err
		}
		var first, sealed string
		if err := tx.QueryRowContext(ctx, `SELECT fingerprint, sealed FROM answers WHERE key = ?`, key).Scan(&first, &sealed); err != nil {
			return err
		}
		a := workspace.Answer{}
		if sealed != "" {
			if a, err = s.codec.OpenAnswer(key, sealed); err != nil {
				return err
			}
			a.Done = true
		}
		a.Fingerprint = first
		prior = &a
		return nil
	})
	if err != nil {
		return nil, err
	}
	return prior, nil
}

// FinishReplay implements [workspace.Replays].
func (s *Store) FinishReplay(ctx context.Context, key string, a workspace.Answer) error {
	sealed, err := s.codec.SealAnswer(key, a)
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO answers (key, fingerprint, sealed, until) VALUES (?, ?, ?, ?)`,
			key, a.Fingerprint, sealed, micros(now().Add(workspace.AnswerKept)))
		return err
	})
}

// ForgetReplay implements [workspace.Replays].
func (s *Store) ForgetReplay(ctx context.Context, key string) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM answers WHERE key = ?`, key)
		return err
	})
}

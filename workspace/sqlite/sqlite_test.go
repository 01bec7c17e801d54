package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// writerFile is the database that the test binary writes into until it is killed.
const writerFile = "TINTYPE_TEST_WRITER_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerFile); path != "" {
		s, err := sqlite.Open(path, codec)
		if err == nil {
			err = workspacetest.WriteForEver(context.Background(), s, os.Stdout)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// codec encrypts in all tests.
var codec = newCodec(strings.Repeat("0a", 32))

func newCodec(keys string) *workspace.Codec {
	c, err := workspace.NewCodec(keys)
	if err != nil {
		panic(err)
	}
	return c
}

func open(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(path, codec)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func TestStore(t *testing.T) {
	workspacetest.Run(t, func(t *testing.T) workspace.Store {
		return open(t, filepath.Join(t.TempDir(), "workspaces.db"))
	})
}

func TestStoreRecords(t *testing.T) {
	workspacetest.RunRecords(t, func(t *testing.T) workspacetest.Store {
		return open(t, filepath.Join(t.TempDir(), "workspaces.db"))
	})
}

func TestStoreShared(t *testing.T) {
	workspacetest.RunShared(t, func(t *testing.T) (a, b workspace.Store) {
		path := filepath.Join(t.TempDir(), "workspaces.db")
		return open(t, path), open(t, path)
	})
}

func TestStoreDamaged(t *testing.T) {
	workspacetest.RunDamaged(t, func(t *testing.T) (workspace.Store, func(*testing.T, string, string)) {
		path := filepath.Join(t.TempDir(), "workspaces.db")
		return open(t, path), func(t *testing.T, namespace, json string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), `UPDATE workspaces SET json = ? WHERE namespace = ?`, json, namespace); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestCached(t *testing.T) {
	workspacetest.Run(t, func(t *testing.T) workspace.Store {
		return cached.New(open(t, filepath.Join(t.TempDir(), "workspaces.db")), cached.Config{})
	})
}

// Two caches that no feed connects lose no update: a refused write refreshes the cache.
func TestCachedRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	a := cached.New(open(t, path), cached.Config{})
	b := cached.New(open(t, path), cached.Config{})
	defer a.Close()
	defer b.Close()
	if err := a.Create(t.Context(), workspace.New("acme")); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		s := []*cached.Store{a, b}[i%2]
		for {
			w, err := s.Get(t.Context(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			w = w.Clone()
			w.Limits.RequestsPerMinute++
			if err := s.Update(t.Context(), w); err == nil {
				break
			} else if !errors.Is(err, workspace.ErrConflict) {
				t.Fatal(err)
			}
		}
	}
	if w, err := b.Get(t.Context(), "acme"); err != nil || w.Limits.RequestsPerMinute != 10 {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "100% #1?.db")
	s := open(t, path)
	w := workspacetest.Full("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	_, cursor, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path)
	defer s.Close()
	again, err := s.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if changes := workspace.Diff(w, again); len(changes) > 0 || again.ID != w.ID || !again.CreatedAt.Equal(w.CreatedAt) {
		t.Errorf("after reopening: %q", changes)
	}
	if err := s.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	if changes, _, err := s.Changes(t.Context(), cursor); err != nil || len(changes) != 1 {
		t.Errorf("Changes since before the restart: %v, %v", changes, err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}

func TestOpenTightensMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	defer open(t, path).Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	newer := filepath.Join(t.TempDir(), "newer.db")
	open(t, newer).Close()
	exec1(t, newer, `PRAGMA user_version = 99`)
	notSQLite := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(notSQLite, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		newer:        "newer tintype (schema 99; this one knows up to 11)",
		notSQLite:    "not a database",
		t.TempDir():  "is a directory",
		"/dev/null":  "not a regular file",
		newer + "/x": "not a directory",
	} {
		s, err := sqlite.Open(path, codec)
		if err == nil {
			s.Close()
			t.Errorf("Open(%s) succeeded", path)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s): %v, want %q", path, err, want)
		}
	}
	if version := exec1(t, newer, `PRAGMA user_version`); version != "99" {
		t.Errorf("a refused database has version %s now", version)
	}
}

// exec1 runs a statement on a connection of its own and returns its first value.
func exec1(t *testing.T, path, statement string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(statement).Scan(&value); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

// toVersion2 changes a database back to version 2.
func toVersion2(t *testing.T, path string) {
	t.Helper()
	for _, statement := range []string{
		`DROP TABLE api_keys`, `DROP TABLE audit`, `DROP TABLE usage`, `DROP TABLE tallies`, `DROP TABLE purges`, `DROP TABLE purge_events`, `DROP TABLE leases`, `DROP TABLE answers`, `DROP TABLE deleted`, `DROP TABLE people`, `DROP TABLE image_errors`,
		`ALTER TABLE changes DROP COLUMN kind`, `ALTER TABLE domains DROP COLUMN claimed_at`, `ALTER TABLE domains DROP COLUMN verified_at`,
		`PRAGMA user_version = 2`,
	} {
		exec1(t, path, statement)
	}
}

// The first version stored a workspace's JSON unchanged, and had no secrets.
func TestOpenMigratesTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	w := workspace.New("acme")
	w.Name = "A shop, \"quoted\""
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	toVersion2(t, path)
	for _, statement := range []string{ // and back to version 1
		`DROP TABLE secret_key`, `UPDATE workspaces SET json = json -> 'workspace'`, `PRAGMA user_version = 1`,
	} {
		exec1(t, path, statement)
	}
	if name := exec1(t, path, `SELECT json ->> 'name' FROM workspaces`); name != w.Name {
		t.Fatalf("in the old database: %q", name)
	}
	s = open(t, path)
	defer s.Close()
	got, err := s.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if changes := workspace.Diff(w, got); len(changes) > 0 || got.ID != w.ID {
		t.Errorf("after the migration: %q, ID %q, want %q", changes, got.ID, w.ID)
	}
}

// Opening a database of an older version keeps its data.
func TestOpenMigrates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	w := workspacetest.Full("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	toVersion2(t, path)
	s = open(t, path)
	defer s.Close()
	got, err := s.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if changes := workspace.Diff(w, got); len(changes) > 0 {
		t.Errorf("after the migration: %q", changes)
	}
	if d, err := s.Domain(t.Context(), w.Domains[0]); err != nil || d.Namespace != "acme" || d.WorkspaceID != w.ID {
		t.Errorf("its domain: %+v, %v", d, err)
	}
	if changes, _, err := s.Changes(t.Context(), "0"); err != nil || len(changes) != 1 || changes[0].Kind != workspace.ChangedWorkspace {
		t.Errorf("its changes: %v, %v", changes, err)
	}
	if err := s.Update(t.Context(), got, workspace.AuditEntry{Action: "update"}); err != nil {
		t.Error(err)
	}
}

// A log of purges as it was before there were snapshots is one.
func TestOpenMigratesPurges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`DROP TABLE purge_events`, `ALTER TABLE purges DROP COLUMN sequence`,
		`INSERT INTO purges (workspace_id, json) VALUES ('w1',
			'{"sequence":250,"purges":[{"sequence":101,"kind":"source","source":"a"},{"sequence":250,"kind":"path","source":"b","value":"x"}]}')`,
		`DROP TABLE people`, `DROP TABLE image_errors`, `ALTER TABLE usage DROP COLUMN previews`, `ALTER TABLE usage DROP COLUMN units`, `ALTER TABLE usage DROP COLUMN parts`, `ALTER TABLE tallies DROP COLUMN seq`, `PRAGMA user_version = 5`,
	} {
		exec1(t, path, statement)
	}
	s := open(t, path)
	defer s.Close()
	l, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil || l.Sequence != 250 || len(l.Purges) != 2 || l.Purges[0].Sequence != 101 {
		t.Fatalf("%+v, %v", l, err)
	}
	want, _ := l.Add(workspace.Purge{Kind: workspace.PurgePath, Source: "b", Value: "y"})
	if got, _, err := s.AddPurges(t.Context(), "acme", "w1", workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgePath, Source: "b", Value: "y"}}); err != nil || got.Sequence != 251 {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err := s.PurgeLog(t.Context(), "w1", workspace.PurgeLog{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestChangesAreTrimmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	defer s.Close()
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	_, old, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, path, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		INSERT INTO changes (namespace) SELECT 'many' FROM n`)
	if err := s.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if kept := exec1(t, path, `SELECT count(*) FROM changes`); kept != "10000" {
		t.Errorf("%s changes are kept", kept)
	}
	if _, _, err := s.Changes(t.Context(), old); !errors.Is(err, workspace.ErrCursor) {
		t.Errorf("Changes from a cursor that is too old: %v", err)
	}
	since := func(back int64) string {
		last, err := strconv.ParseInt(exec1(t, path, `SELECT max(seq) FROM changes`), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(last-back, 10)
	}
	if changes, _, err := s.Changes(t.Context(), since(10_000)); err != nil || len(changes) != 2 {
		t.Errorf("Changes from the oldest cursor: %v, %v", changes, err)
	}
	for _, back := range []int64{10_001, -1} {
		if _, _, err := s.Changes(t.Context(), since(back)); !errors.Is(err, workspace.ErrCursor) {
			t.Errorf("Changes from %d back: %v", back, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	w := workspace.New("acme")
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	exec1(t, path, `UPDATE workspaces SET json = '{"workspace":{"namespace":"acme","a_rule_to_come":true}}'`)
	_, err := s.Get(t.Context(), "acme")
	if !errors.Is(err, workspace.ErrUnavailable) || !strings.Contains(err.Error(), "a_rule_to_come") {
		t.Errorf("Get of what can't be read: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), "acme")
	_, listErr := s.List(t.Context(), "", 1)
	_, _, changesErr := s.Changes(t.Context(), "")
	for _, err := range []error{err, listErr, changesErr, s.Create(t.Context(), w), s.Update(t.Context(), w), s.Delete(t.Context(), "acme", 0)} {
		if !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("of a closed store: %v", err)
		}
	}
}

// A process that is killed during a write loses no acknowledged write and leaves no partial
// write.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	workspacetest.Kill(t, workspacetest.Soak(20, 500), func() *exec.Cmd {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), writerFile+"="+path)
		return child
	}, func(t *testing.T) workspacetest.Store { return open(t, path) })
}

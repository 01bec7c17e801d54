package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// onlyReadable makes it impossible for SQLite to open a database: a folder has the name of
// a file that it needs.
func onlyReadable(t *testing.T, main, wal []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "workspaces.db")
	if err := os.Mkdir(path+"-shm", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, main)
	if wal != nil {
		write(t, path+"-wal", wal)
	}
	return path
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// read returns a file, or nil if it doesn't exist.
func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// dump returns all workspaces of a store.
func dump(t *testing.T, s workspace.Store) (all []string) {
	t.Helper()
	list, err := s.List(t.Context(), "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range list {
		all = append(all, fmt.Sprintf("%s %d %s %d", w.Namespace, w.Revision, w.Name, len(w.Presets)))
	}
	_, cursor, err := s.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return append(all, cursor)
}

// put creates the workspace, or updates it with a name of this length.
func put(t *testing.T, s workspace.Store, namespace string, length int) {
	t.Helper()
	w, err := s.Get(t.Context(), namespace)
	if errors.Is(err, workspace.ErrNotFound) {
		w = workspace.New(namespace)
		if err = s.Create(t.Context(), w); err == nil {
			return
		}
	}
	if err == nil {
		w = w.Clone()
		w.Name = string(bytes.Repeat([]byte{byte('a' + rand.IntN(26))}, length))
		err = s.Update(t.Context(), w)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadsWhatSQLiteReads: a database that can't be written is read as SQLite would read
// it, with the complete part of its write-ahead log, wherever a kill or a full disk has cut
// the log off.
func TestReadsWhatSQLiteReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	defer s.Close()
	for i := range 30 {
		put(t, s, fmt.Sprintf("ws-%02d", i), 10)
	}
	check := func(name string, main, wal []byte) {
		t.Helper()
		part := open(t, onlyReadable(t, main, wal))
		defer part.Close()
		if err := part.Create(t.Context(), workspace.New("another")); !errors.Is(err, workspace.ErrReadOnly) || !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("%s: a write: %v", name, err)
		}
		full := filepath.Join(t.TempDir(), "workspaces.db")
		write(t, full, main)
		write(t, full+"-wal", wal)
		whole := open(t, full)
		defer whole.Close()
		if diff := cmp.Diff(dump(t, whole), dump(t, part)); diff != "" {
			t.Errorf("%s: SQLite reads (-), and we (+): %s", name, diff)
		}
	}
	files := func() (main, wal []byte) { return read(t, path), read(t, path+"-wal") }
	checkpoint := func(how string) {
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("PRAGMA wal_checkpoint(" + how + ")"); err != nil {
			t.Fatal(err)
		}
	}

	checkpoint("TRUNCATE") // later writes are only in the log
	for i := range 30 {
		put(t, s, fmt.Sprintf("ws-%02d", i/2*2), 3000)
	}
	main, wal := files()
	check("nothing is checkpointed", main, wal)
	for range workspacetest.Soak(6, 200) {
		cut := rand.IntN(len(wal))
		check(fmt.Sprintf("cut off at %d", cut), main, wal[:cut])
		flipped := bytes.Clone(wal)
		at := rand.IntN(len(wal))
		flipped[at] ^= 1 << rand.IntN(8)
		check(fmt.Sprintf("another bit at %d", at), main, flipped)
	}
	checkpoint("PASSIVE")
	main, wal = files()
	check("all is checkpointed", main, wal)
	for range 5 {
		put(t, s, "ws-07", 20_000) // over several pages
	}
	main, wal = files()
	check("written from its start again", main, wal)
	for range 10 {
		cut := rand.IntN(len(wal))
		check(fmt.Sprintf("written from its start again, cut off at %d", cut), main, wal[:cut])
	}
	checkpoint("TRUNCATE")
	main, wal = files()
	check("an empty log", main, wal)
	check("no log", main, nil)
}

// TestWritesAgain: writes succeed as soon as the database can be written again, whichever
// call notices it first.
func TestWritesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	put(t, s, "acme", 3)
	put(t, s, "acme", 3)
	main, wal := read(t, path), read(t, path+"-wal")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, notice := range map[string]func(s *sqlite.Store) error{
		"by a write": func(s *sqlite.Store) error {
			return s.Create(context.Background(), workspace.New("beta"))
		},
		"by the feed": func(s *sqlite.Store) error {
			_, _, err := s.Changes(context.Background(), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := onlyReadable(t, main, wal)
			s := open(t, path)
			defer s.Close()
			w, err := s.Get(t.Context(), "acme")
			if err != nil || w.Revision != 2 {
				t.Fatalf("%+v, %v", w, err)
			}
			if err := s.Update(t.Context(), w.Clone()); !errors.Is(err, workspace.ErrReadOnly) {
				t.Fatalf("Update: %v", err)
			}
			if err := os.Remove(path + "-shm"); err != nil {
				t.Fatal(err)
			}
			if err := notice(s); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(t.Context(), w.Clone()); err != nil {
				t.Errorf("Update: %v", err)
			}
			if w, err := s.Get(t.Context(), "acme"); err != nil || w.Revision != 3 {
				t.Errorf("%+v, %v", w, err)
			}
		})
	}
}

// TestChangedBehind: reads never mix old data with what another process writes meanwhile.
// After the next read of the feed, they see the new data.
func TestChangedBehind(t *testing.T) {
	first := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, first)
	for i := range 200 {
		put(t, s, fmt.Sprintf("ws-%03d", i), 10)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := onlyReadable(t, read(t, first), nil)
	part := open(t, path)
	defer part.Close()
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	other := open(t, path)
	for i := range 200 {
		put(t, other, fmt.Sprintf("ws-%03d", i), 10)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := part.List(t.Context(), "", 1000)
	if !errors.Is(err, workspace.ErrUnavailable) {
		t.Errorf("%d workspaces, %v", len(list), err)
	}
	if _, _, err := part.Changes(t.Context(), ""); err != nil {
		t.Error(err)
	}
	list, err = part.List(t.Context(), "", 1000)
	if err != nil || len(list) != 200 || list[100].Revision != 2 {
		t.Errorf("%d workspaces, %v", len(list), err)
	}
}

// TestNothingToRead: if a database can be neither written nor read, the error says why.
func TestNothingToRead(t *testing.T) {
	for name, main := range map[string][]byte{"empty": {}, "no database": []byte("GIF89a"), "of zeros": make([]byte, 8192)} {
		if s, err := sqlite.Open(onlyReadable(t, main, nil), codec); err == nil {
			_ = s.Close()
			t.Errorf("%s: it was opened", name)
		}
	}
	path := filepath.Join(t.TempDir(), "workspaces.db")
	s := open(t, path)
	put(t, s, "acme", 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(onlyReadable(t, read(t, path), nil), newCodec("f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0")); err == nil {
		_ = s.Close()
		t.Error("it was opened with another key")
	}
}

// TestCopiesOnlyReadable: last known copies that can't be written are read. Without any, a
// server starts with none.
func TestCopiesOnlyReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copies.db")
	c, err := sqlite.OpenCopies(path, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	keep := []cached.CopyChange{{Key: "acme", Data: []byte("kept")}}
	if _, _, err := c.Keep(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	main, wal := read(t, path), read(t, path+"-wal")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for want, path := range map[string]string{"kept": onlyReadable(t, main, wal), "": onlyReadable(t, nil, nil)} {
		c, err := sqlite.OpenCopies(path, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if data, _, err := c.Copy(t.Context(), "acme"); string(data) != want || err != nil {
			t.Errorf("%q, %v; want %q", data, err, want)
		}
		if _, _, err := c.Keep(t.Context(), keep); !errors.Is(err, workspace.ErrReadOnly) {
			t.Errorf("Keep: %v", err)
		}
		if err := os.Remove(path + "-shm"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Keep(t.Context(), keep); err != nil {
			t.Errorf("Keep: %v", err)
		}
		if data, _, err := c.Copy(t.Context(), "acme"); string(data) != "kept" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

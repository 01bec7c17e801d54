package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

func openCopies(t testing.TB, path string, most int64) *sqlite.Copies {
	t.Helper()
	c, err := sqlite.OpenCopies(path, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// keep makes changes, and room until there is enough.
func keep(t testing.TB, c *sqlite.Copies, changes ...cached.CopyChange) (gone []string) {
	t.Helper()
	for more := true; more; changes = nil {
		some, again, err := c.Keep(t.Context(), changes)
		if err != nil {
			t.Fatal(err)
		}
		gone, more = append(gone, some...), again
	}
	return gone
}

func has(t testing.TB, c *sqlite.Copies, key string) bool {
	t.Helper()
	data, _, err := c.Copy(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return data != nil
}

// TestCopiesBound: what was not written for longest makes room, a workspace together with its
// base, never the cursor, and the file doesn't grow.
func TestCopiesBound(t *testing.T) {
	const most = 1 << 20
	path := filepath.Join(t.TempDir(), "copies.db")
	c := openCopies(t, path, most)
	data := bytes.Repeat([]byte("x"), 1500)
	keep(t, c,
		cached.CopyChange{Key: ">", Data: []byte("cursor")}, cached.CopyChange{Key: "acme", Data: data}, cached.CopyChange{Key: "%acme", Data: data},
		cached.CopyChange{Key: "%late", Data: data}, cached.CopyChange{Key: "@img.acme.example", Data: data},
	)
	var gone []string
	for i := 0; i < 3000; i += 10 {
		changes := []cached.CopyChange{{Key: "used", Data: data}}
		for j := range 10 {
			changes = append(changes, cached.CopyChange{Key: fmt.Sprintf("ws-%d", i+j), Data: data})
		}
		gone = append(gone, keep(t, c, changes...)...)
		if i == 100 {
			gone = append(gone, keep(t, c, cached.CopyChange{Key: "late", Data: data})...)
		}
		if s := c.Stats(); s.Bytes > most || s.Limit != most || s.Gone != int64(len(gone)) {
			t.Fatalf("after %d: %+v, %d have gone", i, s, len(gone))
		}
	}
	if want := []string{"acme", "late", "@img.acme.example", "ws-0", "ws-1"}; !slices.Equal(gone[:5], want) {
		t.Errorf("%q had to go first, want %q", gone[:5], want)
	}
	for key, want := range map[string]bool{
		">": true, "acme": false, "%acme": false, "late": false, "%late": false, "@img.acme.example": false, "ws-2000": false, "ws-2999": true, "ws-2900": true, "used": true,
	} {
		if has(t, c, key) != want {
			t.Errorf("%s: %v, want %v", key, !want, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > most+256<<10 {
		t.Errorf("the file: %+v, %v", info, err)
	}
	if _, old, err := c.Copy(t.Context(), "ws-2999"); old || err != nil {
		t.Errorf("the newest one is old: %v, %v", old, err)
	}
	oldest := 0
	for !has(t, c, fmt.Sprintf("ws-%d", oldest)) {
		oldest++
	}
	if _, old, err := c.Copy(t.Context(), fmt.Sprintf("ws-%d", oldest)); !old || err != nil {
		t.Errorf("the oldest one isn't old: %v, %v", old, err)
	}

	// A lower bound holds soon.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCopies(t, path, most/4)
	if s := c.Stats(); s.Bytes < most/2 {
		t.Errorf("after a start: %+v", s)
	}
	keep(t, c)
	if s := c.Stats(); s.Bytes > most/4 || !has(t, c, "ws-2999") || !has(t, c, ">") {
		t.Errorf("with a lower bound: %+v", s)
	}
}

// TestCopiesWiped: a wipe takes no time, and nothing from before it is found again, whatever
// comes after.
func TestCopiesWiped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copies.db")
	c := openCopies(t, path, 1<<30)
	var changes []cached.CopyChange
	for i := range 2000 {
		changes = append(changes, cached.CopyChange{Key: fmt.Sprintf("ws-%d", i), Data: []byte("old")})
	}
	keep(t, c, append(changes, cached.CopyChange{Key: ">", Data: []byte("cursor")})...)
	gone, more, err := c.Keep(t.Context(), []cached.CopyChange{{}, {Key: "ws-7", Data: []byte("new")}})
	if err != nil || len(gone) > 0 || !more {
		t.Errorf("a wipe: %q had to go, more %v, %v", gone, more, err)
	}
	check := func(c *sqlite.Copies) {
		t.Helper()
		for key, want := range map[string]bool{"ws-0": false, "ws-1999": false, ">": false, "ws-7": true} {
			if has(t, c, key) != want {
				t.Errorf("%s: %v, want %v", key, !want, want)
			}
		}
	}
	check(c)
	if err := c.Close(); err != nil { // before all of it has gone
		t.Fatal(err)
	}
	c = openCopies(t, path, 1<<30)
	check(c)
	if gone := keep(t, c, cached.CopyChange{}, cached.CopyChange{Key: "ws-7", Data: []byte("newer")}); len(gone) > 0 {
		t.Errorf("%q had to go", gone)
	}
	check(c)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM copies`).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
}

// TestCopiesOfAnotherVersion: a file of another version is made anew.
func TestCopiesOfAnotherVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copies.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `PRAGMA journal_mode = WAL; CREATE TABLE copies (key TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;
		INSERT INTO copies VALUES ('acme', x'78'); PRAGMA user_version = 2`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c := openCopies(t, path, 1<<20)
	if has(t, c, "acme") {
		t.Error("a copy of another version is read")
	}
	keep(t, c, cached.CopyChange{Key: "acme", Data: []byte("y")})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !has(t, c, "acme") {
		t.Errorf("the new file: %v, %v", info, err)
	}
	if _, err := os.Stat(path + "-journal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what the old one left: %v", err)
	}
}

// manyCopies makes a file with n copies of so many bytes.
func manyCopies(t testing.TB, n, size int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "copies.db")
	c := openCopies(t, path, 1<<40)
	keep(t, c, cached.CopyChange{Key: ">", Data: []byte("cursor")})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `INSERT INTO copies (key, data)
		WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n < ?) SELECT printf('ws-%08d', n), ? FROM i`, n, bytes.Repeat([]byte("x"), size)); err != nil {
		t.Fatal(err)
	}
	return path
}

// startWithCopies measures how long a server takes until it has a copy.
func startWithCopies(t testing.TB, path string) time.Duration {
	began := time.Now()
	c := openCopies(t, path, 1<<40)
	if !has(t, c, ">") || !has(t, c, fmt.Sprintf("ws-%08d", 7919)) || has(t, c, "nobody") {
		t.Error("the copies aren't read")
	}
	took := time.Since(began)
	keep(t, c, cached.CopyChange{Key: "acme", Data: []byte("new")})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return took
}

// TestManyCopies: a start doesn't read what there is.
func TestManyCopies(t *testing.T) {
	const enough = 200 * time.Millisecond
	path := manyCopies(t, 20_000, 1100)
	took := cputime.Best(enough, func() { startWithCopies(t, path) })
	t.Logf("it takes %v of processor time to open 20,000 copies and to read one", took)
	if took > enough {
		t.Errorf("it took %v", took)
	}
}

var (
	copiesInBench = flag.Int("copies", 100_000, "copies on disk in BenchmarkOpenCopies")
	sizeInBench   = flag.Int("copysize", 1200, "bytes of each")
)

// BenchmarkOpenCopies is TestManyCopies with more: go test ./workspace/sqlite -run NONE -bench
// OpenCopies -copies 1000000 makes 1.3 GB.
func BenchmarkOpenCopies(b *testing.B) {
	path := manyCopies(b, *copiesInBench, *sizeInBench)
	longest := time.Duration(0)
	for b.Loop() {
		longest = max(longest, startWithCopies(b, path))
	}
	b.ReportMetric(float64(longest.Microseconds())/1e3, "longest-ms")
}

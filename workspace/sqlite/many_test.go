package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

// many makes a database of n typical workspaces and returns its file.
func many(t testing.TB, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "workspaces.db")
	s, err := sqlite.Open(path, codec)
	if err != nil {
		t.Fatal(err)
	}
	w := workspace.New("first")
	w.Name = "A typical workspace"
	w.AllowedOrigins = []string{"https://www.example.com", "*.example.com"}
	w.AllowedSources = []string{"*.example.com", "images.example.org"}
	w.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", URL: "https://origin.example.com/photos/", Headers: map[string]string{}},
		{Key: "media", Kind: "s3", Bucket: "media", Region: "eu-west-1", AccessKeyID: "AKIAEXAMPLE"},
		{Key: "avatars", Kind: "r2", AccountID: "0123456789abcdef0123456789abcdef", Bucket: "avatars", Private: true},
	}
	w.Marks = []workspace.Mark{{Name: "brand", Image: "media/logo.png", Width: "15%", AutoApplySources: []string{"photos"}}}
	for _, size := range []string{"160", "320", "640", "1280"} {
		w.Presets = append(w.Presets, workspace.Preset{Name: "w" + size, Options: "w=" + size + "&fit=cover&format=auto&q=75"})
	}
	if err := s.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := codec.Marshal(w) // without secrets, so that nothing is bound to its ID
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	insert, err := tx.Prepare(`INSERT INTO workspaces (namespace, id, revision, json, created_at, updated_at) VALUES (?, ?, 1, ?, ?, ?)`)
	if err != nil {
		t.Fatal(err)
	}
	at := w.CreatedAt.Format(time.RFC3339Nano)
	for i := 1; i < n; i++ {
		id := fmt.Sprintf("ID%024d", i)
		json := bytes.ReplaceAll(data, []byte(w.ID), []byte(id))
		json = bytes.ReplaceAll(json, []byte(`"namespace":"first"`), fmt.Appendf(nil, `"namespace":%q`, namespace(i)))
		if _, err := insert.Exec(namespace(i), id, string(json), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

func namespace(i int) string {
	if i == 0 {
		return "first"
	}
	return fmt.Sprintf("ws-%d", i)
}

// heap returns the used memory, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// figures are the costs of n workspaces for a server.
type figures struct {
	start   time.Duration // of the processor, until the first workspace is served, with one read of the feed
	fill    time.Duration // until the used workspaces are in memory
	memory  uint64        // of the used workspaces, in bytes
	refresh time.Duration // one read of the feed without changes
}

// measure serves some of n workspaces.
func measure(t testing.TB, path string, n, inUse int) (f figures) {
	t.Helper()
	before := heap()
	var s *sqlite.Store
	var c *cached.Store
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	f.start = cputime.Of(func() {
		var err error
		if s, err = sqlite.Open(path, codec); err != nil {
			t.Fatal(err)
		}
		c = cached.New(s, cached.Config{Memory: 1 << 30})
		running.Go(func() { c.Run(ctx) })
		if _, err := c.Get(ctx, namespace(n-1)); err != nil {
			t.Fatal(err)
		}
	})
	began := time.Now()
	for i := range inUse {
		w, err := c.Get(ctx, namespace(i))
		if err != nil || w.Namespace != namespace(i) || len(w.Sources) != 3 {
			t.Fatalf("%s: %+v, %v", namespace(i), w, err)
		}
	}
	f.fill = time.Since(began)
	f.memory = heap() - before
	_, cursor, err := s.Changes(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if changes, _, err := s.Changes(ctx, cursor); err != nil || len(changes) > 0 {
		t.Fatalf("%v, %v", changes, err)
	}
	f.refresh = time.Since(began)
	cancel()
	running.Wait()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// A server with 10,000 workspaces starts at once, since it doesn't read workspaces that it
// doesn't serve yet.
func TestManyWorkspaces(t *testing.T) {
	const n, inUse = 10_000, 500
	f := measure(t, many(t, n), n, inUse)
	t.Logf("%d workspaces: serving after %v of processor time; each in use takes %v to load and %d bytes; a look at the feed takes %v",
		n, f.start, f.fill/inUse, f.memory/inUse, f.refresh)
	if f.start > 2*time.Second {
		t.Errorf("it serves after %v of processor time", f.start)
	}
}

func BenchmarkManyWorkspaces(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := many(b, n)
			for b.Loop() {
				f := measure(b, path, n, n)
				b.ReportMetric(float64(f.start.Microseconds())/1000, "ms/start")
				b.ReportMetric(f.fill.Seconds()*1e6/float64(n), "µs/load")
				b.ReportMetric(float64(f.memory)/float64(n), "B/workspace")
				b.ReportMetric(float64(f.refresh.Microseconds()), "µs/refresh")
			}
		})
	}
}

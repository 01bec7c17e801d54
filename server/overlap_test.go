package server

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestSourceInsideAnother: the way through an outer source doesn't avoid the rules
// of a private or marked one inside it.
func TestSourceInsideAnother(t *testing.T) {
	b := newBench(t)
	half := 0.5
	b.registry.set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{
			{Key: "all", Kind: "http", URL: b.upstream.URL + "/"},
			{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true},
			{Key: "brand", Kind: "http", URL: b.upstream.URL + "/brand/"},
			{Key: "lobby", Kind: "http", URL: b.upstream.URL + "/vault/lobby/"},
		}
		w.Marks = []workspace.Mark{{Name: "m", Image: "all/logo.png", Opacity: &half, AutoApplySources: []string{"brand"}}}
	}))
	for _, path := range []string{"/photos/cat.jpg", "/vault/a.jpg", "/brand/a.jpg", "/vault/lobby/a.jpg"} {
		b.upstream.serve(path, body(photo(t, 20, 20)))
	}
	for target, want := range map[string]string{
		"/acme/all/photos/cat.jpg":                "",
		"/acme/all/vault/a.jpg":                   "SIGNATURE_REQUIRED",
		"/acme/all/%76ault/a.jpg":                 "SIGNATURE_REQUIRED",
		"/acme?src=all/vault/a.jpg":               "SIGNATURE_REQUIRED",
		"/acme/vault/a.jpg":                       "SIGNATURE_REQUIRED",
		"/acme/all/brand/a.jpg":                   "MARK_UNAVAILABLE",
		"/acme/brand/a.jpg":                       "MARK_UNAVAILABLE",
		"/acme/lobby/a.jpg":                       "", // the owner made it public
		"/acme/vault/lobby/a.jpg":                 "SIGNATURE_REQUIRED",
		"/acme/all/x.jpg?default=all/vault/a.jpg": "SIGNATURE_REQUIRED",
	} {
		if got := code(t, b.get(target)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	if n := b.upstream.count("/vault/a.jpg") + b.upstream.count("/brand/a.jpg"); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// TestStalledOriginHoldsUpNobodyElse: one origin that accepts and says nothing, asked
// by many; other origins, folders and workspaces are served meanwhile, and the many
// are answered within the limit.
func TestStalledOriginHoldsUpNobodyElse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), photo(t, 20, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := origin.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	b := newBench(t, func(c *Config) {
		c.Dirs = map[string]map[string]*origin.Dir{"acme": {"folder": folder}}
		c.FetchTimeout = 2 * time.Second
	})
	stalled := newUpstream(t)
	release := make(chan struct{})
	stalled.serve("/s", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	b.registry.set(t, b.acme(func(w *workspace.Workspace) {
		w.Sources = append(w.Sources, workspace.Source{Key: "slow", Kind: "http", URL: stalled.URL + "/"})
	}))
	b.registry.set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "other", "" }))

	var wg sync.WaitGroup
	codes := make([]string, 3*DefaultFetches().PerHost/4)
	start := time.Now()
	for i := range codes {
		wg.Go(func() {
			codes[i] = code(t, b.get("/acme?src="+stalled.URL+"/s%3F"+string(rune('a'+i%26))+string(rune('a'+i/26))))
		})
	}
	for fetching(b) < DefaultFetches().PerHost/4 {
		time.Sleep(time.Millisecond)
	}
	before := time.Now()
	for _, target := range []string{"/acme/folder/a.jpg", "/other/photos/cat.jpg"} {
		if w := b.get(target); w.Code != 200 {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	if took := time.Since(before); took > time.Second {
		t.Errorf("others waited %v", took)
	}
	wg.Wait()
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("the last was answered after %v", took)
	}
	close(release)
	for _, c := range codes {
		if c != "ORIGIN_TIMEOUT" && c != "OVERLOADED" {
			t.Errorf("a stalled fetch was answered %q", c)
		}
	}
}

// fetching counts the fetches under way.
func fetching(b *bench) int {
	running, _ := b.fetches.figures()
	return running
}

// TestFolderNoticesChanges: a file that is replaced is seen, without a purge.
func TestFolderNoticesChanges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.jpg")
	if err := os.WriteFile(file, photo(t, 20, 20), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := origin.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	b := newBench(t, func(c *Config) { c.Dirs = map[string]map[string]*origin.Dir{"acme": {"folder": folder}} })
	b.registry.set(t, b.acme())
	if got := sizeOf(t, b.get("/acme/folder/a.jpg")); got != "20x20" {
		t.Fatal(got)
	}
	if err := os.WriteFile(file, photo(t, 30, 30), 0o600); err != nil {
		t.Fatal(err)
	}
	b.clock.Add(dirRevalidate + 1)
	for deadline := time.Now().Add(5 * time.Second); ; {
		if sizeOf(t, b.get("/acme/folder/a.jpg")) == "30x30" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the old picture stays")
		}
		time.Sleep(time.Millisecond)
	}
}

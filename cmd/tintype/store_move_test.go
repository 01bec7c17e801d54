//go:build cgo && linux

package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tintype/tintype/internal/dynamodblocal"
)

// storeCommand runs tintype store with the environment of a store.
func storeCommand(t *testing.T, store string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tintype", append([]string{"store"}, args...)...)
	cmd.Env = sharing(t.TempDir(), store)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tintype store %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// stopServer stops a server as an operator does. It exits with an error where counts could not be
// written into a frozen database.
func stopServer(p *serverProcess) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// TestMoveStore moves a store from SQLite to DynamoDB as docs/store.md says, while images are
// asked for, and then back. No image fails, nothing that was acknowledged is lost, and a change
// that comes in between is refused and says why.
func TestMoveStore(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	data, out := t.TempDir(), t.TempDir()
	local := dynamodblocal.Shared(t)
	a := serveShared(t, data, "sqlite", "--dir", "acme/samples="+dir, "--drain", "1s")
	a.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"name": "before the move"})
	var made struct{ Key string }
	if err := json.Unmarshal(a.mustCall(t, 201, "POST", "/workspaces/acme/api-keys", map[string]any{"name": "back end", "scopes": []string{"read"}}), &made); err != nil {
		t.Fatal(err)
	}

	var front atomic.Pointer[serverProcess] // what a load balancer has
	front.Store(a)
	stop, ended := make(chan struct{}), make(chan [2]int)
	go func() {
		asked, failed := 0, 0
		for {
			select {
			case <-stop:
				ended <- [2]int{asked, failed}
				return
			default:
			}
			status, err := front.Load().image(t.Context(), "/acme/samples/dusk.jpg?w=16", "")
			if asked++; status != 200 || err != nil {
				failed++
			}
		}
	}()

	file := filepath.Join(out, "move.jsonl")
	said := storeCommand(t, "sqlite", "export", "--data", data, "--freeze", "-o", file)
	if !strings.Contains(said, "1  workspaces\n") {
		t.Errorf("export: %s", said)
	}
	status, answer, err := a.call(t.Context(), "PATCH", "/workspaces/acme", map[string]any{"name": "too late"})
	if status != 503 || err != nil || !strings.Contains(string(answer), "the server's store is being moved") {
		t.Errorf("a change meanwhile: %d, %v, %s", status, err, answer)
	}
	table := initStore(t, local)
	storeCommand(t, table, "import", file)
	b := serveShared(t, t.TempDir(), table, "--dir", "acme/samples="+dir, "--drain", "1s")
	front.Store(b)
	stopServer(a)
	if status, _, err := b.callWith(t.Context(), made.Key, "GET", "/workspaces/acme", nil); status != 200 || err != nil {
		t.Errorf("the API key: %d, %v", status, err)
	}
	b.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"name": "after the move"})
	if status, err := b.image(t.Context(), "/acme/samples/dusk.jpg?w=17", ""); status != 200 || err != nil {
		t.Errorf("an image: %d, %v", status, err)
	}

	// And back.
	file = filepath.Join(out, "back.jsonl")
	storeCommand(t, table, "export", "-o", file)
	data = t.TempDir()
	storeCommand(t, "sqlite", "import", "--data", data, file)
	c := serveShared(t, data, "sqlite", "--dir", "acme/samples="+dir)
	front.Store(c)
	stopServer(b)
	var w struct{ Name string }
	if err := json.Unmarshal(c.mustCall(t, 200, "GET", "/workspaces/acme", nil), &w); err != nil || w.Name != "after the move" {
		t.Errorf("%+v, %v", w, err)
	}
	if status, _, err := c.callWith(t.Context(), made.Key, http.MethodGet, "/workspaces/acme", nil); status != 200 || err != nil {
		t.Errorf("the API key: %d, %v", status, err)
	}
	close(stop)
	counts := <-ended
	if counts[0] < 10 || counts[1] > 0 {
		t.Errorf("%d images, %d failed", counts[0], counts[1])
	}
	t.Logf("%d images, %d failed", counts[0], counts[1])

	backup := filepath.Join(out, "backup.db")
	storeCommand(t, "sqlite", "backup", "--data", data, backup) // beside the server
	storeCommand(t, "sqlite", "export", "--store", "sqlite:"+backup, "-o", filepath.Join(out, "backup.jsonl"))
}

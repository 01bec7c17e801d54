//go:build cgo && linux

package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/internal/letterbox"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace/sqlite"
)

const testRootKey = "the-root-key-of-these-tests-0123456789"

// A serverProcess is `tintype serve`.
type serverProcess struct {
	url string
	cmd *exec.Cmd
	log testlog.Log
}

// sharing is the environment of commands that share a store.
func sharing(home, store string) []string {
	return append(dynamodblocal.Env(), "PATH="+os.Getenv("PATH"), "HOME="+home, "TINTYPE_STORE="+store,
		"TINTYPE_ROOT_KEY="+testRootKey, "TINTYPE_SECRET_KEY="+strings.Repeat("0a", 32))
}

// initStore makes a table of the server, and returns its URL.
func initStore(t *testing.T, local *dynamodblocal.Server) (store string) {
	t.Helper()
	var out []byte
	for range 3 {
		store = local.URL(dynamodblocal.TableName())
		cmd := exec.CommandContext(t.Context(), "tintype", "store", "init")
		cmd.Env = sharing(t.TempDir(), store)
		var err error
		if out, err = cmd.CombinedOutput(); err != nil {
			break
		}
		if strings.Contains(string(out), "made and ready") {
			return store
		}
		// On a busy machine the store may make the table and answer too late. The second try of
		// the command finds it then.
	}
	t.Fatalf("store init: %s", out)
	return ""
}

// serveShared starts a server with its data in a folder, and waits until it serves. It
// ends with the test.
func serveShared(t *testing.T, data, store string, args ...string) *serverProcess {
	t.Helper()
	p, err := startProcess(data, store, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("server log:\n%s", p.log.String())
		}
	})
	return p
}

// startProcess is serveShared for callers that end the server themselves.
func startProcess(data, store string, args ...string) (*serverProcess, error) {
	return startProcessBy(nil, data, store, args...)
}

// killAfter kills the server at the end of a test, and shows the end of its log if the test
// failed.
func (p *serverProcess) killAfter(t *testing.T) {
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			said := p.log.String()
			t.Logf("the end of the server's log:\n%s", said[max(0, len(said)-4000):])
		}
	})
}

// startProcessBy is startProcess by a command that runs its arguments.
func startProcessBy(command []string, data, store string, args ...string) (*serverProcess, error) {
	p := &serverProcess{}
	command = slices.Concat(command, []string{"tintype", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--data", data}, unhurried, args)
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = sharing(data, store)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for p.url == "" && lines.Scan() {
		_, p.url, _ = strings.Cut(lines.Text(), "Tintype serves on ")
	}
	if p.url == "" {
		p.kill()
		return nil, fmt.Errorf("the server did not start:\n%s", p.log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p, nil
}

// kill kills the server like kill -9. Further calls do nothing.
func (p *serverProcess) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		_ = p.cmd.Wait()
	}
}

// call sends a request to the API with the root key, and returns the status and the
// body.
func (p *serverProcess) call(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	return p.callWith(ctx, testRootKey, method, path, body)
}

// callWith is call with another key.
func (p *serverProcess) callWith(ctx context.Context, key, method, path string, body any) (status int, answer []byte, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+"/v1"+path, bytes.NewReader(data))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := pooled.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// mustCall is call, which must answer the status.
func (p *serverProcess) mustCall(t *testing.T, want int, method, path string, body any) []byte {
	t.Helper()
	status, answer, err := p.call(t.Context(), method, path, body)
	if err != nil || status != want {
		t.Fatalf("%s %s: %d, %v; want %d\n%s", method, path, status, err, want, answer)
	}
	return answer
}

// get sends a GET with headers, given as name and value in turn, and returns the answer
// with its body read.
func (p *serverProcess) get(ctx context.Context, path string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host")
	res, err := pooled.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

// image fetches an image as a page of the origin does, and returns the status.
func (p *serverProcess) image(ctx context.Context, path, origin string) (int, error) {
	var header []string
	if origin != "" {
		header = []string{"Origin", origin}
	}
	res, err := p.get(ctx, path, header...)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, nil
}

// until calls do until it is true, and fails the test if it never is.
func until(t *testing.T, what string, do func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for tick := time.Tick(50 * time.Millisecond); !do(); <-tick {
		if time.Since(began) > patience {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
	return time.Since(began)
}

// Three servers share one table. Each sees the writes of the others. Of several writes with
// the same revision, one is answered 200 and the others 409.
func TestServersShareATable(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	store := initStore(t, dynamodblocal.Shared(t))
	var servers []*serverProcess
	for range 3 {
		servers = append(servers, serveShared(t, t.TempDir(), store, "--dir", "acme/samples="+dir))
	}
	const path = "/acme/samples/dusk.jpg?w=16"
	for _, s := range servers {
		if status, err := s.image(t.Context(), path, "https://evil.example"); status != 200 || err != nil {
			t.Fatalf("%d, %v\n%s", status, err, s.log.String())
		}
	}
	servers[0].mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"allowed_origins": []string{"https://app.example"}})
	for i, s := range servers {
		took := until(t, "a change reaches the others", func() bool {
			status, err := s.image(t.Context(), path, "https://evil.example")
			if err != nil || status != 200 && status != 403 {
				t.Fatalf("%d, %v", status, err)
			}
			return status == 403
		})
		t.Logf("server %d refuses after %v", i, took.Round(time.Millisecond))
	}

	rounds := full(200, 5)
	for round := range rounds {
		var w map[string]any
		if err := json.Unmarshal(servers[round%3].mustCall(t, 200, "GET", "/workspaces/acme", nil), &w); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		statuses := make([]int, 2*len(servers))
		for i := range statuses {
			body := map[string]any{}
			for name, v := range w {
				body[name] = v
			}
			body["name"] = fmt.Sprintf("round %d by %d", round, i)
			wg.Go(func() {
				var err error
				if statuses[i], _, err = servers[i%3].call(t.Context(), "PUT", "/workspaces/acme", body); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		count := map[int]int{}
		for _, status := range statuses {
			count[status]++
		}
		if count[200] != 1 || count[409] != len(statuses)-1 {
			t.Fatalf("round %d: %v", round, count)
		}
	}
	t.Logf("%d rounds of %d writers: one 200, the rest 409", rounds, 2*len(servers))
}

// While the store doesn't answer, no public image fails, also on a server that is killed and started
// again, which shows none that takes a signature. Writes are answered 503. They work again when the
// store answers.
func TestStoreStopped(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	local := dynamodblocal.Start(t)
	store := initStore(t, local)
	var args, paths []string
	for i := range 5 {
		args = append(args, "--dir", fmt.Sprintf("ws-%d/samples=%s", i, dir))
		for w := range 4 {
			paths = append(paths, fmt.Sprintf("/ws-%d/samples/dusk.jpg?w=%d", i, 16+w))
		}
	}
	vault := t.TempDir() // of images that take a signature
	if err := os.CopyFS(vault, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	args = append(args, "--dir", "ws-1/vault="+vault, "--dir-private", "ws-1/vault")
	box := letterbox.Start(t, "127.0.0.1:0")
	a, dataB := serveShared(t, t.TempDir(), store, append(mailing(box.Address), args...)...), t.TempDir()
	var key struct{ ID, Secret string }
	if err := json.Unmarshal(a.mustCall(t, 201, "POST", "/workspaces/ws-1/signing-keys", map[string]any{}), &key); err != nil {
		t.Fatal(err)
	}
	secret, err := signing.ParseSecret(key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := secret.SignUntil("/ws-1/vault/dusk.jpg?w=16", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ofSecret := func(p *serverProcess, want int) {
		t.Helper()
		if status, err := p.image(t.Context(), signed, ""); status != want || err != nil {
			t.Fatalf("a signed image: %d, %v; want %d", status, err, want)
		}
	}
	const domain = "img.shop.example"
	a.mustCall(t, 200, "PATCH", "/workspaces/ws-0", map[string]any{"domains": []string{domain}})
	a.mustCall(t, 200, "POST", "/workspaces/ws-0/domains/"+domain+"/verify", nil)
	b := serveShared(t, dataB, store, args...)
	onItsDomain := func(p *serverProcess) {
		t.Helper()
		res, err := p.get(t.Context(), "/samples/dusk.jpg?w=16", "Host", domain)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("on a custom domain: %+v, %v", res, err)
		}
	}
	all := func(p *serverProcess) {
		t.Helper()
		for _, path := range paths {
			if status, err := p.image(t.Context(), path, ""); status != 200 || err != nil {
				t.Fatalf("%s: %d, %v", path, status, err)
			}
		}
	}
	all(a)
	all(b)
	onItsDomain(a)
	ofSecret(a, 200)
	until(t, "the other server knows the key", func() bool {
		status, err := b.image(t.Context(), signed, "")
		return status == 200 && err == nil
	})
	until(t, "copies are on the disk", func() bool {
		onItsDomain(b)
		return copied(t, dataB, 5, domain)
	})

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var requests, failed atomic.Int64
	var load sync.WaitGroup
	for i := range 2 {
		load.Go(func() {
			pace := time.NewTicker(25 * time.Millisecond) // other tests run on this machine too
			defer pace.Stop()
			for n := i; ctx.Err() == nil; n++ {
				<-pace.C
				status, err := a.image(ctx, paths[n%len(paths)], "")
				if ctx.Err() != nil {
					return
				}
				requests.Add(1)
				if status != 200 || err != nil {
					failed.Add(1)
					t.Errorf("%s: %d, %v", paths[n%len(paths)], status, err)
				}
			}
		})
	}

	local.Pause(t)
	ofSecret(a, 200) // it was heard of less than a minute ago
	over := time.After(time.Duration(full(60, 1)) * time.Second)
	began := time.Now()
	var calls sync.WaitGroup
	for _, method := range []string{"GET", "PATCH"} {
		calls.Go(func() {
			status, answer, err := a.call(t.Context(), method, "/workspaces/ws-0", map[string]any{"name": "new"})
			if err != nil || status != 503 || !strings.Contains(string(answer), `"OVERLOADED"`) || strings.Contains(string(answer), "127.0.0.1") {
				t.Errorf("%s while the store is stopped: %d, %v\n%s", method, status, err, answer)
			}
		})
	}
	calls.Wait()
	t.Logf("reads and writes of the API are answered 503 after %v", time.Since(began).Round(time.Millisecond))
	b.kill()
	began = time.Now()
	ready := func(p *serverProcess) int {
		t.Helper()
		if status, err := p.image(t.Context(), "/healthz", ""); status != 200 || err != nil {
			t.Errorf("/healthz: %d, %v", status, err)
		}
		status, err := p.image(t.Context(), "/readyz", "")
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	b = serveShared(t, dataB, store, args...)
	until(t, "with copies it is ready", func() bool { return ready(b) == 200 })
	onItsDomain(b)
	all(b)
	ofSecret(b, 503) // its copies are of no known age
	t.Logf("a server that was killed serves again after %v", time.Since(began).Round(time.Millisecond))
	without := serveShared(t, t.TempDir(), store)
	if status := ready(without); status != 503 {
		t.Errorf("a server without copies is ready while the store is stopped: %d", status)
	}
	box.Find(t, "The store fails, so that settings can't be changed")
	<-over
	local.Resume(t)
	until(t, "it is ready once the store has answered", func() bool { return ready(without) == 200 })

	until(t, "writes work again", func() bool {
		status, _, err := a.call(t.Context(), "PATCH", "/workspaces/ws-0", map[string]any{"name": "new", "allowed_origins": []string{"https://app.example"}})
		if err != nil || status != 200 && status != 503 {
			t.Fatalf("%d, %v", status, err)
		}
		return status == 200
	})
	took := until(t, "the other server sees what was written", func() bool {
		status, err := b.image(t.Context(), paths[0], "https://evil.example")
		if err != nil || status != 200 && status != 403 {
			t.Fatalf("%d, %v", status, err)
		}
		return status == 403
	})
	ofSecret(b, 200)
	box.Find(t, "Tintype server alert is over: The store fails")
	stop()
	load.Wait()
	t.Logf("%d images were asked for, %d failed; the other server has the change after %v", requests.Load(), failed.Load(), took.Round(time.Millisecond))
	if requests.Load() == 0 {
		t.Error("no image was asked for")
	}
}

// copied reports whether a data folder holds copies of so many workspaces, and of a
// domain.
func copied(t *testing.T, data string, n int, domain string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "copies-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		return false
	}
	copies, err := sqlite.OpenCopies(files[0], 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer copies.Close()
	var claimed bool
	for i := range n {
		data, _, err := copies.Copy(t.Context(), fmt.Sprintf("ws-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if data == nil {
			return false
		}
		text, err := io.ReadAll(flate.NewReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatal(err)
		}
		claimed = claimed || bytes.Contains(text, fmt.Appendf(nil, `"domains":[%q]`, domain))
	}
	claim, _, err := copies.Copy(t.Context(), "@"+domain)
	if err != nil {
		t.Fatal(err)
	}
	return claimed && claim != nil
}

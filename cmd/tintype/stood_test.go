//go:build cgo && linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/signing"
)

// TestStoodStill: a server of two is stopped (SIGSTOP). Meanwhile an owner takes a host off the
// allowlist and revokes a signing key at the other one, and clients go on asking the first one. As
// soon as it runs again, none of their requests is answered by the rules of before, those that were
// under way included, and images that are allowed are made as ever.
func TestStoodStill(t *testing.T) {
	t.Parallel() // it waits more than it computes
	for _, stood := range []time.Duration{time.Duration(full(28, 5)) * time.Second, time.Duration(full(90, 0)) * time.Second} {
		if stood > 0 {
			t.Run(stood.String(), func(t *testing.T) {
				t.Parallel()
				testStoodStill(t, stood)
			})
		}
	}
}

func testStoodStill(t *testing.T, stood time.Duration) {
	hold := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(hold) })
	var slow atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			slow.Add(1)
			<-hold
		}
		servePNG(w, r, 10)
	}))
	t.Cleanup(origin.Close)
	t.Cleanup(letGo)
	store := initStore(t, dynamodblocal.Shared(t))
	first := serveShared(t, t.TempDir(), store, "--workers", "1", "--allow-cidr", "127.0.0.0/8", "--fetch-timeout", "2m")
	other := serveShared(t, t.TempDir(), store, "--workers", "1", "--allow-cidr", "127.0.0.0/8")
	first.mustCall(t, 201, "POST", "/workspaces", map[string]any{
		"namespace": "acme", "allowed_sources": []string{origin.URL + "/"},
		"sources": []map[string]any{
			{"key": "vault", "kind": "http", "url": origin.URL + "/vault/", "private": true}, {"key": "open", "kind": "http", "url": origin.URL + "/open/"},
			{"key": "slow", "kind": "http", "url": origin.URL + "/slow/", "private": true},
		},
	})
	var made struct{ ID, Secret string }
	if err := json.Unmarshal(first.mustCall(t, 201, "POST", "/workspaces/acme/signing-keys", map[string]any{}), &made); err != nil {
		t.Fatal(err)
	}
	secret, err := signing.ParseSecret(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(target string) string {
		url, err := secret.SignUntil(target, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	until(t, "the other server has the key", func() bool {
		status, err := other.image(t.Context(), signed("/acme/vault/x00.png?w=4"), "")
		return err == nil && status == http.StatusOK
	})
	allowed := func(path string) string { return "/acme/transform?w=4&format=webp&src=" + origin.URL + path }
	// Each is a hit before the standstill.
	private, listed, public := signed("/acme/vault/a00.png?w=4"), allowed("/free/a00.png"), "/acme/open/a00.png?w=4&format=webp"
	for _, target := range []string{private, listed, public} {
		if status, err := first.image(t.Context(), target, ""); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d, %v", target, status, err)
		}
	}
	asked := []*askedRaw{}
	ask := func(what, target string, want int) {
		asked = append(asked, askRaw(t, first, what, target, want))
	}
	for i := range 8 { // one worker: some of them wait in its queue
		ask("under way, private", signed(fmt.Sprintf("/acme/slow/s%02d.png?w=4", i)), http.StatusForbidden)
		ask("under way, listed", allowed(fmt.Sprintf("/slower/l%02d.png", i)), http.StatusForbidden)
	}
	until(t, "the origin was asked", func() bool { return slow.Load() == 16 })

	process := first.cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	other.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"allowed_sources": []string{}})
	other.mustCall(t, 204, "DELETE", "/workspaces/acme/signing-keys/"+made.ID, nil)
	letGo()
	for i := range 10 {
		ask("queued, private", private, http.StatusForbidden)
		ask("queued, listed", listed, http.StatusForbidden)
		ask("queued, private, new", signed(fmt.Sprintf("/acme/vault/n%02d.png?w=4", i)), http.StatusForbidden)
		ask("queued, public", public, http.StatusOK)
		ask("queued, public, new", fmt.Sprintf("/acme/open/n%02d.png?w=4&format=webp", i), http.StatusOK)
	}
	time.Sleep(stood - time.Since(began))
	if err := process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		ask("at once, listed", listed, http.StatusForbidden)
		ask("at once, private", private, http.StatusForbidden)
		ask("at once, public, new", fmt.Sprintf("/acme/open/o%02d.png?w=4&format=webp", i), http.StatusOK)
	}
	counts := map[string]int{}
	for _, a := range asked {
		answer := a.wait()
		counts[fmt.Sprintf("%s: %s", a.what, answer)]++
		if answer != fmt.Sprint(a.want) {
			t.Errorf("%s: %s, want %d", a.what, answer, a.want)
		}
	}
	t.Logf("after %v: %v", stood, counts)
	until(t, "ten images in a row are made", func() bool {
		for i := range 10 {
			status, err := first.image(t.Context(), fmt.Sprintf("/acme/open/z%02d.png?w=%d&format=webp", i, 2+time.Now().Nanosecond()%6), "")
			if err != nil || status != http.StatusOK {
				t.Errorf("later: %d, %v", status, err)
			}
		}
		return true
	})
}

// TestStoodStillQueue: of the images that wait for a worker while the server stands still for longer
// than they may wait, none is refused, and neither is what is asked for afterwards.
func TestStoodStillQueue(t *testing.T) {
	t.Parallel() // it waits more than it computes
	const longest, stood, images = 15 * time.Second, 17 * time.Second, 6
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { servePNG(w, r, 10) }))
	t.Cleanup(origin.Close)
	ops := freeport.Address(t)
	p := serveShared(t, t.TempDir(), initStore(t, dynamodblocal.Shared(t)), "--workers", "1", "--allow-cidr", "127.0.0.0/8", "--ops-listen", ops, "--transform-timeout", longest.String())
	p.mustCall(t, 201, "POST", "/workspaces", map[string]any{
		"namespace": "acme", "sources": []map[string]any{{"key": "open", "kind": "http", "url": origin.URL + "/open/"}},
	})
	if status, err := p.image(t.Context(), "/acme/open/first.png?w=4&format=webp", ""); status != http.StatusOK || err != nil {
		t.Fatalf("%d, %v", status, err)
	}
	worker := workersOf(p.cmd.Process.Pid)
	if len(worker) == 0 {
		t.Fatal("no worker")
	}
	signal := func(s syscall.Signal, pids ...int) {
		t.Helper()
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	signal(syscall.SIGSTOP, worker...)
	var asked []*askedRaw
	for i := range images {
		asked = append(asked, askRaw(t, p, "queued", fmt.Sprintf("/acme/open/n%02d.png?w=4&format=webp", i), http.StatusOK))
	}
	until(t, "images wait for the worker", func() bool {
		_, figures := fetch(t, "http://"+ops+"/metrics")
		return strings.Contains(figures, fmt.Sprintf("\ntintype_workers_queue_length %d\n", images-1))
	})
	signal(syscall.SIGSTOP, p.cmd.Process.Pid)
	time.Sleep(stood)
	signal(syscall.SIGCONT, append(worker, p.cmd.Process.Pid)...)
	for _, a := range asked {
		if answer := a.wait(); answer != "200" {
			t.Errorf("%s: %s", a.what, answer)
		}
	}
	asked = nil
	for i := range 4 * images {
		asked = append(asked, askRaw(t, p, "afterwards", fmt.Sprintf("/acme/open/o%02d.png?w=4&format=webp", i), http.StatusOK))
	}
	for _, a := range asked {
		if answer := a.wait(); answer != "200" {
			t.Errorf("%s: %s", a.what, answer)
		}
	}
}

// An askedRaw is a request that was sent, on a connection of its own, and may be answered later.
type askedRaw struct {
	what string
	want int
	conn net.Conn
	err  error
}

// askRaw sends a request, and doesn't wait for the answer.
func askRaw(t *testing.T, p *serverProcess, what, target string, want int) *askedRaw {
	t.Helper()
	a := &askedRaw{what: what, want: want}
	a.conn, a.err = net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if a.err == nil {
		t.Cleanup(func() { _ = a.conn.Close() })
		_, a.err = fmt.Fprintf(a.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, a.conn.RemoteAddr())
	}
	return a
}

// wait returns the status of the answer, or the error.
func (a *askedRaw) wait() string {
	if a.err != nil {
		return a.err.Error()
	}
	_ = a.conn.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(bufio.NewReader(a.conn), nil)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if res.StatusCode >= 500 {
		var said struct {
			Error struct{ Code, Message string }
		}
		_ = json.NewDecoder(res.Body).Decode(&said)
		return fmt.Sprintf("%d %s: %s", res.StatusCode, said.Error.Code, said.Error.Message)
	}
	return fmt.Sprint(res.StatusCode)
}

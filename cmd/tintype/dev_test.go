package main

import (
	"bufio"
	"bytes"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/samples"
)

// A devProcess is tintype dev in a process of its own.
type devProcess struct {
	*exec.Cmd
	url string
	log bytes.Buffer
}

// startDev starts tintype dev on a folder, with its data in temp. It is killed at the end of
// the test.
func startDev(t *testing.T, folder, temp string) *devProcess {
	t.Helper()
	p := &devProcess{Cmd: exec.Command("tintype", "dev", folder, "--listen", "127.0.0.1:0")}
	p.Env = append(os.Environ(), "TMPDIR="+temp)
	p.Stderr = &p.log
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for p.url == "" && lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "playground  "); ok {
			p.url = strings.TrimSuffix(url, "/playground/dev")
		}
	}
	if p.url == "" {
		p.kill()
		t.Fatalf("tintype dev did not start:\n%s", p.log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p
}

// kill kills it like kill -9. Further calls do nothing.
func (p *devProcess) kill() {
	if p.ProcessState == nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// writePicture writes a picture into a file, whose folder it makes, at once.
func writePicture(t *testing.T, name string, width, height int) {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, samples.Scene(width, height), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(filepath.Dir(name), ".next")
	if err := os.WriteFile(next, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, name); err != nil {
		t.Fatal(err)
	}
}

// TestDev: tintype dev serves this machine only, and leaves nothing behind.
func TestDev(t *testing.T) {
	t.Parallel() // it waits more than it computes
	temp, folder := t.TempDir(), filepath.Join(t.TempDir(), "pictures")
	for _, name := range []string{"a.jpg", ".git/x.jpg", ".x.jpg"} {
		writePicture(t, filepath.Join(folder, name), 40, 30)
	}
	p := startDev(t, folder, temp)
	const picture = "/dev/pictures/a.jpg?w=20"
	for _, tt := range []struct {
		name, path, host, origin string
		status                   int
		says                     string
	}{
		{name: "a picture", path: picture, status: 200},
		{name: "facts", path: "/dev/info/pictures/a.jpg", status: 200, says: `"width":40`},
		{name: "the playground", path: "/playground/dev", status: 200, says: "pictures/a.jpg"},
		{name: "the start page is the playground", path: "/", status: 200, says: "pictures/a.jpg"},
		{name: "localhost", path: picture, host: "LocalHost:8080", status: 200},
		{name: "IPv6", path: picture, host: "[::1]:8080", status: 200},
		{name: "IPv6 on port 80", path: picture, host: "[::1]", status: 200},
		{name: "another address of loopback", path: picture, host: "127.0.0.2", status: 200},
		{name: "a picture by another name", path: picture, host: "evil.example:8080", status: 403, says: "answers only to the host"},
		{name: "the playground by another name", path: "/playground/dev", host: "evil.example:8080", status: 403, says: "answers only to the host"},
		{name: "health by another name", path: "/healthz", host: "localhost.evil.example", status: 403},
		{name: "another address", path: picture, host: "192.0.2.1:8080", status: 403},
		{name: "a page of another site", path: picture, origin: "https://evil.example", status: 403},
		{name: "facts for a page of another site", path: "/dev/info/pictures/a.jpg", origin: "http://localhost:3000", status: 403},
		{name: "a full URL", path: "/dev?w=20&src=http%3A%2F%2Fexample.com%2Fx.png", status: 403, says: "SOURCE_NOT_ALLOWED"},
		{name: "a mark of a full URL", path: picture + "&mark=http%3A%2F%2Fexample.com%2Fx.png", status: 403, says: "SOURCE_NOT_ALLOWED"},
		{name: "a hidden folder", path: "/dev/pictures/.git/x.jpg", status: 404},
		{name: "facts of a hidden folder", path: "/dev/info/pictures/.git/x.jpg", status: 404},
		{name: "a hidden picture", path: "/dev?src=pictures%2F.x.jpg", status: 404},
		{name: "the API", path: "/v1/workspaces", status: 404},
		{name: "its docs", path: "/v1/docs", status: 404},
		{name: "the dashboard", path: "/app", status: 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", p.url+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != tt.status || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: %d, %v, want %d and %q:\n%.500s", tt.name, answer.StatusCode, err, tt.status, tt.says, body)
		}
		if allowed := answer.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
			t.Errorf("%s: pages of %s may read it", tt.name, allowed)
		}
		for _, no := range []string{"x.jpg", "/v1", "/app"} {
			if answer.StatusCode == 200 && strings.Contains(string(body), no) {
				t.Errorf("%s: it has %s", tt.name, no)
			}
		}
	}

	left := func() []string { names, _ := filepath.Glob(filepath.Join(temp, "*")); return names }
	p.kill()
	p = startDev(t, folder, temp)
	if names := left(); len(names) != 1 {
		t.Errorf("after a kill and a start there are %q, want the data of the one that runs", names)
	}

	busy := exec.Command("tintype", "dev", folder, "--listen", strings.TrimPrefix(p.url, "http://"))
	busy.Env = p.Env
	if out, err := busy.Output(); err == nil || len(out) > 0 {
		t.Errorf("on a busy port: %v, and it says %q", err, out)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGHUP: %v\n%s", err, p.log.String())
	}
	if names := left(); len(names) != 0 {
		t.Errorf("at the end it left %q", names)
	}
}

// TestDevHosts tests where tintype dev answers if it listens elsewhere than by default.
func TestDevHosts(t *testing.T) {
	for _, tt := range []struct {
		listen, bound string
		good, bad     []string
	}{
		{"192.0.2.7:8080", "192.0.2.7:8080", []string{"192.0.2.7", "localhost", "127.0.0.1"}, []string{"192.0.2.8", "evil.example", ""}},
		{"MyMac.local:8080", "192.0.2.7:8080", []string{"mymac.local", "192.0.2.7"}, []string{"evil.local", "x.mymac.local"}},
		{":8080", "[::]:8080", []string{"192.0.2.7", "[2001:db8::1]", "::1", "localhost"}, []string{"evil.example", ""}},
		{"0.0.0.0:8080", "0.0.0.0:8080", []string{"192.0.2.7"}, []string{"evil.example"}},
		{"[::1]:8080", "[::1]:8080", []string{"[::1]", "::1", "::ffff:127.0.0.1"}, []string{"::2", "0.0.0.0"}},
	} {
		answers := devHosts(tt.listen, testAddr(tt.bound))
		for _, host := range tt.good {
			if !answers(host) {
				t.Errorf("on %s it refuses %q", tt.listen, host)
			}
		}
		for _, host := range tt.bad {
			if answers(host) {
				t.Errorf("on %s it answers %q", tt.listen, host)
			}
		}
	}
}

type testAddr string

func (testAddr) Network() string  { return "tcp" }
func (a testAddr) String() string { return string(a) }

// TestDevData: data folders whose process is gone are removed, and nothing else.
func TestDevData(t *testing.T) {
	temp := t.TempDir()
	mine, remove, err := makeDevData(temp)
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(temp, name) }
	writePicture(t, at("tintype-dev-1/secret.key"), 8, 8)
	kept := []string{"tintype-dev-notes/a.jpg", "tintype-dev-1x/a.jpg", "other/a.jpg", "tintype-dev-2"}
	for _, name := range kept {
		writePicture(t, at(name), 8, 8)
	}
	if err := os.Symlink(at("other"), at("tintype-dev-3")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("other"), at("tintype-dev-1/link")); err != nil {
		t.Fatal(err)
	}
	removeLeftData(temp)
	if _, err := os.Lstat(at("tintype-dev-1")); !os.IsNotExist(err) {
		t.Errorf("what a killed process left is there: %v", err)
	}
	for _, name := range append(kept, "tintype-dev-3", filepath.Base(mine)) {
		if _, err := os.Lstat(at(name)); err != nil {
			t.Error(err)
		}
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(mine); !os.IsNotExist(err) {
		t.Errorf("its own folder is there: %v", err)
	}
}

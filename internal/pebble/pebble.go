// Package pebble starts Pebble, an ACME server for tests, and its DNS server, from where
// scripts/build-pebble puts them.
//
// For most uses, call [Start], and give Directory and Roots to what orders certificates. All
// names lead to 127.0.0.1.
package pebble

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/internal/tool"
)

// A Server is a running Pebble.
type Server struct {
	Directory string         // URL of its directory
	Roots     *x509.CertPool // what its own certificate leads to
	RootsFile string         // the same as a file, in PEM

	config     string
	dns        string
	records    string // address of what sets records of the DNS server
	management string
	log        *testlog.Log
	process    *os.Process
	kill       func()
}

// Start starts a server that ends with the test. It proves hosts on these ports of loopback,
// and refuses the hosts that are blocked.
func Start(t testing.TB, httpPort, httpsPort int, blocked ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	ca := certstest.New(t)
	cert, key := ca.Write(t, dir, "pebble", "localhost")
	listen, management := freeport.Port(t), freeport.Port(t)
	s := &Server{
		Directory: fmt.Sprintf("https://localhost:%d/dir", listen), Roots: ca.Pool(), RootsFile: filepath.Join(dir, "roots.pem"),
		config: filepath.Join(dir, "pebble.json"), dns: freeport.Address(t), records: freeport.Address(t), management: fmt.Sprintf("https://localhost:%d", management),
	}
	if err := os.WriteFile(s.RootsFile, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", listen), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", management),
		"certificate": cert, "privateKey": key, "httpPort": httpPort, "tlsPort": httpsPort, "domainBlocklist": blocked,
		"keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	said := &testlog.Log{}
	start(t, said, "pebble-challtestsrv", nil, "-http01", "", "-https01", "", "-doh", "", "-tlsalpn01", "", "-dnsserver", s.dns,
		"-management", s.records, "-defaultIPv6", "")
	for _, address := range []string{s.dns, s.records} {
		await(t, said, func(context.Context) error {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				err = conn.Close()
			}
			return err
		})
	}
	s.run(t)
	return s
}

// run starts Pebble, and waits until it answers.
func (s *Server) run(t testing.TB) {
	t.Helper()
	s.log = &testlog.Log{}
	s.process, s.kill = start(t, s.log, "pebble", []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0"}, "-config", s.config, "-dnsserver", s.dns)
	client := s.client()
	defer client.CloseIdleConnections()
	for _, url := range []string{s.Directory, s.management + "/roots/0"} {
		await(t, s.log, func(ctx context.Context) error {
			_, err := get(ctx, client, url)
			return err
		})
	}
}

// await calls do until it succeeds. After three minutes it fails the test with what the process said.
func await(t testing.TB, said *testlog.Log, do func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("a server doesn't answer: %v\n%s", err, said)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *Server) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots}}}
}

// DNS returns the address of the DNS server, by UDP and TCP.
func (s *Server) DNS() string { return s.dns }

// SetCNAME has the DNS server answer that a name leads to another.
func (s *Server) SetCNAME(t testing.TB, name, target string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"host": name + ".", "target": target + "."})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post("http://"+s.records+"/set-cname", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("set-cname: %s", res.Status)
	}
}

// Hook writes a program that sets and removes records of the DNS server as a DNS hook does. It
// appends its arguments to the file calls, one line each time.
func (s *Server) Hook(t testing.TB) (program, calls string) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.records)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, calls = filepath.Join(dir, "hook"), filepath.Join(dir, "calls")
	script := `#!/bin/bash
set -eu
echo "$@" >>'` + calls + `'
case $1 in
present) path=/set-txt body="{\"host\":\"$2\",\"value\":\"$3\"}" ;;
cleanup) path=/clear-txt body="{\"host\":\"$2\"}" ;;
*) exit 2 ;;
esac
exec 3<>/dev/tcp/` + host + `/` + port + `
printf 'POST %s HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "$path" "${#body}" "$body" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
`
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, calls
}

// Hang has the server answer nobody: connections are taken by the system, and nothing comes.
func (s *Server) Hang(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume undoes Hang.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := s.process.Signal(sig); err != nil {
		t.Fatalf("Pebble: %v", err)
	}
}

// Stop ends the server. What it has issued is forgotten.
func (s *Server) Stop() { s.kill() }

// Issued returns what the certificates of the server lead to.
func (s *Server) Issued(t testing.TB) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if b := s.IssuedPEM(t); !pool.AppendCertsFromPEM(b) {
		t.Fatalf("the root of Pebble: %q", b)
	}
	return pool
}

// IssuedPEM returns the same as a file has it.
func (s *Server) IssuedPEM(t testing.TB) []byte {
	t.Helper()
	client := s.client()
	defer client.CloseIdleConnections()
	b, err := get(t.Context(), client, s.management+"/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Orders returns how many orders the server has got.
func (s *Server) Orders() int { return strings.Count(s.log.String(), "Added order ") }

// Log returns what the server has said.
func (s *Server) Log() string { return s.log.String() }

func get(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		err = errors.Join(err, errors.New(res.Status))
	}
	return b, err
}

// start runs a program of .tools until the test ends, or kill is called.
func start(t testing.TB, out *testlog.Log, name string, env []string, args ...string) (process *os.Process, kill func()) {
	t.Helper()
	program, err := tool.Find(name, "scripts/build-pebble, which builds it")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return cmd.Process, kill
}

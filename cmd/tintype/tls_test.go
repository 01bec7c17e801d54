//go:build cgo && linux

package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/certs/certstest"
)

// trusting returns a client that trusts an authority and follows no redirect.
func trusting(t *testing.T, ca *certstest.Authority) *http.Client {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// getBy returns the answer of a client to a GET, with its body.
func getBy(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// TestTLSFiles: a server with certificates of files serves images by https and HTTP/2. Its
// plain listener redirects. SIGHUP makes it read the files again, and the drain of SIGTERM
// holds for https too.
func TestTLSFiles(t *testing.T) {
	t.Parallel() // it waits more than it computes
	ca, dir := certstest.New(t), t.TempDir()
	cert, key := ca.Write(t, dir, "server", "img.example.com", "first.example")
	p, ops := alone(t, "--tls", "files", "--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--drain", "1h")
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("it says that it serves on %s", p.url)
	}
	data := p.cmd.Args[slices.Index(p.cmd.Args, "--data")+1]
	plain, err := os.ReadFile(addressFile(data))
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, ca)
	image := "/demo/samples/dusk.jpg?w=16"
	res, body := getBy(t, client, p.url+image)
	if res.StatusCode != 200 || res.Proto != "HTTP/2.0" || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" || body == "" {
		t.Errorf("%s by %s, %v", res.Status, res.Proto, res.Header)
	}
	http1 := "http://" + strings.TrimSpace(string(plain))
	secure := strings.Replace(p.url, "localhost", "127.0.0.1", 1) + image
	if res, _ := getBy(t, client, http1+image); res.StatusCode != 301 || res.Header.Get("Location") != secure {
		t.Errorf("plain: %s to %q, want %s", res.Status, res.Header.Get("Location"), secure)
	}
	for _, url := range []string{http1 + "/healthz", http1 + "/readyz", p.url + "/readyz", ops + "/readyz"} {
		if res, _ := getBy(t, client, url); res.StatusCode != 200 {
			t.Errorf("%s: %s", url, res.Status)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "tintype", "health", "--data", data).CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("tintype health: %q, %v", out, err)
	}

	names := func() []string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames
	}
	ca.Write(t, dir, "server", "img.example.com", "second.example")
	if got := names(); got[1] != "first.example" {
		t.Errorf("without a signal the certificate is %v", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the new certificate is served", func() bool { return names()[1] == "second.example" })
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the log says that the files can't be read", func() bool { return strings.Contains(p.log.String(), "those from before") })
	if got := names(); got[1] != "second.example" {
		t.Errorf("after files that can't be read the certificate is %v", got)
	}

	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz is 503", func() bool {
		res, _ := getBy(t, client, http1+"/readyz")
		return res.StatusCode == 503
	})
	if res, _ := getBy(t, client, p.url+image); res.StatusCode != 200 {
		t.Errorf("while it drains: %s", res.Status)
	}
	for range 2 { // HTTP/2 says GOAWAY, so that each request needs another connection
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
			if c.Reused {
				t.Error("while it drains, a connection of HTTP/2 is used again")
			}
		}}), http.MethodGet, p.url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != 503 || res.Proto != "HTTP/2.0" {
			t.Errorf("/readyz by https: %s, %s", res.Proto, res.Status)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

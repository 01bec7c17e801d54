//go:build cgo && linux

package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/letterbox"
	"github.com/tintype/tintype/internal/pebble"
	"github.com/tintype/tintype/workspace"
)

// TestTLSFiles: a server with certificates of files serves images by https, HTTP/2 and HTTP/3. Its
// plain listener redirects. SIGHUP makes it read the files again, and the drain of SIGTERM
// holds for https too.
func TestTLSFiles(t *testing.T) {
	t.Parallel() // it waits more than it computes
	ca, dir := certstest.New(t), t.TempDir()
	cert, key := ca.Write(t, dir, "server", "img.example.com", "first.example")
	p, ops := alone(t, "--tls", "files", "--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--http3", "--drain", "1h")
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
	port := res.Header.Get("Alt-Svc")
	if want := `h3=":` + p.url[strings.LastIndex(p.url, ":")+1:] + `"; ma=86400`; port != want {
		t.Errorf("Alt-Svc: %q, want %q", port, want)
	}
	by3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"}}
	defer by3.Close()
	res, again := getBy(t, &http.Client{Transport: by3}, p.url+image)
	if res.StatusCode != 200 || res.Proto != "HTTP/3.0" || res.Header.Get("Cache-Status") != "tintype; hit; detail=memory" || again != body {
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
	until(t, "the log says that the files can't be read", func() bool {
		return strings.Contains(p.log.String(), "SIGHUP: what was read of a file before still holds")
	})
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
	for range 2 { // HTTP/3 does too
		if res, _ := getBy(t, &http.Client{Transport: by3}, p.url+"/readyz"); res.StatusCode != 503 || res.Proto != "HTTP/3.0" || res.Header.Get("Alt-Svc") != "" {
			t.Errorf("/readyz by HTTP/3: %s, %v", res.Status, res.Header)
		}
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

// TestOutsidePort: where ports are mapped, clients are sent to the one that they can reach.
func TestOutsidePort(t *testing.T) {
	for public, want := range map[string]string{
		"": "8443", "http://localhost:8080": "8443", "https://img.example.com": "443", "https://img.example.com:9443": "9443",
	} {
		var c serveCmd
		if err := c.PublicURL.UnmarshalText([]byte(public)); err != nil {
			t.Fatal(err)
		}
		if got := c.outsidePort("8443"); got != want {
			t.Errorf("%q: %s, want %s", public, got, want)
		}
	}
}

// An acmeServer is a server with --tls auto.
type acmeServer struct {
	*serverProcess
	secure, plain, ops string // addresses
}

// startACME starts a server that gets its certificates from an authority. It listens where the
// addresses say, or elsewhere if they are empty.
func startACME(t *testing.T, ca *pebble.Server, data, store, secure, plain string, args ...string) *acmeServer {
	t.Helper()
	s := &acmeServer{secure: cmp.Or(secure, freeport.Address(t)), plain: cmp.Or(plain, freeport.Address(t)), ops: freeport.Address(t)}
	p, err := startProcessBy([]string{"env", "SSL_CERT_FILE=" + ca.RootsFile}, data, store, append([]string{
		"--listen", s.plain, "--tls", "auto", "--tls-listen", s.secure, "--ops-listen", s.ops, "--acme-directory", ca.Directory,
		"--base-domain", "img.example.com", "--workers", "1",
	}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	s.serverProcess = p
	return s
}

// shake returns the certificate that a server has for a host, and whether it has one.
func (s *acmeServer) shake(host string) (*x509.Certificate, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.secure, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// call calls the management API on a host of the server with the root key, and returns the
// answer.
func (s *acmeServer) call(t *testing.T, method, path, body string) string {
	t.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.secure)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://img.example.com/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testRootKey)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s, %v", method, path, res.Status, b, err)
	}
	return string(b)
}

func portNumber(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTLSAuto: hosts of workspaces that exist and verified domains get certificates when they
// are first asked for. Others, claims that aren't verified among them, get none and cost no
// order. A restart orders nothing again.
func TestTLSAuto(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	secure, plain, data := freeport.Address(t), freeport.Address(t), t.TempDir()
	ca := pebble.Start(t, portNumber(t, plain), portNumber(t, secure))
	start := func() *acmeServer {
		return startACME(t, ca, data, "sqlite", secure, plain, "--dir", "demo/samples="+samples, "--dns-resolver", ca.DNS())
	}
	s := start()
	var first *x509.Certificate
	until(t, "the workspace's host has a certificate", func() bool {
		first, err = s.shake("demo.img.example.com")
		return err == nil
	})
	if err := first.VerifyHostname("demo.img.example.com"); err != nil {
		t.Error(err)
	}
	s.call(t, "POST", "/workspaces", `{"namespace":"acme","domains":["img.shop.example"]}`)
	s.call(t, "POST", "/workspaces", `{"namespace":"thief","domains":["img.shop.example","stolen.example"]}`)
	until(t, "a new workspace's host has a certificate", func() bool {
		_, err := s.shake("acme.img.example.com")
		return err == nil
	})
	orders := ca.Orders()
	for _, host := range []string{"nobody.img.example.com", "a.demo.img.example.com", "img.shop.example", "stolen.example", "127-0-0-1.example"} {
		if _, err := s.shake(host); err == nil {
			t.Errorf("%s has a certificate", host)
		}
		if status, _ := fetch(t, "http://"+s.ops+"/tls/ask?domain="+host); status != 403 {
			t.Errorf("/tls/ask of %s: %d", host, status)
		}
	}
	if n := ca.Orders() - orders; n != 0 {
		t.Errorf("%d orders for hosts that aren't ours", n)
	}
	s.call(t, "POST", "/workspaces/acme/domains/img.shop.example/verify", "")
	step := func(namespace, want string) {
		t.Helper()
		if got := s.call(t, "GET", "/workspaces/"+namespace+"/domains", ""); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s in it", namespace, got, want)
		}
	}
	step("acme", `"step":"certificate","certificate":{"state":"none"`)
	step("thief", `"step":"taken"`)
	step("thief", `"step":"record"`)
	until(t, "the domain has a certificate", func() bool {
		_, err := s.shake("img.shop.example")
		return err == nil
	})
	step("acme", `"step":"live","certificate":{"state":"issued","error":"","retry_at":null}`)
	if _, err := s.shake("stolen.example"); err == nil {
		t.Error("a claim that isn't verified has a certificate")
	}
	// A claim whose CNAME record leads to the workspace's own name is verified without a request.
	s.call(t, "PATCH", "/workspaces/acme", `{"domains":["img.shop.example","www.shop.example"]}`)
	target := regexp.MustCompile(`"([^"]+\.cname\.img\.example\.com)"`).FindAllStringSubmatch(s.call(t, "GET", "/workspaces/acme/domains", ""), -1)
	if len(target) == 0 {
		t.Fatal("the domains name no target for a CNAME record")
	}
	ca.SetCNAME(t, "www.shop.example", target[len(target)-1][1])
	until(t, "the domain with the CNAME record is live", func() bool {
		return strings.Count(s.call(t, "GET", "/workspaces/acme/domains", ""), `"step":"live"`) == 2
	})
	if c, err := s.shake("www.shop.example"); err != nil || c.VerifyHostname("www.shop.example") != nil {
		t.Error("the domain with the CNAME record:", err)
	}
	for _, host := range []string{"img.example.com", "demo.img.example.com", "IMG.shop.example"} {
		if status, _ := fetch(t, "http://"+s.ops+"/tls/ask?domain="+host); status != 200 {
			t.Errorf("/tls/ask of %s: %d", host, status)
		}
	}
	orders = ca.Orders()
	s.kill()
	s = start()
	until(t, "the host has its certificate after a restart", func() bool {
		c, err := s.shake("demo.img.example.com")
		if err == nil && !c.Equal(first) {
			t.Fatal("it is another one")
		}
		return err == nil
	})
	if n := ca.Orders() - orders; n != 0 {
		t.Errorf("%d orders after a restart", n)
	}
}

// TestTLSWildcard: with a DNS hook, one certificate is for all hosts below the base domain, and
// it is there before anybody asks.
func TestTLSWildcard(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	secure, plain := freeport.Address(t), freeport.Address(t)
	ca := pebble.Start(t, portNumber(t, plain), portNumber(t, secure))
	hook, _ := ca.Hook(t)
	s := startACME(t, ca, t.TempDir(), "sqlite", secure, plain, "--dir", "demo/samples="+samples, "--dns-resolver", ca.DNS(), "--acme-dns-hook", hook)
	until(t, "both certificates are issued", func() bool { return strings.Count(s.log.String(), "a certificate was issued") == 2 })
	for _, host := range []string{"demo.img.example.com", "nobody.img.example.com"} {
		if c, err := s.shake(host); err != nil || c.DNSNames[0] != "*.img.example.com" {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := ca.Orders(); n != 2 {
		t.Errorf("%d orders", n)
	}
}

// TestTLSAutoShared: three servers on one table order one certificate, though the authority
// looks at one of them only, which made no order.
func TestTLSAutoShared(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	secure, plain := freeport.Address(t), freeport.Address(t)
	ca := pebble.Start(t, portNumber(t, plain), portNumber(t, secure))
	store := initStore(t, dynamodblocal.Shared(t))
	front := startACME(t, ca, t.TempDir(), store, secure, plain, "--dir", "demo/samples="+samples)
	servers := []*acmeServer{front}
	for range 2 {
		servers = append(servers, startACME(t, ca, t.TempDir(), store, "", "", "--dir", "demo/samples="+samples))
	}
	var asking sync.WaitGroup
	found := make([]*x509.Certificate, len(servers))
	for i, s := range slices.Backward(servers) {
		asking.Go(func() {
			until(t, "the host has a certificate", func() bool {
				c, err := s.shake("demo.img.example.com")
				found[i] = c
				return err == nil
			})
		})
	}
	asking.Wait()
	for i, c := range found {
		if !c.Equal(found[0]) {
			t.Errorf("server %d has another certificate", i)
		}
	}
	if n := ca.Orders(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestTLSWithoutTable: a server that starts while the table is away serves the hosts whose
// certificates it had, with images of workspaces that it has copies of. It orders none.
func TestTLSWithoutTable(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	secure, plain, data := freeport.Address(t), freeport.Address(t), t.TempDir()
	ca := pebble.Start(t, portNumber(t, plain), portNumber(t, secure))
	local := dynamodblocal.Start(t)
	store := initStore(t, local)
	const host = "demo.img.example.com"
	s := startACME(t, ca, data, store, secure, plain, "--dir", "demo/samples="+samples)
	var first *x509.Certificate
	until(t, "the host has a certificate", func() bool {
		first, err = s.shake(host)
		return err == nil
	})
	s.kill()
	local.Pause(t)
	defer local.Resume(t)
	orders := ca.Orders()
	s = startACME(t, ca, data, store, secure, plain, "--dir", "demo/samples="+samples)
	took := until(t, "it is served while the table is away", func() bool {
		c, err := s.shake(host)
		if err == nil && !c.Equal(first) {
			t.Fatal("it has another certificate")
		}
		return err == nil
	})
	t.Logf("served after %v", took)
	if _, err := s.shake("acme.img.example.com"); err == nil {
		t.Error("a host that had no certificate has one")
	}
	if n := ca.Orders() - orders; n != 0 {
		t.Errorf("%d orders while the table is away", n)
	}
}

// TestTLSRenewalFails: where the authority is away, the old certificate is served, the webhook of
// the workspace learns that it can't be renewed, and the operator gets a mail.
func TestTLSRenewalFails(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	box := letterbox.Start(t, "127.0.0.1:0")
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	t.Cleanup(hook.Close)
	secure, plain, data := freeport.Address(t), freeport.Address(t), t.TempDir()
	ca := pebble.Start(t, portNumber(t, plain), portNumber(t, secure))
	start := func() *acmeServer {
		return startACME(t, ca, data, "sqlite", secure, plain, append(mailing(box.Address), "--dir", "demo/samples="+samples, "--allow-cidr", "127.0.0.0/8")...)
	}
	const host = "demo.img.example.com"
	s := start()
	until(t, "the host has a certificate", func() bool {
		_, err := s.shake(host)
		return err == nil
	})
	s.call(t, "POST", "/workspaces/demo/alerts/channels", `{"kind":"webhook","url":"`+hook.URL+`"}`)
	s.kill()
	old := certstest.New(t).Due(t, certs.Disk(data, codecOfTests(t)), host)
	ca.Stop()
	s = start()
	until(t, "the old certificate is served while the authority is away", func() bool { // once the hosts are read, beside the start
		got, err := s.shake(host)
		return err == nil && got.Equal(old)
	})
	box.Find(t, "Certificates can't be renewed")
	want := "The certificate of " + host + " could not be renewed: the certificate authority can't be reached"
	select {
	case got := <-told:
		if !strings.Contains(got, `"rule":"expiry"`) || !strings.Contains(got, want) {
			t.Error(got)
		}
	case <-time.After(patience):
		t.Error("the webhook was told nothing")
	}
	if got, err := s.shake(host); err != nil || !got.Equal(old) {
		t.Errorf("after the failure: %v", err)
	}
}

// codecOfTests is that of the servers of sharing.
func codecOfTests(t *testing.T) *workspace.Codec {
	t.Helper()
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// TestTLSAsk: a proxy in front learns which hosts are ours, also without --tls.
func TestTLSAsk(t *testing.T) {
	t.Parallel() // it waits more than it computes
	_, ops := alone(t, "--base-domain", "img.example.com", "--public-url", "https://tintype.example")
	until(t, "the names are known", func() bool {
		status, _ := fetch(t, ops+"/tls/ask?domain=demo.img.example.com")
		return status == 200
	})
	for query, want := range map[string]int{"?domain=tintype.example": 200, "?domain=img.example.com": 200, "?domain=nobody.img.example.com": 403, "?domain=": 403, "": 403, "?domain=a.demo.img.example.com": 403} {
		if status, _ := fetch(t, ops+"/tls/ask"+query); status != want {
			t.Errorf("/tls/ask%s: %d, want %d", query, status, want)
		}
	}
}

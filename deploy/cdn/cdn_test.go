// Package cdn_test runs real proxies with the configurations of this folder in front of a real
// server: scripts/deploy-test.
package cdn_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const rootKey = "a-root-key-of-32-characters-or-more"

// needs returns what scripts/deploy-test has made, or skips the test.
func needs(t *testing.T, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		t.Skip("make deploy-test gets the proxies, and runs this")
	}
	return path
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a program until the test ends, and shows what it said where the test failed.
func run(t *testing.T, env []string, name string, arguments ...string) *os.Process {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, arguments...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		stuck := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		stuck.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), said.String())
		}
	})
	return cmd.Process
}

// A server is a Tintype, and where a proxy in front of it listens.
type server struct {
	t             *testing.T
	address, ops  string
	front         string // URL
	client        *http.Client
	data, folders string
	process       *os.Process
}

// serve starts a server with a workspace whose originals are in a folder.
func serve(t *testing.T, flags ...string) *server {
	t.Helper()
	program := needs(t, "TINTYPE")
	s := &server{t: t, address: free(t), ops: free(t), client: &http.Client{Timeout: 20 * time.Second}, data: t.TempDir(), folders: t.TempDir()}
	picture := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	for i := range 300 * 200 {
		picture.Set(i%300, i/300, color.NRGBA{uint8(i % 251), uint8(i / 300), uint8(i % 7 * 30), 255})
	}
	var original bytes.Buffer
	if err := png.Encode(&original, picture); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.png", "b (1)+c.png"} {
		if err := os.WriteFile(filepath.Join(s.folders, name), original.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.process = run(t, []string{"TINTYPE_ROOT_KEY=" + rootKey}, program, append([]string{"serve", "--listen", s.address, "--ops-listen", s.ops, "--data", s.data,
		"--dir", "acme/photos=" + s.folders, "--trusted-proxies", "127.0.0.1", "--workers", "1", "--drain", "0s", "--log-level", "warn"}, flags...)...)
	s.await("http://" + s.address + "/readyz")
	return s
}

// await waits until a URL is answered 200.
func (s *server) await(url string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if res, err := s.client.Get(url); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	s.t.Fatalf("%s isn't answered 200", url)
}

// config writes a configuration of this folder with other values into a file.
func (s *server) config(name string, pairs ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			s.t.Fatalf("%s has no %s", name, pairs[i])
		}
		text = bytes.ReplaceAll(text, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// An answer is what came for a request.
type answer struct {
	status      int
	kind, cache string
	header      http.Header
	body        []byte
}

func (s *server) get(url, accept string, header ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, url, nil, append([]string{"Accept", accept}, header...)...)
}

func (s *server) do(method, url string, body io.Reader, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("X-Cache"), res.Header, data}
}

// Accept of browsers, and what they get of an opaque PNG.
var browsers = []struct{ accept, kind string }{
	{"image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/avif"},
	{"image/webp,image/apng,image/*,*/*;q=0.8", "image/webp"},
	{"image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/png"},
}

// checkFormats asks for one URL as several browsers do, twice each: nobody gets what another
// may read only. caches is whether the proxy keeps answers.
func (s *server) checkFormats(caches bool) {
	s.t.Helper()
	url := s.front + "/acme/photos/a.png?w=100"
	for round, want := range []string{"MISS", "HIT"} {
		for _, b := range browsers {
			got := s.get(url, b.accept)
			if got.status != http.StatusOK || got.kind != b.kind {
				s.t.Errorf("round %d, %s: %d %s", round, b.accept, got.status, got.kind)
			}
			if caches && got.cache != want {
				s.t.Errorf("round %d, %s: %s, want %s", round, b.kind, got.cache, want)
			}
		}
	}
	// Another browser with the same formats.
	if got := s.get(url, "text/html,image/avif,image/webp"); caches && (got.cache != "HIT" || got.kind != "image/avif") {
		s.t.Errorf("another browser: %s %s", got.cache, got.kind)
	}
}

// checkTargets: a target reaches the server as it came.
func (s *server) checkTargets() {
	s.t.Helper()
	for _, target := range []string{"/acme/photos/b%20(1)+c.png?w=90", "/acme/photos/b%20%281%29%2Bc.png?w=91", "/acme/photos/a.png?w=92&fit=cover&h=40"} {
		direct, through := s.get("http://"+s.address+target, "image/webp"), s.get(s.front+target, "image/webp")
		if direct.status != http.StatusOK || through.status != http.StatusOK || !bytes.Equal(direct.body, through.body) {
			s.t.Errorf("%s: %d directly, %d through", target, direct.status, through.status)
		}
	}
	for target, want := range map[string]int{"/acme/photos//a.png": 400, "/acme/photos/%2e%2e/a.png": 400} {
		direct, through := s.get("http://"+s.address+target, "*/*"), s.get(s.front+target, "*/*")
		if direct.status != through.status {
			s.t.Errorf("%s: %d directly, %d through (about %d)", target, direct.status, through.status, want)
		}
	}
}

// checkPrivate: the API's answers are kept by nobody.
func (s *server) checkPrivate() {
	s.t.Helper()
	for range 2 {
		got := s.get(s.front+"/v1/workspaces/acme", "application/json", "Authorization", "Bearer "+rootKey)
		if got.status != http.StatusOK || got.cache == "HIT" {
			s.t.Errorf("the API: %d %s %s", got.status, got.cache, got.body)
		}
	}
	if got := s.get(s.front+"/v1/workspaces/acme", "application/json"); got.status != http.StatusUnauthorized {
		s.t.Errorf("the API without a key: %d %s", got.status, got.body)
	}
}

func TestNginx(t *testing.T) {
	root := needs(t, "PROXIES")
	s := serve(t)
	front, folder := free(t), t.TempDir()
	site := s.config("nginx.conf", "listen 80;", "listen "+front+";", "127.0.0.1:8080", s.address, "/var/cache/nginx/tintype", filepath.Join(folder, "cache"))
	whole := filepath.Join(folder, "whole.conf")
	text := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr warn;\nevents {}\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\ninclude %[2]s; }\n", folder, site)
	if err := os.WriteFile(whole, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, nil, filepath.Join(root, "usr/sbin/nginx"), "-p", folder, "-c", whole, "-e", "stderr")
	s.front = "http://" + front
	s.await(s.front + "/readyz")
	s.checkFormats(true)
	s.checkTargets()
	s.checkPrivate()
}

// TestFleet: where the node of a path is gone, another serves it. nginx remembers for a while
// which nodes are gone; here it doesn't, so that every path finds them gone.
func TestFleet(t *testing.T) {
	root := needs(t, "PROXIES")
	s := serve(t)
	front, folder := free(t), t.TempDir()
	site := s.config("fleet.nginx.conf", "max_fails=1", "max_fails=0", "listen 80;", "listen "+front+";", "one:8080", s.address, "two:8080", free(t), "three:8080", free(t)) // two are gone
	whole := filepath.Join(folder, "whole.conf")
	text := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr crit;\nevents {}\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\ninclude %[2]s; }\n", folder, site)
	if err := os.WriteFile(whole, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, nil, filepath.Join(root, "usr/sbin/nginx"), "-p", folder, "-c", whole, "-e", "stderr")
	s.front = "http://" + front
	s.await(s.front + "/readyz")
	failed := 0
	for i := range 30 { // paths, which decide the order of the nodes
		if got := s.get(fmt.Sprintf("%s/acme/photos/none-%d.png", s.front, i), "image/webp"); got.status != http.StatusNotFound {
			failed++
		}
	}
	if failed > 0 {
		t.Errorf("%d of 30 didn't reach the node that is left", failed)
	}
	s.checkTargets()
}

func TestVarnish(t *testing.T) {
	root := needs(t, "PROXIES")
	front, folder := free(t), t.TempDir()
	purge, err := filepath.Abs("varnish-purge")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"gcc", "jq", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("install %s: Varnish compiles its configuration, and varnish-purge needs jq and curl", tool)
		}
	}
	// A purge command gets no variables of ours but these.
	t.Setenv("VARNISH", "http://"+front+"/")
	s := serve(t, "--purge-command", purge)
	_, port, _ := net.SplitHostPort(s.address)
	vcl := s.config("varnish.vcl", `"8080"`, `"`+port+`"`)
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	run(t, []string{"LD_LIBRARY_PATH=" + lib}, filepath.Join(root, "usr/sbin/varnishd"), "-F", "-n", folder, "-j", "none", "-a", front, "-f", vcl, "-s", "malloc,64m",
		"-p", "vmod_path="+filepath.Join(lib, "varnish/vmods"))
	s.front = "http://" + front
	s.await(s.front + "/readyz")
	s.checkFormats(true)
	s.checkTargets()
	s.checkPrivate()

	// A purge reaches Varnish, and only for what was purged.
	kept, purged := s.front+"/acme/photos/a.png?w=100", s.front+"/acme/photos/b%20(1)+c.png?w=90"
	if got := s.get(purged, "image/webp"); got.cache != "HIT" {
		t.Errorf("before the purge: %s", got.cache)
	}
	got := s.do(http.MethodPost, "http://"+s.address+"/v1/workspaces/acme/purge", strings.NewReader(`{"path":"photos/b (1)+c.png"}`),
		"Authorization", "Bearer "+rootKey, "Content-Type", "application/json")
	if got.status != http.StatusAccepted {
		t.Fatalf("purge: %d %s", got.status, got.body)
	}
	for end := time.Now().Add(15 * time.Second); s.get(purged, "image/webp").cache != "MISS"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the purge didn't reach Varnish")
		}
	}
	if got := s.get(kept, "image/webp"); got.cache != "HIT" {
		t.Errorf("what wasn't purged: %s", got.cache)
	}
}

// TestCaddy: it serves https with HTTP/2 for hosts that the server knows, and asks for no other
// certificate.
func TestCaddy(t *testing.T) {
	root := needs(t, "PROXIES")
	s := serve(t, "--base-domain", "img.test")
	front, plain, folder := free(t), free(t), t.TempDir()
	_, httpsPort, _ := net.SplitHostPort(front)
	_, httpPort, _ := net.SplitHostPort(plain)
	// Its own authority instead of one on the internet, and other ports.
	config := s.config("Caddyfile", "127.0.0.1:8080", s.address, "127.0.0.1:9090", s.ops,
		"{\n\ton_demand_tls", "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\thttp_port "+httpPort+"\n\thttps_port "+httpsPort+"\n\ton_demand_tls")
	run(t, []string{"HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}, filepath.Join(root, "usr/bin/caddy"), "run", "--config", config, "--adapter", "caddyfile")
	to := func(host string) *http.Client {
		return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: host},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", front)
			},
		}}
	}
	s.client, s.front = to("acme.img.test"), "https://acme.img.test"
	s.await(s.front + "/photos/a.png?w=100")
	res, err := s.client.Get(s.front + "/photos/a.png?w=100")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.TLS.PeerCertificates[0].DNSNames[0] != "acme.img.test" {
		t.Errorf("%s %s %v", res.Status, res.Proto, res.TLS.PeerCertificates[0].DNSNames)
	}
	for _, host := range []string{"nobody.img.test", "example.com"} {
		if res, err := to(host).Get("https://" + host + "/"); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s has a certificate: %s", host, res.Status)
		}
	}
}

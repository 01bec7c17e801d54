// Package walkthrough_test follows docs/deploy.md on the machine that scripts/deploy-walkthrough has made.
package walkthrough_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/letterbox"
	"github.com/tintype/tintype/internal/otlp"
	"github.com/tintype/tintype/internal/pebble"
)

const host, person = "img.example.com", "you@example.com"

// Addresses outside of private networks: of the test's own origin, and of this network towards it, which is the server's.
const origin, gateway = "192.88.98.7", "192.88.98.1"

// TestWalkthrough starts where a machine has all that docs/deploy.md has one install, and its settings.
// It ends with a certificate, a sign-in, images over HTTP/2 and HTTP/3, metrics, a trace and an alert.
func TestWalkthrough(t *testing.T) {
	root := os.Getenv("WALKTHROUGH")
	if root == "" {
		t.Skip("make walkthrough makes the machine, and runs this")
	}
	output(t, "ip", "link", "set", "lo", "up")
	ca := pebble.Start(t, 80, 443)
	own := certstest.New(t)
	photos(t, own)
	box := letterbox.Start(t, "127.0.0.1:2525")
	traces := collector(t)

	// What differs from a machine on the Internet: names, and whom it trusts.
	add(t, root, "etc/hosts", gateway+" "+host+"\n"+origin+" www.example.com\n")
	roots, err := os.ReadFile(ca.RootsFile)
	if err != nil {
		t.Fatal(err)
	}
	add(t, root, "etc/ssl/certs/ca-certificates.crt", string(own.PEM())+string(roots)+string(ca.IssuedPEM(t)))
	add(t, root, "etc/tintype/tintype.env", "TINTYPE_ACME_DIRECTORY="+ca.Directory+"\nTINTYPE_ALERTS_EVERY=2s\n")

	m := boot(t, root)
	page := document(t)
	began := time.Now()
	said := m.run(page.commands("On a Debian or Ubuntu machine", "sudo systemctl daemon-reload"))
	if !strings.Contains(said, "HTTP/2 200") {
		t.Fatalf("/readyz: %s", said)
	}
	t.Logf("from systemctl enable to a certificate: %v", time.Since(began).Round(time.Millisecond))
	if unit := m.run("systemctl is-active tintype; journalctl -u tintype -o cat | grep 'workers are ready'"); !strings.Contains(unit, "active") || !strings.Contains(unit, `"missing":"none"`) {
		t.Errorf("the unit: %s", unit)
	}

	// An image, metrics, where traces go, and an address for alerts.
	said = m.run(page.commands("A first image", "") + "\nod -A n -c -N 12 cat.webp\n" + page.commands("## Watch it", ""))
	t.Logf("a first image, and watching:\n%s", said)
	if !strings.Contains(said, "W   E   B   P") || !strings.Contains(said, "tintype_build_info{") || !strings.Contains(said, `"kind":"email"`) {
		t.Error("an image, a metric or a channel is missing")
	}
	roster := ca.Issued(t)
	by3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roster, ServerName: host}}
	defer by3.Close()
	over := func(client *http.Client, at string) (string, int) {
		t.Helper()
		res, err := client.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Proto, res.StatusCode
	}
	dialer := &net.Dialer{}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roster, ServerName: host}, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, "127.0.0.1:443")
	}}}
	if proto, status := over(client, "https://"+host+"/acme/photos/cat.jpg?w=401"); proto != "HTTP/2.0" || status != 200 {
		t.Errorf("%s %d", proto, status)
	}
	if proto, status := over(&http.Client{Transport: by3}, "https://127.0.0.1/acme/photos/cat.jpg?w=402"); proto != "HTTP/3.0" || status != 200 {
		t.Errorf("%s %d", proto, status)
	}

	// The dashboard, by the code of a mail.
	post := func(form url.Values) string {
		t.Helper()
		res, err := client.PostForm("https://"+host+"/app/me/sign-in", form)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %v", res.Status, err)
		}
		return string(body)
	}
	post(url.Values{"email": {person}, "next": {"/app"}})
	code := regexp.MustCompile(`[0-9]{4} [0-9]{4}`).FindString(box.Find(t, "Your code is"))
	if home := post(url.Values{"email": {person}, "next": {"/app"}, "code": {code}}); !strings.Contains(home, person) || !strings.Contains(home, "acme") {
		t.Errorf("signed in: %s", home)
	}

	// The address agrees, and is told when requests fail.
	key := regexp.MustCompile(`TINTYPE_ROOT_KEY=(\w+)`).FindStringSubmatch(m.run("cat /etc/tintype/tintype.env"))[1]
	agreed := regexp.MustCompile(`page of alerts is (\w+)`).FindStringSubmatch(box.Find(t, "Confirm that you want alerts"))
	id := regexp.MustCompile(`"id":"(ch_\w+)"`).FindStringSubmatch(said)
	if agreed == nil || id == nil {
		t.Fatalf("no code, or no channel: %v %v", agreed, id)
	}
	m.run(fmt.Sprintf(`curl -fsS -X POST https://%s/v1/workspaces/acme/alerts/channels/%s/confirm -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"code":"%s"}'`, host, id[1], key, agreed[1]))
	for i := range 30 {
		over(client, fmt.Sprintf("https://%s/acme/photos/missing-%d.jpg", host, i))
	}
	if alert := box.Find(t, "of the requests for images failed"); !strings.Contains(alert, person) {
		t.Errorf("the alert: %s", alert)
	}
	queries(t, func(i int) { over(client, fmt.Sprintf("https://%s/acme/photos/cat.jpg?w=%d", host, 100+i)) })

	m.run("systemctl stop tintype") // which sends what is left of traces
	var tree string
	for _, s := range traces.Spans() {
		if s.Kind == "server" && s.Attributes["url.path"] == "/acme/photos/cat.jpg" && s.Attributes["tintype.cache"] == "miss" {
			tree = otlp.Tree(traces.Spans())
			break
		}
	}
	if tree == "" {
		t.Errorf("no trace of an image:\n%s", otlp.Tree(traces.Spans()))
	} else {
		t.Logf("a trace:\n%s", strings.Join(strings.SplitN(tree, "\n", 12)[:11], "\n"))
	}
	if end := m.run("systemctl show tintype -p Result -p ExecMainStatus"); !strings.Contains(end, "Result=success") || !strings.Contains(end, "ExecMainStatus=0") {
		t.Errorf("its end: %s", end)
	}
}

func output(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

// add appends to a file of the machine.
func add(t *testing.T, root, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(root, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A machine is a Debian that systemd runs.
type machine struct {
	t     *testing.T
	first int // its first process
}

func boot(t *testing.T, root string) *machine {
	t.Helper()
	console := &bytes.Buffer{}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup", "../../scripts/deploy-walkthrough", "boot", root)
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.command("journalctl -u tintype -o cat | tail -n 40").CombinedOutput()
			t.Logf("the journal:\n%s", out)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the console:\n%s", console)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		if m.first, _ = strconv.Atoi(strings.TrimSpace(string(text))); err == nil && m.first > 0 {
			if out, _ := m.command("systemctl is-system-running").CombinedOutput(); bytes.HasPrefix(out, []byte("running")) || bytes.HasPrefix(out, []byte("degraded")) {
				return m
			}
		}
		if time.Now().After(end) {
			t.Fatal("the machine doesn't boot")
		}
	}
}

func (m *machine) command(script string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.first), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--", "bash", "-euc", "cd /root/tintype\n"+script)
	cmd.Env = []string{"HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return cmd
}

// run runs commands on the machine, and returns what they print.
func (m *machine) run(script string) string {
	m.t.Helper()
	out, err := m.command(script).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s\n%v: %s", script, err, out)
	}
	return string(out)
}

// A text is docs/deploy.md.
type text struct {
	t    *testing.T
	body string
}

func document(t *testing.T) text {
	t.Helper()
	body, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	return text{t, string(body)}
}

// commands returns the first commands after some words, from a line on.
func (d text) commands(after, from string) string {
	d.t.Helper()
	_, rest, found := strings.Cut(d.body, after)
	_, block, begun := strings.Cut(rest, "```sh\n")
	block, _, ended := strings.Cut(block, "```\n")
	i := strings.Index(block, from)
	if !found || !begun || !ended || i < 0 {
		d.t.Fatalf("docs/deploy.md has no commands after %q, or no %q in them", after, from)
	}
	return block[i:]
}

// TestMain lets the program of the test be the origin, on a network of its own: its port 443 is the server's on the other.
func TestMain(m *testing.M) {
	files := os.Getenv("ORIGIN")
	if files == "" {
		os.Exit(m.Run())
	}
	picture := image.NewRGBA(image.Rect(0, 0, 900, 600))
	for i := range 900 * 600 {
		picture.Set(i%900, i/900, color.RGBA{uint8(i % 900 / 4), uint8(i / 900 / 3), 90, 255})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/images/cat.jpg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_ = jpeg.Encode(w, picture, nil)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServeTLS(":443", files+".crt", files+".key", mux))
	os.Exit(1)
}

// photos serves originals on www.example.com.
func photos(t *testing.T, ca *certstest.Authority) {
	t.Helper()
	cert, _ := ca.Write(t, t.TempDir(), "origin", "www.example.com")
	cmd := exec.Command("unshare", "--net", os.Args[0])
	cmd.Env = append(os.Environ(), "ORIGIN="+strings.TrimSuffix(cert, ".crt"))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	pid := strconv.Itoa(cmd.Process.Pid)
	ours, err := os.Readlink("/proc/self/ns/net")
	for its := ours; its == ours; time.Sleep(10 * time.Millisecond) {
		if err == nil {
			its, err = os.Readlink("/proc/" + pid + "/ns/net")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	output(t, "ip", "link", "add", "name", "toorigin", "type", "veth", "peer", "name", "origin", "netns", pid)
	output(t, "ip", "address", "add", gateway+"/24", "dev", "toorigin")
	output(t, "ip", "link", "set", "toorigin", "up")
	output(t, "nsenter", "--target", pid, "--net", "ip", "address", "add", origin+"/24", "dev", "origin")
	output(t, "nsenter", "--target", pid, "--net", "ip", "link", "set", "origin", "up")
}

func serve(t *testing.T, address string, on func(net.Listener)) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	go on(l)
	t.Cleanup(func() { _ = l.Close() })
}

// collector receives traces where collectors do.
func collector(t *testing.T) *otlp.Receiver {
	t.Helper()
	r := otlp.Listen(t)
	to, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}
	serve(t, "127.0.0.1:4318", func(l net.Listener) { _ = http.Serve(l, proxy) })
	return r
}

// queries has a Prometheus scrape the server, under requests, and looks whether the panels of deploy/grafana that every server has data for show some.
func queries(t *testing.T, request func(i int)) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "prometheus.yaml")
	if err := os.WriteFile(config, []byte("scrape_configs: [{job_name: tintype, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: ['127.0.0.1:9090']}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../../.tools/prometheus/usr/bin/prometheus", "--config.file="+config, "--web.listen-address=127.0.0.1:9091", "--storage.tsdb.path="+t.TempDir(), "--log.level=error")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	body, err := os.ReadFile("../grafana/tintype.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(body, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all, empty int
	var last string
	for end, i := time.Now().Add(20*time.Second), 0; ; i++ {
		request(i)
		all, empty, last = 0, 0, ""
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				all++
				query := strings.NewReplacer("$__rate_interval", "4s", "$instance", ".*").Replace(target.Expr)
				res, err := http.Get("http://127.0.0.1:9091/api/v1/query?query=" + url.QueryEscape(query))
				if err != nil {
					empty++
					continue
				}
				answer, _ := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"result":[]`)) {
					empty++
					last += "\n" + p.Title + ": " + query
				}
			}
		}
		if empty == 0 || time.Now().After(end) {
			break
		}
	}
	t.Logf("queries of the dashboard: %d, without data here: %d%s", all, empty, last)
	if all < 30 || empty > all/5 {
		t.Errorf("%d of %d queries are empty", empty, all)
	}
}

package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/tool"
)

// prometheusTool is a program of Prometheus that scripts/install-prometheus has put into .tools,
// or the one on the path.
func prometheusTool(t *testing.T, name string) string {
	t.Helper()
	if file, err := tool.Find("prometheus/usr/bin/"+name, "scripts/install-prometheus"); err == nil {
		return file
	}
	file, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("no %s: scripts/install-prometheus gets it", name)
	}
	return file
}

// TestAlertRules: deploy/prometheus/alerts.yaml fires when it should, and not when it shouldn't.
func TestAlertRules(t *testing.T) {
	if out, err := exec.Command(prometheusTool(t, "promtool"), "test", "rules", "../../deploy/prometheus/alerts_test.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGrafanaDashboard: a Prometheus scrapes a server under load. Each query of
// deploy/grafana/tintype.json has an answer there, and so has each rule of the alerts.
func TestGrafanaDashboard(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/tintype.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Description string
			Type               string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	ca := certstest.New(t)
	cert, key := ca.Write(t, t.TempDir(), "server", "img.example.com")
	secure := freeport.Address(t)
	_, ops, _, stop := serveOps(t, "--tls", "auto", "--tls-listen", secure, "--tls-cert", cert, "--tls-key", key, "--http3")
	defer stop()
	at := freeport.Address(t)
	startPrometheus(t, at, ops)

	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	wg.Go(func() {
		client := trusting(t, ca)
		for i := 0; ; i++ {
			by3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"}}
			if res, err := (&http.Client{Transport: by3}).Get("https://" + secure + "/demo/samples/dusk.jpg?w=16"); err == nil {
				_ = res.Body.Close()
			}
			for _, path := range []string{
				fmt.Sprintf("/demo/samples/dusk.jpg?w=%d&format=webp", 20+i%1000), "/demo/samples/dusk.jpg?w=16", "/demo/samples/none.jpg",
				fmt.Sprintf("/demo/info/samples/dusk.jpg?select=metadata&v=%d", i), "/demo/placeholder/color?color=red&w=8&h=8", "/healthz",
			} {
				if res, err := client.Get("https://" + secure + path); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			}
			select {
			case <-done:
			case <-time.After(50 * time.Millisecond):
			}
			_ = by3.Close() // the next is a connection of its own
			select {
			case <-done:
				return
			default:
			}
		}
	})

	queries := 0
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && (panel.Description == "" || len(panel.Targets) == 0) {
			t.Errorf("panel %q has no description, or no query", panel.Title)
		}
		for _, target := range panel.Targets {
			queries++
			expr := strings.NewReplacer("$__rate_interval", "30s", "$instance", ".*").Replace(target.Expr)
			if !answered(t, at, expr) {
				t.Errorf("of the panel %s", panel.Title)
			}
		}
	}
	for _, expr := range []string{"sum(tintype_quic_connections) > 0", `rate(tintype_quic_handshakes_total{result="done"}[30s]) > 0`, `rate(tintype_tls_handshakes_total{protocol="h3"}[30s]) > 0`} {
		answered(t, at, expr) // an answer of zero would do above
	}
	if queries < 68 {
		t.Errorf("%d queries", queries)
	}
	status, body := fetch(t, "http://"+at+"/api/v1/rules")
	if status != 200 || strings.Contains(body, `"health":"err"`) || strings.Count(body, `"type":"alerting"`) < 21 {
		t.Errorf("rules: %d %s", status, body)
	}
}

// startPrometheus has Prometheus listen at an address and scrape a target every second. A scrape
// may take as long as that, and rates over 30 seconds need two of them.
func startPrometheus(t *testing.T, at, target string) {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yaml")
	err = os.WriteFile(config, []byte(fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: tintype
    static_configs: [{targets: [%q]}]
`, rules, target)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), prometheusTool(t, "prometheus"), "--config.file="+config, "--web.listen-address="+at,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--log.level=warn")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get("http://" + at + "/-/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("Prometheus isn't ready")
		}
	}
}

// answered waits until a query of Prometheus has an answer that is a number.
func answered(t *testing.T, at, expr string) bool {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		ok, got := answers(t, at, expr)
		if ok {
			return true
		}
		if time.Now().After(deadline) {
			t.Errorf("%s\nis empty: %s", expr, got)
			return false
		}
	}
}

// answers reports whether a query of Prometheus has an answer that is a number.
func answers(t *testing.T, at, expr string) (ok bool, body string) {
	t.Helper()
	_, body = fetch(t, "http://"+at+"/api/v1/query?query="+url.QueryEscape(expr))
	var got struct {
		Status string
		Data   struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Status != "success" {
		t.Fatalf("%s: %v %s", expr, err, body)
	}
	for _, r := range got.Data.Result {
		if r.Value[1] != "NaN" {
			return true, body
		}
	}
	return false, body
}

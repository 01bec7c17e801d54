package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/webhook"
)

// patience is how long a test waits for what must come. It only ends tests that hang: a busy machine
// may stand still for seconds, and start a process in tens of them.
const patience = 3 * time.Minute

// unhurried are flags of servers: a transform has a minute, so that none fails since the machine is
// busy. Tests of deadlines set their own after it.
var unhurried = []string{"--transform-timeout", "1m"}

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

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, body := getBy(t, http.DefaultClient, url)
	return res.StatusCode, body
}

// trusting returns a client that trusts an authority and follows no redirect.
func trusting(t *testing.T, ca *certstest.Authority) *http.Client {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// serveOps boots the whole server in this process, with a folder of drawings as source samples of
// workspace demo. stop ends it, and returns what run does.
func serveOps(t *testing.T, args ...string) (public, ops string, log *testlog.Log, stop func() error) {
	t.Helper()
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	public, ops = freeport.Address(t), freeport.Address(t)
	ctx, cancel := context.WithCancel(t.Context())
	log = &testlog.Log{}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, slices.Concat([]string{
			"serve", "--listen", public, "--ops-listen", ops, "--data", t.TempDir(), "--dir", "demo/samples=" + dir, "--billing-webhook", "https://billing.example/usage",
		}, unhurried, args), func(name string) string {
			return map[string]string{billingWebhookSecret: webhook.NewSecret()}[name]
		}, io.Discard, log)
	}()
	for deadline := time.Now().Add(patience); !strings.Contains(log.String(), `"msg":"serving"`); {
		select {
		case err := <-done:
			t.Fatalf("it stopped: %v\n%s", err, log)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("it doesn't serve:\n%s", log)
		}
	}
	return public, ops, log, func() error {
		cancel()
		return <-done
	}
}

// newBucket is an S3 server with an empty bucket.
func newBucket(t *testing.T) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("cache"); err != nil {
		t.Fatal(err)
	}
	return gofakes3.New(backend).Server()
}

// fakeBucket returns the URL of an empty bucket.
func fakeBucket(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "seeded")
	}
	server := httptest.NewServer(newBucket(t))
	t.Cleanup(server.Close)
	return "s3://cache/?region=auto&endpoint=" + server.URL
}

// TestOpsListener looks at what the operator sees of a whole server, with all that has figures,
// and stops it.
func TestOpsListener(t *testing.T) {
	ca := certstest.New(t)
	cert, key := ca.Write(t, t.TempDir(), "server", "img.example.com")
	secure := freeport.Address(t)
	_, ops, log, stop := serveOps(t, "--tls", "auto", "--tls-listen", secure, "--tls-cert", cert, "--tls-key", key, "--http3", "--metrics-per-workspace", "10",
		"--cache-bucket", fakeBucket(t))
	client, public := trusting(t, ca), "https://"+secure
	for range 2 {
		if res, _ := getBy(t, client, public+"/demo/samples/dusk.jpg?w=16&utm_campaign=hidden"); res.StatusCode != 200 {
			t.Fatalf("%s\n%s", res.Status, log)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/debug/pprof/"} {
		if status, _ := fetch(t, "http://"+ops+path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	wants := []string{
		`tintype_requests_total{cache="miss",status="200"} 1`,
		`tintype_requests_total{cache="memory",status="200"} 1`,
		`tintype_cache_entries{tier="memory"} 1`,
		`tintype_cache_hits_total{tier="memory"} 1`,
		`tintype_cache_bytes{tier="disk"}`,
		`tintype_cache_bucket_requests_total{request="list",result="ok"}`,
		`go_goroutines`,
		`tintype_build_info{go_version="go`,
		`tintype_fetch_seconds_count{origin="dir"} 1`,
		`tintype_transform_seconds_count{endpoint="transform",format="jpeg"} 1`,
		`tintype_workers_queue_seconds_count 1`,
		`tintype_workspace_requests_total{status="2xx",workspace="demo"} 2`,
		`tintype_tls_handshakes_total{protocol="h2",resumed="false",version="1.3"} 1`,
	}
	var metrics string
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) { // a request is counted once it is answered
		_, metrics = fetch(t, "http://"+ops+"/metrics")
		missing := slices.IndexFunc(wants, func(want string) bool { return !strings.Contains(metrics, want) })
		if missing < 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("/metrics has no %s", wants[missing])
		}
	}
	golden.File(t, "../../docs/metrics.md", metricsDoc(metrics))
	if problems, err := promlint.New(strings.NewReader(metrics)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	if res, _ := getBy(t, client, public+"/metrics"); res.StatusCode != 404 {
		t.Errorf("the public listener answers /metrics with %s", res.Status)
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if !strings.Contains(log.String(), `"original":"samples/dusk.jpg"`) || strings.Contains(log.String(), "hidden") {
		t.Errorf("log:\n%s", log)
	}
}

// TestProfiles: while a profile of the processor is taken, requests know of it.
func TestProfiles(t *testing.T) {
	var profiles atomic.Int32
	h := opsHandler(prometheus.NewRegistry(), server.New(server.Config{}), http.NotFound, http.NotFound, &profiles)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/pprof/profile?seconds=60", nil))
		done <- w.Code
	}()
	for profiles.Load() != 1 {
		runtime.Gosched()
	}
	cancel()
	if status := <-done; profiles.Load() != 0 || status != 200 && status != 500 { // 500 where another test takes one
		t.Errorf("%d profiles are being taken after the last, %d", profiles.Load(), status)
	}
}

package certs_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/internal/pebble"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A front is where an authority finds the servers of a test. Tests that run beside each other order for
// hosts of their own: certmagic keeps what a process wants to prove for a host in a global variable.
type front struct {
	secure, plain net.Listener
	ca            *pebble.Server
	first         atomic.Pointer[certs.Auto] // answers what comes to the listeners
	log           *testlog.Log
}

// newFront starts an authority, and listeners where it looks.
func newFront(t *testing.T, blocked ...string) *front {
	t.Helper()
	f := &front{log: &testlog.Log{}}
	for _, l := range []*net.Listener{&f.secure, &f.plain} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = (*l).Close() })
	}
	f.ca = pebble.Start(t, port(f.plain), port(f.secure), blocked...)
	go func() {
		_ = http.Serve(f.plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !f.first.Load().Challenge(w, r) {
				http.NotFound(w, r)
			}
		}))
	}()
	config := &tls.Config{NextProtos: []string{"http/1.1", certs.Protocol}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return f.first.Load().GetCertificate(hello)
	}}
	go func() {
		for {
			conn, err := f.secure.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = tls.Server(conn, config).HandshakeContext(t.Context())
			}()
		}
	}()
	return f
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// auto returns a server that answers at the front.
func (f *front) auto(t *testing.T, storage certmagic.Storage, change ...func(*certs.AutoConfig)) *certs.Auto {
	t.Helper()
	cfg := certs.AutoConfig{
		Storage: storage, Directory: f.ca.Directory, Roots: f.ca.Roots,
		Allowed:    func(host string) bool { return strings.HasSuffix(host, ".shop.example") },
		ListenHost: "127.0.0.1", HTTPPort: port(f.plain), HTTPSPort: port(f.secure),
		Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	for _, c := range change {
		c(&cfg)
	}
	a := certs.NewAuto(cfg)
	t.Cleanup(a.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s\nPebble:\n%s", f.log, f.ca.Log())
		}
	})
	f.first.Store(a)
	return a
}

// shake makes a TLS connection to a host at the front, and returns its certificate.
func (f *front) shake(t *testing.T, host string) (*x509.Certificate, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", f.secure.Addr().String(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// issued returns the certificate of a host that has none yet. Its order may take longer than a handshake
// waits for one.
func (f *front) issued(t *testing.T, host string) *x509.Certificate {
	t.Helper()
	if err := f.first.Load().Get(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	c, err := f.shake(t, host)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// until waits for what nothing else tells of.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it took too long until %s", what)
		}
	}
}

// counted counts what is done with a storage.
type counted struct {
	certmagic.Storage
	calls atomic.Int64
}

func (c *counted) Load(ctx context.Context, key string) ([]byte, error) {
	c.calls.Add(1)
	return c.Storage.Load(ctx, key)
}

func (c *counted) Store(ctx context.Context, key string, value []byte) error {
	c.calls.Add(1)
	return c.Storage.Store(ctx, key, value)
}

func (c *counted) Exists(ctx context.Context, key string) bool {
	c.calls.Add(1)
	return c.Storage.Exists(ctx, key)
}

// TestIssueAndRenew: the first handshake of a host orders its certificate, and later ones
// don't, also after a restart. It is renewed before it ends. Where the authority is away, the
// old one is served, the log has an error, and other hosts learn why they have none.
func TestIssueAndRenew(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f, data := newFront(t), t.TempDir()
	codec := newCodec(t, oldKey)
	a := f.auto(t, certs.Disk(data, codec))
	c, err := f.shake(t, "IMG.shop.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(x509.VerifyOptions{DNSName: "img.shop.example", Roots: f.ca.Issued(t), Intermediates: intermediates(t, f)}); err != nil {
		t.Error(err)
	}
	if o, err := a.Order(t.Context(), "img.shop.example"); err != nil || o.IssuedAt.IsZero() || o.Error != "" {
		t.Errorf("what is known of the order: %+v, %v", o, err)
	}
	a = f.auto(t, certs.Disk(data, codec))
	again, err := f.shake(t, "img.shop.example")
	if err != nil || !again.Equal(c) || f.ca.Orders() != 1 {
		t.Errorf("after a restart: %v; another certificate: %v; %d orders", err, again != nil && !again.Equal(c), f.ca.Orders())
	}

	for host, want := range map[string]bool{"img.shop.example": true, "new.shop.example": false, "img.other.example": true} {
		if a.Settled(host) != want {
			t.Errorf("%s is settled: %v", host, !want)
		}
	}
	if err := a.RenewAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the renewed certificate is served", func() bool {
		c, err := f.shake(t, "img.shop.example")
		if err != nil {
			t.Fatal(err)
		}
		return !c.Equal(again)
	})
	if c, err = f.shake(t, "img.shop.example"); err != nil {
		t.Fatal(err)
	}

	f.ca.Stop()
	if err := a.RenewAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the log has an error", func() bool { return strings.Contains(f.log.String(), "level=ERROR") })
	if got, err := f.shake(t, "img.shop.example"); err != nil || !got.Equal(c) {
		t.Errorf("while the authority is away: %v; another certificate: %v", err, got != nil && !got.Equal(c))
	}
	err = a.Get(t.Context(), "new.shop.example")
	if err == nil || !strings.Contains(err.Error(), "can't be reached") {
		t.Errorf("a new host while the authority is away: %v", err)
	}
	if o, err := a.Order(t.Context(), "new.shop.example"); err != nil || o.Failures != 1 || !strings.Contains(o.Error, "can't be reached") || o.RetryAt.IsZero() {
		t.Errorf("what other servers know: %+v, %v", o, err)
	}
	if _, err := f.shake(t, "new.shop.example"); err == nil {
		t.Error("a host without a certificate got one")
	}
}

// intermediates returns what Pebble's certificates are signed by.
func intermediates(t *testing.T, f *front) *x509.CertPool {
	t.Helper()
	conn, err := tls.Dial("tcp", f.secure.Addr().String(), &tls.Config{ServerName: "img.shop.example", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pool := x509.NewCertPool()
	for _, c := range conn.ConnectionState().PeerCertificates[1:] {
		pool.AddCert(c)
	}
	return pool
}

// TestUnknownHosts: handshakes for hosts that may have no certificate order none, read no
// storage, and leave nothing in memory.
func TestUnknownHosts(t *testing.T) {
	f := newFront(t)
	storage := &counted{Storage: certs.Disk(t.TempDir(), newCodec(t, oldKey))}
	a := f.auto(t, storage)
	f.issued(t, "img.shop.example")
	calls, orders := storage.calls.Load(), f.ca.Orders()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 1000 {
		hello := hello(fmt.Sprintf("host-%d.attack.example", i))
		if i%2 == 1 {
			hello.SupportedProtos = []string{certs.Protocol}
		}
		if c, err := a.GetCertificate(hello); c != nil || err != nil {
			t.Fatalf("%s: %v, %v", hello.ServerName, c, err)
		}
		r := httptest.NewRequest(http.MethodGet, "http://"+hello.ServerName+"/.well-known/acme-challenge/token", nil)
		if a.Challenge(httptest.NewRecorder(), r) {
			t.Fatal("a challenge of an unknown host was answered")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("memory has grown by %d bytes", grown)
	}
	if n := storage.calls.Load() - calls; n != 0 {
		t.Errorf("the storage was asked %d times", n)
	}
	if f.ca.Orders() != orders || a.Hosts() != 0 {
		t.Errorf("%d orders, %d hosts are remembered", f.ca.Orders()-orders, a.Hosts())
	}
	if _, err := f.shake(t, "host.attack.example"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("what the client learns: %v", err)
	}
	// Who pretends to be an authority for one of our hosts costs a few reads.
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	for range 1000 {
		hello := hello("img.shop.example")
		hello.Conn = ours
		hello.SupportedProtos = []string{certs.Protocol}
		_, _ = a.GetCertificate(hello)
	}
	if n := storage.calls.Load() - calls; n > 20 {
		t.Errorf("the storage was asked %d times", n)
	}
}

// TestServersOrderOnce: three servers with one table order one certificate, whoever is asked.
func TestServersOrderOnce(t *testing.T) {
	t.Parallel() // it waits more than it computes
	for name, records := range map[string]func(t *testing.T) account.Records{
		"memory":   func(*testing.T) account.Records { return workspacetest.NewMemory() },
		"dynamodb": func(t *testing.T) account.Records { return newTable(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, table, host := newFront(t), records(t), name+".shop.example"
			var servers []*certs.Auto
			for range 3 {
				servers = append(servers, f.auto(t, certs.Shared(table, newCodec(t, oldKey))))
			}
			var asking sync.WaitGroup
			for i, a := range append(servers, servers...) {
				asking.Go(func() {
					if err := a.Get(t.Context(), host); err != nil {
						t.Errorf("server %d: %v", i%3, err)
					}
				})
			}
			asking.Wait()
			if n := f.ca.Orders(); n != 1 {
				t.Errorf("%d orders", n)
			}
			var first *tls.Certificate
			for i, a := range servers {
				c, err := a.GetCertificate(hello(host))
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = c
				}
				if !c.Leaf.Equal(first.Leaf) {
					t.Errorf("server %d has another certificate", i)
				}
			}
		})
	}
}

// TestRefused: what an authority refuses isn't asked again at once, by no server, and its
// words are kept.
func TestRefused(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f, records := newFront(t, "blocked.shop.example"), workspacetest.NewMemory()
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	clock := func(c *certs.AutoConfig) { c.Now = func() time.Time { return time.Unix(0, now.Load()) } }
	codec := newCodec(t, oldKey)
	a, b := f.auto(t, certs.Shared(records, codec), clock), f.auto(t, certs.Shared(records, codec), clock)
	const words = "forbidden by policy"
	refused := func(a *certs.Auto, what string) {
		t.Helper()
		if err := a.Get(t.Context(), "blocked.shop.example"); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	tries := func() int { return strings.Count(f.ca.Log(), "/order-plz") }
	refused(a, "at first")
	until(t, "Pebble's log has the order", func() bool { return tries() > 0 })
	once := tries()
	refused(a, "again")
	refused(b, "another server")
	if tries() != once {
		t.Errorf("the authority was asked %d times, not %d", tries(), once)
	}
	now.Add(int64(61 * time.Second))
	refused(b, "a minute later")
	until(t, "the authority is asked again after a minute", func() bool { return tries() > once })
	if o, err := a.Order(t.Context(), "blocked.shop.example"); err != nil || o.Failures != 2 || o.RetryAt.Sub(o.FailedAt) != 5*time.Minute {
		t.Errorf("what is known: %+v, %v", o, err)
	}
}

// TestBudget: a registered domain gets so many certificates a week, over all servers. What is
// beyond isn't ordered, and says until when.
func TestBudget(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f, records := newFront(t), workspacetest.NewMemory()
	storage := certs.Shared(records, newCodec(t, oldKey))
	a := f.auto(t, storage, func(c *certs.AutoConfig) { c.Allowed = func(string) bool { return true } })
	var made []time.Time
	for i := range certs.DomainOrders {
		made = append(made, time.Now().Add(time.Duration(i)*time.Minute-48*time.Hour))
	}
	b, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Store(t.Context(), "tintype/budgets/of/shop.example", b); err != nil {
		t.Fatal(err)
	}
	err = a.Get(t.Context(), "a.b.shop.example")
	if want := made[0].Add(7 * 24 * time.Hour).UTC().Format("2006-01-02 15:04"); err == nil || !strings.Contains(err.Error(), "shop.example are used up") || !strings.Contains(err.Error(), want) {
		t.Errorf("beyond the budget: %v, want %s in it", err, want)
	}
	if n := strings.Count(f.ca.Log(), "/order-plz"); n != 0 {
		t.Errorf("the authority was asked %d times", n)
	}
	if err := a.Get(t.Context(), "img.other.example"); err != nil {
		t.Errorf("another domain: %v", err)
	}
}

// TestRateLimited: after an authority has said that there are too many orders, it is left
// alone for an hour.
func TestRateLimited(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	limited := newLimited(t, f.ca)
	a := f.auto(t, certs.Disk(t.TempDir(), newCodec(t, oldKey)), func(c *certs.AutoConfig) { c.Directory, c.Roots = limited.URL+"/dir", limited.roots })
	err := a.Get(t.Context(), "img.shop.example")
	if err == nil || !strings.Contains(err.Error(), "too many certificates already issued") {
		t.Errorf("%v", err)
	}
	if o, err := a.Order(t.Context(), "img.shop.example"); err != nil || o.RetryAt.Sub(o.FailedAt) != time.Hour {
		t.Errorf("what is known: %+v, %v", o, err)
	}
}

// TestRevokedAccount: where the authority has ended the account, another is made.
func TestRevokedAccount(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	storage := certs.Disk(t.TempDir(), newCodec(t, oldKey))
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	a := f.auto(t, storage, func(c *certs.AutoConfig) { c.Now = func() time.Time { return time.Unix(0, now.Load()) } })
	if err := a.Get(t.Context(), "one.shop.example"); err != nil {
		t.Fatal(err)
	}
	deactivate(t, f, storage)
	err := a.Get(t.Context(), "two.shop.example")
	if err == nil || !strings.Contains(err.Error(), "deactivated") {
		t.Errorf("with an account that has ended: %v", err)
	}
	now.Add(int64(61 * time.Second))
	if err := a.Get(t.Context(), "two.shop.example"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// deactivate ends the account in a storage.
func deactivate(t *testing.T, f *front, storage certmagic.Storage) {
	t.Helper()
	keys, err := storage.List(t.Context(), "acme", true)
	if err != nil {
		t.Fatal(err)
	}
	var of acme.Account
	for _, key := range keys {
		b, err := storage.Load(t.Context(), key)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err != nil && !strings.Contains(key, "default."):
		case err != nil:
			t.Fatal(err)
		case strings.HasSuffix(key, ".json"):
			if err := json.Unmarshal(b, &of); err != nil {
				t.Fatal(err)
			}
		case strings.HasSuffix(key, ".key"):
			block, _ := pem.Decode(b)
			private, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			of.PrivateKey = crypto.Signer(private)
		}
	}
	client := &acme.Client{Directory: f.ca.Directory, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: f.ca.Roots}}}}
	of.Status = "deactivated"
	if _, err := client.UpdateAccount(t.Context(), of); err != nil {
		t.Fatal(err)
	}
}

// limited is an authority in front of another that takes no orders.
type limited struct {
	*httptest.Server
	roots *x509.CertPool
}

func newLimited(t *testing.T, ca *pebble.Server) *limited {
	t.Helper()
	behind := strings.TrimSuffix(ca.Directory, "/dir")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Roots}}}
	l := &limited{roots: x509.NewCertPool()}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/order-plz" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Replay-Nonce", "none")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates already issued for shop.example"}`)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, behind+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header, req.Host = r.Header, r.Host // its URLs lead here
		res, err := client.Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		for name, values := range res.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(l.Close)
	l.roots.AddCert(l.Certificate())
	return l
}

package server

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/delivery"
)

// quiet drops what net/http says of refused handshakes.
var quiet = log.New(io.Discard, "", 0)

// secure serves a handler by TLS on loopback, within bounds, until the test ends. client
// returns one with connections of its own.
func secure(t *testing.T, c *Connections, h http.Handler) (address string, client func() *http.Client) {
	t.Helper()
	config, trust := testTLS(t)
	s := &http.Server{Handler: h, TLSConfig: config, HTTP2: HTTP2(), ErrorLog: quiet}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.ServeTLS(c.Guard(s, l), "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), func() *http.Client {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: trust.Clone()}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
}

// testTLS returns the settings of a server, and of a client that trusts it.
func testTLS(t *testing.T) (config, trust *tls.Config) {
	t.Helper()
	ca := certstest.New(t)
	cert, key := ca.Write(t, t.TempDir(), "server", "img.example.com")
	files, err := certs.OpenFiles(os.ReadFile, certs.Pair{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return TLS(files.GetCertificate), &tls.Config{RootCAs: ca.Pool(), ServerName: "img.example.com"}
}

// TestModernTLS: clients get TLS 1.2 or 1.3 with forward secrecy and authenticated
// encryption, and HTTP/2 where they ask for it. All else is refused.
func TestModernTLS(t *testing.T) {
	address, _ := secure(t, &Connections{Most: 100}, http.NotFoundHandler())
	_, unknown := testTLS(t)
	probe := func(change func(*tls.Config)) (tls.ConnectionState, error) {
		config := unknown.Clone()
		config.InsecureSkipVerify = true // this probe is of versions and ciphers
		change(config)
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), nil
	}
	for _, v := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := probe(func(c *tls.Config) { c.MinVersion, c.MaxVersion = v, v }); err == nil {
			t.Errorf("%s is taken", tls.VersionName(v))
		}
	}
	good := map[uint16]bool{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: true, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		_, err := probe(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{suite.ID} })
		if (err == nil) != good[suite.ID] { // those of RSA need another certificate
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
	for _, next := range []string{"h2", "http/1.1"} {
		state, err := probe(func(c *tls.Config) { c.NextProtos = []string{next} })
		if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != next {
			t.Errorf("%s: %+v, %v", next, state, err)
		}
	}
	if _, err := probe(func(c *tls.Config) { c.NextProtos = []string{"spdy/3"} }); err == nil {
		t.Error("a protocol that isn't ours is taken")
	}
}

// TestHandshakesGiveWay: connections whose handshake isn't complete count, and give way to
// others as those do that are slow to send a request. Nobody gets a plain 503 on a listener
// of TLS.
func TestHandshakesGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, trust := testTLS(t)
		c := &Connections{Most: 2}
		s := &http.Server{ErrorLog: quiet, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Proto)
		})}
		pipes := &pipeListener{make(chan net.Conn), make(chan struct{})}
		go func() { _ = s.ServeTLS(c.Guard(s, pipes), "", "") }()
		defer s.Close()
		open := func() net.Conn {
			ours, theirs := net.Pipe()
			pipes.conns <- theirs
			synctest.Wait()
			return ours
		}
		isClosed := func(conn net.Conn) bool {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := conn.Read(make([]byte, 1))
			return err == io.EOF || err == io.ErrClosedPipe
		}
		silent := open()
		part := open()
		_, _ = part.Write([]byte{22, 3, 1, 2, 0}) // the head of a ClientHello
		if late := open(); !isClosed(late) {
			t.Error("a third connection was taken, though the others have had no time")
		}
		time.Sleep(graceToArrive + time.Millisecond)
		ask := func() {
			conn := tls.Client(open(), trust)
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: img.example.com\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(conn); err != nil || len(b) == 0 {
				t.Errorf("%q, %v", b, err)
			}
		}
		ask()
		if !isClosed(silent) || isClosed(part) {
			t.Error("the oldest handshake should have been closed, and no other")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !isClosed(part) {
			t.Error("a handshake may take longer than ReadHeaderTimeout")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open() != 0 {
			t.Errorf("%d connections are counted, of none", c.open())
		}
	})
}

// TestStreams: an answer over HTTP/2 whose client takes nothing is seen as such, though the
// connection isn't blocked. It can be cut off alone.
func TestStreams(t *testing.T) {
	large, failed := make(chan *delivery.Response, 1), make(chan error, 1)
	b := newBench(t)
	address, client := secure(t, &Connections{Most: 100}, b.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		large <- w.(*delivery.Response)
		_, err := w.Write(make([]byte, 64<<20)) // more than any window
		failed <- err
	})))
	one := client()
	res, err := one.Get("https://" + address + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stalled := (<-large).Conn
	k := stalled.(*stream).of
	hour := func() time.Time { return time.Now().Add(time.Hour) }
	for k.took.Load() != 0 || stalled.Waited(hour()) < time.Hour-time.Minute { // until what the client takes unasked is written
		select {
		case err := <-failed:
			t.Fatal("it was written without a reader:", err)
		case <-time.After(time.Millisecond):
		}
	}
	if w := k.Waited(hour()); w < time.Hour-time.Minute {
		t.Errorf("the connection, all of whose answers have stalled, waits since %v", w)
	}
	stalled.Cut()
	if err := <-failed; err == nil {
		t.Error("the answer was not cut off")
	}
	if _, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Error("the client sees a whole answer")
	}
	if got := get(t, one, "https://"+address+"/small"); got != "HTTP/2.0" {
		t.Errorf("another answer of the connection: %q", got)
	}
	stalled.Cut() // long over
	if got := get(t, one, "https://"+address+"/small"); got != "HTTP/2.0" {
		t.Errorf("after a Cut that came too late: %q", got)
	}
	k.streamsMu.Lock()
	defer k.streamsMu.Unlock()
	if len(k.streams) != 0 {
		t.Errorf("%d answers are counted, of none", len(k.streams))
	}
}

func get(t *testing.T, c *http.Client, url string) string {
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
	return string(b)
}

// TestStreamsAreBounded: the requests of a client over HTTP/2 are bounded, over however many
// connections they come.
func TestStreamsAreBounded(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 400)
	b := newBench(t)
	c := &Connections{Most: 1000}
	address, client := secure(t, c, b.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			return
		}
		held <- struct{}{}
		<-hold
	})))
	const asked, room = 300, 250
	// Requests that find no connection would each begin one, and more than a client may have.
	var clients []*http.Client
	for range asked / maxStreams {
		one := client()
		get(t, one, "https://"+address+"/first")
		clients = append(clients, one)
	}
	under := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.streams
	}
	for under() > 0 {
		time.Sleep(time.Millisecond)
	}
	statuses := make(chan int, asked)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for _, one := range clients {
		for range maxStreams {
			asking.Go(func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address, nil)
				if err != nil {
					t.Error(err)
					return
				}
				res, err := one.Do(req)
				if err != nil {
					panic(err) // else the test waits for it
				}
				_ = res.Body.Close()
				statuses <- res.StatusCode
			})
		}
	}
	for range room {
		<-held
	}
	for range asked - room {
		if status := <-statuses; status != 503 {
			t.Errorf("one of too many requests: %d", status)
		}
	}
	close(hold)
	asking.Wait()
	cancel()
	for range room {
		if status := <-statuses; status != 200 {
			t.Errorf("one of the others: %d", status)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams != 0 || c.refused != asked-room {
		t.Errorf("%d are under way, %d were refused", c.streams, c.refused)
	}
}

// TestRedirect: the plain listener beside TLS sends browsers to the same target by https, and
// answers probes.
func TestRedirect(t *testing.T) {
	b := newBench(t)
	challenge := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host != "ours.example" {
			return false
		}
		_, _ = io.WriteString(w, "proof")
		return true
	}
	for _, test := range []struct {
		port, method, host, target string
		status                     int
		location                   string
	}{
		{"443", "GET", "img.example.com", "/acme/photos/a%2Fb//../c.jpg?w=400&w=500", 301, "https://img.example.com/acme/photos/a%2Fb//../c.jpg?w=400&w=500"},
		{"8443", "HEAD", "IMG.example.com:8080", "/?", 301, "https://img.example.com:8443/"},
		{"443", "GET", "[2001:db8::1]:80", "/", 301, "https://[2001:db8::1]/"},
		{"8443", "GET", "[2001:db8::1]", "/", 301, "https://[2001:db8::1]:8443/"},
		{"443", "GET", "127.0.0.1:80", "/", 301, "https://127.0.0.1/"},
		{"443", "POST", "img.example.com", "/v1/workspaces", 403, ""},
		{"443", "GET", "user@evil.example", "/", 400, ""},
		{"443", "GET", "evil.example/x", "/", 400, ""},
		{"443", "GET", "", "/", 400, ""},
		{"443", "GET", "img.example.com", "/healthz", 200, ""},
		{"443", "GET", "img.example.com", "/readyz", 200, ""},
		{"443", "GET", "ours.example", "/.well-known/acme-challenge/token", 200, ""},
		{"443", "GET", "img.example.com", "/.well-known/acme-challenge/token", 301, "https://img.example.com/.well-known/acme-challenge/token"},
	} {
		r := httptest.NewRequest(test.method, "http://x"+"/", nil)
		r.Host, r.RequestURI = test.host, test.target
		w := httptest.NewRecorder()
		b.Redirect(test.port, challenge).ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("Location") != test.location {
			t.Errorf("%s %s of %q: %d, %q; want %d, %q", test.method, test.target, test.host, w.Code, w.Header().Get("Location"), test.status, test.location)
		}
		if w.Header().Get("Strict-Transport-Security") != "" {
			t.Errorf("%s of %q: browsers ignore Strict-Transport-Security without TLS", test.target, test.host)
		}
	}
}

// TestHSTS: answers over TLS, also errors, keep browsers to https for a year.
func TestHSTS(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		host    string
		preload bool
		want    string
	}{
		{"img.example.com", false, "max-age=31536000"},
		{"IMG.example.com:8443", true, "max-age=31536000; includeSubDomains; preload"},
		{"img.shop.example", true, "max-age=31536000"},
	} {
		b.preload = nil
		if test.preload {
			b.preload = func(host string) bool { return host == "img.example.com" }
		}
		for target, status := range map[string]int{"/healthz": 200, "/nobody/photos/cat.jpg": 404} {
			r := httptest.NewRequest(http.MethodGet, "https://"+test.host+target, nil)
			r.RequestURI = target
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, r)
			if got := w.Header().Get("Strict-Transport-Security"); got != test.want || w.Code != status {
				t.Errorf("%s%s: %d, %q; want %d, %q", test.host, target, w.Code, got, status, test.want)
			}
		}
	}
}

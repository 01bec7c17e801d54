package origin

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// open is a guard that allows 127.0.0.1, where the tests' servers are, and no other loopback
// address.
var open = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}

func newTestHTTP(t *testing.T, cfg HTTPConfig) *HTTP {
	t.Helper()
	if cfg.Guard.Allow == nil {
		cfg.Guard = open
	}
	h := NewHTTP(cfg)
	t.Cleanup(h.CloseIdleConnections)
	return h
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// raw is a server that answers each request with the bytes that write writes.
func raw(t *testing.T, write func(conn *net.TCPConn)) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		write(conn.(*net.TCPConn))
	})
}

func get(t *testing.T, h *HTTP, rawURL string) (*Object, error) {
	t.Helper()
	return h.Get(t.Context(), Request{URL: mustURL(t, rawURL)})
}

func TestGet(t *testing.T) {
	body := bytes.Repeat([]byte("tintype"), 100_000)
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked=%v", chunked), func(t *testing.T) {
			var seen http.Header
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				seen = r.Header.Clone()
				seen.Set("Target", r.RequestURI)
				w.Header().Set("ETag", `W/"1"`)
				w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 08:00:00 GMT")
				if !chunked {
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				}
				w.Write(body[:10])
				w.(http.Flusher).Flush()
				w.Write(body[10:])
			})
			h := newTestHTTP(t, HTTPConfig{})
			object, err := h.Get(t.Context(), Request{
				URL: mustURL(t, s.URL+"/a%20b/%c3%bc.jpg?x=%2f"),
				Header: http.Header{
					"Authorization":   {"Bearer secret"},
					"x-lower":         {"1"},
					"Range":           {"bytes=0-1"},
					"If-None-Match":   {"*"},
					"Accept-Encoding": {"gzip"},
					"CDN-Loop":        {"other"},
					"Host":            {"other.example"},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(object.Body, body) {
				t.Errorf("body of %d bytes; want %d", len(object.Body), len(body))
			}
			if free := cap(object.Body) - len(object.Body); free > cap(object.Body)/5 || !chunked && free > 8<<10 {
				t.Errorf("%d of %d bytes of the buffer are empty", free, cap(object.Body))
			}
			if diff := cmp.Diff(Validators{ETag: `W/"1"`, LastModified: "Sun, 22 Nov 2026 08:00:00 GMT"}, object.Validators); diff != "" {
				t.Errorf("validators (-want +got):\n%s", diff)
			}
			want := http.Header{
				"Target":          {"/a%20b/%C3%BC.jpg?x=%2f"},
				"Accept":          {"image/*, */*;q=0.5"},
				"Accept-Encoding": {"identity"},
				"Authorization":   {"Bearer secret"},
				"Cdn-Loop":        {"tintype"},
				"User-Agent":      {"Tintype"},
				"X-Lower":         {"1"},
			}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("request header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the test has a client that doesn't trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())

	object, err := get(t, newTestHTTP(t, HTTPConfig{RootCAs: roots}), s.URL)
	if err != nil || string(object.Body) != "HTTP/2.0" {
		t.Errorf("%v, %v; want HTTP/2.0", object, err)
	}
	_, err = get(t, newTestHTTP(t, HTTPConfig{}), s.URL)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "TLS certificate") {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestGetStatus(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			io.WriteString(w, "body")
		}
	})
	h := newTestHTTP(t, HTTPConfig{})
	tests := []struct {
		status int
		have   Validators
		want   error
	}{
		{200, Validators{}, nil},
		{200, Validators{ETag: `"1"`}, nil},
		{201, Validators{}, ErrUnavailable},
		{203, Validators{}, ErrUnavailable},
		{204, Validators{}, ErrUnavailable},
		{206, Validators{}, ErrUnavailable},
		{300, Validators{}, ErrUnavailable},
		{301, Validators{}, ErrUnavailable}, // no Location
		{304, Validators{ETag: `"1"`}, ErrNotModified},
		{304, Validators{LastModified: "Sun, 22 Nov 2026 08:00:00 GMT"}, ErrNotModified},
		{304, Validators{}, ErrUnavailable},
		{400, Validators{}, ErrUnavailable},
		{401, Validators{}, ErrUnavailable},
		{403, Validators{}, ErrUnavailable},
		{404, Validators{}, ErrNotFound},
		{410, Validators{}, ErrNotFound},
		{429, Validators{}, ErrUnavailable},
		{500, Validators{}, ErrUnavailable},
		{503, Validators{}, ErrUnavailable},
	}
	for _, tt := range tests {
		object, err := h.Get(t.Context(), Request{URL: mustURL(t, s.URL+"/"+strconv.Itoa(tt.status)), Have: tt.have})
		if !errors.Is(err, tt.want) || (err == nil) != (object != nil) {
			t.Errorf("%d: %v, %v; want %v", tt.status, object, err, tt.want)
		}
		if tt.status != 301 && errors.Is(err, ErrUnavailable) && !strings.Contains(err.Error(), strconv.Itoa(tt.status)) {
			t.Errorf("%d: %q does not name the status", tt.status, err)
		}
	}
}

func TestGetConditional(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/here", http.StatusFound)
			return
		}
		if r.Header.Get("If-None-Match") != `"1"` || r.Header.Get("If-Modified-Since") != "then" {
			t.Errorf("header: %v", r.Header)
		}
		w.WriteHeader(http.StatusNotModified)
	})
	h := newTestHTTP(t, HTTPConfig{})
	for _, path := range []string{"/here", "/moved"} {
		_, err := h.Get(t.Context(), Request{URL: mustURL(t, s.URL+path), Have: Validators{ETag: `"1"`, LastModified: "then"}})
		if !errors.Is(err, ErrNotModified) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestGetBadOrigins: a fetch from a broken origin ends in time with the right error. The
// error tells nothing about the origin.
func TestGetBadOrigins(t *testing.T) {
	const limit = 100 << 10
	stall := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	write := func(text string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) { io.WriteString(conn, text) }
	}
	header := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(name, value)
			io.WriteString(w, "0123456789")
		}
	}
	tests := []struct {
		name   string
		origin *httptest.Server
		want   error
	}{
		{"no answer", serve(t, stall), ErrTimeout},
		{"stall in the header", raw(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
			io.Copy(io.Discard, conn)
		}), ErrTimeout},
		{"stall in the body", serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "0123456789")
			w.(http.Flusher).Flush()
			stall(w, r)
		}), ErrTimeout},
		{"drip of known length", serve(t, drip("1000")), ErrTimeout},
		{"drip of unknown length", serve(t, drip("")), ErrTimeout},
		{"drip of header", raw(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			every10ms(t.Context(), func() error {
				_, err := io.WriteString(conn, "X: 1\r\n")
				return err
			})
		}), ErrTimeout},
		{"reset before the header", raw(t, func(conn *net.TCPConn) { conn.SetLinger(0) }), ErrUnavailable},
		{"reset in the body", raw(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")
			conn.SetLinger(0)
		}), ErrUnavailable},
		{"close before the header", raw(t, write("")), ErrUnavailable},
		{"close in the header", raw(t, write("HTTP/1.1 200 OK\r\nContent-")), ErrUnavailable},
		{"short body", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789")), ErrUnavailable},
		{"no body", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")), ErrUnavailable},
		{"chunked, cut in a chunk", raw(t, write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123")), ErrUnavailable},
		{"chunked, cut between chunks", raw(t, write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n")), ErrUnavailable},
		{"chunked, malformed", raw(t, write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n0123\r\n")), ErrUnavailable},
		{"two lengths", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n01234")), ErrUnavailable},
		{"negative length", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n01234")), ErrUnavailable},
		{"no HTTP", raw(t, write("SSH-2.0-OpenSSH_10.0\r\n")), ErrUnavailable},
		{"endless header", raw(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			line := "X: " + strings.Repeat("a", 1000) + "\r\n"
			for {
				if _, err := io.WriteString(conn, line); err != nil {
					return
				}
			}
		}), ErrUnavailable},
		{"endless body", serve(t, func(w http.ResponseWriter, r *http.Request) {
			block := make([]byte, 32<<10)
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}), ErrTooLarge},
		{"one byte too many", serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, limit/2))
			w.(http.Flusher).Flush()
			w.Write(make([]byte, limit/2+1))
		}), ErrTooLarge},
		{"length over the limit", serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(limit+1))
			w.(http.Flusher).Flush()
			stall(w, r)
		}), ErrTooLarge},
		{"length beyond all bounds", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n0")), ErrTooLarge},
		{"gzip", serve(t, header("Content-Encoding", "gzip")), ErrUnavailable},
		{"br", serve(t, header("Content-Encoding", "br")), ErrUnavailable},
		{"identity, gzip", serve(t, header("Content-Encoding", "identity, gzip")), ErrUnavailable},
		{"identity", serve(t, header("Content-Encoding", "identity")), nil},
		{"at the limit", serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, limit/2))
			w.(http.Flusher).Flush()
			w.Write(make([]byte, limit/2))
		}), nil},
		{"longer than it said", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123456789")), nil},
		{"empty", raw(t, write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := Limits{Bytes: limit, Timeout: time.Minute}
			if tt.want == ErrTimeout {
				limits.Timeout = 250 * time.Millisecond
			}
			object, err := get(t, newTestHTTP(t, HTTPConfig{Limits: limits}), tt.origin.URL+"/cat.jpg?token=secret")
			if !errors.Is(err, tt.want) || (err == nil) != (object != nil) {
				t.Fatalf("%v, %v; want %v", object, err, tt.want)
			}
			if err != nil {
				checkDiscreet(t, err)
			}
		})
	}
}

// drip writes a byte now and then, for ever.
func drip(length string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if length != "" {
			w.Header().Set("Content-Length", length)
		}
		every10ms(r.Context(), func() error {
			_, err := io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			return err
		})
	}
}

func every10ms(ctx context.Context, do func() error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for do() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// checkDiscreet fails if an error tells more than a client may know.
func checkDiscreet(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{"127.0", "::1", "secret", "cat.jpg", "example", "dial", "tcp"} {
		if strings.Contains(err.Error(), word) {
			t.Errorf("%q tells %q", err, word)
		}
	}
}

func TestGetNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = get(t, newTestHTTP(t, HTTPConfig{}), "http://"+l.Addr().String()+"/cat.jpg?token=secret")
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("refused: %v", err)
	}
	checkDiscreet(t, err)
}

// TestGetConnectTimeout: the limit of one connection covers the look-up and TLS.
func TestGetConnectTimeout(t *testing.T) {
	limits := Limits{Timeout: time.Minute, Connect: 50 * time.Millisecond}
	t.Run("TLS", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, err = get(t, newTestHTTP(t, HTTPConfig{Limits: limits}), "https://"+l.Addr().String()+"/cat.jpg")
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("%v; want ErrTimeout", err)
		}
	})
	t.Run("look-up", func(t *testing.T) {
		stuck := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		_, err := get(t, newTestHTTP(t, HTTPConfig{Limits: limits, Resolver: stuck}), "http://origin.example/cat.jpg")
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("%v; want ErrTimeout", err)
		}
	})
}

func TestGetContext(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	h := newTestHTTP(t, HTTPConfig{})

	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := h.Get(ctx, Request{URL: mustURL(t, s.URL)}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("cancelled: %v", err)
	}

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Get(ctx, Request{URL: mustURL(t, s.URL)}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
		t.Errorf("the caller's deadline: %v", err)
	}
}

func TestGetConnectionsAreKept(t *testing.T) {
	var connections atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404":
			http.NotFound(w, r)
		case "/302":
			http.Redirect(w, r, "/", http.StatusFound)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	h := newTestHTTP(t, HTTPConfig{})
	for _, path := range []string{"/", "/404", "/302", "/"} {
		get(t, h, s.URL+path)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections; want 1", n)
	}
}

func TestHTTPSource(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	source := &HTTPSource{HTTP: newTestHTTP(t, HTTPConfig{}), Base: mustURL(t, s.URL+"/photos/")}
	tests := []struct {
		key  Key
		want string // request target; empty: refused
	}{
		{Key{Path: "cat.jpg"}, "/photos/cat.jpg"},
		{Key{Path: "a b/ü+(1).jpg"}, "/photos/a%20b/%C3%BC%2B(1).jpg"},
		{Key{Path: "100%2e.jpg", Query: "v=1&x=%2F"}, "/photos/100%252e.jpg?v=1&x=%2F"},
		{Key{}, ""},
		{Key{Path: "../secret.jpg"}, ""},
		{Key{Path: "a//b.jpg"}, ""},
		{Key{Path: "a/"}, ""},
	}
	for _, tt := range tests {
		object, err := source.Fetch(t.Context(), tt.key, Validators{})
		switch {
		case tt.want == "":
			if !errors.Is(err, ErrInvalidPath) {
				t.Errorf("%q: %v; want ErrInvalidPath", tt.key, err)
			}
		case err != nil || string(object.Body) != tt.want:
			t.Errorf("%q: %v, %v; want %s", tt.key, object, err, tt.want)
		}
	}
}

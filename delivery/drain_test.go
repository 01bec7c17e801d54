package delivery

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
)

// TestDrainGoesAway: while a server drains, the next answer on each connection ends it: by
// Connection: close, or by GOAWAY of HTTP/2. So a client doesn't send its next request on a connection
// that is about to be closed.
func TestDrainGoesAway(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var draining atomic.Bool
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w := &Response{ResponseWriter: rw, Client: r.Context(), Draining: &draining}
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("x"))
		}))
		s.EnableHTTP2 = http2
		s.StartTLS()
		t.Cleanup(s.Close)
		ask := func() (reused bool) {
			t.Helper()
			trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK || (res.ProtoMajor == 2) != http2 {
				t.Fatalf("%s %s, %v", res.Proto, res.Status, err)
			}
			return reused
		}
		if ask() || !ask() {
			t.Fatal("connections aren't kept")
		}
		draining.Store(true)
		if !ask() {
			t.Error("the first request of the drain has another connection")
		}
		for range 2 {
			if ask() {
				t.Errorf("HTTP/2 %v: a connection is used again while the server drains", http2)
			}
		}
	}
}

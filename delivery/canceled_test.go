package delivery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Work that somebody else broke off is an error like any other. Were nothing written,
// net/http would send an empty 200, which caches keep.
func TestBrokenOffIsAnError(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.engine.Fails = fmt.Errorf("the pool: %w", context.Canceled)
	w := b.get("/acme/photos/cat.jpg?w=50")
	if code(t, w) != "OVERLOADED" || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if log := b.log.String(); !strings.Contains(log, `"status":503`) || !strings.Contains(log, "the pool") {
		t.Errorf("log: %s", log)
	}
}

// A client that has closed its sending side is gone for net/http, but may still read.
func TestClientThatStopsSending(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme())
	b.engine.Block = make(chan struct{})
	s := httptest.NewServer(b.handler)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /acme/photos/cat.jpg?w=50 HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, %v", answer.Status, answer.Header)
	}
	s.Close() // until the log line is written
	if log := b.log.String(); !strings.Contains(log, `"status":499`) {
		t.Errorf("log: %s", log)
	}
}

package purgehook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/purgehook"
)

// receiver is the server of a webhook. answer returns its status.
func receiver(t *testing.T, answer func(n int) int) (url string, got <-chan purgehook.Message) {
	t.Helper()
	messages := make(chan purgehook.Message, 100)
	n := 0
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		status := answer(n)
		mu.Unlock()
		if a := r.Header.Get("Authorization"); a != "Bearer secret" {
			t.Errorf("Authorization: %q", a)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		if status/100 != 2 {
			return
		}
		var m purgehook.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		messages <- m
	}))
	t.Cleanup(s.Close)
	return s.URL, messages
}

func start(t *testing.T, url string, c purgehook.Config) (h *purgehook.Hook, stop func()) {
	t.Helper()
	c.To = webhook(url)
	c.Log = slog.New(slog.DiscardHandler)
	return run(t, c)
}

func webhook(url string) purgehook.Sender {
	return &purgehook.Webhook{URL: url, Token: func() string { return "secret" }, Transport: http.DefaultTransport}
}

func run(t *testing.T, c purgehook.Config) (h *purgehook.Hook, stop func()) {
	t.Helper()
	h, err := purgehook.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return h, stop
}

func TestSentTwice(t *testing.T) {
	url, got := receiver(t, func(int) int { return 204 })
	h, _ := start(t, url, purgehook.Config{Again: time.Millisecond})
	h.Tell("acme", []string{"acme/photos", "acme/mark:brand"})()
	for _, complete := range []bool{false, true} {
		want := purgehook.Message{Workspace: "acme", Tags: []string{"acme/photos", "acme/mark:brand"}, Complete: complete}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTriedAgain: a receiver that fails, or redirects, gets the message later.
func TestTriedAgain(t *testing.T) {
	answers := []int{500, 302, 429, 200}
	url, got := receiver(t, func(n int) int { return answers[n-1] })
	h, _ := start(t, url, purgehook.Config{Backoff: time.Millisecond})
	h.Tell("acme", []string{"acme"})()
	if m := <-got; m.Workspace != "acme" || !m.Complete {
		t.Errorf("%+v", m)
	}
}

// A signal is a log that signals a line with a word.
type signal struct {
	word string
	seen chan string
}

func (s *signal) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(s.word)) {
		s.seen <- string(line)
	}
	return len(line), nil
}

func newSignal(word string) (*signal, *slog.Logger) {
	s := &signal{word, make(chan string, 100)}
	return s, slog.New(slog.NewTextHandler(s, nil))
}

// TestGivenUp: for a receiver that never answers, there are eight attempts and a log line.
func TestGivenUp(t *testing.T) {
	var asked atomic.Int64
	url, _ := receiver(t, func(int) int { asked.Add(1); return 503 })
	dropped, log := newSignal("dropped")
	h, stop := run(t, purgehook.Config{To: webhook(url), Backoff: 1, Log: log})
	h.Tell("acme", []string{"acme"})()
	if line := <-dropped.seen; strings.Contains(line, "secret") || asked.Load() != 8 {
		t.Errorf("after %d attempts: %s", asked.Load(), line)
	}
	stop()
	if err := h.Close(t.Context()); err != nil {
		t.Error("something still waits:", err)
	}
}

// TestClose: a stop sends the messages that wait. A message that is being sent at the stop
// may arrive twice.
func TestClose(t *testing.T) {
	url, got := receiver(t, func(int) int { return 200 })
	h, stop := start(t, url, purgehook.Config{Again: time.Hour})
	h.Tell("acme", []string{"acme"})()
	<-got
	stop()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for m := range got {
		if m.Complete {
			return
		}
	}
}

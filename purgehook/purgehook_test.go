package purgehook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/purgehook"
)

// receiver is a hook's other end: answer says with which status.
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

func start(t *testing.T, c purgehook.Config) (h *purgehook.Hook, stop func()) {
	t.Helper()
	c.Token, c.Transport = "secret", http.DefaultTransport
	c.Log = slog.New(slog.DiscardHandler)
	h = purgehook.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return h, stop
}

func TestSentTwice(t *testing.T) {
	url, got := receiver(t, func(int) int { return 204 })
	h, _ := start(t, purgehook.Config{URL: url, Again: time.Millisecond})
	h.Tell("acme", []string{"acme/photos", "acme/mark:brand"})
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
	h, _ := start(t, purgehook.Config{URL: url, Backoff: time.Millisecond})
	h.Tell("acme", []string{"acme"})
	if m := <-got; m.Workspace != "acme" || !m.Complete {
		t.Errorf("%+v", m)
	}
}

// TestGivenUp: a receiver that is gone for good costs some attempts, and a log line.
func TestGivenUp(t *testing.T) {
	asked := make(chan int, 100)
	url, _ := receiver(t, func(n int) int { asked <- n; return 503 })
	var log bytes.Buffer
	h := purgehook.New(purgehook.Config{URL: url, Token: "secret", Transport: http.DefaultTransport, Backoff: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	h.Tell("acme", []string{"acme"})
	for n := range asked {
		if n == 8 {
			break
		}
	}
	cancel()
	running.Wait()
	if err := h.Close(t.Context()); err != nil {
		t.Error("something still waits:", err)
	}
	if !bytes.Contains(log.Bytes(), []byte("dropped")) || bytes.Contains(log.Bytes(), []byte("secret")) {
		t.Error(log.String())
	}
}

// TestClose: what waits when a server stops is sent.
func TestClose(t *testing.T) {
	url, got := receiver(t, func(int) int { return 200 })
	h, stop := start(t, purgehook.Config{URL: url, Again: time.Hour})
	h.Tell("acme", []string{"acme"})
	<-got
	stop()
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if m := <-got; !m.Complete {
		t.Errorf("%+v", m)
	}
}

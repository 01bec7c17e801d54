package webhook_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/webhook"
)

// TestSign: the example of the specification, which every library verifies.
func TestSign(t *testing.T) {
	key, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSecrets(t *testing.T) {
	if a, b := webhook.NewSecret(), webhook.NewSecret(); a == b {
		t.Error("two secrets are the same")
	} else if _, err := webhook.ParseSecret(a); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_short", "whsec_!!!",
		"whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)),
	} {
		if _, err := webhook.ParseSecret(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestSend: what is sent, and what each answer means. A redirect is not followed.
func TestSend(t *testing.T) {
	status, visits := 200, 0
	var seen *http.Request
	var body []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits++
		seen = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	s := webhook.Sender{URL: receiver.URL + "/hook", Key: make([]byte, 24), Transport: http.DefaultTransport}
	at := time.Unix(1700000000, 0)
	if err := s.Send(t.Context(), "msg_1", at, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	h := seen.Header
	if h.Get("Webhook-Id") != "msg_1" || h.Get("Webhook-Timestamp") != "1700000000" || h.Get("Webhook-Signature") != webhook.Sign(s.Key, "msg_1", at, body) || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", h)
	}
	for code, want := range map[int]string{302: "not followed", 404: "404 Not Found", 500: "500 Internal", 410: "410 Gone"} {
		status = code
		err := s.Send(t.Context(), "msg_1", at, []byte(`{}`))
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, webhook.ErrGone) != (code == 410) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if visits != 5 {
		t.Errorf("%d requests, want 5", visits)
	}
	s.Key = nil
	status = 204
	if err := s.Send(t.Context(), "msg_1", at, []byte(`{}`)); err != nil || seen.Header.Get("Webhook-Signature") != "" {
		t.Errorf("without a key: %v, %v", err, seen.Header)
	}
}

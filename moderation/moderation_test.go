package moderation

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAsk(t *testing.T) {
	var got Upload
	var header http.Header
	answer, status := "", 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header, got = r.Header, Upload{}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		if status == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	hook := &Webhook{URL: server.URL, Token: func() string { return "hunter2" }, Transport: http.DefaultTransport}
	u := Upload{Workspace: "acme", Source: "media", Path: "a.jpg", Bytes: 9, SHA256: "0a", ContentType: "image/jpeg", Width: 3, Height: 4, Preview: "data:image/jpeg;base64,AA=="}
	for _, tt := range []struct {
		status int
		answer string
		want   Answer
		fails  bool
	}{
		{200, `{"allowed":true}`, Answer{Allowed: true}, false},
		{200, `{"allowed":false,"reason":"no\ncats"}`, Answer{Reason: "no cats"}, false},
		{200, `{"allowed":false,"reason":"` + strings.Repeat("x", 300) + `"}`, Answer{Reason: strings.Repeat("x", 200) + "…"}, false},
		{200, `{}`, Answer{}, true},
		{200, ``, Answer{}, true},
		{200, `{"allowed":"true"}`, Answer{}, true},
		{204, ``, Answer{}, true},
		{302, `{"allowed":true}`, Answer{}, true},
		{500, `{"allowed":true}`, Answer{}, true},
	} {
		status, answer = tt.status, tt.answer
		a, err := hook.Ask(t.Context(), u)
		if a != tt.want || (err != nil) != tt.fails {
			t.Errorf("%d %s: %+v, %v", tt.status, tt.answer, a, err)
		}
		if got != u || header.Get("Authorization") != "Bearer hunter2" {
			t.Errorf("%+v, %v", got, header)
		}
	}
	server.Close()
	if _, err := hook.Ask(t.Context(), u); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// TestSlowWebhook: a receiver that says nothing, or that drips its answer, is waited for ten
// seconds.
func TestSlowWebhook(t *testing.T) {
	for name, answer := range map[string]roundTrip{
		"silent": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"dripping": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(drip{r.Context()})}, nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			_, err := (&Webhook{URL: "https://hook.test/", Transport: answer}).Ask(t.Context(), Upload{})
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// drip is a body that has a byte a second, as long as its context allows.
type drip struct{ ctx context.Context }

func (d drip) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	}
}

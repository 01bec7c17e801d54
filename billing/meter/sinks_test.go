package meter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
)

// answers is a receiver that answers each request with the next status, 0 by closing the
// connection and -1 not before the client has given up.
type answers struct {
	*httptest.Server
	status []int
	hung   chan struct{} // has an element for each request that gets no answer

	mu     sync.Mutex // guards what follows while the server runs; Close ends it
	asked  []*http.Request
	bodies []string
}

func newAnswers(t *testing.T, status ...int) *answers {
	a := &answers{status: status, hung: make(chan struct{}, 1)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.asked, a.bodies = append(a.asked, r), append(a.bodies, string(body))
		is := a.status[min(len(a.asked), len(a.status))-1]
		a.mu.Unlock()
		switch is {
		case 0:
			panic(http.ErrAbortHandler)
		case -1:
			a.hung <- struct{}{}
			<-r.Context().Done()
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(is)
	}))
	t.Cleanup(a.Close)
	return a
}

var anEvent = meter.Event{
	SpecVersion: "1.0", Type: meter.Type, ID: "w1/2026-05-01/grid/0-2500", Source: "https://img.example.com", Subject: "w1", Time: time.Date(2026, 5, 1, 10, 59, 59, 0, time.UTC),
	DataContentType: "application/json", Data: meter.Data{Workspace: "acme", WorkspaceID: "w1", Operation: "grid", Day: "2026-05-01", Units: 2500},
}

// TestSinks: what each receiver gets, and what each answer means. None of them loses an event:
// a redirect isn't followed, 410 is no end, and a receiver that is slow is left after a while.
func TestSinks(t *testing.T) {
	key := []byte("0123456789abcdef01234567")
	at := time.Unix(1_800_000_000, 0)
	for name, sink := range map[string]func(url string) meter.Sink{
		"webhook": func(url string) meter.Sink {
			return &meter.Webhook{Sender: &webhook.Sender{URL: url + "/hook", Key: key, Transport: http.DefaultTransport}, Now: func() time.Time { return at }}
		},
		"openmeter": func(url string) meter.Sink {
			return &meter.OpenMeter{URL: url + "/", Key: func() string { return "om_secret" }, Transport: http.DefaultTransport}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for status, c := range map[int]struct {
				says     string
				answered bool // it hasn't taken the event, for sure
			}{
				200: {}, 202: {}, 204: {},
				302: {"302", true}, 400: {"400", true}, 401: {"401", true}, 404: {"404", true}, 410: {"410", true}, 429: {"429", true}, 500: {"500", true}, 503: {"503", true},
				0: {"EOF", false}, -1: {"canceled", false},
			} {
				a := newAnswers(t, status)
				ctx, cancel := context.WithCancel(t.Context())
				if status == -1 {
					go func() { <-a.hung; cancel() }()
				}
				err := sink(a.URL).Send(ctx, anEvent)
				cancel()
				a.Close() // it may not have seen yet that the client has left
				if c.says == "" {
					if err != nil {
						t.Errorf("%d: %v", status, err)
					}
				} else if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "om_secret") {
					t.Errorf("%d: %v", status, err)
				}
				refusal, answered := errors.AsType[*meter.Refusal](err)
				if answered != c.answered || answered && refusal.Event {
					t.Errorf("%d: answered %v, %+v", status, answered, refusal)
				}
				if status != 0 && len(a.asked) != 1 { // a connection that is closed may be opened again
					t.Errorf("%d: %d requests", status, len(a.asked))
				}
			}
			a := newAnswers(t, 204)
			s := sink(a.URL)
			if err := s.Send(t.Context(), anEvent); err != nil {
				t.Fatal(err)
			}
			a.Close()
			var got meter.Event
			if err := json.Unmarshal([]byte(a.bodies[0]), &got); err != nil || got != anEvent {
				t.Errorf("%s, %v", a.bodies[0], err)
			}
			h := a.asked[0].Header
			if name == "webhook" {
				want := []string{"/hook", anEvent.ID, strconv.FormatInt(at.Unix(), 10), webhook.Sign(key, anEvent.ID, at, []byte(a.bodies[0])), "application/json"}
				if have := []string{a.asked[0].URL.Path, h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature"), h.Get("Content-Type")}; fmt.Sprint(have) != fmt.Sprint(want) {
					t.Errorf("%v, want %v", have, want)
				}
			} else if a.asked[0].URL.Path != "/api/v1/events" || h.Get("Authorization") != "Bearer om_secret" || h.Get("Content-Type") != "application/cloudevents+json" {
				t.Errorf("%s %v", a.asked[0].URL, h)
			}
			if s.Name() != name {
				t.Error(s.Name())
			}
		})
	}
}

// TestWebhookThatFails: a meter over a webhook that fails in every way sends each event until
// it is taken, once.
func TestWebhookThatFails(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	a := newAnswers(t, 0, 500, 302, 410, 429, 204)
	m := b.meter(&meter.Webhook{Sender: &webhook.Sender{URL: a.URL, Key: []byte("0123456789abcdef01234567"), Transport: &http.Transport{DisableKeepAlives: true}}})
	b.step(m)
	b.use(w, "2026-05-01", "transform", workspace.Unit)
	b.at("2026-05-01 11:01")
	for range 24 * 60 {
		b.step(m)
		b.now = b.now.Add(time.Minute)
	}
	a.Close()
	if len(a.asked) != 6 || len(map[string]bool{a.bodies[0]: true, a.bodies[5]: true}) != 1 {
		t.Errorf("%d requests: %v", len(a.asked), a.bodies)
	}
	for _, r := range a.asked {
		if r.Header.Get("webhook-id") != w.ID+"/2026-05-01/transform/0-1000" {
			t.Error(r.Header)
		}
	}
}

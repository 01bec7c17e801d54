package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

var acme = alert.Place{WorkspaceID: "w1", Namespace: "acme"}

// A post is a mail service that keeps what it gets.
type post struct {
	mu   sync.Mutex
	all  []mail.Message
	fail error
}

func (p *post) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.all = append(p.all, m)
	return nil
}

// take returns the mails since the last call.
func (p *post) take() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all
	p.all = nil
	return all
}

// A hook is a receiver of webhooks, which verifies them.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	now    func() time.Time
	off    time.Duration // of the sender's clock, at most
	status int
	got    []received
}

type received struct {
	ID   string
	Type string `json:"type"`
	Data struct {
		Workspace, Rule, Title, Subject, Message string
		FiredAt                                  time.Time  `json:"fired_at"`
		OverAt                                   *time.Time `json:"over_at"`
	} `json:"data"`
	Text string `json:"text"` // of Slack
}

func newHook(t *testing.T, now func() time.Time) *hook {
	h := &hook{now: now, status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var is received
		if err := json.Unmarshal(body, &is); err != nil {
			t.Error(err)
		}
		if h.secret != "" {
			key, err := webhook.ParseSecret(h.secret)
			at, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
			is.ID = r.Header.Get("webhook-id")
			if err != nil || r.Header.Get("webhook-signature") != webhook.Sign(key, is.ID, time.Unix(at, 0), body) {
				t.Errorf("a bad signature: %v %v", r.Header, err)
			}
			if age := h.now().Sub(time.Unix(at, 0)); age > h.off+5*time.Minute || age < -h.off-5*time.Minute {
				t.Errorf("a timestamp %v ago", age)
			}
		}
		h.got = append(h.got, is)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) take() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// A bench is a store, a clock, and engines on it.
type bench struct {
	t     *testing.T
	store *workspacetest.Memory
	codec *workspace.Codec
	mu    sync.Mutex
	now   time.Time
	post  *post
	*alert.Engine
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) sleep(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// tick lets a minute pass, and judges.
func (b *bench) tick(engines ...*alert.Engine) {
	b.t.Helper()
	b.sleep(time.Minute)
	if len(engines) == 0 {
		engines = []*alert.Engine{b.Engine}
	}
	for _, e := range engines {
		if err := e.Tick(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// ticks is tick, for some time.
func (b *bench) ticks(d time.Duration) {
	b.t.Helper()
	for range d / time.Minute {
		b.tick()
	}
}

func (b *bench) open(change func(*alert.Config)) *alert.Engine {
	c := alert.Config{
		Store: b.store, Codec: b.codec, Keys: b.store, Get: b.store.Get, List: b.store.List, Alone: true,
		Transport: http.DefaultTransport, Mail: b.post, PublicURL: "https://img.test", Now: b.clock, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return alert.New(c)
}

func newBench(t *testing.T, change func(*alert.Config)) *bench {
	codec, err := workspace.NewCodec(workspace.NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, codec: codec, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), post: &post{}} // a Monday
	b.store = workspacetest.NewMemory()
	b.store.Now = b.clock
	b.Engine = b.open(change)
	return b
}

// channels adds an address that has confirmed, and a webhook.
func (b *bench) channels() (id string, h *hook) {
	b.t.Helper()
	h = newHook(b.t, b.clock)
	if _, _, err := b.AddChannel(b.t.Context(), acme, alert.NewChannel{Kind: alert.Email, Address: "ops@acme.test", Trusted: true}, workspace.AuditEntry{}); err != nil {
		b.t.Fatal(err)
	}
	c, secret, err := b.AddChannel(b.t.Context(), acme, alert.NewChannel{Kind: alert.Webhook, URL: h.URL + "/hook?token=hunter2"}, workspace.AuditEntry{})
	if err != nil {
		b.t.Fatal(err)
	}
	h.secret = secret
	return c.ID, h
}

// told checks that one mail and one webhook came of a rule, and returns them.
func (b *bench) told(h *hook, kind string, rule alert.Rule) (mail.Message, received) {
	b.t.Helper()
	mails, hooks := b.post.take(), h.take()
	if len(mails) != 1 || len(hooks) != 1 || hooks[0].Type != kind || hooks[0].Data.Rule != string(rule) {
		b.t.Fatalf("want one %s of %s; mails %+v, webhooks %+v", kind, rule, mails, hooks)
	}
	return mails[0], hooks[0]
}

func (b *bench) quiet(h *hook) {
	b.t.Helper()
	if mails, hooks := b.post.take(), h.take(); len(mails)+len(hooks) > 0 {
		b.t.Fatalf("want nothing; mails %+v, webhooks %+v", mails, hooks)
	}
}

func images(e *alert.Engine, n int, i alert.Image) {
	i.WorkspaceID, i.Namespace = acme.WorkspaceID, acme.Namespace
	for range n {
		e.Watch().Image(i)
	}
}

// TestErrorRate: it fires once, says when it is over, and what it says is right.
func TestErrorRate(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	images(b.Engine, 90, alert.Image{Status: 200})
	images(b.Engine, 9, alert.Image{Status: 404})
	b.tick()
	b.quiet(h)
	images(b.Engine, 3, alert.Image{Status: 502})
	b.tick()
	m, w := b.told(h, "alert.fired", alert.ErrorRate)
	if m.To != "ops@acme.test" || m.Subject != "Tintype alert: Many requests fail" || !strings.Contains(m.Text, "11 % of the requests for images failed in the last 5 minutes: 12 of 102") ||
		!strings.Contains(m.Text, "https://img.test/app/acme/alerts\n") || !strings.Contains(m.Text, "?token=") || w.Data.Workspace != "acme" || !w.Data.FiredAt.Equal(b.clock()) {
		t.Errorf("%+v\n%+v", m, w)
	}
	b.tick()
	b.tick()
	b.quiet(h)
	if o, err := b.Overview(t.Context(), acme); err != nil || len(o.Active) != 1 || !o.Rules[0].Firing || o.Rules[1].Firing {
		t.Errorf("%+v, %v", o, err)
	}
	// After five minutes without an error it is over. The mail of it waits for an hour to end.
	b.ticks(12 * time.Minute)
	if hooks := h.take(); len(hooks) != 1 || hooks[0].Type != "alert.over" || hooks[0].Data.OverAt == nil || len(b.post.take()) != 0 {
		t.Fatalf("%+v", hooks)
	}
	b.ticks(50 * time.Minute)
	if mails := b.post.take(); len(mails) != 1 || mails[0].Subject != "Tintype alert is over: Many requests fail" {
		t.Fatalf("%+v", mails)
	}
	list, next, err := b.History(t.Context(), acme.WorkspaceID, "", 10)
	if err != nil || next != "" || len(list) != 1 || list[0].OverAt == nil || list[0].OverAt.Sub(list[0].FiredAt) > 12*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
	b.ticks(2 * time.Hour)
	b.quiet(h)
	if records, err := b.store.Records(t.Context(), "alert-now", "", 10); err != nil || len(records) != 0 {
		t.Errorf("a state stays: %v, %v", records, err)
	}
}

// TestOneMailAnHour: what goes on and off sends each change to webhooks, and a mail an hour.
func TestOneMailAnHour(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	mails, hooks := 0, 0
	for range 6 * 60 {
		if b.clock().Minute()%20 == 0 {
			images(b.Engine, 20, alert.Image{Status: 500})
		}
		b.tick()
		hooks += len(h.take())
		for _, m := range b.post.take() {
			if mails++; mails > 1 && (m.Subject != "Tintype alerts: Many requests fail" || strings.Count(m.Text, "Over since") != 3) {
				t.Fatalf("%+v", m)
			}
		}
	}
	if mails != 6 || hooks < 34 || hooks > 36 {
		t.Errorf("%d mails and %d webhooks in six hours", mails, hooks)
	}
}

// TestRules: each rule of what is counted, right at its threshold.
func TestRules(t *testing.T) {
	for name, test := range map[string]struct {
		rule  alert.Rule
		set   alert.Settings
		below func(*bench) // doesn't fire
		over  func(*bench) // does
		says  string
	}{
		"100 requests an hour of a key": {
			rule: alert.KeyRate,
			below: func(b *bench) {
				images(b.Engine, 60, alert.Image{Status: 200, Actor: "key:k1"})
				b.ticks(55 * time.Minute)
				images(b.Engine, 40, alert.Image{Status: 200, Actor: "key:k1"})
				images(b.Engine, 500, alert.Image{Status: 200})
			},
			over: func(b *bench) { images(b.Engine, 1, alert.Image{Status: 200, Actor: "key:k1"}) },
			says: "The API key k1 sent 101 requests within an hour.",
		},
		"100 requests an hour of a person": {
			rule: alert.KeyRate,
			below: func(b *bench) {
				for range 100 {
					b.Watch().Act("w1", "acme", "account:ada@acme.test")
					b.Watch().Act("w1", "acme", "account:ben@acme.test")
				}
			},
			over: func(b *bench) { b.Watch().Act("w1", "acme", "account:ada@acme.test") },
			says: "ada@acme.test sent 101 requests within an hour.",
		},
		"a limit of one's own": {
			rule: alert.KeyRate, set: alert.Settings{Threshold: 1000},
			below: func(b *bench) { images(b.Engine, 1000, alert.Image{Status: 200, Actor: "key:k1"}) },
			over:  func(b *bench) { images(b.Engine, 1, alert.Image{Status: 200, Actor: "key:k1"}) },
			says:  "1,001 requests",
		},
		"refused images": {
			rule: alert.DeniedImages, set: alert.Settings{Threshold: 60},
			below: func(b *bench) {
				images(b.Engine, 60, alert.Image{Status: 403})
				images(b.Engine, 10_000, alert.Image{Status: 200})
			},
			over: func(b *bench) { images(b.Engine, 1, alert.Image{Status: 401}) },
			says: "61 requests for images were refused",
		},
		"an origin that fails": {
			rule: alert.Origin,
			below: func(b *bench) {
				images(b.Engine, 5, alert.Image{Status: 502, Source: "photos", OriginFailed: true})
				images(b.Engine, 5, alert.Image{Status: 200, Source: "photos", Made: true})
				images(b.Engine, 1000, alert.Image{Status: 200, Source: "photos"}) // hits say nothing of the origin
			},
			over: func(b *bench) {
				images(b.Engine, 1, alert.Image{Status: 504, Source: "photos", OriginFailed: true})
			},
			says: "6 of 11 fetches from the source photos failed",
		},
		"workers lost": {
			rule: alert.WorkerLost,
			below: func(b *bench) {
				images(b.Engine, 2, alert.Image{Status: 502, Source: "photos", WorkerLost: true})
				images(b.Engine, 2, alert.Image{Status: 502, Source: "spare", WorkerLost: true})
			},
			over: func(b *bench) {
				images(b.Engine, 1, alert.Image{Status: 502, Source: "photos", WorkerLost: true})
			},
			says: "3 images from the source photos made a worker crash",
		},
		"a refused key": {
			rule:  alert.Denied,
			below: func(*bench) {},
			over: func(b *bench) {
				b.Watch().Deny("w1", "acme", "key:k1", 403, "DELETE /v1/workspaces/acme", "203.0.113.7")
			},
			says: "The API key k1 was refused (403): DELETE /v1/workspaces/acme, from 203.0.113.7.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			_, h := b.channels()
			if err := b.SetRule(t.Context(), acme, test.rule, test.set, workspace.AuditEntry{}); err != nil {
				t.Fatal(err)
			}
			for _, k := range alert.Kinds() { // the others hold their tongue
				if off := false; k.Rule != test.rule {
					if err := b.SetRule(t.Context(), acme, k.Rule, alert.Settings{On: &off}, workspace.AuditEntry{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			test.below(b)
			b.tick()
			b.quiet(h)
			test.over(b)
			b.tick()
			m, w := b.told(h, "alert.fired", test.rule)
			if !strings.Contains(m.Text, test.says) || !strings.Contains(w.Data.Message, test.says) {
				t.Errorf("%s\n%+v", m.Text, w)
			}
			b.tick()
			b.quiet(h)
			b.ticks(3 * time.Hour)
			if hooks := h.take(); len(hooks) != 1 || hooks[0].Type != "alert.over" {
				t.Errorf("in the end %+v", hooks)
			}
		})
	}
}

// TestRuleOff: a rule that is off fires nothing, and one that is switched off is over.
func TestRuleOff(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
	b.tick()
	b.told(h, "alert.fired", alert.Denied)
	off := false
	if err := b.SetRule(t.Context(), acme, alert.Denied, alert.Settings{On: &off}, workspace.AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	b.tick()
	if hooks := h.take(); len(hooks) != 1 || hooks[0].Type != "alert.over" {
		t.Errorf("%+v", hooks)
	}
	b.Watch().Deny("w1", "acme", "key:k2", 401, "GET /v1/x", "")
	b.tick()
	if hooks := h.take(); len(hooks) != 0 {
		t.Errorf("%+v", hooks)
	}
}

// TestQuota: at 80 % and at all of a quota, which is over when the day is.
func TestQuota(t *testing.T) {
	var used int64
	midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	b := newBench(t, func(c *alert.Config) {
		c.Quota = func(namespace string) []alert.UsedQuota {
			if namespace != "acme" {
				return nil
			}
			return []alert.UsedQuota{{Window: "day", Used: used, Max: 1000, Resets: midnight.Unix()}}
		}
	})
	_, h := b.channels()
	used = 799
	images(b.Engine, 1, alert.Image{Status: 200})
	b.tick()
	b.quiet(h)
	used = 800
	images(b.Engine, 1, alert.Image{Status: 200})
	b.tick()
	if m, _ := b.told(h, "alert.fired", alert.Quota); !strings.Contains(m.Text, "80 % of the transforms of this day are used: 800 of 1,000.") {
		t.Error(m.Text)
	}
	used = 1000
	images(b.Engine, 1, alert.Image{Status: 200})
	b.tick()
	if hooks := h.take(); len(hooks) != 1 || hooks[0].Data.Subject != "day:all" || !strings.Contains(hooks[0].Data.Message, "new ones are refused until 2026-03-03 00:00 UTC") {
		t.Errorf("%+v", hooks)
	}
	b.ticks(13 * time.Hour) // nobody asks for anything
	if hooks := h.take(); len(hooks) != 0 {
		t.Errorf("before midnight: %+v", hooks)
	}
	b.ticks(time.Hour)
	if hooks := h.take(); len(hooks) != 2 || hooks[0].Type != "alert.over" || hooks[1].Type != "alert.over" || b.clock().Before(midnight) {
		t.Errorf("at %v: %+v", b.clock(), hooks)
	}
}

// TestSpike: an hour with over three times the requests of the busiest same hour of a week.
func TestSpike(t *testing.T) {
	b := newBench(t, nil)
	w := workspace.New("acme")
	if err := b.store.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	place := alert.Place{WorkspaceID: w.ID, Namespace: "acme"}
	b.now = w.CreatedAt.Add(25 * time.Hour).Truncate(24 * time.Hour).Add(34 * time.Hour) // ten o'clock
	h := newHook(t, b.clock)
	_, secret, err := b.AddChannel(t.Context(), place, alert.NewChannel{Kind: alert.Webhook, URL: h.URL}, workspace.AuditEntry{})
	if err != nil {
		t.Fatal(err)
	}
	h.secret = secret
	load := func(n int) {
		for range n {
			b.Watch().Image(alert.Image{WorkspaceID: w.ID, Namespace: "acme", Status: 200})
		}
	}
	for d := range 7 {
		load(200 + 100*(d%4)) // the busiest day has 500
		b.sleep(time.Hour)
		load(5000 * (d % 2)) // another hour
		b.tick()
		b.sleep(23*time.Hour - time.Minute)
		b.tick()
		b.sleep(-time.Minute)
	}
	h.take()
	load(1500)
	b.tick()
	if got := h.take(); len(got) != 0 {
		t.Fatalf("at three times: %+v", got)
	}
	load(1)
	b.tick()
	got := h.take()
	if len(got) != 1 || got[0].Data.Rule != "spike" || got[0].Data.Message != "1,501 requests in this hour; the busiest same hour of the last 7 days had 500." {
		t.Fatalf("%+v", got)
	}
	b.ticks(70 * time.Minute)
	if got := h.take(); len(got) != 1 || got[0].Type != "alert.over" {
		t.Errorf("%+v", got)
	}
}

// TestSpikeOfNewWorkspace: a workspace that was made today has no usual hour.
func TestSpikeOfNewWorkspace(t *testing.T) {
	b := newBench(t, nil)
	w := workspace.New("acme")
	if err := b.store.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	b.now = w.CreatedAt.Add(time.Hour)
	for range 5000 {
		b.Watch().Image(alert.Image{WorkspaceID: w.ID, Namespace: "acme", Status: 200})
	}
	b.tick()
	if list, err := b.Active(t.Context(), w.ID); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestPlaces: the first country of a key is learned, and another one told.
func TestPlaces(t *testing.T) {
	b := newBench(t, func(c *alert.Config) {
		c.Watch = alert.NewWatch(c.Now, func(ip string) string { return map[string]string{"192.0.2.1": "DE", "192.0.2.2": "FR"}[ip] })
	})
	_, h := b.channels()
	for _, ip := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.9"} {
		b.Watch().UseKey("w1", "acme", "k1", ip)
		b.tick()
	}
	b.quiet(h)
	b.Watch().UseKey("w1", "acme", "k1", "192.0.2.2")
	b.tick()
	if m, _ := b.told(h, "alert.fired", alert.KeyPlace); !strings.Contains(m.Text, "The API key k1 was used from FR, where it was not seen before.") {
		t.Error(m.Text)
	}
	b.ticks(2 * time.Hour)
	h.take()
	b.post.take()
	// Another server, which has seen nothing yet, tells nothing again.
	other := b.open(func(c *alert.Config) { c.Watch = alert.NewWatch(c.Now, func(string) string { return "FR" }) })
	other.Watch().UseKey("w1", "acme", "k1", "192.0.2.2")
	b.tick(other, b.Engine)
	b.quiet(h)
}

// TestHours: a key that is used outside the hours that the owner set.
func TestHours(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	key := &workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme", CreatedAt: b.clock()}
	if err := b.store.CreateAPIKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	use := func() {
		tally := workspace.Tally{ID: b.clock().String(), Keys: []workspace.KeyUse{{WorkspaceID: "w1", ID: "k1", Requests: 1, LastUsedAt: b.clock()}}}
		if err := b.store.AddTally(t.Context(), tally); err != nil {
			t.Fatal(err)
		}
	}
	on := true
	set := alert.Settings{On: &on, From: "08:00", To: "18:00", Zone: "Europe/Berlin", Days: []int{1, 2, 3, 4, 5}}
	if err := b.SetRule(t.Context(), acme, alert.KeyHours, set, workspace.AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	use() // Monday, 11:00 in Berlin
	b.tick()
	b.quiet(h)
	b.now = time.Date(2026, 3, 2, 16, 59, 0, 0, time.UTC)
	use() // 17:59
	b.tick()
	b.tick()
	b.quiet(h)
	use() // 18:01
	b.tick()
	if m, _ := b.told(h, "alert.fired", alert.KeyHours); !strings.Contains(m.Text, "The API key k1 was used at 2026-03-02 18:01 CET, outside the hours that you set.") {
		t.Error(m.Text)
	}
	b.ticks(2 * time.Hour)
	b.post.take()
	h.take()
	b.now = time.Date(2026, 3, 7, 10, 0, 0, 0, time.UTC) // Saturday
	use()
	b.tick()
	b.told(h, "alert.fired", alert.KeyHours)
}

// TestKeys: once a day, keys that are old, unused, or about to end. A key that is revoked is no
// reason any more.
func TestKeys(t *testing.T) {
	b := newBench(t, nil)
	w := workspace.New("acme")
	if err := b.store.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	place := alert.Place{WorkspaceID: w.ID, Namespace: "acme"}
	h := newHook(t, b.clock)
	_, secret, err := b.AddChannel(t.Context(), place, alert.NewChannel{Kind: alert.Webhook, URL: h.URL}, workspace.AuditEntry{})
	if err != nil {
		t.Fatal(err)
	}
	h.secret = secret
	b.now = time.Now().Add(time.Hour)
	now := b.clock()
	make := func(id string, age, unused, left time.Duration) {
		k := &workspace.APIKey{ID: id, WorkspaceID: w.ID, Namespace: "acme", CreatedAt: now.Add(-age), Hash: [32]byte{id[0]}}
		if left > 0 {
			k.ExpiresAt = now.Add(left)
		}
		if err := b.store.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		if unused >= 0 {
			if err := b.store.AddTally(t.Context(), workspace.Tally{ID: id, Keys: []workspace.KeyUse{{WorkspaceID: w.ID, ID: id, Requests: 1, LastUsedAt: now.Add(-unused)}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	const d = 24 * time.Hour
	make("a-old", 91*d, 0, 0)
	make("b-young", 89*d, 0, 0)
	make("c-unused", 40*d, 31*d, 0)
	make("d-never", 31*d, -1, 0)
	make("e-ends", d, 0, 13*d)
	make("f-later", d, 0, 20*d)
	b.tick()
	var said []string
	for _, r := range h.take() {
		said = append(said, r.Data.Rule+" "+r.Data.Subject)
	}
	slices.Sort(said)
	if want := "[expiry key:e-ends key_age key:a-old key_unused key:c-unused key_unused key:d-never]"; fmt.Sprint(said) != want {
		t.Errorf("%v, want %s", said, want)
	}
	b.ticks(12 * time.Hour)
	if got := h.take(); len(got) != 0 {
		t.Errorf("the same day: %+v", got)
	}
	if err := b.store.RevokeAPIKey(t.Context(), w.ID, "a-old", b.clock()); err != nil {
		t.Fatal(err)
	}
	if err := b.JudgeKeys(t.Context(), place); err != nil { // as manage does
		t.Fatal(err)
	}
	b.tick()
	if got := h.take(); len(got) != 1 || got[0].Type != "alert.over" || got[0].Data.Subject != "key:a-old" {
		t.Errorf("%+v", got)
	}
	b.ticks(36 * time.Hour)
	said = nil
	for _, r := range h.take() {
		said = append(said, r.Type+" "+r.Data.Rule+" "+r.Data.Subject)
	}
	if want := "[alert.fired key_age key:b-young]"; fmt.Sprint(said) != want {
		t.Errorf("two days later %v, want %s", said, want)
	}
}

// TestTwoServers: one rule that two servers break together is fired once, with the sum of both.
// Quiet workspaces cost no write.
func TestTwoServers(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	together := func(c *alert.Config) { c.Alone = false }
	one, two := b.open(together), b.open(together)
	images(one, 60, alert.Image{Status: 200, Actor: "key:k1"})
	images(two, 60, alert.Image{Status: 200, Actor: "key:k1"})
	for i := range 1000 {
		one.Watch().Image(alert.Image{WorkspaceID: fmt.Sprint("quiet-", i), Namespace: "quiet", Status: 404})
	}
	b.tick(one, two)
	b.tick(one, two)
	b.tick(two, one)
	if m, _ := b.told(h, "alert.fired", alert.KeyRate); !strings.Contains(m.Text, "sent 120 requests") {
		t.Error(m.Text)
	}
	if counts, err := b.store.Records(t.Context(), "alert-counts", "", 100); err != nil || len(counts) != 2 {
		t.Errorf("%d records of counts, %v", len(counts), err)
	}

	// 15 errors of 20 requests at one, none of 1,000 at the other: that is no error rate.
	b.sleep(3 * time.Hour)
	b.tick(one, two)
	h.take()
	images(one, 15, alert.Image{Status: 404})
	images(one, 5, alert.Image{Status: 200})
	images(two, 200, alert.Image{Status: 200})
	for range 15 {
		b.tick(one, two)
	}
	if got := h.take(); len(got) != 0 {
		t.Errorf("%+v", got)
	}

	// The one that judges ends. The other takes over, and fires nothing again.
	images(two, 101, alert.Image{Status: 200, Actor: "key:k2"})
	for range 8 {
		b.tick(two)
	}
	if got := h.take(); len(got) != 1 || got[0].Data.Subject != "key:k2" {
		t.Errorf("%+v", got)
	}
}

// TestWrongClock: a server whose clock is an hour off takes the lease from nobody, and its
// counts count.
func TestWrongClock(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		b := newBench(t, nil)
		_, h := b.channels()
		h.off = time.Hour
		one := b.open(func(c *alert.Config) { c.Alone = false })
		wrong := b.open(func(c *alert.Config) {
			c.Alone, c.Now = false, func() time.Time { return b.clock().Add(off) }
		})
		images(one, 60, alert.Image{Status: 200, Actor: "key:k1"})
		images(wrong, 60, alert.Image{Status: 200, Actor: "key:k1"})
		for range 10 {
			b.tick(one, wrong)
		}
		got := h.take()
		if len(got) != 1 || !strings.Contains(got[0].Data.Message, "120 requests") || !got[0].Data.FiredAt.After(b.clock().Add(-time.Hour)) || got[0].Data.FiredAt.After(b.clock()) {
			t.Errorf("%v off: %+v", off, got)
		}
		images(wrong, 101, alert.Image{Status: 200, Actor: "key:k2"})
		for range 10 { // now the wrong one is alone
			b.tick(wrong)
		}
		if got := h.take(); len(got) != 1 || got[0].Data.Subject != "key:k2" {
			t.Errorf("%v off, alone: %+v", off, got)
		}
	}
}

// TestWebhookDown: what can't be delivered is tried again with the same ID, other channels learn
// of it, and nothing is lost.
func TestWebhookDown(t *testing.T) {
	b := newBench(t, nil)
	id, h := b.channels()
	h.answer(503)
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
	b.ticks(30 * time.Minute)
	tries := h.take()
	if len(tries) != 4 { // after 0, 1, 5 and 15 minutes
		t.Errorf("%d tries in half an hour", len(tries))
	}
	for _, try := range tries {
		if try.ID != tries[0].ID {
			t.Errorf("another ID: %+v", try)
		}
	}
	mails := b.post.take()
	if len(mails) != 2 || mails[1].Subject != "Tintype alert: Alerts don't arrive" || !strings.Contains(mails[1].Text, "503 Service Unavailable") || strings.Contains(mails[1].Text, "hunter2") {
		t.Errorf("%+v", mails)
	}
	o, err := b.Overview(t.Context(), acme)
	if err != nil || o.Channels[1].ID != id || o.Channels[1].Failing == nil || o.Channels[1].Error == "" || strings.Contains(o.Channels[1].Address, "hunter2") {
		t.Errorf("%+v, %v", o.Channels, err)
	}
	h.answer(200)
	b.ticks(5 * time.Hour)
	got := h.take()
	if len(got) == 0 || got[0].ID != tries[0].ID {
		t.Errorf("once it is back: %+v", got)
	}
	if o, err := b.Overview(t.Context(), acme); err != nil || o.Channels[1].Failing != nil || len(o.Active) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	b.ticks(24 * time.Hour)
	if outbox, err := b.store.Records(t.Context(), "alert-outbox", "", 10); err != nil || len(outbox) != 0 {
		t.Errorf("%d messages are left, %v", len(outbox), err)
	}
}

// hosts is a network on which some hosts take every connection and never answer.
type hosts struct {
	mu    sync.Mutex
	taken map[string]int // requests by host
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.taken[r.URL.Host]++
	h.mu.Unlock()
	if strings.HasPrefix(r.URL.Host, "hangs") {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
}

// TestWebhooksThatHang: forty webhooks that never answer hold up no mail and no other webhook for
// longer than a minute, and other channels learn of them.
func TestWebhooksThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &hosts{taken: map[string]int{}}
		b := newBench(t, func(c *alert.Config) { c.Transport, c.Now = net, nil })
		b.store.Now = nil
		add := func(at alert.Place, n alert.NewChannel) {
			t.Helper()
			if _, _, err := b.AddChannel(t.Context(), at, n, workspace.AuditEntry{}); err != nil {
				t.Fatal(err)
			}
		}
		const hanging = 40
		for i := range hanging {
			at := alert.Place{WorkspaceID: fmt.Sprint("h", i), Namespace: fmt.Sprint("hangs-", i)}
			add(at, alert.NewChannel{Kind: alert.Webhook, URL: fmt.Sprintf("https://hangs-%d.test/", i)})
			b.Watch().Deny(at.WorkspaceID, at.Namespace, "key:k1", 401, "GET /v1/x", "")
		}
		add(acme, alert.NewChannel{Kind: alert.Email, Address: "ops@acme.test", Trusted: true})
		add(acme, alert.NewChannel{Kind: alert.Webhook, URL: "https://hangs-too.test/"})
		add(acme, alert.NewChannel{Kind: alert.Webhook, URL: "https://answers.test/"})
		b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
		began := time.Now()
		if err := b.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("a round with %d webhooks that hang took %v", hanging+1, time.Since(began))
		if took := time.Since(began); took > 50*time.Second {
			t.Errorf("a round took %v", took)
		}
		if mails := b.post.take(); len(mails) != 1 || net.taken["answers.test"] != 1 {
			t.Errorf("%d mails, and %d requests to the one that answers", len(mails), net.taken["answers.test"])
		}
		for range 20 {
			time.Sleep(time.Minute)
			if err := b.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		mails := b.post.take()
		if len(mails) != 1 || !strings.Contains(mails[0].Text, "Its server took longer than 10 seconds.") {
			t.Errorf("%+v", mails)
		}
		for i := range hanging {
			if n := net.taken[fmt.Sprintf("hangs-%d.test", i)]; n != 3 {
				t.Errorf("hangs-%d was asked %d times in 20 minutes", i, n)
			}
		}
		if waiting, err := b.store.Records(t.Context(), "alert-outbox", "", 100); err != nil || len(waiting) < hanging+1 {
			t.Errorf("%d messages wait, %v", len(waiting), err)
		}
	})
}

// TestGone: 410 switches a webhook off, and the others are told. A redirect isn't followed.
func TestGone(t *testing.T) {
	b := newBench(t, nil)
	id, h := b.channels()
	h.answer(302)
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
	b.tick()
	if got := h.take(); len(got) != 1 {
		t.Errorf("a redirect was followed: %+v", got)
	}
	h.answer(410)
	b.ticks(3 * time.Minute)
	h.take()
	o, err := b.Overview(t.Context(), acme)
	if err != nil || !strings.Contains(o.Channels[1].Off, "410") {
		t.Fatalf("%+v, %v", o.Channels, err)
	}
	b.ticks(2 * time.Hour)
	mails := b.post.take()
	if !slices.ContainsFunc(mails, func(m mail.Message) bool { return strings.Contains(m.Text, "The channel is switched off.") }) {
		t.Errorf("%+v", mails)
	}
	b.Watch().Deny("w1", "acme", "key:k2", 401, "GET /v1/x", "")
	b.tick()
	if got := h.take(); len(got) != 0 {
		t.Errorf("a channel that is off: %+v", got)
	}
	h.answer(200)
	if c, err := b.SwitchChannel(t.Context(), acme, id, true, workspace.AuditEntry{}); err != nil || c.Off != "" {
		t.Fatalf("%+v, %v", c, err)
	}
	b.Watch().Deny("w1", "acme", "key:k3", 401, "GET /v1/x", "")
	b.tick()
	if got := h.take(); len(got) < 1 || !slices.ContainsFunc(got, func(r received) bool { return r.Data.Subject == "key:k3" }) {
		t.Errorf("switched on again: %+v", got)
	}
}

// TestMailRefused: a mail server that refuses loses no mail, and the webhook is told.
func TestMailRefused(t *testing.T) {
	b := newBench(t, nil)
	_, h := b.channels()
	b.post.fail = errors.New("sending a mail by mx.test: 550 no such user")
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
	b.ticks(10 * time.Minute)
	got := h.take()
	if len(got) != 2 || got[1].Data.Rule != "channel" || got[1].Data.Message != "Alerts don't arrive at the email channel of ops@acme.test: The mail server took no mail for this address." {
		t.Errorf("%+v", got)
	}
	b.post.mu.Lock()
	b.post.fail = nil
	b.post.mu.Unlock()
	b.ticks(2 * time.Hour)
	if mails := b.post.take(); len(mails) == 0 || !strings.Contains(mails[0].Text, "k1 was refused") {
		t.Errorf("%+v", mails)
	}
}

// TestConfirm: an address gets nothing before it agrees. A link ends its mails.
func TestConfirm(t *testing.T) {
	b := newBench(t, nil)
	add := func() (alert.ChannelView, error) {
		c, _, err := b.AddChannel(t.Context(), acme, alert.NewChannel{Kind: alert.Email, Address: "Ops@Acme.test"}, workspace.AuditEntry{})
		return c, err
	}
	c, err := add()
	if err != nil || c.Confirmed || c.Address != "ops@acme.test" {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := add(); err == nil {
		t.Error("the same address is taken twice")
	}
	asked := b.post.take()
	token := func(m mail.Message) string {
		t.Helper()
		_, rest, ok := strings.Cut(m.Text, "https://img.test/app/me/alerts?token=")
		if !ok {
			t.Fatalf("no link in %s", m.Text)
		}
		text, _, _ := strings.Cut(rest, "\n")
		return text
	}
	if len(asked) != 1 || strings.Contains(asked[0].Subject, "acme") {
		t.Fatalf("%+v", asked)
	}
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/x", "")
	b.tick()
	if err := b.Test(t.Context(), acme, c.ID); !errors.Is(err, alert.ErrUnconfirmed) {
		t.Errorf("a test: %v", err)
	}
	if mails := b.post.take(); len(mails) != 0 {
		t.Errorf("before it confirmed: %+v", mails)
	}
	if _, err := b.Confirm(t.Context(), "nonsense"); !errors.Is(err, alert.ErrConfirm) {
		t.Errorf("a wrong token: %v", err)
	}
	if is, err := b.Confirmation(t.Context(), token(asked[0])); err != nil || is.Place != acme || is.Stop {
		t.Errorf("%+v, %v", is, err)
	}
	if _, err := b.Confirm(t.Context(), token(asked[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Confirm(t.Context(), token(asked[0])); !errors.Is(err, alert.ErrConfirm) {
		t.Errorf("a token works twice: %v", err)
	}
	b.Watch().Deny("w1", "acme", "key:k2", 401, "GET /v1/x", "")
	b.tick()
	mails := b.post.take()
	if len(mails) != 1 {
		t.Fatalf("%+v", mails)
	}
	if is, err := b.Confirm(t.Context(), token(mails[0])); err != nil || !is.Stop {
		t.Fatalf("%+v, %v", is, err)
	}
	if _, err := b.SwitchChannel(t.Context(), acme, c.ID, true, workspace.AuditEntry{}); !errors.Is(err, alert.ErrUnconfirmed) {
		t.Errorf("an owner switches on what the address switched off: %v", err)
	}
	b.ticks(2 * time.Hour)
	b.Watch().Deny("w1", "acme", "key:k3", 401, "GET /v1/x", "")
	b.tick()
	if mails := b.post.take(); len(mails) != 0 {
		t.Errorf("after it stopped: %+v", mails)
	}
	for range 5 {
		err = b.ResendConfirmation(t.Context(), acme, c.ID)
	}
	if !errors.Is(err, alert.ErrTooMany) || len(b.post.take()) != 2 {
		t.Errorf("mails to an address without end: %v", err)
	}
}

// TestBadChannels: what can't be a channel is refused with what to do.
func TestBadChannels(t *testing.T) {
	b := newBench(t, nil)
	for _, n := range []alert.NewChannel{
		{Kind: "fax", Address: "1"}, {Kind: alert.Email, Address: "nobody"}, {Kind: alert.Webhook}, {Kind: alert.Webhook, URL: "ftp://x.test"},
		{Kind: alert.Webhook, URL: "http://x.test/"}, {Kind: alert.Webhook, URL: "https://u:p@x.test/"}, {Kind: alert.Slack, URL: "https://x.test/#a"},
		{Kind: alert.Webhook, URL: "https://x.test/", Secret: "hunter2"}, {Kind: alert.Webhook, URL: "https://x.test/" + strings.Repeat("a", 3000)},
	} {
		_, _, err := b.AddChannel(t.Context(), acme, n, workspace.AuditEntry{})
		var bad *alert.SettingError
		if !errors.As(err, &bad) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	for range alert.MaxChannels {
		if _, _, err := b.AddChannel(t.Context(), acme, alert.NewChannel{Kind: alert.Slack, URL: "https://hooks.slack.test/x"}, workspace.AuditEntry{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.AddChannel(t.Context(), acme, alert.NewChannel{Kind: alert.Slack, URL: "https://hooks.slack.test/x"}, workspace.AuditEntry{}); !errors.Is(err, alert.ErrChannels) {
		t.Errorf("too many: %v", err)
	}
	for rule, s := range map[alert.Rule]alert.Settings{
		alert.ErrorRate: {Threshold: 101}, alert.Denied: {Threshold: 5}, alert.KeyAge: {From: "08:00"}, alert.KeyHours: {From: "8", To: "18:00"},
		alert.KeyRate: {Threshold: 3},
	} {
		var bad *alert.SettingError
		if err := b.SetRule(t.Context(), acme, rule, s, workspace.AuditEntry{}); !errors.As(err, &bad) {
			t.Errorf("%s %+v: %v", rule, s, err)
		}
	}
	if err := b.SetRule(t.Context(), acme, "nonsense", alert.Settings{}, workspace.AuditEntry{}); !errors.Is(err, alert.ErrNoRule) {
		t.Error(err)
	}
}

// TestSecretsAreSealed: the store holds no URL and no secret of a channel, and a newer key
// encrypts them again.
func TestSecretsAreSealed(t *testing.T) {
	b := newBench(t, nil)
	id, h := b.channels()
	text := func() string {
		r, err := b.store.Record(t.Context(), "alert-settings", acme.WorkspaceID)
		if err != nil {
			t.Fatal(err)
		}
		return string(r.Data)
	}
	if s := text(); strings.Contains(s, "hunter2") || strings.Contains(s, strings.TrimPrefix(h.secret, "whsec_")) || strings.Contains(s, "/hook") {
		t.Error(s)
	}
	before := text()
	if n, err := alert.Reseal(t.Context(), b.store, b.codec); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	old, now := workspace.NewSecretKey(), workspace.NewSecretKey()
	codec, err := workspace.NewCodec(old)
	if err != nil {
		t.Fatal(err)
	}
	_ = before
	e := b.open(func(c *alert.Config) { c.Codec = codec })
	other := alert.Place{WorkspaceID: "w2", Namespace: "beta"}
	if _, _, err := e.AddChannel(t.Context(), other, alert.NewChannel{Kind: alert.Webhook, URL: h.URL, Secret: h.secret}, workspace.AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	if err := b.RemoveWorkspace(t.Context(), acme.WorkspaceID); err != nil {
		t.Fatal(err)
	}
	if codec, err = workspace.NewCodec(now + "," + old); err != nil {
		t.Fatal(err)
	}
	if n, err := alert.Reseal(t.Context(), b.store, codec); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if codec, err = workspace.NewCodec(now); err != nil {
		t.Fatal(err)
	}
	e = b.open(func(c *alert.Config) { c.Codec = codec })
	o, err := e.Overview(t.Context(), other)
	if err != nil || len(o.Channels) != 1 || o.Channels[0].ID == id {
		t.Fatalf("%+v, %v", o, err)
	}
	if err := e.Test(t.Context(), other, o.Channels[0].ID); err != nil {
		t.Error(err)
	}
	if got := h.take(); len(got) != 1 || got[0].Type != "alert.test" {
		t.Errorf("%+v", got)
	}
}

// TestSlack: the text is one that Slack understands, and its signs are escaped.
func TestSlack(t *testing.T) {
	b := newBench(t, nil)
	h := newHook(t, b.clock)
	if _, _, err := b.AddChannel(t.Context(), acme, alert.NewChannel{Kind: alert.Slack, URL: h.URL}, workspace.AuditEntry{}); err != nil {
		t.Fatal(err)
	}
	b.Watch().Deny("w1", "acme", "key:k1", 401, "GET /v1/<!channel>\nx", "")
	b.tick()
	got := h.take()
	if len(got) != 1 || !strings.Contains(got[0].Text, "GET /v1/&lt;!channel&gt; x") || !strings.HasPrefix(got[0].Text, "*A key or a sign-in is refused* (acme)\n") {
		t.Errorf("%+v", got)
	}
}

// TestSignInFailed: it concerns the workspaces of the person.
func TestSignInFailed(t *testing.T) {
	b := newBench(t, func(c *alert.Config) {
		c.Memberships = func(_ context.Context, email string) ([]alert.Place, error) {
			if email == "ada@acme.test" {
				return []alert.Place{acme}, nil
			}
			return nil, nil
		}
	})
	_, h := b.channels()
	b.Watch().SignInFailed("stranger@x.test", "203.0.113.7")
	b.tick()
	b.quiet(h)
	b.Watch().SignInFailed("ada@acme.test", "203.0.113.7")
	b.tick()
	if m, _ := b.told(h, "alert.fired", alert.Denied); !strings.Contains(m.Text, "Somebody tried to sign in as ada@acme.test and had no valid code, from 203.0.113.7.") {
		t.Error(m.Text)
	}
}

// TestWatchIsBounded: whatever strangers send, memory stays bounded, and a request costs no
// memory.
func TestWatchIsBounded(t *testing.T) {
	b := newBench(t, nil)
	for i := range 100_000 {
		b.Watch().Image(alert.Image{WorkspaceID: fmt.Sprint(i), Status: 404})
		b.Watch().SignInFailed(fmt.Sprint(i, "@x.test"), "")
		b.Watch().Deny("w1", "acme", "key:"+fmt.Sprint(i), 401, "GET /", "")
	}
	if spaces, events := b.Watch().Size(); spaces > 65_536 || events > 512 {
		t.Errorf("%d workspaces, %d events", spaces, events)
	}
	b.sleep(2 * time.Hour)
	b.tick()
	if spaces, _ := b.Watch().Size(); spaces != 0 {
		t.Errorf("%d workspaces after two quiet hours", spaces)
	}
	i := alert.Image{WorkspaceID: "w1", Namespace: "acme", Source: "photos", Status: 502, OriginFailed: true, Actor: "key:k1"}
	b.Watch().Image(i)
	if n := testing.AllocsPerRun(1000, func() { b.Watch().Image(i) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// TestReportIsSmall: a report of the busiest workspace is below 1 KB, which is what one write
// unit pays for.
func TestReportIsSmall(t *testing.T) {
	b := newBench(t, func(c *alert.Config) {
		c.Alone = false
		c.Quota = func(string) []alert.UsedQuota {
			return []alert.UsedQuota{{"day", 1_000_000, 1_000_000, 1893456000}, {"month", 100_000_000, 100_000_000, 1893456000}}
		}
	})
	for i := range 40 {
		images(b.Engine, 100, alert.Image{Status: 403, Source: fmt.Sprint("a-source-with-a-long-name-", i), OriginFailed: true, Actor: fmt.Sprintf("account:somebody-with-a-long-name-%d@example.com", i)})
	}
	b.tick()
	records, err := b.store.Records(t.Context(), "alert-counts", "", 10)
	if err != nil || len(records) != 1 || len(records[0].Data)+len(records[0].Name)+80 > 1024 {
		t.Errorf("%d records, %v: %d bytes", len(records), err, len(records[0].Data))
	}
}

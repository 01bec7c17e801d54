// Package purgehook tells a cache in front of Tintype, a CDN as a rule, what was
// purged.
//
// [Hook.Tell] queues a message, [Hook.Run] sends it: once right away, and once more
// when every server of Tintype has the purge, since until then a cache in front may
// have fetched from one that hadn't. What receives the messages, and how a CDN is to
// be asked, is the operator's.
package purgehook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Config says where messages go. URL and Transport are required.
type Config struct {
	URL       string // that messages are posted to
	Token     string // sent as Authorization: Bearer; empty is none
	Transport http.RoundTripper
	Again     time.Duration // after which each is sent once more; 0 is never
	Backoff   time.Duration // after the first failure, twice as long after each further one; 0 is 1 s
	Log       *slog.Logger  // nil is slog.Default
}

const (
	attempts    = 8    // to send a message, over some four minutes
	mostWaiting = 1000 // messages; more are dropped
	sendTimeout = 10 * time.Second
)

// A Message is what is posted, as JSON.
type Message struct {
	Workspace string   `json:"workspace"`
	Tags      []string `json:"tags"`     // Cache-Tags of what was purged
	Complete  bool     `json:"complete"` // every server of Tintype has the purge
}

// A Hook sends messages. It is safe for concurrent use.
type Hook struct {
	Config
	client http.Client

	mu      sync.Mutex // guards waiting
	waiting []delivery
	wake    chan struct{} // something is waiting
}

// A delivery is a message, and when it is to be sent.
type delivery struct {
	Message
	at     time.Time
	failed int
}

// New returns a Hook. Nothing is sent until Run runs.
func New(c Config) *Hook {
	if c.Backoff <= 0 {
		c.Backoff = time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	h := &Hook{Config: c, wake: make(chan struct{}, 1)}
	h.client = http.Client{
		Transport: c.Transport,
		// The token is for one host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h
}

// Tell queues a message about a purge.
func (h *Hook) Tell(workspace string, tags []string) {
	now := time.Now()
	h.queue(delivery{Message: Message{workspace, tags, h.Again <= 0}, at: now})
	if h.Again > 0 {
		h.queue(delivery{Message: Message{workspace, tags, true}, at: now.Add(h.Again)})
	}
}

func (h *Hook) queue(d delivery) {
	h.mu.Lock()
	full := len(h.waiting) >= mostWaiting
	if !full {
		h.waiting = append(h.waiting, d)
	}
	h.mu.Unlock()
	if full {
		h.Log.Error("purge hook: too many messages wait; this one is dropped", "workspace", d.Workspace, "tags", d.Tags)
		return
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Run sends messages until the context ends.
func (h *Hook) Run(ctx context.Context) {
	for {
		d, wait := h.next(time.Now())
		if d == nil {
			timer := time.NewTimer(wait)
			select {
			case <-h.wake:
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			continue
		}
		h.deliver(ctx, *d)
	}
}

// Close sends what still waits, once and at once. The error says what was lost.
func (h *Hook) Close(ctx context.Context) error {
	h.mu.Lock()
	left := h.waiting
	h.waiting = nil
	h.mu.Unlock()
	var err error
	for _, d := range left {
		err = errors.Join(err, h.send(ctx, d.Message))
	}
	if err != nil {
		return fmt.Errorf("purge hook: %d messages waited, and not all could be sent: %w", len(left), err)
	}
	return nil
}

// next takes out the message that is due, or says how long until one is.
func (h *Hook) next(now time.Time) (*delivery, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 {
		return nil, time.Hour
	}
	i := 0
	for j := range h.waiting {
		if h.waiting[j].at.Before(h.waiting[i].at) {
			i = j
		}
	}
	d := h.waiting[i]
	if wait := d.at.Sub(now); wait > 0 {
		return nil, wait
	}
	h.waiting = slices.Delete(h.waiting, i, i+1)
	return &d, 0
}

// deliver sends a message, or has it tried again later.
func (h *Hook) deliver(ctx context.Context, d delivery) {
	err := h.send(ctx, d.Message)
	if err == nil {
		return
	}
	d.failed++
	if d.failed >= attempts {
		h.Log.Error("purge hook: a message could not be sent and is dropped", "workspace", d.Workspace, "tags", d.Tags, "err", err)
		return
	}
	wait := h.Backoff << (d.failed - 1)
	h.Log.Warn("purge hook: a message could not be sent; trying again", "workspace", d.Workspace, "err", err, "in", wait.String())
	d.at = time.Now().Add(wait)
	h.queue(d)
}

func (h *Hook) send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tintype")
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	res, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %s", res.Status)
	}
	return nil
}

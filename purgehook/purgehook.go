// Package purgehook tells a cache in front of Tintype, a CDN as a rule, what was
// purged.
//
// [Open] makes a [Hook] for a [Webhook] or a [Command]. [Hook.Tell] notes a message,
// [Hook.Run] sends it: once right away, and once more when every server of Tintype has
// the purge, since until then a cache in front may have fetched from one that hadn't.
// What is to be sent stands in a journal on disk until it has been, so that a server
// that is killed sends it when it starts again: a message arrives at least once,
// unless it fails so often that it is given up. What receives the messages, and how a
// CDN is to be asked, is the operator's.
package purgehook

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// A Config says where messages go. To is required.
type Config struct {
	To      Sender
	Name    string        // for the log; empty is "purge hook"
	Journal string        // file of what is to be sent, made if it is missing; empty is none
	Again   time.Duration // after which each message is sent once more; 0 is never
	Backoff time.Duration // after the first failure, twice as long after each further one; 0 is 1 s
	Log     *slog.Logger  // nil is slog.Default
}

// A Sender hands a message over. It is called by one goroutine at a time, and must
// return when the context ends. An error says that the message wasn't taken; it is
// logged.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

const (
	attempts    = 8    // to send a message, over some four minutes
	mostWaiting = 1000 // messages; more are dropped
	sendTimeout = 10 * time.Second
	keptFor     = 7 * 24 * time.Hour // what is older when a server starts is no news
)

// A Message says what was purged.
type Message struct {
	Workspace string   `json:"workspace"`
	Tags      []string `json:"tags"`     // Cache-Tags of what was purged
	Complete  bool     `json:"complete"` // every server of Tintype has the purge
}

// A Hook sends messages. It is safe for concurrent use.
type Hook struct {
	Config
	wake chan struct{} // something is waiting

	mu      sync.Mutex // guards all below
	journal *journal
	open    map[string]*delivery // by ID: all that has not been sent
	waiting []*delivery          // of these, what may be sent
}

// A delivery is a message, and when it is to be sent.
type delivery struct {
	ID string `json:"id"`
	Message
	At     time.Time `json:"at"`
	Failed int       `json:"failed,omitempty"` // attempts
}

// Open returns a Hook, which has what its journal says was not sent yet. Nothing is
// sent until Run runs. The error is that of reading the journal, which one process may
// have open at a time. One that can't be written, since its disk is full or read-only, is
// told to the log, and written once it can be.
func Open(c Config) (*Hook, error) {
	if c.Backoff <= 0 {
		c.Backoff = time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Name = cmp.Or(c.Name, "purge hook")
	h := &Hook{Config: c, wake: make(chan struct{}, 1), open: map[string]*delivery{}}
	if c.Journal == "" {
		return h, nil
	}
	var err error
	if h.journal, h.open, err = openJournal(c.Journal, time.Now().Add(-keptFor)); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	for _, d := range h.open {
		h.waiting = append(h.waiting, d)
	}
	h.write() // nothing new, but without what is no more
	return h, nil
}

// Tell notes a message about a purge that is about to be made. It is sent once release
// is called, or, should the server be killed before that, when it starts again. It
// waits for nobody; where the journal can't be written, that is logged, and a kill
// would lose the message.
func (h *Hook) Tell(workspace string, tags []string) (release func()) {
	now := time.Now()
	messages := []*delivery{{ID: rand.Text(), Message: Message{workspace, tags, h.Again <= 0}, At: now}}
	if h.Again > 0 {
		messages = append(messages, &delivery{ID: rand.Text(), Message: Message{workspace, tags, true}, At: now.Add(h.Again)})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open)+len(messages) > mostWaiting {
		h.Log.Error(h.Name+": too many messages wait; this one is dropped", "workspace", workspace, "tags", tags)
		return func() {}
	}
	for _, d := range messages {
		h.open[d.ID] = d
	}
	h.write(messages...)
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting = append(h.waiting, messages...)
		h.wakeUp()
	})
}

// wakeUp tells Run that something waits.
func (h *Hook) wakeUp() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// write puts deliveries into the journal as they are now. h.mu is held.
func (h *Hook) write(changed ...*delivery) {
	if h.journal == nil {
		return
	}
	if err := h.journal.write(h.open, changed); err != nil {
		h.Log.Error(h.Name+": the journal can't be written; a kill would lose messages", "err", err)
	}
}

// Run sends messages until the context ends.
func (h *Hook) Run(ctx context.Context) {
	for ctx.Err() == nil {
		d, wait := h.next(time.Now())
		if d != nil {
			h.deliver(ctx, d)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-h.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Close sends what still waits, once and at once, and closes the journal. What isn't
// due yet, or can't be sent, stays in it for the next start; without a journal the
// error says what was lost. Call it once, after Run has returned.
func (h *Hook) Close(ctx context.Context) error {
	h.mu.Lock()
	left := h.waiting
	h.waiting = nil
	h.mu.Unlock()
	slices.SortStableFunc(left, func(a, b *delivery) int { return a.At.Compare(b.At) })
	now := time.Now()
	var failed error
	for _, d := range left {
		if err := h.send(ctx, d); err != nil {
			failed = errors.Join(failed, err)
		} else if !d.At.After(now) {
			h.done(d)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.journal != nil {
		if failed != nil {
			h.Log.Warn(h.Name+": not all messages could be sent; the next start tries again", "err", failed)
		}
		err := h.journal.close()
		h.journal = nil
		return err
	}
	if failed != nil {
		return fmt.Errorf("%s: %d messages waited, and not all could be sent: %w", h.Name, len(left), failed)
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
		if h.waiting[j].At.Before(h.waiting[i].At) {
			i = j
		}
	}
	d := h.waiting[i]
	if wait := d.At.Sub(now); wait > 0 {
		return nil, wait
	}
	h.waiting = slices.Delete(h.waiting, i, i+1)
	return d, 0
}

// deliver sends a message, or has it tried again later.
func (h *Hook) deliver(ctx context.Context, d *delivery) {
	err := h.send(ctx, d)
	if err == nil {
		h.done(d)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil { // it is us who stopped
		h.waiting = append(h.waiting, d)
		return
	}
	d.Failed++
	if d.Failed >= attempts {
		h.Log.Error(h.Name+": a message could not be sent and is dropped", "workspace", d.Workspace, "tags", d.Tags, "err", err)
		delete(h.open, d.ID)
		h.write(d)
		return
	}
	wait := h.Backoff << (d.Failed - 1)
	h.Log.Warn(h.Name+": a message could not be sent; trying again", "workspace", d.Workspace, "err", err, "in", wait.String())
	d.At = time.Now().Add(wait)
	h.waiting = append(h.waiting, d)
	h.write(d)
}

// done forgets a message that was sent.
func (h *Hook) done(d *delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, d.ID)
	h.write(d)
}

func (h *Hook) send(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return h.To.Send(ctx, d.Message)
}

// Package purgehook tells a cache in front of Tintype, such as a CDN, what was purged.
//
// For most uses, call [Open] with a [Webhook] or a [Command], [Hook.Run] in a goroutine,
// and [Hook.Tell] for each purge. A message is sent at once, and again when every server
// of Tintype has the purge: until then the CDN may have fetched an old variant from a
// server that didn't have it.
//
// A journal on disk holds each message until it is sent, so that a server that was killed
// sends it after the next start. A message arrives at least once, unless all attempts
// fail. The operator provides the receiver, which asks the CDN.
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
	Journal string        // path of the journal, which is made if it is missing; empty is no journal
	Again   time.Duration // each message is sent a second time after this; 0 is never
	Backoff time.Duration // pause after the first failure, doubled after each further one; 0 is 1 s
	Log     *slog.Logger  // nil is slog.Default
}

// A Sender sends a message to the receiver. One goroutine at a time calls it. Send must
// return when the context ends. After an error, which is logged, the message is sent again.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

const (
	attempts    = 8    // of each message, over about four minutes
	mostWaiting = 1000 // messages; where there are more, those of a workspace become one
	sendTimeout = 10 * time.Second
	keptFor     = 7 * 24 * time.Hour // older messages in the journal are dropped at the start
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

	mu      sync.Mutex // guards all fields below
	journal *journal
	open    map[string]*delivery // by ID: all messages that aren't sent
	waiting []*delivery          // those of open that were released
	turns   map[string]int       // by workspace: the number of the last message that was sent
	turn    int                  // number of messages that were sent
}

// A delivery is a message, and when it is to be sent.
type delivery struct {
	ID string `json:"id"`
	Message
	At     time.Time `json:"at"`
	Failed int       `json:"failed,omitempty"` // attempts that failed
}

// Open returns a Hook with the messages that its journal holds. Run must be called to send
// them. The error says that the journal can't be read, or that another process has it open.
// Where the disk is full or read-only, Open logs that, and the journal is written as soon
// as it can be.
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
	h.write() // drops the lines of messages that were sent
	return h, nil
}

// Tell records a message about a purge that is about to be made. The caller must call
// release after the purge, which lets Run send the message. A server that is killed before
// that sends the message after the next start. Tell doesn't block. Where the journal can't
// be written, Tell logs that, and a kill would lose the message.
func (h *Hook) Tell(workspace string, tags []string) (release func()) {
	now := time.Now()
	messages := h.messages(workspace, tags, now)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open)+len(messages) > mostWaiting && !h.merge(now) {
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

// merge replaces the messages of the workspace that has most by one about all of the
// workspace, so that no workspace takes the room of others and no purge is lost. It returns
// false if that makes no room. The caller holds mu.
func (h *Hook) merge(now time.Time) bool {
	count := map[string]int{}
	most := ""
	for _, d := range h.waiting {
		if count[d.Workspace]++; count[d.Workspace] > count[most] {
			most = d.Workspace
		}
	}
	all := h.messages(most, []string{most}, now) // the Cache-Tag of a workspace is its namespace
	if count[most] < 2*len(all) {
		return false
	}
	h.Log.Warn(h.Name+": too many messages wait; those of a workspace become one about all of its images", "workspace", most, "messages", count[most])
	changed := all
	h.waiting = slices.DeleteFunc(h.waiting, func(d *delivery) bool {
		if d.Workspace != most {
			return false
		}
		delete(h.open, d.ID)
		changed = append(changed, d)
		return true
	})
	for _, d := range all {
		h.open[d.ID] = d
	}
	h.waiting = append(h.waiting, all...)
	h.write(changed...)
	return true
}

// wakeUp makes Run look for messages.
func (h *Hook) wakeUp() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// write adds deliveries to the journal as they are now. The caller holds mu.
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

// Close tries once to send each message that waits, and closes the journal. Messages that
// fail or aren't due yet stay in the journal for the next start. Without a journal the
// error says how many messages waited. Call Close once, after Run has returned.
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

// messages returns what is sent of a purge.
func (h *Hook) messages(workspace string, tags []string, now time.Time) []*delivery {
	list := []*delivery{{ID: rand.Text(), Message: Message{workspace, tags, h.Again <= 0}, At: now}}
	if h.Again > 0 {
		list = append(list, &delivery{ID: rand.Text(), Message: Message{workspace, tags, true}, At: now.Add(h.Again)})
	}
	return list
}

// next takes a message that is due out of the queue: of the workspace whose last one was sent
// longest ago, the one that is due longest. Where none is due, it returns how long to wait for
// the next one.
func (h *Hook) next(now time.Time) (*delivery, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 {
		return nil, time.Hour
	}
	i, soonest := -1, time.Hour
	for j, d := range h.waiting {
		if wait := d.At.Sub(now); wait > 0 {
			soonest = min(soonest, wait)
			continue
		}
		if i < 0 || cmp.Or(cmp.Compare(h.turns[d.Workspace], h.turns[h.waiting[i].Workspace]), d.At.Compare(h.waiting[i].At)) < 0 {
			i = j
		}
	}
	if i < 0 {
		return nil, soonest
	}
	d := h.waiting[i]
	h.waiting = slices.Delete(h.waiting, i, i+1)
	if h.turns == nil || len(h.turns) > mostWaiting {
		h.turns = map[string]int{}
	}
	h.turn++
	h.turns[d.Workspace] = h.turn
	return d, 0
}

// deliver sends a message. After a failure the message waits for its next attempt.
func (h *Hook) deliver(ctx context.Context, d *delivery) {
	err := h.send(ctx, d)
	if err == nil {
		h.done(d)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil { // Run ends; the receiver didn't fail
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

// done removes a message that was sent.
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

package purgehook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A mailbox is a Sender that keeps messages, or refuses them on demand.
type mailbox struct {
	mu     sync.Mutex // guards the rest
	refuse bool
	got    []string
	asked  chan struct{} // one for each message that was sent
}

func newMailbox(refuse bool) *mailbox {
	return &mailbox{refuse: refuse, asked: make(chan struct{}, 10_000)}
}

func (m *mailbox) Send(_ context.Context, msg Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.asked <- struct{}{} }()
	if m.refuse {
		return errors.New("not today")
	}
	m.got = append(m.got, fmt.Sprintf("%s %s %v", msg.Workspace, strings.Join(msg.Tags, ","), msg.Complete))
	return nil
}

func (m *mailbox) messages() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.got))
}

func openHook(t *testing.T, journal string, to Sender, change ...func(*Config)) *Hook {
	t.Helper()
	c := Config{To: to, Journal: journal, Again: time.Hour, Backoff: time.Hour, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	h, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// run runs the hook until stop is called.
func run(t *testing.T, h *Hook) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// killed returns a copy of the journal, as a process that is killed now would leave it.
func killed(t *testing.T, journal string) string {
	t.Helper()
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilled: the next process sends all messages that a killed process hasn't sent.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	first := newMailbox(false)
	h := openHook(t, path, first)
	next := func(when string, want ...string) {
		t.Helper()
		box := newMailbox(false)
		left := killed(t, path)
		h := openHook(t, left, box)
		stop := run(t, h)
		for range want {
			<-box.asked
		}
		stop()
		if diff := cmp.Diff(want, box.messages()); diff != "" {
			t.Errorf("killed %s: %s", when, diff)
		}
		open, err := (&journal{path: left}).read(time.Time{})
		if err != nil || len(open) != 1 { // the later message of one purge
			t.Errorf("killed %s: %d messages stand in the journal, %v", when, len(open), err)
		}
	}

	release := h.Tell("acme", []string{"acme/photos", "acme/mark:brand"})
	next("before the purge was stored", "acme acme/photos,acme/mark:brand false")
	release()
	next("before anything was sent", "acme acme/photos,acme/mark:brand false")
	stop := run(t, h)
	<-first.asked
	stop()
	next("when one was sent")

	// An orderly stop sends messages before they are due. The next start sends them again.
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"acme acme/photos,acme/mark:brand false", "acme acme/photos,acme/mark:brand true"}
	if diff := cmp.Diff(want, first.messages()); diff != "" {
		t.Error(diff)
	}
	later := newMailbox(false)
	h = openHook(t, path, later, func(c *Config) { c.Again = 0 })
	for _, d := range h.waiting {
		d.At = time.Now()
	}
	stop = run(t, h)
	<-later.asked
	stop()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[1:], later.messages()); diff != "" {
		t.Error(diff)
	}
	if h := openHook(t, path, later); len(h.open) != 0 {
		t.Errorf("%d messages are still to be sent", len(h.open))
	}
}

// TestRetriesOutliveKills: the count of attempts goes on after a restart.
func TestRetriesOutliveKills(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	box := newMailbox(true)
	h := openHook(t, path, box, func(c *Config) { c.Again, c.Backoff = 0, time.Nanosecond })
	h.Tell("acme", []string{"acme"})()
	for range 3 {
		d, _ := h.next(time.Now().Add(time.Minute))
		h.deliver(t.Context(), d)
	}
	h = openHook(t, killed(t, path), box, func(c *Config) { c.Again, c.Backoff = 0, time.Nanosecond })
	for range attempts - 3 {
		d, _ := h.next(time.Now().Add(time.Minute))
		if d == nil {
			t.Fatal("given up early")
		}
		h.deliver(t.Context(), d)
	}
	if d, _ := h.next(time.Now().Add(time.Hour)); d != nil || len(h.open) != 0 {
		t.Errorf("still to be sent after %d attempts: %+v", attempts, d)
	}
}

// TestJournalStaysSmall: a journal doesn't grow for ever. It holds little more than the
// messages that wait.
func TestJournalStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	box := newMailbox(false)
	h := openHook(t, path, box)
	const kept = 20
	for i := range 3000 {
		h.Tell("acme", []string{fmt.Sprint("acme/", i)})()
		for j, d := range slices.Clone(h.waiting) {
			if i >= kept || j >= 2*kept {
				h.waiting = slices.DeleteFunc(h.waiting, func(w *delivery) bool { return w == d })
				h.done(d)
			}
		}
		if i == kept-1 {
			h.waiting = nil // those stay
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte("\n")); n > 2*kept+journalSlack {
		t.Errorf("%d lines", n)
	}
	if got := openHook(t, killed(t, path), box); len(got.open) != 2*kept {
		t.Errorf("%d messages, want %d", len(got.open), 2*kept)
	}
}

// TestTooMany: the number of waiting messages is bounded, and purges don't wait for them.
func TestTooMany(t *testing.T) {
	var log bytes.Buffer
	h := openHook(t, filepath.Join(t.TempDir(), "journal"), newMailbox(true), func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for i := range mostWaiting/2 + 3 {
		h.Tell(fmt.Sprint("ws", i), []string{"x"})()
	}
	if len(h.open) != mostWaiting || strings.Count(log.String(), "dropped") != 3 {
		t.Errorf("%d wait; %s", len(h.open), log.String())
	}
}

// TestManyOfOne: one workspace purges more than the hook can send. Its messages become one
// about all of the workspace, and those of others are sent, in turn, also after a kill.
func TestManyOfOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	h := openHook(t, path, newMailbox(true), func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	h.Tell("first", []string{"first/a"})()
	for i := range 5000 {
		h.Tell("busy", []string{fmt.Sprint("busy/", i)})()
	}
	h.Tell("last", []string{"last/a"})()
	if len(h.open) > mostWaiting {
		t.Errorf("%d wait", len(h.open))
	}
	count := func(deliveries map[string]*delivery) map[string]int {
		n := map[string]int{}
		for _, d := range deliveries {
			n[d.Workspace]++
			if d.Tags[0] == "busy" {
				n[fmt.Sprint("all ", d.Complete)]++
			}
		}
		return n
	}
	have := count(h.open)
	if have["first"] != 2 || have["last"] != 2 || have["all false"] != 1 || have["all true"] != 1 {
		t.Error(have)
	}
	for i := range 3 {
		d, _ := h.next(time.Now())
		if want := []string{"busy", "first", "last"}; !slices.Contains(want, d.Workspace) || i > 0 && h.turns[d.Workspace] != i+1 {
			t.Errorf("message %d is of %s", i, d.Workspace)
		}
	}
	if len(h.turns) != 3 {
		t.Errorf("the first three messages are of %v", h.turns)
	}
	journal, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := path + "-copy"
	if err := os.WriteFile(copied, journal, 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(have, count(openHook(t, copied, newMailbox(true)).open)); diff != "" {
		t.Errorf("in the journal (-want +got):\n%s", diff)
	}
}

func TestJournalInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	h := openHook(t, path, newMailbox(false))
	if _, err := Open(Config{Journal: path}); !errors.Is(err, errInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	openHook(t, path, newMailbox(false))
}

// TestJournalFails: messages are sent while the journal can't be written. Afterwards the
// journal is complete again.
func TestJournalFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var log bytes.Buffer
	box := newMailbox(false)
	h := openHook(t, path, box, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	if err := h.journal.file.Close(); err != nil {
		t.Fatal(err)
	}
	h.Tell("acme", []string{"one"})()
	if !strings.Contains(log.String(), "journal can't be written") {
		t.Errorf("the log: %s", log.String())
	}
	h.Tell("acme", []string{"two"})()
	if got := openHook(t, killed(t, path), box); len(got.open) != 4 {
		t.Errorf("%d messages, want those of both purges", len(got.open))
	}
}

// TestJournalOld: a start drops messages that are older than a week.
func TestJournalOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var data []byte
	for i, age := range []time.Duration{keptFor - time.Hour, keptFor + time.Hour} {
		text, err := json.Marshal(delivery{ID: fmt.Sprint(i), Message: Message{Workspace: "acme"}, At: time.Now().Add(-age)})
		if err != nil {
			t.Fatal(err)
		}
		data = append(append(data, text...), '\n')
	}
	data = append(data, `{"id":"torn","workspace":"ac`...)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h := openHook(t, path, newMailbox(false))
	if got := slices.Collect(maps.Keys(h.open)); !slices.Equal(got, []string{"0"}) {
		t.Errorf("to be sent: %v", got)
	}
}

// FuzzParseJournal: the deliveries that are read from any input can be written and read
// again.
func FuzzParseJournal(f *testing.F) {
	f.Add([]byte(`{"id":"a","workspace":"acme","tags":["acme"],"complete":true,"at":"2026-01-31T12:00:00Z"}` + "\n" + `{"id":"b","at":"2026-01-31T12:00:00Z","failed":3}` + "\n" + `{"id":"a","done":true}` + "\n"))
	f.Add([]byte("{\n\n{}{\"id\":1}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		open := parseJournal(data, time.Time{})
		var again []byte
		for _, d := range open {
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			again = append(append(again, text...), '\n')
		}
		if diff := cmp.Diff(open, parseJournal(again, time.Time{})); diff != "" {
			t.Error(diff)
		}
	})
}

// TestJournalOnFullDisk: a server starts with a journal that can't be written, and loses no
// message in it. The journal takes messages again when the disk has room.
func TestJournalOnFullDisk(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("this system has no " + full)
	}
	path := filepath.Join(t.TempDir(), "journal")
	h := openHook(t, path, newMailbox(true))
	h.Tell("acme", []string{"one"})
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(full, path+".new"); err != nil { // the next rewrite writes this file
		t.Fatal(err)
	}
	var log bytes.Buffer
	h = openHook(t, path, newMailbox(true), func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	if len(h.open) != 2 || !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("%d messages, want both of the purge; the log: %s", len(h.open), log.String())
	}
	if after, err := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Errorf("the journal was %q and is %q, %v", before, after, err)
	}
	h.Tell("acme", []string{"two"})()
	if got := openHook(t, killed(t, path), newMailbox(true)); len(got.open) != 4 {
		t.Errorf("%d messages, want those of both purges", len(got.open))
	}
}

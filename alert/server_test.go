package alert_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/alert"
)

// TestServer: a problem of the server is told once by the log and by mail, and so is its end. It
// needs to be seen twice, and a mail comes once an hour at most.
func TestServer(t *testing.T) {
	b := newBench(t, nil)
	var log bytes.Buffer
	problem := ""
	s := alert.NewServer(alert.ServerConfig{
		Name: "node-1", Operators: []string{"root@tintype.test", "ops@tintype.test"}, Mail: b.post, Now: b.clock, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Checks: []alert.Check{{Name: "disk", Title: "A disk is full", Problem: func() string { return problem }}},
	})
	look := func(n int) {
		for range n {
			b.sleep(time.Minute)
			s.Look(t.Context())
		}
	}
	look(3)
	problem = "The disk is full."
	look(1)
	if mails := b.post.take(); len(mails) != 0 {
		t.Errorf("seen once: %+v", mails)
	}
	look(30)
	mails := b.post.take()
	if len(mails) != 2 || mails[0].To != "root@tintype.test" || mails[0].Subject != "Tintype server alert: A disk is full" || !strings.Contains(mails[0].Text, "Server: node-1") || !strings.Contains(mails[0].Text, "The disk is full.") {
		t.Errorf("%+v", mails)
	}
	problem = ""
	look(2)
	if mails := b.post.take(); len(mails) != 2 || !strings.HasPrefix(mails[0].Subject, "Tintype server alert is over") {
		t.Errorf("%+v", mails)
	}
	problem = "The disk is full again."
	look(30)
	if mails := b.post.take(); len(mails) != 0 {
		t.Errorf("within the hour: %+v", mails)
	}
	b.post.fail = errors.New("sending a mail: refused")
	look(40)
	b.post.mu.Lock()
	b.post.fail = nil
	b.post.mu.Unlock()
	look(1)
	if mails := b.post.take(); len(mails) != 2 {
		t.Errorf("once the mail server takes it: %+v", mails)
	}
	if n := strings.Count(log.String(), "level=ERROR msg=\"an alert of this server\""); n != 2 || strings.Contains(log.String(), "root@tintype.test") {
		t.Errorf("%d lines: %s", n, log.String())
	}
}

// TestServersShare: of two servers that see the same problem, one sends the mail, unless the store
// is what fails.
func TestServersShare(t *testing.T) {
	b := newBench(t, nil)
	for name, shared := range map[string]bool{"shared": true, "own": false} {
		for range 2 {
			s := alert.NewServer(alert.ServerConfig{
				Name: "node", Operators: []string{"root@tintype.test"}, Mail: b.post, Store: b.store, Now: b.clock, Log: slog.New(slog.DiscardHandler),
				Checks: []alert.Check{{Name: name, Title: "x", Problem: func() string { return "x" }, Shared: shared}},
			})
			s.Look(t.Context())
			s.Look(t.Context())
		}
		if mails := b.post.take(); len(mails) != map[bool]int{true: 1, false: 2}[shared] {
			t.Errorf("%s: %d mails", name, len(mails))
		}
	}
}

func TestFailing(t *testing.T) {
	var f alert.Failing
	if f.Problem("It fails") != "" {
		t.Error("nothing fails")
	}
	f.Fail("a.test", "no answer")
	if got := f.Problem("A certificate can't be had"); got != "A certificate can't be had: a.test. no answer." {
		t.Error(got)
	}
	f.Fail("b.test", "no answer")
	if got := f.Problem("It fails"); !strings.HasSuffix(got, "So it is with 1 more.") {
		t.Error(got)
	}
	f.Works("a.test")
	f.Works("b.test")
	if f.Problem("It fails") != "" {
		t.Error("all work again")
	}
	f.Fail("a.test", "no answer")
	f.Drop(func(name string) bool { return name != "a.test" })
	if f.Problem("It fails") == "" {
		t.Error("it was dropped")
	}
	f.Drop(func(name string) bool { return name == "a.test" })
	if f.Problem("It fails") != "" {
		t.Error("it wasn't dropped")
	}
}

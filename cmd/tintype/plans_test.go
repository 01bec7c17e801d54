package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/billing/plan"
)

// lines is a writer that sends each line that a logger writes.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestHangup: SIGHUP reads the file of plans again. With a mistake in it, the plans stay, and
// the log says what is wrong.
func TestHangup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plans.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plans: {free: {}}\n")
	b, err := plan.New(plan.Config{File: path})
	if err != nil {
		t.Fatal(err)
	}
	said := make(lines, 1)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	run := onHangup(slog.New(slog.NewTextHandler(said, nil)), reread{"--plans", b.Reload})
	go func() {
		run(ctx)
		close(stopped)
	}()
	for _, c := range []struct{ text, says, names string }{
		{"plans: {free: {}, pro: {}}\n", "was read again", "free pro"},
		{"plans: {free: {members: 0}}\n", "plans.free.members: 0 is not allowed", "free pro"},
		{"plans: {pro: {}}\n", "was read again", "pro"},
	} {
		write(c.text)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if line := <-said; !strings.Contains(line, c.says) || strings.Join(b.Names(), " ") != c.names {
			t.Errorf("%q: plans %v, log %s", c.text, b.Names(), line)
		}
	}
	stop()
	<-stopped
}

// TestPlansOfFlag: a server doesn't start with a mistake in the file of plans, and says which.
func TestPlansOfFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plans.yaml")
	if err := os.WriteFile(path, []byte("plans: {free: {limit: 1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serveCmd{Plans: path}
	_, err := c.openPlans(t.Context(), nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "--plans: "+path+": plans.free.limit: unknown field") {
		t.Error(err)
	}
}

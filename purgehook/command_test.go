package purgehook_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tintype/tintype/purgehook"
)

// script makes a program of a few lines of shell.
func script(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := &purgehook.Command{Path: script(t, `cat > "$OUT"; echo "$#" "${HOME-no home}" >> "$OUT"`), Env: []string{"OUT=" + out, "PATH=" + os.Getenv("PATH")}}
	if err := c.Send(t.Context(), purgehook.Message{Workspace: "acme", Tags: []string{"acme/a b;$(x)"}, Complete: true}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"workspace":"acme","tags":["acme/a b;$(x)"],"complete":true}` + "\n0 no home\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCommandFails(t *testing.T) {
	c := &purgehook.Command{Path: script(t, `echo the token has run out >&2; exit 3`)}
	if err := c.Send(t.Context(), purgehook.Message{}); err == nil || !strings.Contains(err.Error(), "exit status 3: the token has run out") {
		t.Error(err)
	}
	c = &purgehook.Command{Path: filepath.Join(t.TempDir(), "nothing")}
	if err := c.Send(t.Context(), purgehook.Message{}); err == nil {
		t.Error("a program that isn't there ran")
	}
	// A program that doesn't read its input may succeed too.
	c = &purgehook.Command{Path: script(t, `exec <&-; exit 0`)}
	if err := c.Send(t.Context(), purgehook.Message{Tags: []string{strings.Repeat("x", 1<<20)}}); err != nil {
		t.Error(err)
	}
}

// TestCommandHangs: a program that hangs is killed together with the processes it started.
func TestCommandHangs(t *testing.T) {
	alive := filepath.Join(t.TempDir(), "alive") // is open for as long as one of them lives
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &purgehook.Command{
		Path: script(t, `sleep 600 > "$ALIVE" & wait`),
		Env:  []string{"ALIVE=" + alive, "PATH=" + os.Getenv("PATH")},
	}
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() { sent <- c.Send(ctx, purgehook.Message{}) }()
	f, err := os.Open(alive) // once the other end is open
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := io.ReadAll(f); err != nil {
		t.Error(err)
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/doctor"
)

// TestDoctor walks the checklist against a whole server that isn't ready for production.
func TestDoctor(t *testing.T) {
	public, ops, log, stop := serveOps(t)
	walk := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"doctor"}, args...), func(string) string { return "" }, &out, io.Discard)
		return out.String(), err
	}
	said, err := walk("--server", "http://"+public, "--ops", "http://"+ops, "--json")
	if !errors.Is(err, errChecklist) {
		t.Fatalf("%v\n%s\n%s", err, said, log)
	}
	var all []doctor.Finding
	if err := json.Unmarshal([]byte(said), &all); err != nil {
		t.Fatal(err)
	}
	states := map[string]doctor.State{}
	for _, f := range all {
		states[f.Check] = f.State
	}
	for check, want := range map[string]doctor.State{
		"https": doctor.Fail, "ready": doctor.OK, "clock": doctor.OK, "ops-private": doctor.OK, "security-contact": doctor.Warn, "version": doctor.OK,
		"demo": doctor.OK, "ops-listen": doctor.OK, "public-url": doctor.Warn, "store": doctor.OK, "backup": doctor.Fail, "memory": doctor.OK, "mail": doctor.Warn,
		"limits": doctor.Warn, "root-key": doctor.Warn, "old-keys": doctor.Skipped, "open-sources": doctor.Skipped,
	} {
		if states[check] != want {
			t.Errorf("%s: %s, want %s", check, states[check], want)
		}
	}
	said, err = walk("--server", "http://"+public, "--ops", "http://"+ops)
	if !errors.Is(err, errChecklist) || !strings.Contains(said, "→ set TINTYPE_ROOT_KEY to the server's root key") || !strings.Contains(said, "→ set --tls auto") {
		t.Errorf("%v\n%s", err, said)
	}
	if status, _ := fetch(t, "http://"+public+"/doctor"); status != 404 {
		t.Errorf("the public listener answers /doctor with %d", status)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := walk("--server", "http://"+public); err == nil || !strings.Contains(err.Error(), "--server: the server can't be asked") {
		t.Errorf("a server that is gone: %v", err)
	}
}

func TestBackupTime(t *testing.T) {
	dir := t.TempDir()
	if at := readBackupTime(dir); !at.IsZero() {
		t.Error(at)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := writeBackupTime(dir, at); err != nil || !readBackupTime(dir).Equal(at) {
		t.Error(readBackupTime(dir), err)
	}
}

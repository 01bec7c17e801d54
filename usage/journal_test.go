package usage_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// flakyLog is a log whose first calls fail.
type flakyLog struct {
	workspace.AuditLog
	fail, calls int
}

func (f *flakyLog) AppendAudit(ctx context.Context, entries ...workspace.AuditEntry) error {
	f.calls++
	if f.fail > 0 {
		f.fail--
		return workspace.ErrUnavailable
	}
	return f.AuditLog.AppendAudit(ctx, entries...)
}

// nowhere is a log that drops all entries.
type nowhere struct{ workspace.AuditLog }

func (nowhere) AppendAudit(context.Context, ...workspace.AuditEntry) error { return nil }

func actors(t *testing.T, log workspace.AuditLog, id string) string {
	t.Helper()
	list, err := log.Audit(t.Context(), id, workspace.TrailAccess, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range list {
		b.WriteString(e.Actor + " ")
	}
	return strings.TrimSpace(b.String())
}

func entry(actor string) workspace.AuditEntry {
	return workspace.AuditEntry{WorkspaceID: "w1", Actor: actor, Action: "GET /v1/x", Status: 200, IP: "203.0.113.1"}
}

func TestJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		log := &flakyLog{AuditLog: store, fail: 2}
		j := usage.NewJournal(usage.JournalConfig{Entries: log, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { j.Run(ctx) })
		j.Note(entry("a"))
		time.Sleep(time.Millisecond)
		j.Note(entry("b"))
		if got := actors(t, store, "w1"); got != "" {
			t.Errorf("written at once: %s", got)
		}
		time.Sleep(3 * usage.DefaultEvery)
		synctest.Wait()
		if got := actors(t, store, "w1"); got != "b a" {
			t.Errorf("after three intervals: %q, want b and a", got)
		}
		j.Note(entry("c"))
		cancel()
		wg.Wait()
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := actors(t, store, "w1"); got != "c b a" {
			t.Errorf("after Close: %q, want c, b and a", got)
		}
		if list, err := store.Audit(t.Context(), "w1", workspace.TrailChanges, "", 10); err != nil || len(list) != 0 {
			t.Errorf("in the audit log: %v, %v", list, err)
		}
	})
}

func TestJournalHourly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		j := usage.NewJournal(usage.JournalConfig{Entries: store})
		for range 1000 {
			j.NoteHourly(entry("a"))
		}
		elsewhere := entry("a")
		elsewhere.IP = "203.0.113.2"
		j.NoteHourly(elsewhere)
		time.Sleep(time.Hour)
		j.NoteHourly(entry("a"))
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := actors(t, store, "w1"); got != "a a a" {
			t.Errorf("%q, want three lines", got)
		}
	})
}

// TestJournalBound floods a journal whose store is down. Memory is bounded, and the entries
// in memory are written when the store is back.
func TestJournalBound(t *testing.T) {
	log := &flakyLog{AuditLog: nowhere{}, fail: 1}
	var out strings.Builder
	j := usage.NewJournal(usage.JournalConfig{Entries: log, Log: slog.New(slog.NewTextHandler(&out, nil))})
	for i := range 20_500 {
		j.Note(entry(fmt.Sprint(i)))
	}
	if n, leftOut := j.Waiting(); n != 20_000 || leftOut != 500 {
		t.Errorf("%d entries are waiting, %d left out", n, leftOut)
	}
	if err := j.Flush(t.Context()); err == nil {
		t.Error("no error from a store that fails")
	}
	j.Note(entry("last"))
	if n, leftOut := j.Waiting(); n != 20_001 || leftOut != 500 {
		t.Errorf("after a failure %d entries are waiting, %d left out", n, leftOut)
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, leftOut := j.Waiting(); n != 0 || leftOut != 500 {
		t.Errorf("at the end %d entries are waiting, %d left out", n, leftOut)
	}
	if log.calls != 202 || !strings.Contains(out.String(), "lines=500") {
		t.Errorf("%d calls for 20,000 lines, log: %s", log.calls, out.String())
	}
}

// sizes is a log that notes the longest text of an entry.
type sizes struct {
	workspace.AuditLog
	longest int
}

func (s *sizes) AppendAudit(_ context.Context, entries ...workspace.AuditEntry) error {
	for _, e := range entries {
		for _, text := range []string{e.Actor, e.Action, e.Target, e.IP, e.UserAgent} {
			s.longest = max(s.longest, len(text))
		}
	}
	return nil
}

// TestJournalTexts: texts that clients choose don't fill the memory while entries wait.
func TestJournalTexts(t *testing.T) {
	log := &sizes{}
	j := usage.NewJournal(usage.JournalConfig{Entries: log, Log: slog.New(slog.DiscardHandler)})
	long := strings.Repeat("x", 16<<10)
	e := workspace.AuditEntry{WorkspaceID: "w1", Actor: long, Action: long, Target: long, IP: long, UserAgent: long}
	j.Note(e)
	j.NoteHourly(e)
	if err := j.Close(t.Context()); err != nil || log.longest == 0 || log.longest > 600 {
		t.Errorf("a text of %d bytes, %v", log.longest, err)
	}
}

// TestJournalCounts: of 3,000 refusals the log has the first and, an hour later, the number of
// the others. At the end it has what was counted so far.
func TestJournalCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		j := usage.NewJournal(usage.JournalConfig{Entries: store})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { j.Run(ctx) })
		refused := entry("key:a")
		refused.Status = 429
		counts := func() (list []int64) {
			entries, err := store.Audit(t.Context(), "w1", workspace.TrailAccess, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				list = append(list, e.Count)
			}
			return list
		}
		for range 3000 {
			j.CountHourly(refused)
			time.Sleep(time.Second / 10)
		}
		synctest.Wait()
		if got := counts(); len(got) != 1 || got[0] != 0 {
			t.Errorf("within the hour: %v", got)
		}
		time.Sleep(time.Hour)
		if got := counts(); len(got) != 2 || got[0] != 2999 {
			t.Errorf("after it: %v", got)
		}
		for range 3 {
			j.CountHourly(refused)
		}
		cancel()
		wg.Wait()
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := counts(); len(got) != 4 || got[0]+got[1] != 2 {
			t.Errorf("at the end: %v", got)
		}
	})
}

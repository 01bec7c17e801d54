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

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// failing is a store whose PutErrors fails a few times. It counts the reports.
type failing struct {
	workspace.ImageErrors
	mu      sync.Mutex
	fails   int // calls that fail, of those to come
	calls   int
	reports []workspace.ErrorReport
}

func (f *failing) PutErrors(ctx context.Context, reports ...workspace.ErrorReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	err := f.ImageErrors.PutErrors(ctx, reports...)
	if f.fails > 0 {
		f.fails-- // the store has it, and the answer is lost
		return workspace.ErrUnavailable
	}
	f.reports = append(f.reports, reports...)
	return err
}

func newErrors(s workspace.ImageErrors) *usage.Errors {
	return usage.NewErrors(usage.ErrorsConfig{Store: s, Log: slog.New(slog.DiscardHandler)})
}

func errorsOf(t *testing.T, s workspace.ImageErrors, id string) []workspace.ErrorCount {
	t.Helper()
	rows, err := s.Errors(t.Context(), id, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func path(p string) func() (string, string) { return func() (string, string) { return p, "" } }

// TestErrors: errors are written once a minute and workspace, those that changed only. What
// is written again after a failure counts once. Each day has its own rows.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{ImageErrors: workspacetest.NewMemory()}
		e := newErrors(store)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		start := time.Now().UTC()
		day := start.Format(time.DateOnly)

		for i := range 7 {
			e.Note("w1", "photos", 404, "NOT_FOUND", path(fmt.Sprintf("/photos/%d.jpg", i)))
			time.Sleep(time.Second)
		}
		e.Note("w1", "photos", 404, "NOT_FOUND", path("/photos/5.jpg")) // again
		e.Note("w1", "", 400, "INVALID_OPTION", path(""))
		e.Note("w2", "", 403, "ORIGIN_NOT_ALLOWED", func() (string, string) { return "/a", "https://o.example" })
		e.Note("w2", "", 403, "ORIGIN_NOT_ALLOWED", path("/"+strings.Repeat("x", workspace.MaxErrorPath)))
		if got := errorsOf(t, store, "w1"); len(got) != 0 {
			t.Errorf("before the interval's end the store has %v", got)
		}
		if n, leftOut := e.Waiting(); n != 2 || leftOut != 0 {
			t.Errorf("errors of %d workspaces are waiting, %d left out", n, leftOut)
		}
		store.mu.Lock()
		store.fails = 1
		store.mu.Unlock()
		time.Sleep(2*usage.DefaultErrorsEvery - 8*time.Second)
		synctest.Wait()
		at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
		sample := func(i, s int) workspace.ErrorSample {
			return workspace.ErrorSample{Path: fmt.Sprintf("/photos/%d.jpg", i), SeenAt: at(s)}
		}
		if got := errorsOf(t, store, "w1"); len(got) != 2 || got[0].Count != 8 {
			t.Errorf("after a failure, before the next interval's end: %v", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want := []workspace.ErrorCount{
			{Day: day, Source: "photos", Status: 404, Code: "NOT_FOUND", Count: 8, FirstSeen: at(0), LastSeen: at(7), Samples: []workspace.ErrorSample{sample(5, 7), sample(6, 6), sample(4, 4), sample(3, 3), sample(2, 2)}},
			{Day: day, Source: "", Status: 400, Code: "INVALID_OPTION", Count: 1, FirstSeen: at(7), LastSeen: at(7), Samples: []workspace.ErrorSample{}},
		}
		if diff := cmp.Diff(want, errorsOf(t, store, "w1")); diff != "" {
			t.Errorf("w1 (-want +got):\n%s", diff)
		}
		want = []workspace.ErrorCount{{Day: day, Status: 403, Code: "ORIGIN_NOT_ALLOWED", Count: 2, FirstSeen: at(7), LastSeen: at(7), Samples: []workspace.ErrorSample{{Path: "/a", Origin: "https://o.example", SeenAt: at(7)}}}}
		if diff := cmp.Diff(want, errorsOf(t, store, "w2")); diff != "" {
			t.Errorf("w2 (-want +got):\n%s", diff)
		}

		if n, _ := e.Waiting(); n != 0 {
			t.Errorf("errors of %d workspaces are waiting", n)
		}
		if store.calls != 2 || len(store.reports) != 2 {
			t.Errorf("%d calls, %d reports", store.calls, len(store.reports))
		}
		time.Sleep(10 * usage.DefaultErrorsEvery)
		synctest.Wait()
		if store.calls != 2 {
			t.Errorf("%d calls though nothing changed", store.calls)
		}
		for range 50 {
			e.Note("w2", "", 403, "ORIGIN_NOT_ALLOWED", path("/b"))
			time.Sleep(usage.DefaultErrorsEvery / 100)
		}
		time.Sleep(usage.DefaultErrorsEvery)
		synctest.Wait()
		if got := len(store.reports) - 2; got != 1 {
			t.Errorf("50 errors in half a minute are %d reports", got)
		}

		time.Sleep(24 * time.Hour)
		e.Note("w1", "photos", 404, "NOT_FOUND", path("/x"))
		cancel()
		running.Wait()
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := errorsOf(t, store, "w1"); len(got) != 3 || got[0].Count != 1 || got[0].Day != time.Now().UTC().Format(time.DateOnly) || got[1].Count != 8 {
			t.Errorf("the next day: %+v", got)
		}
	})
}

// TestErrorsAreBounded: whatever strangers send, a workspace has 200 rows a day with five
// samples each, and a server holds a bounded number of rows. No error of a workspace that has
// a row is lost.
func TestErrorsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{ImageErrors: workspacetest.NewMemory()}
		e := newErrors(store)
		looked := 0
		for i := range 100_000 {
			e.Note("w1", fmt.Sprint("source-", i%1000), 404, "NOT_FOUND", func() (string, string) {
				looked++
				return fmt.Sprint("/random/", i), ""
			})
		}
		if looked > 199*16 {
			t.Errorf("100,000 errors in one moment were looked at %d times", looked)
		}
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows := errorsOf(t, store, "w1")
		var sum int64
		for _, r := range rows {
			if sum += r.Count; len(r.Samples) > workspace.MaxErrorSamples {
				t.Errorf("%+v", r)
			}
		}
		if sum != 100_000 || len(rows) != workspace.MaxErrorRows || rows[0].Code != workspace.OtherErrors || rows[0].Count != 100_000-199*100 {
			t.Errorf("%d rows, %d errors; first %+v", len(rows), sum, rows[0])
		}

		// As many workspaces as two servers have room for, by and by: the sum is right, and each
		// that comes back is in the store as two parts.
		for round := range 2 {
			for i := range 30_000 {
				e.Note(fmt.Sprint("many-", i), "", 404, "NOT_FOUND", path("/x"))
				if i%1000 == 0 {
					time.Sleep(usage.DefaultErrorsEvery)
					if err := e.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < 30_000; i += 4999 {
				if got := errorsOf(t, store, fmt.Sprint("many-", i)); len(got) != 1 || got[0].Count != int64(round+1) {
					t.Fatalf("workspace %d has %+v in round %d", i, got, round)
				}
			}
		}
		if n := e.Rows(); n > 16_384 {
			t.Errorf("%d rows in memory", n)
		}
		// All at once: what finds no room is left out, and memory stays bounded.
		for i := range 30_000 {
			e.Note(fmt.Sprint("more-", i), "", 404, "NOT_FOUND", path("/x"))
		}
		if n := e.Rows(); n > 16_384 {
			t.Errorf("%d rows in memory", n)
		}
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := e.Rows(); n > 16_384/2 {
			t.Errorf("%d rows in memory after they are stored", n)
		}
	})
}

// TestErrorsWithPatience: where writes cost money, a workspace with an error a second, all day,
// is written some 170 times and not 1,440. What is new is written after a minute, and the end
// loses nothing.
func TestErrorsWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{ImageErrors: workspacetest.NewMemory()}
		e := usage.NewErrors(usage.ErrorsConfig{Store: store, Log: slog.New(slog.DiscardHandler), Patience: 10 * time.Minute})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		second := func(code string) {
			e.Note("w1", "photos", 404, code, path("/x"))
			time.Sleep(time.Second)
		}
		reports := func() int {
			store.mu.Lock()
			defer store.mu.Unlock()
			return len(store.reports)
		}
		const day = 24*60*60 - 600 // the day of synctest begins at midnight
		for range day {
			second("NOT_FOUND")
		}
		if n := reports(); n < 140 || n > 180 {
			t.Errorf("%d reports of a day", n)
		}
		before := reports()
		second("ORIGIN_ERROR")
		time.Sleep(usage.DefaultErrorsEvery)
		synctest.Wait()
		if got := errorsOf(t, store, "w1"); reports() != before+1 || len(got) != 2 || got[0].Count != day {
			t.Errorf("a new kind, after a minute: %+v", got)
		}
		second("NOT_FOUND")
		cancel()
		running.Wait()
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := errorsOf(t, store, "w1"); len(got) != 2 || got[0].Count != day+1 {
			t.Errorf("at the end: %+v", got)
		}
	})
}

// TestErrorsAllocate: an error of a known kind costs no memory.
func TestErrorsAllocate(t *testing.T) {
	at := time.Now()
	e := usage.NewErrors(usage.ErrorsConfig{Store: workspacetest.NewMemory(), Now: func() time.Time { return at }})
	note := func() {
		e.Note("w1", "photos", 404, "NOT_FOUND", func() (string, string) { return fmt.Sprint("/photos/", at), "" })
	}
	for range 100 {
		note()
	}
	if n := testing.AllocsPerRun(1000, note); n != 0 {
		t.Errorf("%v allocations an error", n)
	}
}

// TestErrorsKilled: kill -9 loses the errors of the last minute at most.
func TestErrorsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		e := newErrors(store)
		ctx, kill := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { e.Run(ctx) })
		for range 150 {
			e.Note("w1", "photos", 404, "NOT_FOUND", path("/x"))
			time.Sleep(time.Second)
		}
		kill() // and no Close
		running.Wait()
		if rows := errorsOf(t, store, "w1"); len(rows) != 1 || rows[0].Count < 90 || rows[0].Count >= 150 {
			t.Errorf("%+v", rows)
		}
	})
}

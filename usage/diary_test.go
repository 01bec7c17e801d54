package usage_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// sent counts the tallies that a store gets.
type sent struct {
	flaky
	tallies atomic.Int64
}

func (s *sent) AddTally(ctx context.Context, t workspace.Tally) error {
	s.tallies.Add(1)
	return s.flaky.AddTally(ctx, t)
}

func patient(store workspace.Counters, folder string) *usage.Recorder {
	return usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler), Patience: 5 * time.Minute, Folder: folder})
}

func sum(t *testing.T, store workspace.Counters, id string) (n int64) {
	t.Helper()
	for _, u := range usageOf(t, store, id) {
		n += u.Requests
	}
	return n
}

// TestPatience: counts of few rows are sent after five minutes, of many after one, and all at a
// full hour. Pages show them at once.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sent{flaky: flaky{Counters: workspacetest.NewMemory()}}
		r := patient(store, t.TempDir())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		fresh := usage.Fresh{Store: store, Recorder: r}
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + 32*time.Second)))
		counted := int64(0)
		for rows, want := range map[int]int{1: 1, 100: 5} { // in five minutes
			store.tallies.Store(0)
			for until := time.Now().Add(5*time.Minute + usage.DefaultEvery); time.Now().Before(until); time.Sleep(5 * time.Second) {
				for i := range rows {
					r.Count(fmt.Sprint("w", i), "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
				}
				counted++
				rows, err := fresh.Usage(t.Context(), "w0", "0000-00-00", "9999-99-99")
				total, wrong := fresh.Total(t.Context(), "w0", "0000-00-00", "9999-99-99")
				if err != nil || wrong != nil || len(rows) != 1 || rows[0].Requests != counted || total.Requests != counted {
					t.Fatalf("%d were counted: %+v, %+v, %v, %v", counted, rows, total, err, wrong)
				}
			}
			if n := int(store.tallies.Load()); n < want || n > want+1 {
				t.Errorf("%d rows: %d tallies in five minutes, want %d", rows, n, want)
			}
			time.Sleep(5 * time.Minute)
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - time.Second)))
		r.Count("w0", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
		time.Sleep(usage.DefaultEvery)
		store.tallies.Store(0)
		time.Sleep(usage.DefaultEvery)
		if n := sum(t, store, "w0"); n != counted+1 {
			t.Errorf("after the full hour %d of %d are stored", n, counted+1)
		}
		stop()
		running.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDiary: processes are killed again and again, while the store fails before or after it has
// taken a tally. The next process sends what they left. Nothing is lost but the last interval, and
// nothing counts twice.
func TestDiary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &flaky{Counters: workspacetest.NewMemory()}
		folder := filepath.Join(t.TempDir(), "usage")
		counted, promised := int64(0), int64(0)
		for round := range 40 {
			r := patient(store, folder)
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { r.Run(ctx) })
			store.mu.Lock()
			store.before, store.after = round%3, round%4
			store.mu.Unlock()
			for range 1 + 10*(round%50) {
				for i := range 30 {
					r.Count(fmt.Sprint("w", i), "transform", "photos", usage.By{Country: "DE", Key: "k"}, workspace.Usage{Requests: 1, Units: 500})
				}
				counted++
				time.Sleep(time.Second)
			}
			time.Sleep(usage.DefaultEvery)
			synctest.Wait()
			promised = counted
			r.Count("w0", "transform", "photos", usage.By{}, workspace.Usage{Hits: 1}) // is lost
			stop()
			running.Wait()
			r.Kill()
		}
		store.before, store.after = 0, 0
		last := patient(store, folder)
		if err := last.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			if n := sum(t, store, fmt.Sprint("w", i)); n != promised {
				t.Errorf("w%d: %d, want %d", i, n, promised)
			}
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Error("files are left:", left, err)
		}
	})
}

// TestDiaryTorn: a line that a kill cut off counts as none, a page of a process that lives is left
// alone, and without a disk all is sent after an interval.
func TestDiaryTorn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, folder := workspacetest.NewMemory(), t.TempDir()
		alive, killed := patient(store, folder), patient(store, folder)
		keep := func(r *usage.Recorder, id string) {
			ctx, stop := context.WithTimeout(t.Context(), usage.DefaultEvery+time.Second)
			defer stop()
			r.Count(id, "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
			r.Run(ctx)
		}
		keep(alive, "alive")
		keep(killed, "killed")
		keep(killed, "killed")
		killed.Kill()
		pages, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(pages) != 2 {
			t.Fatal(pages, err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "killed") {
				if err := os.WriteFile(page, text[:len(text)-2], 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := patient(store, folder).Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, k := sum(t, store, "alive"), sum(t, store, "killed"); a != 0 || k != 1 {
			t.Errorf("%d of the one that lives, %d of the other, want 0 and 1", a, k)
		}
		if err := alive.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := sum(t, store, "alive"); n != 1 {
			t.Error(n)
		}
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		keep(patient(store, filepath.Join(file, "usage")), "diskless")
		if n := sum(t, store, "diskless"); n != 1 {
			t.Errorf("without a disk %d are stored after an interval", n)
		}
	})
}

// stepwise folds so many rows and bytes each time.
type stepwise struct {
	workspace.Folded
	at []time.Time
}

func (s *stepwise) Fold(context.Context) (workspace.Folded, error) {
	s.at = append(s.at, time.Now())
	return s.Folded, nil
}

// TestRunFolds: folds are rarer where there are more rows, or little to read, and one server makes
// them.
func TestRunFolds(t *testing.T) {
	for _, tt := range []struct {
		rows, bytes int
		mine        bool
		want        int // in six hours
	}{{100, 1 << 20, true, 72}, {450_000, 8 << 20, true, 15}, {10_000_000, 1 << 30, true, 6}, {100, 1000, true, 6}, {100, 1 << 20, false, 0}} {
		synctest.Test(t, func(t *testing.T) {
			s := &stepwise{Folded: workspace.Folded{Rows: tt.rows, Bytes: tt.bytes}}
			ctx, stop := context.WithTimeout(t.Context(), 6*time.Hour)
			defer stop()
			usage.RunFolds(ctx, usage.FoldConfig{Store: s, Mine: func(context.Context) (bool, error) { return tt.mine, nil }})
			if n := len(s.at); n < tt.want || n > tt.want+1 {
				t.Errorf("%d rows: %d folds in six hours, want %d", tt.rows, n, tt.want)
			}
		})
	}
}

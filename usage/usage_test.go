package usage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// flaky is a store whose AddTally fails, before or after the tally is in.
type flaky struct {
	workspace.Counters
	mu            sync.Mutex
	before, after int // calls that fail so, of those to come
	calls         int
}

func (f *flaky) AddTally(ctx context.Context, t workspace.Tally) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.before > 0 {
		f.before--
		return workspace.ErrUnavailable
	}
	err := f.Counters.AddTally(ctx, t)
	if f.after > 0 {
		f.after--
		return errors.Join(err, workspace.ErrUnavailable)
	}
	return err
}

func recorder(c workspace.Counters) *usage.Recorder {
	return usage.New(usage.Config{Counters: c, Log: slog.New(slog.DiscardHandler)})
}

func usageOf(t *testing.T, c workspace.Counters, id string) []workspace.Usage {
	t.Helper()
	list, err := c.Usage(t.Context(), id, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func key(t *testing.T, store workspace.APIKeys) *workspace.APIKey {
	t.Helper()
	k := &workspace.APIKey{ID: "k1", WorkspaceID: "w1", Namespace: "acme", Hash: [32]byte{1}, CreatedAt: time.Now()}
	if err := store.CreateAPIKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func keyOf(t *testing.T, store workspace.APIKeys) *workspace.APIKey {
	t.Helper()
	keys, err := store.APIKeys(t.Context(), "w1")
	if err != nil || len(keys) != 1 {
		t.Fatalf("APIKeys: %v, %v", keys, err)
	}
	return keys[0]
}

// TestParts: rows say which part was of a country and of a key. What has no room in a row
// counts under "other", also after a flush, and the sums are right.
func TestParts(t *testing.T) {
	store := workspacetest.NewMemory()
	r := recorder(store)
	one := workspace.Usage{Requests: 1, Units: 500}
	for round := range 2 {
		for i := range 100 {
			country := string([]byte{'A' + byte(i/26), 'A' + byte(i%26)})
			r.Count("w1", "transform", "photos", usage.By{Country: country, Key: fmt.Sprint("key", i%10)}, one)
		}
		r.Count("w1", "transform", "photos", usage.By{}, one)
		r.Count("w1", "transform", "photos", usage.By{Country: "AA"}, workspace.Usage{BytesIn: 5}) // is no part
		r.Count("w1", "transform", "photos", usage.By{Country: "a?"}, workspace.Usage{Requests: 1})
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := store.UsageInParts(t.Context(), "w1", "0000-00-00", "9999-99-99")
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		n := int64(round + 1)
		u := rows[0]
		if u.Requests != 102*n || u.Units != workspace.Units(101*500*n) || len(u.Countries) != workspace.MostCountries+1 || len(u.Keys) != workspace.MostKeys+1 {
			t.Errorf("%+v", u)
		}
		if u.Countries["AA"] != (workspace.Part{Requests: n, Units: workspace.Units(500 * n)}) || u.Countries[workspace.OtherParts] != (workspace.Part{Requests: 71 * n, Units: workspace.Units(70 * 500 * n)}) {
			t.Errorf("AA: %+v, others: %+v", u.Countries["AA"], u.Countries[workspace.OtherParts])
		}
		if u.Keys["key0"].Requests != 10*n || u.Keys[workspace.OtherParts].Requests != 20*n {
			t.Errorf("%+v", u.Keys)
		}
	}
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		key(t, store)
		r := recorder(store)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })

		day := time.Now().UTC().Format(time.DateOnly)
		for range 3 {
			r.Count("w1", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1, BytesOut: 10, WorkspaceID: "ignored", Day: "ignored"})
		}
		r.Count("w1", "transform", "", usage.By{}, workspace.Usage{Requests: 1, Errors: 1})
		r.Count("w2", "info", "photos", usage.By{}, workspace.Usage{Requests: 1, Hits: 1})
		r.CountKey("w1", "k1", false)
		time.Sleep(time.Second)
		r.CountKey("w1", "k1", true)
		used := time.Now()
		if got := usageOf(t, store, "w1"); len(got) != 0 {
			t.Errorf("before the interval's end the store has %v", got)
		}
		time.Sleep(usage.DefaultEvery)
		synctest.Wait()
		want := []workspace.Usage{
			{WorkspaceID: "w1", Day: day, Operation: "transform", Source: "", Requests: 1, Errors: 1},
			{WorkspaceID: "w1", Day: day, Operation: "transform", Source: "photos", Requests: 3, BytesOut: 30},
		}
		if diff := cmp.Diff(want, usageOf(t, store, "w1")); diff != "" {
			t.Errorf("w1 (-want +got):\n%s", diff)
		}
		if k := keyOf(t, store); k.TotalRequests != 2 || k.TotalErrors != 1 || !k.LastUsedAt.Equal(used) {
			t.Errorf("the key has %d requests, %d errors, last at %v, want 2, 1, %v", k.TotalRequests, k.TotalErrors, k.LastUsedAt, used)
		}

		time.Sleep(24 * time.Hour)
		r.Count("w2", "info", "photos", usage.By{}, workspace.Usage{Requests: 1})
		cancel()
		wg.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		next := time.Now().UTC().Format(time.DateOnly)
		want = []workspace.Usage{
			{WorkspaceID: "w2", Day: day, Operation: "info", Source: "photos", Requests: 1, Hits: 1},
			{WorkspaceID: "w2", Day: next, Operation: "info", Source: "photos", Requests: 1},
		}
		if diff := cmp.Diff(want, usageOf(t, store, "w2")); diff != "" {
			t.Errorf("w2 (-want +got):\n%s", diff)
		}
	})
}

// TestOutage counts through a store that fails, also after it has taken a tally.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		f := &flaky{Counters: store, before: 3, after: 2}
		r := recorder(f)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		for range 100 {
			r.Count("w1", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
			time.Sleep(time.Second)
			if r.Waiting() > 5 { // one row an interval, of five that fail
				t.Errorf("%d rows are waiting", r.Waiting())
			}
		}
		cancel()
		wg.Wait()
		r.Count("w1", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
		if r.Waiting() == 0 {
			t.Error("no row is waiting, and one was counted a moment ago")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, u := range usageOf(t, store, "w1") {
			sum += u.Requests
		}
		if sum != 101 || r.Waiting() != 0 {
			t.Errorf("%d counted, want 101; %d rows are waiting", sum, r.Waiting())
		}
	})
}

// TestCloseTries shows that a stop loses nothing while the store comes back in time.
func TestCloseTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		f := &flaky{Counters: store, before: 5}
		r := recorder(f)
		for i := range 300 { // several tallies
			r.Count(fmt.Sprintf("w%d", i), "transform", "", usage.By{}, workspace.Usage{Requests: 1})
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			if got := usageOf(t, store, fmt.Sprintf("w%d", i)); len(got) != 1 || got[0].Requests != 1 {
				t.Fatalf("w%d: %v", i, got)
			}
		}
		f.before = 1 << 30
		r.Count("w1", "transform", "", usage.By{}, workspace.Usage{Requests: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, workspace.ErrUnavailable) {
			t.Errorf("Close without a store: %v", err)
		}
	})
}

func TestConcurrent(t *testing.T) {
	store := workspacetest.NewMemory()
	key(t, store)
	r := recorder(store)
	var wg sync.WaitGroup
	const workers, each = 8, 500
	for range workers {
		wg.Go(func() {
			for i := range each {
				r.Count("w1", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
				r.CountKey("w1", "k1", i%2 == 0)
				if i%100 == 0 {
					if err := r.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, u := range usageOf(t, store, "w1") {
		sum += u.Requests
	}
	if k := keyOf(t, store); sum != workers*each || k.TotalRequests != workers*each || k.TotalErrors != workers*each/2 {
		t.Errorf("counted %d, and for the key %d and %d errors", sum, k.TotalRequests, k.TotalErrors)
	}
}

func BenchmarkCount(b *testing.B) {
	r := recorder(workspacetest.NewMemory())
	b.ReportAllocs()
	for b.Loop() {
		r.Count("w1", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1, Hits: 1, BytesOut: 1000})
	}
}

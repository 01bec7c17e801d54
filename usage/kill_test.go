package usage_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestKilled: after kill -9 the counts since the last Flush are lost, which are those of one
// interval at most.
func TestKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := workspacetest.NewMemory()
		r := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
		ctx, kill := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		var counted int64
		for until := time.Now().Add(37 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
			r.Count("id", "transform", "photos", usage.By{}, workspace.Usage{Requests: 1})
			counted++
		}
		kill() // and no Close
		running.Wait()
		rows, err := store.Usage(t.Context(), "id", "0000-00-00", "9999-99-99")
		if err != nil {
			t.Fatal(err)
		}
		var kept int64
		for _, u := range rows {
			kept += u.Requests
		}
		if lost, most := counted-kept, int64(usage.DefaultEvery/(100*time.Millisecond)); lost < 1 || lost > most {
			t.Errorf("%d of %d lost, want up to %d", lost, counted, most)
		}
	})
}

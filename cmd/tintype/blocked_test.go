//go:build cgo && linux

package main

import (
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
)

// TestBlockedEverywhere: an image that is blocked on one server is 451 on another, although
// that has it in its cache.
func TestBlockedEverywhere(t *testing.T) {
	t.Parallel() // it waits more than it computes
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	store := initStore(t, dynamodblocal.Shared(t))
	args := []string{"--workers", "1", "--cache-disk", "0", "--dir", "blocked/samples=" + samples}
	one, two := serveShared(t, t.TempDir(), store, args...), serveShared(t, t.TempDir(), store, args...)
	const image = "/blocked/samples/dusk.jpg?w=16"
	for _, s := range []*serverProcess{one, two, two} {
		if status, _, body := answer(t, s.url+image); status != 200 {
			t.Fatalf("before: %d %.100q", status, body)
		}
	}
	one.mustCall(t, 201, "POST", "/workspaces/blocked/blocks", map[string]any{"path": "samples/dusk.jpg", "reason": "a request"})
	if status, _, _ := answer(t, one.url+image); status != 451 {
		t.Errorf("on the server that was told: %d", status)
	}
	took := until(t, "blocked on the other server", func() bool {
		status, _, _ := answer(t, two.url+image)
		return status == 451
	})
	t.Logf("blocked on the other server after %s", took.Round(time.Millisecond))
}

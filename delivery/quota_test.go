package delivery

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestQuota: answers say what is left of the day's and the month's transforms, the lower one of
// the workspace's and the plan's, and need no store for it. Images say nothing.
func TestQuota(t *testing.T) {
	store := &asked{Memory: workspacetest.NewMemory()}
	b := newBench(t, func(c *setup) {
		c.Limiter = limit.New(limit.Config{Leases: store})
		c.Plans = func(string) *workspace.Limits { return &workspace.Limits{TransformsPerDay: 5, TransformsPerMonth: 9} }
	})
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 12, 8)))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Plan, w.Limits.TransformsPerMonth = "free", 4 }))
	if h := b.Quota(t.Context(), "acme"); h != nil {
		t.Errorf("before this server knows anything: %v", h)
	}
	if w := b.get("/acme/photos/cat.jpg?w=4"); w.Code != 200 || w.Header().Get("X-Quota-Limit") != "" {
		t.Errorf("an image: %d %v", w.Code, w.Header())
	}
	before := store.leases.Load()
	h := b.Quota(t.Context(), "acme")
	if h.Get("X-Quota-Limit") != "day=5, month=4" || h.Get("X-Quota-Remaining") != "day=4, month=3" || h.Get("X-Quota-Reset") == "" {
		t.Errorf("after one of them: %v", h)
	}
	if n := store.leases.Load(); n != before {
		t.Errorf("the store was asked %d times", n-before)
	}
	if h := b.Quota(t.Context(), "nobody"); h != nil {
		t.Errorf("no workspace: %v", h)
	}
	var none http.Header
	if none.Get("X-Quota-Limit") != "" {
		t.Error(none)
	}
}

// TestQuotaOfImages: where the workspace sets it, images say what is left now, hits and errors
// too. No cached entry says it.
func TestQuotaOfImages(t *testing.T) {
	b := newBench(t)
	set := func(on bool) {
		w := b.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerDay, w.QuotaHeaders = 3, on })
		b.registry.Set(t, w)
	}
	set(true)
	for _, c := range []struct {
		target string
		status int
		left   string
	}{
		{"/acme/photos/cat.jpg?w=4", 200, "day=2"}, {"/acme/photos/cat.jpg?w=5", 200, "day=1"}, {"/acme/photos/cat.jpg?w=4", 200, "day=1"}, // a hit says what is left now
		{"/acme/photos/cat.jpg?w=6", 200, "day=0"}, {"/acme/photos/cat.jpg?w=7", 429, "day=0"}, {"/acme/photos/missing.jpg?w=0", 400, "day=0"},
	} {
		w := b.get(c.target, "Origin", "https://app.example")
		if shown := strings.Join(w.Header()["Access-Control-Expose-Headers"], ", "); !strings.Contains(shown, "X-Quota-Remaining") {
			t.Errorf("scripts may read %q", shown)
		}
		if h := w.Header(); w.Code != c.status || h.Get("X-Quota-Limit") != "day=3" || h.Get("X-Quota-Remaining") != c.left || h.Get("X-Quota-Reset") == "" {
			t.Errorf("%s: %d %v", c.target, w.Code, h)
		}
	}
	set(false)
	if w := b.get("/acme/photos/cat.jpg?w=4"); w.Code != 200 || w.Header().Get("X-Quota-Remaining") != "" || !strings.Contains(w.Header().Get("Cache-Status"), "hit") {
		t.Errorf("without the setting: %d %v", w.Code, w.Header())
	}
}

// asked is a store that counts how often it is asked for tokens.
type asked struct {
	*workspacetest.Memory
	leases atomic.Int64
}

func (a *asked) Lease(ctx context.Context, r limit.Request) (limit.Grant, error) {
	a.leases.Add(1)
	return a.Memory.Lease(ctx, r)
}

// TestQuotaOfPost: who sends a body is told what is left, also where nothing is.
func TestQuotaOfPost(t *testing.T) {
	k := newKeyBench(t)
	k.registry.Set(t, k.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerDay = 2 }))
	photo := deliverytest.Photo(t, 12, 8)
	for i, want := range []struct {
		status int
		left   string
	}{{200, "day=1"}, {200, "day=0"}, {429, "day=0"}} {
		w := k.post("/acme/transform?w=4", bytes.NewReader(photo), k.as("read")...)
		if w.Code != want.status || w.Header().Get("X-Quota-Limit") != "day=2" || w.Header().Get("X-Quota-Remaining") != want.left || w.Header().Get("X-Quota-Reset") == "" {
			t.Errorf("body %d: %d %v", i+1, w.Code, w.Header())
		}
	}
}

package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestTransformsQuota has 100 clients race for a quota of 1,000 variants.
func TestTransformsQuota(t *testing.T) {
	b := newBench(t, func(c *setup) { c.Limiter = limit.New(limit.Config{Leases: workspacetest.NewMemory()}) })
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 12, 8))) // small, as it is decoded 1,000 times
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerMonth = 1000 }))
	var made, refused atomic.Int64
	var wg sync.WaitGroup
	for client := range 100 {
		wg.Go(func() {
			for i := range 12 {
				switch w := b.get(fmt.Sprintf("/acme/photos/cat.jpg?w=4&v=%d-%d", client, i)); {
				case w.Code == http.StatusOK:
					made.Add(1)
				case w.Code == http.StatusTooManyRequests && code(t, w) == "QUOTA_EXCEEDED":
					refused.Add(1)
				default:
					t.Errorf("%d: %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if made.Load() != 1000 || refused.Load() != 200 {
		t.Errorf("%d variants are made and %d refused of 1,200 with a quota of 1,000", made.Load(), refused.Load())
	}
	w := b.get("/acme/photos/cat.jpg?w=5")
	if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Error(w.Code, w.Header())
	}
	if w := b.get("/acme/photos/cat.jpg?w=4&v=0-0"); w.Code != 200 || !hit(w) {
		t.Errorf("what is cached isn't served any more: %d", w.Code)
	}
}

// TestOnlyTransformsAreSpent: hits, refusals, missing originals and unchanged ones cost
// nothing of the quota.
func TestOnlyTransformsAreSpent(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/photos/same.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20), "ETag", `"1"`))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Limits.TransformsPerDay = 2
		w.Sources[0].Revalidate = 10
	}))
	for range 5 {
		if w := b.get("/acme/photos/same.jpg?format=png"); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		if w := b.get("/acme/photos/missing.jpg"); w.Code != 404 {
			t.Fatal(w.Code, w.Body)
		}
		b.get("/acme/photos/same.jpg?w=0")
		b.clock.Add(20) // the origin is asked again, and says 304
		b.get("/acme/photos/same.jpg?format=png")
		if err := b.loader.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w := b.get("/acme/photos/same.jpg?format=png&w=9"); w.Code != 200 {
		t.Errorf("the second variant of two: %d %s", w.Code, w.Body)
	}
	if w := b.get("/acme/photos/same.jpg?format=png&w=8"); w.Code != 429 {
		t.Errorf("the third of two: %d", w.Code)
	}
}

// TestPlanLimits: of the workspace's limits and its plan's, the lower ones hold. A plan that
// changes holds for the next request, without a new revision of the workspace.
func TestPlanLimits(t *testing.T) {
	var plan atomic.Pointer[workspace.Limits]
	b := newBench(t, func(c *setup) {
		c.Plans = func(name string) *workspace.Limits {
			if name != "free" {
				return nil
			}
			return plan.Load()
		}
	})
	v := 0
	another := func() int {
		v++
		return b.get(fmt.Sprintf("/acme/photos/cat.jpg?w=4&format=png&v=%d", v)).Code
	}
	for _, c := range []struct {
		name      string
		own, plan workspace.Limits
		made      int // variants until the first is refused; at most 4 are tried
	}{
		{"the plan's", workspace.Limits{}, workspace.Limits{TransformsPerDay: 1}, 1},
		{"the workspace's", workspace.Limits{TransformsPerDay: 2}, workspace.Limits{TransformsPerDay: 3}, 2},
		{"a plan that became lower", workspace.Limits{TransformsPerDay: 4}, workspace.Limits{TransformsPerDay: 3}, 3},
		{"one of each", workspace.Limits{TransformsPerDay: 4}, workspace.Limits{TransformsPerMonth: 2}, 2},
		{"of requests", workspace.Limits{}, workspace.Limits{RequestsPerMinute: 3}, 3},
		{"none", workspace.Limits{}, workspace.Limits{}, 4},
	} {
		plan.Store(&c.plan)
		b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.ID, w.Plan, w.Limits = c.name, "free", c.own }))
		made := 0
		for made < 4 && another() == 200 {
			made++
		}
		if made != c.made {
			t.Errorf("%s: %d variants, want %d", c.name, made, c.made)
		}
	}

	plan.Store(&workspace.Limits{TransformsPerDay: 1})
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.ID, w.Plan = "changed", "free" }))
	if first, second := another(), another(); first != 200 || second != 429 {
		t.Errorf("%d and %d", first, second)
	}
	plan.Store(&workspace.Limits{TransformsPerDay: 2})
	if third, fourth := another(), another(); third != 200 || fourth != 429 {
		t.Errorf("after the plan changed: %d and %d", third, fourth)
	}
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.ID, w.Plan, w.Limits = "unknown", "gone", workspace.Limits{TransformsPerDay: 1}
	}))
	if first, second := another(), another(); first != 200 || second != 429 {
		t.Errorf("an unknown plan: %d and %d", first, second)
	}
}

func TestRequestLimits(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Limits.RequestsPerMinute = 3 }))
	free := b.acme(func(w *workspace.Workspace) { w.Namespace = "globex" })
	b.registry.Set(t, free)
	var codes []string
	for range 8 { // within one minute, or two
		codes = append(codes, code(t, b.get("/acme/photos/cat.jpg")))
	}
	if n := strings.Count(strings.Join(codes, " "), "RATE_LIMITED"); n < 2 || n > 5 {
		t.Errorf("%d of 8 requests refused with a limit of 3: %q", n, codes)
	}
	refused := false
	for range 8 {
		refused = refused || code(t, b.get("/playground/acme/original?src=photos/cat.jpg")) == "RATE_LIMITED"
	}
	if !refused {
		t.Error("what the playground asks for is not limited")
	}
	for range 8 {
		if w := b.get("/globex/photos/cat.jpg"); w.Code != 200 {
			t.Fatal("another workspace:", w.Code)
		}
	}
	// A check that can't refuse costs no allocation.
	site, err := b.site(t.Context(), "globex")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _ = b.admit(ctx, site) }); n != 0 {
		t.Errorf("a workspace without limits costs %v allocations a request", n)
	}
}

func TestClientLimit(t *testing.T) {
	b := newBench(t, func(c *setup) {
		c.ClientRequests = 5
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} // httptest's peer
	})
	b.registry.Set(t, b.acme())
	// More than five in each of two minutes, should one end meanwhile.
	refused := func(client string) (n int) {
		for range 12 {
			if code(t, b.get("/acme/photos/cat.jpg", "X-Forwarded-For", client)) == "RATE_LIMITED" {
				n++
			}
		}
		return n
	}
	if n := refused("203.0.113.1"); n < 2 || n > 7 {
		t.Errorf("%d of 12 refused with a limit of 5", n)
	}
	if n := refused("spoofed, 203.0.113.1"); n < 2 {
		t.Error("an invented address in front makes another client")
	}
	if w := b.get("/acme/photos/cat.jpg", "X-Forwarded-For", "203.0.113.2"); w.Code != 200 {
		t.Error("another address:", w.Code)
	}
	b.get("/nobody/x/y.jpg", "X-Forwarded-For", "2001:db8::1")
	n := 0
	for i := range 12 {
		if code(t, b.get("/acme/photos/cat.jpg", "X-Forwarded-For", fmt.Sprintf("2001:db8::%d", i+2))) == "RATE_LIMITED" {
			n++
		}
	}
	if n < 2 {
		t.Error("every address of one IPv6 network is a client of its own")
	}
	if w := b.get("/healthz", "X-Forwarded-For", "203.0.113.1"); w.Code != 200 {
		t.Error("health is limited:", w.Code)
	}
}

// TestWarning: once, at 80 % of a day's cap, in the log, a metric and the audit log.
func TestWarning(t *testing.T) {
	store := workspacetest.NewMemory()
	b := newBench(t, func(c *setup) { c.AuditLog = store })
	w := b.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerDay = 10 })
	b.registry.Set(t, w)
	warnings := func() int {
		_ = b.warnings.Close(t.Context())
		entries, err := store.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Action != "limit.warning" || e.Target != "transforms/day" || !strings.Contains(string(e.After), `"limit":10`) {
				t.Errorf("%+v", e)
			}
		}
		if logged := strings.Count(b.log.String(), "most of a workspace's limit is used"); logged != len(entries) {
			t.Errorf("%d log lines, %d audit entries", logged, len(entries))
		}
		return len(entries)
	}
	for i := range 10 {
		if w := b.get(fmt.Sprintf("/acme/photos/cat.jpg?w=4&v=%d", i)); w.Code != 200 {
			t.Fatal(w.Code)
		}
		if got, want := warnings(), i >= 7; (got == 1) != want || got > 1 {
			t.Fatalf("%d warnings after %d of 10", got, i+1)
		}
	}
}

// TestTestKeys: what they make comes from an allowance of their own, and isn't counted.
func TestTestKeys(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	w := b.acme(func(w *workspace.Workspace) { w.Limits.TransformsPerDay = 1 })
	b.registry.Set(t, w)
	site, err := b.site(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	test := apikey.WithPrincipal(t.Context(), apikey.Principal{Kind: apikey.Key, KeyID: "k", WorkspaceID: w.ID, Test: true})
	for i := range 103 {
		_, err := b.spend(test, site)
		if (err == nil) != (i < 100) {
			t.Fatalf("%d: %v", i, err)
		}
		b.count(test, site, opTransform, "photos", workspace.Usage{Transforms: 1})
	}
	if _, err := b.spend(t.Context(), site); err != nil {
		t.Error("a test key spends what is the workspace's:", err)
	}
	if err := recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := store.Usage(t.Context(), w.ID, "0000-00-00", "9999-99-99"); err != nil || len(rows) != 0 {
		t.Errorf("%+v, %v", rows, err)
	}
}

func TestUsage(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	original := deliverytest.Photo(t, 300, 200)
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(original))
	w := b.acme()
	b.registry.Set(t, w)
	var sent int64
	for range 3 {
		sent += int64(b.get("/acme/photos/cat.jpg?w=9").Body.Len())
	}
	etag := b.get("/acme/photos/cat.jpg?w=9").Header().Get("ETag")
	sent += sent / 3
	b.get("/acme/photos/cat.jpg?w=9", "If-None-Match", etag)
	missing := int64(b.get("/acme/photos/missing.jpg").Body.Len())
	missing += int64(b.get("/acme/photos/cat.jpg?w=0").Body.Len()) // refused
	url := int64(b.get("/acme?w=9&src=" + b.upstream.URL + "/other/none.jpg").Body.Len())
	b.get("/nobody/photos/cat.jpg")
	b.get("/healthz")
	if err := recorder.Flush(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	rows, err := store.Usage(t.Context(), w.ID, "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	var all workspace.Usage
	bySource := map[string]workspace.Usage{}
	for _, u := range rows { // of one day, or two
		if u.Operation != "transform" {
			t.Errorf("%+v", u)
		}
		of := bySource[u.Source]
		of.Add(u)
		bySource[u.Source] = of
		all.Add(u)
	}
	want := workspace.Usage{Requests: 7, Hits: 4, Transforms: 1, Errors: 2, BytesIn: int64(len(original)), BytesOut: bySource["photos"].BytesOut}
	if got := bySource["photos"]; !reflect.DeepEqual(got, want) {
		t.Errorf("photos: %+v, want %+v", got, want)
	}
	if got := bySource[""]; got.Requests != 1 || got.Errors != 1 || got.Transforms != 0 {
		t.Errorf("no source: %+v", got)
	}
	if all.BytesOut != sent+missing+url {
		t.Errorf("%d bytes out, want %d", all.BytesOut, sent+missing+url)
	}
}

// names is whose custom domains are, and counts the questions.
type names map[string]workspace.Domain

func (n names) Domain(_ context.Context, name string) (workspace.Domain, error) {
	if d, ok := n[name]; ok {
		return d, nil
	}
	return workspace.Domain{}, workspace.ErrDomainNotFound
}

// TestPreviews: what pages of the dashboard show is counted as such, where it is an image.
func TestPreviews(t *testing.T) {
	store := workspacetest.NewMemory()
	recorder := usage.New(usage.Config{Counters: store, Log: slog.New(slog.DiscardHandler)})
	b := newBench(t, func(c *setup) { c.Usage = recorder })
	b.upstream.Serve("/photos/cat.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	w := b.acme()
	b.registry.Set(t, w)
	counted := func() (u workspace.Usage) {
		t.Helper()
		if err := recorder.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := store.Usage(t.Context(), w.ID, "0000-00-00", "9999-99-99")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			u.Add(row)
		}
		return u
	}
	const image, page = "/acme/photos/cat.jpg?w=9", "https://img.example/app/acme"
	for _, c := range []struct {
		path    string
		headers []string
		preview bool
	}{
		{image, nil, false},
		{image, []string{"Referer", page}, true},
		{image, []string{"Referer", page + "/playground?src=photos/cat.jpg", "Sec-Fetch-Site", "same-origin"}, true},
		{image, []string{"Referer", page, "Sec-Fetch-Site", "cross-site"}, false},
		{image, []string{"Referer", page + "-shop/images"}, false},
		{image, []string{"Referer", "https://shop.example/?from=/app/acme"}, false},
		{image, []string{"Referer", "https://shop.example/%zz/app/acme"}, false},
		{"/acme/photos/missing.jpg", []string{"Referer", page}, false},
	} {
		before := counted().Previews
		b.get(c.path, c.headers...)
		if got := counted().Previews > before; got != c.preview {
			t.Errorf("%s %q: counted as a preview: %v", c.path, c.headers, got)
		}
	}
}

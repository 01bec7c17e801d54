package dashboard_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
	"github.com/tintype/tintype/workspace/sqlite"
)

// BenchmarkPages measures the pages over a database of 10,000 workspaces that all have
// counts of 400 days. cpu-ms is the least processor time of five calls, which other work of
// the machine doesn't change. One of them, acme, has 200 sources, and 100,000 entries in each log.
func BenchmarkPages(b *testing.B) {
	benchPages(b, 10_000, "/app/acme?days=7", "/app/acme", "/app/acme?days=92", "/app/ws05000?days=92", "/app", "/app?search=ws09", "/app/acme/access", "/app/acme/limits",
		"/app/acme/log", "/app/acme/log?trail=access", "/app/acme/log?trail=access&errors=on&day=2037-11-28", "/app/acme/log?who=nobody", "/app/acme/log.csv")
}

// BenchmarkOverview is BenchmarkPages for the overview alone, over a database that is made in
// seconds: few other workspaces stand beside acme.
func BenchmarkOverview(b *testing.B) {
	benchPages(b, 10, "/app/acme?days=92", "/app/acme")
}

func benchPages(b *testing.B, workspaces int, targets ...string) {
	_, handler, session := benchSite(b, workspaces)
	for _, target := range targets {
		b.Run(target, func(b *testing.B) {
			see := func() {
				r := httptest.NewRequest("GET", target, nil)
				r.AddCookie(&http.Cookie{Name: "tt", Value: session})
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
			for b.Loop() {
				see()
			}
			b.ReportMetric(float64(cputime.Best(0, see).Microseconds())/1000, "cpu-ms")
		})
	}
}

// benchSite returns a store as BenchmarkPages describes it, a dashboard over it, and the
// session of an operator.
func benchSite(b *testing.B, workspaces int, sources ...workspace.Source) (store *sqlite.Store, handler http.Handler, session string) {
	codec, err := workspace.NewCodec(strings.Repeat("ab", 32))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "store.db")
	store, err = sqlite.Open(path, codec)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	acme := workspace.New("acme")
	acme.Sources = sources
	for i := range 20 {
		acme.Sources = append(acme.Sources, workspace.Source{Key: fmt.Sprintf("source-%03d", i), Kind: "http", URL: "https://o.example/"})
	}
	acme.Limits.TransformsPerDay = 100_000
	if err := store.Create(b.Context(), acme); err != nil {
		b.Fatal(err)
	}
	crowd(b, path, acme.ID, workspaces)
	box := make(mailbox, 1)
	who := newPeople(store, box)
	who.Now = time.Now // as the store has it
	session = signIn(b, who, box, operator, account.Client{})
	m := manage.New(manage.Config{Store: store, Records: store, People: who, Now: clock})
	return store, dashboard.New(dashboard.Config{Manage: m, People: who, Now: clock}), session
}

// BenchmarkHits measures images from the cache, over connections of HTTP: quiet, and in turn
// while somebody reloads the overview of 200 sources × 92 days without a pause, which is worse
// than a person could be. A ratio is the time beside the overview by the quiet one.
func BenchmarkHits(b *testing.B) {
	photo := deliverytest.Photo(b, 40, 30)
	upstream := httptest.NewServer(deliverytest.Body(photo))
	b.Cleanup(upstream.Close)
	store, pages, session := benchSite(b, 10, workspace.Source{Key: "photos", Kind: "http", URL: upstream.URL + "/"})
	images := delivery.New(delivery.Config{
		Workspaces: cached.New(store, cached.Config{}), Engine: &deliverytest.Engine{}, Cache: cache.NewMemory(1 << 20), Limits: transform.DefaultLimits(),
		HTTP:             origin.NewHTTP(origin.HTTPConfig{Guard: origin.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Limits: origin.DefaultLimits()}),
		MaxOriginalBytes: 100_000, Log: slog.New(slog.DiscardHandler),
	})
	b.Cleanup(func() { _ = images.Close(context.Background()) })
	front := httptest.NewServer(server.New(server.Config{Delivery: images, Dashboard: pages, Log: slog.New(slog.DiscardHandler)}).Handler())
	b.Cleanup(front.Close)
	get := func(path string) {
		r, err := http.NewRequestWithContext(b.Context(), "GET", front.URL+path, nil)
		if err != nil {
			b.Error(err)
			return
		}
		r.AddCookie(&http.Cookie{Name: "tt", Value: session})
		a, err := front.Client().Do(r)
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
			b.Error(path, a.StatusCode, err)
		}
		_ = a.Body.Close()
	}
	const hits = 1000
	measure := func(times []time.Duration) []time.Duration {
		for range hits {
			start := time.Now()
			get("/acme/photos/a.jpg?w=20")
			times = append(times, time.Since(start))
		}
		return times
	}
	get("/acme/photos/a.jpg?w=20")
	var quiet, beside []time.Duration
	var cpu time.Duration
	seen := 0
	for b.Loop() {
		cpu += cputime.Of(func() { quiet = measure(quiet) })
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					get("/app/acme?days=92")
					seen++
				}
			}
		}()
		beside = measure(beside)
		close(stop)
		<-done
	}
	slices.Sort(quiet)
	slices.Sort(beside)
	for name, part := range map[string]float64{"p50": .5, "p99": .99} {
		q, s := quiet[int(part*float64(len(quiet)))], beside[int(part*float64(len(beside)))]
		b.ReportMetric(float64(q.Microseconds()), name+"-us")
		b.ReportMetric(float64(s.Microseconds()), name+"-beside-us")
		b.ReportMetric(float64(s)/float64(q), name+"-ratio")
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(len(quiet)), "cpu-us/hit")
	b.ReportMetric(float64(seen)/float64(b.N), "pages/op")
}

// crowd fills the database: through its own connection, since a store would take hours.
func crowd(b *testing.B, path, acme string, workspaces int) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=journal_mode(WAL)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO workspaces (namespace, id, revision, json, created_at, updated_at)
			SELECT printf('ws%05d', i), printf('id%05d', i), 1, replace(replace(json, 'acme', printf('ws%05d', i)), ?, printf('id%05d', i)), created_at, updated_at
			FROM n, workspaces WHERE namespace = 'acme'`, []any{workspaces, acme}},
		{`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?), d (day) AS (SELECT 0 UNION ALL SELECT day + 1 FROM d WHERE day < 399)
			INSERT INTO usage (workspace_id, day, operation, source, requests, hits, transforms, errors, bytes_in, bytes_out) SELECT printf('id%05d', i), date(?, -day || ' days'), 'transform', 'photos', 1000 + day, 900, 100, 1, 1000000, 2000000 FROM d, n ORDER BY 1, 2`, []any{workspaces, now.Format(time.DateOnly)}},
		{`WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 200), d (day) AS (SELECT 0 UNION ALL SELECT day + 1 FROM d WHERE day < 399)
			INSERT INTO usage (workspace_id, day, operation, source, requests, hits, transforms, errors, bytes_in, bytes_out) SELECT ?, date(?, -day || ' days'), 'transform', printf('source-%03d', i), 1000 * i + day, 900 * i, 100 * i, i, 1000000 * i, 2000000 * i FROM d, s`, []any{acme, now.Format(time.DateOnly)}},
		{`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?), t (trail, status) AS (VALUES ('', 0), ('access', 200))
			INSERT INTO audit SELECT ?, trail, strftime('%Y%m%dT%H%M%S.000000-', ?, -i || ' minutes') || printf('%010d', i),
			json_object('id', strftime('%Y%m%dT%H%M%S.000000-', ?, -i || ' minutes') || printf('%010d', i), 'time', strftime('%Y-%m-%dT%H:%M:%SZ', ?, -i || ' minutes'),
				'actor', 'account:anna@example.com', 'action', 'workspace.update', 'target', 'acme', 'status', iif(i % 50 = 0 AND status > 0, 422, status), 'ip', '203.0.113.7',
				'user_agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'before', json('{"allowed_origins":["*"]}'), 'after', json('{"allowed_origins":["https://shop.example"]}'))
			FROM n, t`, []any{10 * workspaces, acme, now.Format(time.DateTime), now.Format(time.DateTime), now.Format(time.DateTime)}},
	} {
		if _, err := db.ExecContext(b.Context(), step.statement, step.args...); err != nil {
			b.Fatal(err)
		}
	}
	var rows int
	if err := db.QueryRowContext(b.Context(), `SELECT count(*) FROM usage`).Scan(&rows); err != nil || rows != 400*workspaces+80_000 {
		b.Fatal(rows, err)
	}
}

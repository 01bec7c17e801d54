package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/rs/zerolog"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// A globalTable models a global table with eventual consistency of two regions, one DynamoDB Local
// each: conditions and transactions see their region only. Items are copied one by one when a test
// says so, and of two versions the one that was written last wins.
type globalTable struct {
	t       *testing.T
	regions [2]*Store
	copied  map[string]item // as both regions had them after the last replication
}

func newGlobalTable(t *testing.T, servers [2]*dynamodblocal.Server) *globalTable {
	t.Helper()
	g := &globalTable{t: t, copied: map[string]item{}}
	table := dynamodblocal.TableName()
	for i, server := range servers {
		g.regions[i] = openTally(t, server.URL(table))
		if _, err := g.regions[i].Init(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.replicate()
	return g
}

// replicate copies what has changed since the last call, of the partitions that begin so, or of all.
// What has changed in both regions was written last in the second one.
func (g *globalTable) replicate(partitions ...string) {
	g.t.Helper()
	now := [2]map[string]item{g.items(0), g.items(1)}
	names := maps.Clone(now[0])
	maps.Copy(names, now[1])
	maps.Copy(names, g.copied)
	for name := range names {
		wanted := len(partitions) == 0
		for _, p := range partitions {
			wanted = wanted || strings.HasPrefix(name, p)
		}
		if !wanted {
			continue
		}
		from := 0
		if !reflect.DeepEqual(now[1][name], g.copied[name]) {
			from = 1
		}
		latest := now[from][name]
		to := g.regions[1-from]
		var err error
		switch {
		case reflect.DeepEqual(latest, now[1-from][name]):
		case latest == nil:
			k := names[name]
			_, err = to.client.deleteItem(g.t.Context(), &dynamodb.DeleteItemInput{TableName: &to.table, Key: key(getText(k, pk), getText(k, sk))})
		default:
			_, err = to.client.putItem(g.t.Context(), &dynamodb.PutItemInput{TableName: &to.table, Item: latest})
		}
		if err != nil {
			g.t.Fatal(err)
		}
		if g.copied[name] = latest; latest == nil {
			delete(g.copied, name)
		}
	}
}

func (g *globalTable) items(region int) map[string]item {
	g.t.Helper()
	all := map[string]item{}
	s := g.regions[region]
	pages := dynamodb.NewScanPaginator(dynamodb.New(s.client.options()), &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(g.t.Context())
		if err != nil {
			g.t.Fatal(err)
		}
		for _, i := range page.Items {
			all[getText(i, pk)+"\n"+getText(i, sk)] = i
		}
	}
	return all
}

// both does the same in both regions, before anything is copied, and fails where one refuses it.
func (g *globalTable) both(do func(s *Store, region int) error) {
	g.t.Helper()
	for i, s := range g.regions {
		if err := do(s, i); err != nil {
			g.t.Fatalf("region %d refuses it: %v", i, err)
		}
	}
}

func (g *globalTable) workspace(region int, namespace string) *workspace.Workspace {
	g.t.Helper()
	w, err := g.regions[region].Get(g.t.Context(), namespace)
	if err != nil {
		g.t.Fatal(err)
	}
	return w
}

// TestGlobalTable shows what docs/scale.md says of servers in two regions on a global table.
func TestGlobalTable(t *testing.T) {
	servers := [2]*dynamodblocal.Server{dynamodblocal.Shared(t), dynamodblocal.Start(t)}
	t.Run("both write", func(t *testing.T) { bothWrite(t, newGlobalTable(t, servers)) })
	t.Run("one reads", func(t *testing.T) { oneReads(t, newGlobalTable(t, servers)) })
}

// bothWrite: servers of two regions each write to their replica, and all that rests on a condition
// breaks.
func bothWrite(t *testing.T, g *globalTable) {
	ctx := t.Context()
	other := 1
	for shardOf("acme") != shardOf(fmt.Sprint("beta-", other)) {
		other++
	}
	beta := fmt.Sprint("beta-", other) // in the same shard of the feed
	for _, name := range []string{"acme", beta, "gamma"} {
		w := workspace.New(name)
		w.Domains = []string{"img.example.com"}
		if err := g.regions[0].Create(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	g.replicate()

	// Two changes of one workspace: the first was acknowledged, and is gone.
	g.both(func(s *Store, region int) error {
		w := g.workspace(region, "acme")
		w.Name = fmt.Sprint("by region ", region)
		return s.Update(ctx, w)
	})
	g.replicate()
	if a, b := g.workspace(0, "acme"), g.workspace(1, "acme"); a.Name != "by region 1" || b.Name != a.Name {
		t.Errorf("acme is %q and %q", a.Name, b.Name)
	}

	// Two workspaces of one namespace.
	var ids [2]string
	g.both(func(s *Store, region int) error {
		w := workspace.New("new")
		defer func() { ids[region] = w.ID }()
		return s.Create(ctx, w)
	})
	g.replicate()
	if w := g.workspace(0, "new"); w.ID == ids[0] || w.ID != ids[1] {
		t.Errorf("new is %s, made were %v", w.ID, ids)
	}

	// Two owners of one domain, each told that it is theirs.
	owners := [2]string{"acme", beta}
	g.both(func(s *Store, region int) error {
		return s.VerifyDomain(ctx, "img.example.com", owners[region], time.Now())
	})
	g.replicate()
	if d, err := g.regions[0].Domain(ctx, "img.example.com"); err != nil || d.Namespace != beta {
		t.Errorf("the domain is that of %q, %v", d.Namespace, err)
	}

	// Two changes with one number in the feed: a server that has read the first never hears of the
	// second, such as of a key that was revoked.
	_, cursor, err := g.regions[0].Changes(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	named := [2]string{"acme", beta}
	g.both(func(s *Store, region int) error {
		w := g.workspace(region, named[region])
		w.Name = "revoked"
		return s.Update(ctx, w)
	})
	changes, cursor, err := g.regions[0].Changes(ctx, cursor)
	if err != nil || len(changes) != 1 || changes[0].Namespace != "acme" {
		t.Fatalf("%v, %v", changes, err)
	}
	g.replicate()
	if w := g.workspace(0, beta); w.Name != "revoked" {
		t.Fatalf("%+v isn't there yet", w)
	}
	if changes, _, err := g.regions[0].Changes(ctx, cursor); err != nil || len(changes) != 0 {
		t.Errorf("a server hears of %v, %v", changes, err)
	}

	// Limits count once a region, and one count is lost.
	month := limit.Request{Key: "acme/transforms", Window: limit.Month, Max: 100, Want: 100}
	var granted int64
	g.both(func(s *Store, _ int) error {
		grant, err := s.Lease(ctx, month)
		granted += grant.Granted
		return err
	})
	g.replicate()
	used, err := g.regions[0].Lease(ctx, limit.Request{Key: month.Key, Window: month.Window, Max: 100})
	if err != nil || granted != 200 || used.Used != 100 {
		t.Errorf("%d of 100 granted, %d counted, %v", granted, used.Used, err)
	}

	// Two servers have the lease of what one must do. Each adds counts up, and one sum is lost.
	g.both(func(s *Store, _ int) error {
		return s.WriteRecords(ctx, []account.Write{{Record: account.Record{Group: "leases", Name: "fold", Data: []byte(`"me"`)}}})
	})
	id, day := g.workspace(0, "gamma").ID, time.Now().UTC().Format(time.DateOnly)
	g.both(func(s *Store, region int) error {
		row := workspace.Usage{WorkspaceID: id, Day: day, Operation: "transform", Source: "photos", Requests: int64(10 * (1 + region))}
		if err := s.AddTally(ctx, workspace.Tally{ID: fmt.Sprint("server-", region), Seq: 1, Usage: []workspace.Usage{row}}); err != nil {
			return err
		}
		_, err := s.Fold(ctx)
		return err
	})
	g.replicate()
	if counted := total(t, g.regions[0], id, day); counted != 20 {
		t.Errorf("%d requests are counted of 30; the model says 20", counted)
	}
}

func total(t *testing.T, s *Store, id, day string) (requests int64) {
	t.Helper()
	s.folding.forget()
	rows, err := s.Usage(t.Context(), id, day, day)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range rows {
		requests += u.Requests
	}
	return requests
}

// oneReads: a server that only reads its region's replica may miss changes too, since items are
// copied in any order. It hears of a change, reads what was there before, and doesn't ask again.
func oneReads(t *testing.T, g *globalTable) {
	ctx := t.Context()
	if err := g.regions[0].Create(ctx, workspace.New("acme")); err != nil {
		t.Fatal(err)
	}
	g.replicate()
	_, cursor, err := g.regions[1].Changes(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	w := g.workspace(0, "acme")
	w.Name = "revoked"
	if err := g.regions[0].Update(ctx, w); err != nil {
		t.Fatal(err)
	}
	g.replicate("FEED")
	changes, cursor, err := g.regions[1].Changes(ctx, cursor)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%v, %v", changes, err)
	}
	if w := g.workspace(1, "acme"); w.Name == "revoked" {
		t.Fatal("the workspace was copied with the feed")
	}
	g.replicate()
	if w := g.workspace(1, "acme"); w.Name != "revoked" {
		t.Fatal("the workspace wasn't copied")
	}
	if changes, _, err := g.regions[1].Changes(ctx, cursor); err != nil || len(changes) != 0 {
		t.Errorf("it hears of %v, %v", changes, err)
	}
}

// far returns the URL of a table through a proxy that adds a time to each answer, and the proxy.
func far(t *testing.T, url string, away time.Duration) (string, *toxiproxy.Proxy) {
	t.Helper()
	at := strings.Index(url, "endpoint=http://") + len("endpoint=http://")
	zerolog.SetGlobalLevel(zerolog.Disabled)
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "home", "127.0.0.1:0", url[at:])
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	toxic := fmt.Sprintf(`{"type":"latency","attributes":{"latency":%d}}`, away.Milliseconds())
	if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatal(err)
	}
	return url[:at] + proxy.Listen, proxy
}

// TestHomeRegion: servers of two other regions, 150 and 290 ms away, use the table of the home
// region. Nothing of TestGlobalTable breaks, changes come in time, and an outage of the home region
// leaves them with what they know.
func TestHomeRegion(t *testing.T) {
	ctx := t.Context()
	url := dynamodblocal.Shared(t).URL(dynamodblocal.TableName())
	home := openTally(t, url)
	if _, err := home.Init(ctx); err != nil {
		t.Fatal(err)
	}
	w := workspace.New("acme")
	w.Domains = []string{"img.example.com"}
	for _, w := range []*workspace.Workspace{w, workspace.New("beta")} {
		if err := home.Create(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	for _, away := range []time.Duration{150 * time.Millisecond, 290 * time.Millisecond} {
		t.Run(away.String(), func(t *testing.T) {
			t.Parallel()
			there, proxy := far(t, url, away)
			counts := &callCounts{}
			s, err := Open(ctx, Config{URL: there, Codec: testCodec(t), Credentials: awsAccount, Timeout: time.Minute, Watch: counts.watch})
			if err != nil {
				t.Fatal(err)
			}
			name := "of-" + away.String()
			w := workspace.New(name)
			var times []string
			within := func(what string, calls int, do func() error) {
				t.Helper()
				counts.take()
				began := time.Now()
				if err := do(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				took := time.Since(began)
				times = append(times, fmt.Sprintf("%s %v", what, took.Round(10*time.Millisecond)))
				if n := counts.take(); n != calls || took < time.Duration(calls)*away {
					t.Errorf("%s took %d calls and %v, want %d times %v", what, n, took, calls, away)
				}
			}
			if _, err := s.readHeads(ctx); err != nil { // as each server that follows the feed has
				t.Fatal(err)
			}
			within("create", 1, func() error { return s.Create(ctx, w) })
			within("read", 1, func() error { _, err := s.Get(ctx, name); return err })
			within("update", 2, func() error { return s.Update(ctx, w) })
			within("purge", 2, func() error {
				_, _, err := s.AddPurges(ctx, name, w.ID, workspace.PurgeLog{}, []workspace.Purge{{Kind: workspace.PurgeAll}})
				return err
			})
			within("tokens of a limit", 1, func() error {
				_, err := s.Lease(ctx, limit.Request{Key: name, Window: limit.Month, Max: 100, Want: 60})
				return err
			})
			t.Logf("%v away: %s", away, strings.Join(times, ", "))

			// What is exact stays exact.
			grant, err := home.Lease(ctx, limit.Request{Key: name, Window: limit.Month, Max: 100, Want: 60})
			if err != nil || grant.Granted != 40 {
				t.Errorf("the home region gets %+v, %v", grant, err)
			}
			if err := home.Create(ctx, workspace.New(name)); !errors.Is(err, workspace.ErrExists) {
				t.Errorf("a second workspace of the name: %v", err)
			}
			old := w.Clone()
			if err := home.Update(ctx, w); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(ctx, old); !errors.Is(err, workspace.ErrConflict) {
				t.Errorf("a change of an older revision: %v", err)
			}

			// A server there hears of changes at home, as fast as it looks and the calls take.
			const poll = 500 * time.Millisecond // a tenth of a server's
			c := cached.New(s, cached.Config{Poll: poll, Log: slog.New(slog.DiscardHandler)})
			running, stop := context.WithCancel(ctx)
			var following sync.WaitGroup
			following.Go(func() { c.Run(running) })
			defer following.Wait()
			defer stop()
			for fromMemory := false; !fromMemory; { // what is read while the feed is first looked at isn't kept
				began := time.Now()
				if _, err := c.Get(ctx, name); err != nil {
					t.Fatal(err)
				}
				fromMemory = time.Since(began) < away
			}
			for i := range 3 {
				w, err := home.Get(ctx, name)
				if err != nil {
					t.Fatal(err)
				}
				w.Name = fmt.Sprint("change ", i)
				if err := home.Update(ctx, w); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for {
					if got, err := c.Get(ctx, name); err == nil && got.Name == w.Name {
						break
					}
					if time.Since(began) > time.Minute { // poll and five times away are due: heads, a shard, two reads
						t.Fatalf("a change isn't there after %v", time.Since(began))
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Logf("%v away: a change is there after %v", away, time.Since(began).Round(10*time.Millisecond))
			}

			// The home region is gone: images go on by what is in memory, changes are refused.
			proxy.Stop()
			if got, err := c.Get(ctx, name); err != nil || got.Name != "change 2" {
				t.Errorf("in the outage: %+v, %v", got, err)
			}
			soon, gone := context.WithTimeout(ctx, 3*time.Second)
			defer gone()
			if err := s.Update(soon, w.Clone()); !errors.Is(err, workspace.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a change in the outage: %v", err)
			}
		})
	}
}

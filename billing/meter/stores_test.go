package meter_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/dynamodb"
)

// anyStore is what a meter needs of a store, and what fills it.
type anyStore interface {
	workspace.Store
	workspace.Counters
	account.Records
}

// tellsTo is a receiver as one server sees it. It drops what a killed server sends.
type tellsTo struct {
	*receiver
	from *killing
}

func (s tellsTo) Send(_ context.Context, e meter.Event) error {
	return s.from.point(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take(e)
		return nil
	})
}

// TestStores: of two servers on one store, the first is killed at every other of its writes and
// messages in turn (TestKilledAtEachPoint is at each, without a store). The other one goes on, and the receiver has every unit once, by the IDs.
func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) anyStore{
		"sqlite": func(t *testing.T) anyStore {
			s, err := openStore(filepath.Join(t.TempDir(), "store.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
		"dynamodb": func(t *testing.T) anyStore {
			codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
			if err != nil {
				t.Fatal(err)
			}
			s, err := dynamodb.Open(t.Context(), dynamodb.Config{
				URL: dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), Codec: codec, Timeout: time.Minute,
				Credentials: credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, ""),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Init(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for the store
			points, repeats := 0, 0
			for n := 1; ; n += 2 {
				reached, again := killOne(t, open(t), n, n%4 == 1)
				if !reached {
					break
				}
				points, repeats = points+1, repeats+again
			}
			if points < 10 {
				t.Errorf("only %d points", points)
			}
			t.Logf("killed at %d points: each unit was told once, %d events came twice under one ID", points, repeats)
		})
	}
}

// killOne has two servers tell what two workspaces use in two hours. The first is killed at its
// n-th write or message, before or after it. It reports whether there were so many.
func killOne(t *testing.T, store anyStore, n int, after bool) (reached bool, repeats int) {
	t.Helper()
	now, day := begin.Add(10*time.Hour+5*time.Minute), begin.Format(time.DateOnly)
	r := &receiver{}
	server := func(left int) (*killing, *meter.Meter) {
		k := &killing{inner: store, left: left, after: after}
		return k, meter.New(meter.Config{
			Workspaces: store, Counts: store, Records: k, Sinks: []meter.Sink{tellsTo{r, k}}, Source: "https://img.example.com",
			Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		})
	}
	first, one := server(n)
	_, two := server(0)
	var all []*workspace.Workspace
	for _, name := range []string{"acme", "corp"} {
		w := workspace.New(name)
		if err := store.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	use := func(w *workspace.Workspace, operation string, units workspace.Units) {
		t.Helper()
		if err := store.AddTally(t.Context(), workspace.Tally{ID: rand.Text(), Usage: []workspace.Usage{
			{WorkspaceID: w.ID, Day: day, Operation: operation, Source: "photos", Requests: 1, Transforms: 1, Units: units},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	steps := func() {
		t.Helper()
		for range 4 {
			if err := one.Step(t.Context()); !first.dead && err != nil {
				t.Fatal(err)
			}
			if err := two.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(40 * time.Second)
		}
	}
	use(all[0], "transform", 9000) // before metering
	steps()
	for range 2 {
		now = now.Add(time.Hour).Truncate(time.Hour).Add(2 * time.Minute)
		use(all[0], "transform", 1000)
		use(all[1], "info", 500)
		steps()
	}
	want := map[string]workspace.Units{"acme " + day + " transform": 2000, "corp " + day + " info": 1000}
	if got := r.units(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("killed at %d, after it %v: %v, want %v", n, after, got, want)
	}
	return first.dead, len(r.got) - len(r.events)
}

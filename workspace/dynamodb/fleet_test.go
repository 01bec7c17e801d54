package dynamodb

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
)

// units adds up what the service says that requests have consumed.
type units struct {
	mu          sync.Mutex // guards all below
	read, write float64
}

func (u *units) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("units",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			asked := reflect.ValueOf(in.Parameters).Elem()
			returned := asked.FieldByName("ReturnConsumedCapacity")
			if !returned.IsValid() { // a call about the table
				return next.HandleInitialize(ctx, in)
			}
			returned.SetString(string(types.ReturnConsumedCapacityTotal))
			out, metadata, err := next.HandleInitialize(ctx, in)
			if err != nil {
				return out, metadata, err
			}
			sum := 0.0
			switch used := reflect.ValueOf(out.Result).Elem().FieldByName("ConsumedCapacity").Interface().(type) {
			case *types.ConsumedCapacity:
				sum = *used.CapacityUnits
			case []types.ConsumedCapacity:
				for _, c := range used {
					sum += *c.CapacityUnits
				}
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			switch name := asked.Type().Name(); {
			case strings.HasPrefix(name, "Query"), strings.HasPrefix(name, "Get"), strings.HasPrefix(name, "BatchGet"):
				u.read += sum
			default:
				u.write += sum
			}
			return out, metadata, err
		}), middleware.Before)
}

// during returns what is consumed while do runs.
func (u *units) during(t *testing.T, do func() error) (read, write float64) {
	t.Helper()
	u.read, u.write = 0, 0
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return u.read, u.write
}

// List prices of a million units in us-east-1, on demand, in dollars.
const (
	readPrice  = 0.125
	writePrice = 0.625

	month = 30 * 24 * time.Hour
)

// A fleet has so many servers, each of which gets an equal share of the images of all workspaces,
// as where a front spreads them by path. The r-th workspace has a share of 1/r.
type fleet struct {
	name                      string
	nodes, workspaces, images int     // images a day
	most                      float64 // dollars a month
}

// share returns the share of the images that the workspace of a rank has.
func (f fleet) share(rank float64) float64 {
	return 1 / (rank * (math.Log(float64(f.workspaces)) + 0.5772))
}

// counted returns what one server counts in a span, as its Recorder hands it to a store.
func (f fleet) counted(t *testing.T, span time.Duration, random *rand.Rand) (all []workspace.Tally) {
	t.Helper()
	to := tallies{&all}
	r := usage.New(usage.Config{Counters: to, Patience: time.Hour})
	n := int(float64(f.images) / float64(f.nodes) * span.Hours() / 24)
	for range max(n, 1) {
		rank := int(math.Exp(random.Float64() * math.Log(float64(f.workspaces))))
		made, source := workspace.Usage{Requests: 1, Hits: 1, BytesOut: 2000 + random.Int64N(60_000)}, "photos"
		if random.IntN(10) == 0 {
			made.Hits, made.Transforms, made.Units, made.BytesIn = 0, 1, workspace.Unit, 100_000+random.Int64N(3_000_000)
		}
		if random.IntN(100) < 15 {
			source = "avatars"
		}
		r.Count(workspaceID(rank), "transform", source, usage.By{}, made)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return all
}

// workspaceID looks like one that a store makes.
func workspaceID(rank int) string {
	random := rand.New(rand.NewPCG(uint64(rank), 1))
	id := make([]byte, 26)
	for i := range id {
		id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random.IntN(32)]
	}
	return string(id)
}

// rows returns how many rows the whole fleet counts in within a span, by expectation.
func (f fleet) rows(span time.Duration) (n float64) {
	images := float64(f.images) * span.Hours() / 24
	for r, step := 1.0, 1.0; r <= float64(f.workspaces); r += step {
		step = max(1, math.Floor(r/1000))
		for _, source := range []float64{0.85, 0.15} {
			n += step * (1 - math.Exp(-images*source*f.share(r+step/2)))
		}
	}
	return n
}

// folds returns the time between two folds, and the rows of each, where so many bytes come in a
// second: see usage.RunFolds.
func (f fleet) folds(bytes float64) (every time.Duration, rows float64) {
	every = min(max(5*time.Minute, time.Duration(300_000/bytes*float64(time.Second))), time.Hour)
	for every < time.Hour && f.rows(every)/300 > every.Seconds() {
		every += 30 * time.Second
	}
	return every, f.rows(every)
}

// room is how many workspaces a server has in memory and on its disk, by default: 6 kB each in 256 MiB,
// and 1.2 kB in the 1 GiB of --copies-disk.
const room = 256<<20/6000 + 1<<30/1200

// loads returns how often a server reads a workspace in a month, where it begins with nothing: each
// once, and those again that had to make room (the approximation of Che, Tung and Wang).
func (f fleet) loads() float64 {
	asked := float64(f.images) * 30 / float64(f.nodes)
	sum := func(each func(share float64) float64) (n float64) {
		for r, step := 1.0, 1.0; r <= float64(f.workspaces); r += step {
			step = max(1, math.Floor(r/1000))
			n += min(step, float64(f.workspaces)-r+1) * each(f.share(r+step/2))
		}
		return n
	}
	distinct := func(requests float64) float64 {
		return sum(func(share float64) float64 { return -math.Expm1(-requests * share) })
	}
	if distinct(asked) <= room {
		return distinct(asked)
	}
	low, high := 0.0, asked
	for range 40 {
		if mid := (low + high) / 2; distinct(mid) > room {
			high = mid
		} else {
			low = mid
		}
	}
	return room + (asked-high)*sum(func(share float64) float64 { return share * math.Exp(-high*share) })
}

type tallies struct{ list *[]workspace.Tally }

func (l tallies) AddTally(_ context.Context, t workspace.Tally) error {
	*l.list = append(*l.list, t)
	return nil
}
func (tallies) Usage(context.Context, string, string, string) ([]workspace.Usage, error) {
	return nil, nil
}
func (tallies) UsageInParts(context.Context, string, string, string) ([]workspace.Usage, error) {
	return nil, nil
}

// TestFleetCosts counts what a month of three fleets costs, without limits, and compares it with
// docs/scale.md. What one server sends and what a fold takes is measured, with the units that the
// service tells. How many rows a fold has in the whole fleet is computed from the shares.
func TestFleetCosts(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "scale.md"))
	if err != nil {
		t.Fatal(err)
	}
	used := &units{}
	for _, f := range []fleet{
		{name: "1 node", nodes: 1, workspaces: 10, images: 100_000, most: 0.25},
		{name: "10 nodes", nodes: 10, workspaces: 10_000, images: 100_000_000, most: 250},
		{name: "200 nodes", nodes: 200, workspaces: 1_000_000, images: 1_000_000_000, most: 2500},
	} {
		s := openTally(t, dynamodblocal.Shared(t).URL(dynamodblocal.TableName()), used.watch)
		if _, err := s.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(7, uint64(f.nodes)))
		span := time.Minute // see usage: a server with many rows sends each minute
		if f.workspaces < 25 {
			span = 5 * time.Minute
		}
		if err := s.Create(t.Context(), workspace.New("acme")); err != nil { // the feed has a head
			t.Fatal(err)
		}
		rows := 0
		_, sent := used.during(t, func() error {
			for _, tally := range f.counted(t, span, random) {
				rows += len(tally.Usage)
				if err := s.AddTally(t.Context(), tally); err != nil {
					return err
				}
			}
			return nil
		})
		if rows < 100 { // the service takes a second for a thousand rows
			folded := workspace.Folded{}
			_, took := used.during(t, func() (err error) { folded, err = s.Fold(t.Context()); return err })
			if want := float64(folded.Rows) + 2*sent; took != want { // the record of the fold is as small as the tally
				t.Errorf("a fold of %d rows consumes %v units, with %v sent, want %v", folded.Rows, took, sent, want)
			}
		}
		loadRead, _ := used.during(t, func() error {
			w, err := s.Get(t.Context(), "acme")
			if err == nil {
				_, err = s.PurgeLog(t.Context(), w.ID, workspace.PurgeLog{})
			}
			return err
		})
		lookRead, _ := used.during(t, func() error { _, _, err := s.Changes(t.Context(), ""); return err })

		spans := month.Seconds() / span.Seconds() * float64(f.nodes)
		every, foldRows := f.folds(1000 * sent * float64(f.nodes) / span.Seconds() / parts(rows))
		folds := month.Seconds() / every.Seconds()
		write := spans*2*sent + folds*foldRows // tallies are deleted; a row is a unit: see TestUsageRowIsAUnit
		reads := spans*sent/4 + folds*tallyParts/2
		idle := float64(f.nodes) * (lookRead*month.Seconds()/5 + otherReads)
		countsCost := (write*writePrice + reads*readPrice) / 1e6
		loadsCost := float64(f.nodes) * f.loads() * loadRead * readPrice / 1e6
		cost := countsCost + (idle*readPrice)/1e6 + loadsCost
		millions := float64(f.images) * 30 / 1e6
		line := fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s |", f.name, short(f.workspaces), short(f.images),
			round(write/millions), dollars(countsCost), dollars(cost-countsCost-loadsCost), dollars(loadsCost), dollars(cost))
		t.Logf("%s: %.0f rows and %.0f units a minute and node, a fold of %.0f rows every %v, %.0f loads of %v units a node\n%s", f.name, float64(rows)/span.Minutes(), sent/span.Minutes(), foldRows, every, f.loads(), loadRead, line)
		if !strings.Contains(string(page), line) {
			t.Errorf("docs/scale.md has not the line\n%s", line)
		}
		if cost > f.most {
			t.Errorf("%s: $%.2f a month, at most $%.2f", f.name, cost, f.most)
		}
	}
}

// parts returns over how many parts of the table the tallies of so many rows go.
func parts(rows int) float64 {
	if rows <= wholeRows {
		return 1
	}
	return tallyParts - 1
}

// otherReads are the units that a server reads in a month for plans, claims, alerts and leases,
// as docs/scale.md says.
const otherReads = 518_400 + 259_200 + 7*43_200 + 43_200

func short(n int) string {
	e := int(math.Round(math.Log10(float64(n))))
	return "10" + string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[e])
}

// round returns a figure that doesn't change with each small change.
func round(x float64) string {
	d := math.Pow(10, math.Floor(math.Log10(x))-1)
	return fmt.Sprintf("%.0f", math.Round(x/d)*d)
}

func dollars(x float64) string {
	if x < 10 {
		return fmt.Sprintf("$%.2f", x)
	}
	return "$" + round(x)
}

package meter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A receiver is a sink that keeps what it gets, and drops repeats by ID.
type receiver struct {
	mu     sync.Mutex
	events map[string]meter.Event
	got    []string // IDs, with repeats
	answer func(meter.Event) error
	takes  bool // answer takes events itself
}

func (r *receiver) Name() string { return "receiver" }

func (r *receiver) Send(_ context.Context, e meter.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		if err := r.answer(e); err != nil {
			return err
		}
	}
	if !r.takes {
		r.take(e)
	}
	return nil
}

func (r *receiver) take(e meter.Event) {
	if r.events == nil {
		r.events = map[string]meter.Event{}
	}
	r.events[e.ID] = e
	r.got = append(r.got, e.ID)
}

// units are the sums by workspace, day and operation.
func (r *receiver) units() map[string]workspace.Units {
	r.mu.Lock()
	defer r.mu.Unlock()
	sums := map[string]workspace.Units{}
	for _, e := range r.events {
		sums[e.Data.Workspace+" "+e.Data.Day+" "+e.Data.Operation] += e.Data.Units
	}
	return sums
}

// A bench is a store, and a clock for its meters.
type bench struct {
	*testing.T
	store   *workspacetest.Memory
	records account.Records // what meters use
	now     time.Time
	tallies int
	log     bytes.Buffer
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, store: workspacetest.NewMemory(), now: time.Date(2026, 5, 1, 10, 30, 0, 0, time.UTC)}
	b.records = b.store
	return b
}

func (b *bench) meter(sinks ...meter.Sink) *meter.Meter {
	return meter.New(meter.Config{
		Workspaces: b.store, Counts: b.store, Records: b.records, Sinks: sinks, Source: "https://img.example.com",
		Now: func() time.Time { return b.now }, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
}

// next is the meter of a server that takes over after the one before has ended.
func (b *bench) next(sinks ...meter.Sink) *meter.Meter {
	b.Helper()
	m := b.meter(sinks...)
	b.step(m)
	b.now = b.now.Add(2 * time.Minute) // it has seen no renewal
	return m
}

func (b *bench) workspace(namespace string) *workspace.Workspace {
	b.Helper()
	w := workspace.New(namespace)
	if err := b.store.Create(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	return w
}

// use counts units.
func (b *bench) use(w *workspace.Workspace, day, operation string, units workspace.Units) {
	b.Helper()
	b.tallies++
	err := b.store.AddTally(b.Context(), workspace.Tally{ID: fmt.Sprint(b.tallies), Usage: []workspace.Usage{
		{WorkspaceID: w.ID, Day: day, Operation: operation, Source: fmt.Sprint("s", b.tallies%3), Requests: 1, Transforms: 1, Units: units},
	}})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) step(m *meter.Meter) {
	b.Helper()
	if err := m.Step(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) at(clock string) {
	b.Helper()
	var err error
	if b.now, err = time.Parse("2006-01-02 15:04", clock); err != nil {
		b.Fatal(err)
	}
}

// TestHourly: an event an hour for each workspace and operation, about what is new. What was
// used before metering began is not told. IDs say which units they are of.
func TestHourly(t *testing.T) {
	b := newBench(t)
	acme, idle := b.workspace("acme"), b.workspace("idle")
	_ = idle
	b.use(acme, "2026-05-01", "transform", 5000)
	r := &receiver{}
	m := b.meter(r)
	b.step(m) // begins
	b.use(acme, "2026-05-01", "transform", 1000)
	b.use(acme, "2026-05-01", "transform", 1000)
	b.use(acme, "2026-05-01", "grid", 2000)
	other := b.workspace("other") // that is new
	b.use(other, "2026-05-01", "info", 500)
	b.at("2026-05-01 11:00")
	b.step(m)
	if len(r.got) != 0 {
		t.Errorf("in the first minute of an hour: %v", r.got)
	}
	b.at("2026-05-01 11:01")
	b.step(m)
	b.step(m)
	if want := []string{acme.ID + "/2026-05-01/grid/0-2000", acme.ID + "/2026-05-01/transform/5000-7000", other.ID + "/2026-05-01/info/0-500"}; len(r.got) != 3 || r.events[want[0]].ID == "" || r.events[want[1]].ID == "" || r.events[want[2]].ID == "" {
		t.Fatalf("%v, want %v", r.got, want)
	}
	data, err := json.Marshal(r.events[other.ID+"/2026-05-01/info/0-500"])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","type":"tintype.usage.v1","id":"` + other.ID + `/2026-05-01/info/0-500","source":"https://img.example.com","subject":"` + other.ID + `","time":"2026-05-01T10:59:59Z",` +
		`"datacontenttype":"application/json","data":{"workspace":"other","workspace_id":"` + other.ID + `","operation":"info","day":"2026-05-01","units":0.5}}`
	if string(data) != want {
		t.Errorf("%s\nwant %s", data, want)
	}

	// The day ends. What a server counts late for it is told with a time of that day.
	b.use(acme, "2026-05-01", "transform", 250)
	b.use(acme, "2026-05-02", "transform", 1000)
	b.at("2026-05-02 03:05") // nobody did it for some hours
	b.step(m)
	late, today := r.events[acme.ID+"/2026-05-01/transform/7000-7250"], r.events[acme.ID+"/2026-05-02/transform/0-1000"]
	if late.Time.Format(time.RFC3339) != "2026-05-01T23:59:59Z" || today.Time.Format(time.RFC3339) != "2026-05-02T02:59:59Z" {
		t.Errorf("late: %+v; today: %+v", late, today)
	}
	// Nobody did it for days.
	for day := 2; day <= 9; day++ {
		b.use(acme, fmt.Sprintf("2026-05-%02d", day), "transform", 1000)
	}
	b.at("2026-05-09 03:05")
	b.step(b.next(r))
	if got := r.units()["acme 2026-05-06 transform"]; got != 1000 {
		t.Errorf("after days without a meter: %v", r.units())
	}
	if got := r.units()["acme 2026-05-02 transform"]; got != 2000 {
		t.Errorf("of the day of the last event: %v", got)
	}
}

// TestDeleted: what a workspace used before it was deleted is told.
func TestDeleted(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	r := &receiver{}
	m := b.meter(r)
	b.step(m)
	b.use(w, "2026-05-01", "transform", 1000)
	b.at("2026-05-01 11:01")
	b.step(m)
	b.use(w, "2026-05-01", "transform", 1000)
	if err := b.store.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	again := b.workspace("acme")
	b.use(again, "2026-05-01", "transform", 1000)
	b.at("2026-05-01 12:01")
	b.step(m)
	if got := r.units()["acme 2026-05-01 transform"]; got != 3000 {
		t.Errorf("%v: %v", got, r.got)
	}
}

// TestLease: of several servers one sends, and another one takes over when it is gone.
func TestLease(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	r, s := &receiver{}, &receiver{}
	first, second := b.meter(r), b.meter(s)
	b.step(first)
	b.use(w, "2026-05-01", "transform", 1000)
	b.now = b.now.Add(10 * time.Second)
	b.step(second)
	for range 40 {
		b.now = b.now.Add(50 * time.Second)
		b.step(first)
		b.step(second)
	}
	if len(r.got) != 1 || len(s.got) != 0 {
		t.Errorf("both live: %v and %v", r.got, s.got)
	}
	b.use(w, "2026-05-01", "transform", 1000)
	b.at("2026-05-01 12:02")
	b.step(second)
	if len(s.got) != 1 {
		t.Errorf("the first is gone: %v", s.got)
	}
}

// killing stands for kill -9: from one write on, or one message, before or after it is done,
// nothing that this process does has an effect.
type killing struct {
	inner
	mu    sync.Mutex
	left  int
	after bool
	dead  bool
}

var errKilled = errors.New("killed")

// inner is a store under a name that isn't that of its method.
type inner interface{ account.Records }

func (k *killing) point(do func() error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left--
	if k.dead = k.dead || k.left == 0; k.dead && (k.left != 0 || !k.after) {
		return errKilled
	}
	err := do()
	if k.dead {
		err = errKilled
	}
	return err
}

func (k *killing) WriteRecords(ctx context.Context, w []account.Write, audit ...workspace.AuditEntry) error {
	return k.point(func() error { return k.inner.WriteRecords(ctx, w, audit...) })
}

// TestKilledAtEachPoint: whatever a meter was about to do, or had just done, when it was
// killed, the next one goes on: every unit is told, and what is told twice has the same ID.
func TestKilledAtEachPoint(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		points := 0
		for n := 1; ; n++ {
			reached := false
			for _, after := range []bool{false, true} {
				reached = killAt(t, n, after, forgets) || reached
			}
			if !reached {
				break
			}
			points++
		}
		if points < 15 {
			t.Errorf("only %d points", points)
		}
	}
}

// forgetful is a receiver that recognises repeats for a day.
type forgetful struct{ *receiver }

func (forgetful) Remembers() time.Duration { return 20 * time.Hour }

func killAt(t *testing.T, n int, after, forgets bool) (reached bool) {
	b := newBench(t)
	a, c := b.workspace("acme"), b.workspace("corp")
	b.use(a, "2026-05-01", "transform", 9000) // before metering
	b.step(b.meter(&receiver{}))
	k := &killing{inner: b.store, left: n, after: after}
	b.records = k
	r := &receiver{takes: true}
	r.answer = func(e meter.Event) error {
		return k.point(func() error { r.take(e); return nil })
	}
	var sink meter.Sink = r
	if forgets {
		sink = forgetful{r}
	}
	live := b.meter(sink)
	step := func() {
		err := live.Step(t.Context())
		if !k.dead {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		reached, k.dead, k.left = true, false, 0
		live = b.next(sink)
	}
	for hour := 11; hour < 14; hour++ {
		b.use(a, "2026-05-01", "transform", 1000)
		b.use(a, "2026-05-01", "grid", 2000)
		b.use(c, "2026-05-01", "info", 500)
		b.at(fmt.Sprintf("2026-05-01 %d:03", hour))
		step()
		step()
	}
	b.at("2026-05-01 15:01")
	step()
	b.at("2026-05-01 16:01")
	step()
	want := map[string]workspace.Units{"acme 2026-05-01 transform": 3000, "acme 2026-05-01 grid": 6000, "corp 2026-05-01 info": 1500}
	if got := r.units(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("killed at %d, after %v, forgets %v: %v, want %v", n, after, forgets, got, want)
	}
	seen := map[string]int{}
	for _, id := range r.got {
		if seen[id]++; seen[id] > 2 {
			t.Errorf("killed at %d: %s was sent %d times", n, id, seen[id])
		}
	}
	return reached
}

// TestTwoAtOnce: where two servers believe that they have the lease, each unit is told under
// one ID.
func TestTwoAtOnce(t *testing.T) {
	b := newBench(t)
	var all []*workspace.Workspace
	for i := range 40 {
		all = append(all, b.workspace(fmt.Sprint("ws-", i)))
	}
	r := &receiver{}
	b.step(b.meter(r))
	for _, w := range all {
		b.use(w, "2026-05-01", "transform", 1000)
	}
	b.at("2026-05-01 11:01")
	var both sync.WaitGroup
	for range 2 {
		b.records = everybody{b.store}
		m := b.meter(r)
		both.Go(func() {
			if err := m.Step(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if len(r.events) != len(all) {
		t.Errorf("%d events, want %d", len(r.events), len(all))
	}
	for name, units := range r.units() {
		if units != 1000 {
			t.Errorf("%s: %v", name, units)
		}
	}
}

// everybody has the lease.
type everybody struct{ inner }

func (e everybody) Record(ctx context.Context, group, name string) (account.Record, error) {
	if group == "leases" {
		return account.Record{}, workspace.ErrNotFound
	}
	return e.inner.Record(ctx, group, name)
}

func (e everybody) WriteRecords(ctx context.Context, w []account.Write, audit ...workspace.AuditEntry) error {
	if w[0].Group == "leases" {
		return nil
	}
	return e.inner.WriteRecords(ctx, w, audit...)
}

// TestDown: a receiver that fails is asked again, less and less often, and then gets all of it
// in order. Others don't wait for it.
func TestDown(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	down := errors.New("connection refused")
	asked := 0
	bad := &receiver{answer: func(meter.Event) error { asked++; return down }}
	good := named{&receiver{}, "good"}
	registry := prometheus.NewRegistry()
	m := meter.New(meter.Config{
		Workspaces: b.store, Counts: b.store, Records: b.records, Sinks: []meter.Sink{bad, good}, Metrics: registry,
		Now: func() time.Time { return b.now }, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	b.step(m)
	b.at("2026-05-01 11:01")
	for range 3 * 24 * 60 { // three days
		if b.now.Minute() == 30 {
			b.use(w, b.now.Format(time.DateOnly), "transform", 1000)
		}
		b.step(m)
		b.now = b.now.Add(time.Minute)
	}
	if len(good.events) < 70 || len(bad.events) != 0 {
		t.Errorf("%d and %d events", len(good.events), len(bad.events))
	}
	if asked > 3*24*2+10 {
		t.Errorf("asked %d times in three days", asked)
	}
	if logged := strings.Count(b.log.String(), "connection refused"); logged == 0 || logged > 3*24 {
		t.Errorf("%d log lines", logged)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	waiting := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			if f.GetName() == "tintype_billing_backlog_events" {
				waiting[one.GetLabel()[0].GetValue()] = one.GetGauge().GetValue()
			}
		}
	}
	if waiting["good"] != 0 || waiting["receiver"] != float64(len(good.events)) {
		t.Errorf("backlog: %v", waiting)
	}
	bad.answer = nil
	b.now = b.now.Add(time.Hour)
	b.step(m)
	if len(bad.events) != len(good.events) || fmt.Sprint(bad.units()) != fmt.Sprint(good.units()) {
		t.Errorf("%d events, want %d", len(bad.events), len(good.events))
	}
	for i := 1; i < len(bad.got); i++ {
		if bad.events[bad.got[i]].Time.Before(bad.events[bad.got[i-1]].Time) {
			t.Fatalf("%s comes after %s", bad.got[i], bad.got[i-1])
		}
	}
}

// silent is a receiver that takes connections and never answers.
type silent struct{ *receiver }

func (silent) Name() string { return "silent" }

func (silent) Send(ctx context.Context, _ meter.Event) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestSilent: a receiver that never answers holds up the others for half a minute, and is asked
// again later. Nothing is lost.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		w := b.workspace("acme")
		r, good := &receiver{}, named{&receiver{}, "good"}
		m := b.meter(silent{r}, good)
		b.step(m)
		for hour := 11; hour < 15; hour++ {
			b.use(w, "2026-05-01", "transform", 1000)
			b.at(fmt.Sprintf("2026-05-01 %d:01", hour))
			began := time.Now()
			b.step(m)
			if took := time.Since(began); took > 31*time.Second {
				t.Errorf("a step took %v", took)
			}
		}
		if len(good.got) != 4 || good.units()["acme 2026-05-01 transform"] != 4000 {
			t.Errorf("the other one has %v", good.got)
		}
		if waiting, err := b.store.Records(t.Context(), "billing-queue-silent", "", 10); err != nil || len(waiting) != 4 {
			t.Errorf("%d wait, %v", len(waiting), err)
		}
	})
}

type named struct {
	*receiver
	name string
}

func (n named) Name() string { return n.name }

// TestUnknownOutcome: an event that a forgetful receiver may have is sent again for 20 hours,
// then reported. One that was refused for sure, or was never sent, is sent whenever it can be.
func TestUnknownOutcome(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		reported bool
	}{
		{"no answer", errors.New("timeout"), true},
		{"busy", &meter.Refusal{Err: errors.New("429")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			w := b.workspace("acme")
			r := &receiver{}
			var asked []time.Time
			r.answer = func(meter.Event) error { asked = append(asked, b.now); return c.err }
			m := b.meter(forgetful{r})
			b.step(m)
			b.use(w, "2026-05-01", "transform", 1000)
			b.use(w, "2026-05-01", "grid", 1000)
			b.at("2026-05-01 11:01")
			for range 30 * 60 { // 30 hours
				b.step(m)
				b.now = b.now.Add(time.Minute)
			}
			r.answer = nil
			b.now = b.now.Add(time.Hour)
			b.step(m)
			reports := strings.Count(b.log.String(), "usage was not billed")
			if c.reported {
				// The other event of the batch was sent for the first time after the first was given up.
				if last := asked[len(asked)-1]; reports != 1 || len(r.got) != 1 || last.Before(asked[0].Add(20*time.Hour)) {
					t.Errorf("%d reports, got %v; %s", reports, r.got, b.log.String())
				}
				failed, err := b.store.Records(t.Context(), "billing-failed-receiver", "", 10)
				if err != nil || len(failed) != 1 || !strings.Contains(string(failed[0].Data), "grid") {
					t.Errorf("%+v, %v", failed, err)
				}
			} else if reports != 0 || len(r.got) != 2 {
				t.Errorf("%d reports, got %v", reports, r.got)
			}
		})
	}
}

// TestRefusedEvent: an event that a receiver will never take is reported once, and the next
// ones are sent.
func TestRefusedEvent(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	r := &receiver{}
	r.answer = func(e meter.Event) error {
		if e.Data.Operation == "grid" {
			return &meter.Refusal{Err: errors.New("no such customer"), Event: true}
		}
		return nil
	}
	m := b.meter(r)
	b.step(m)
	b.use(w, "2026-05-01", "grid", 2000)
	b.use(w, "2026-05-01", "transform", 1000)
	b.at("2026-05-01 11:01")
	b.step(m)
	b.step(m)
	if len(r.got) != 1 || strings.Count(b.log.String(), "usage was not billed") != 1 || !strings.Contains(b.log.String(), "units=2") {
		t.Errorf("got %v; %s", r.got, b.log.String())
	}
}

// TestFullStore: while the store can't be written, nothing is sent and nothing is lost.
func TestFullStore(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	r := &receiver{}
	f := &full{inner: b.store}
	b.records = f
	m := b.meter(r)
	b.step(m)
	f.is = true
	b.use(w, "2026-05-01", "transform", 1000)
	b.at("2026-05-01 11:01")
	if err := m.Step(t.Context()); !errors.Is(err, workspace.ErrFull) {
		t.Error(err)
	}
	f.is = false
	b.step(m)
	if len(r.got) != 1 {
		t.Errorf("%v", r.got)
	}
}

// full is a store on a disk without room, while is.
type full struct {
	inner
	is bool
}

func (f *full) WriteRecords(ctx context.Context, w []account.Write, audit ...workspace.AuditEntry) error {
	if f.is {
		return workspace.ErrFull
	}
	return f.inner.WriteRecords(ctx, w, audit...)
}

// TestClocks: a clock that is an hour ahead, or behind, tells each unit once. One that is far
// ahead is said, and nothing is told twice when it is right again.
func TestClocks(t *testing.T) {
	b := newBench(t)
	w := b.workspace("acme")
	r := &receiver{}
	m := b.meter(r)
	b.step(m)
	for _, clock := range []string{"2026-05-01 12:05", "2026-05-01 11:06", "2026-05-01 23:59", "2026-05-02 00:05", "2026-05-01 23:06", "2026-05-02 01:05"} {
		b.use(w, "2026-05-01", "transform", 1000)
		b.at(clock)
		b.step(b.next(r))
	}
	if got := r.units()["acme 2026-05-01 transform"]; got != 6000 {
		t.Errorf("%v: %v", got, r.got)
	}
	b.at("2026-06-02 01:05")
	b.step(b.next(r))
	b.at("2026-05-02 02:05")
	b.use(w, "2026-05-02", "transform", 1000)
	if err := b.next(r).Step(t.Context()); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Error(err)
	}
	if got := r.units()["acme 2026-05-01 transform"]; got != 6000 {
		t.Errorf("after a clock that was a month ahead: %v", r.got)
	}
}

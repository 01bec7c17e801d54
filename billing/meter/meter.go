// Package meter tells those who bill what workspaces used: once an hour an [Event] for each
// workspace and operation, from a journal in the store.
//
// For most uses, call [New] with the receivers, and [Meter.Run] in a goroutine.
//
// The counts of usage are the truth. Every hour the meter compares them with what it has told
// of each workspace so far, and writes the new sums and the events about the difference in one
// step. An event stays in the journal until its receiver has taken it. So a process may be
// killed at any point: no unit is lost, and what is sent twice has the same ID. Counts that a
// server writes late are in the next event. Of several servers, the one that has a lease works;
// where two believe that they have it, they make the same steps, and each step holds once.
package meter

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/workspace"
)

// A Sink is a receiver of events. Its methods are called by one goroutine at a time.
type Sink interface {
	// Name names the receiver in the journal, in logs and metrics: a word of a-z.
	Name() string
	// Send sends an event. The receiver has it when the error is nil. The error may be a
	// *Refusal. The caller bounds the time by ctx.
	Send(ctx context.Context, e Event) error
}

// A Forgetful sink recognises an event that it has had already only for some time.
type Forgetful interface {
	// Remembers is how long it does. An event that may have been sent longer ago is reported
	// in the log, not sent again.
	Remembers() time.Duration
}

// A Refusal is the error of a receiver that has answered, and hasn't taken the event.
type Refusal struct {
	Err   error
	Event bool // the event is what it refuses: it is reported, and not sent again
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// ErrSkip is the error of a sink that an event doesn't concern. The event counts as sent.
var ErrSkip = errors.New("the event doesn't concern this receiver")

// Workspaces lists workspaces: see [workspace.Store].
type Workspaces interface {
	List(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error)
}

// Counts has what workspaces used: see [workspace.Counters].
type Counts interface {
	Usage(ctx context.Context, workspaceID, from, to string) ([]workspace.Usage, error)
}

// Config has what a [Meter] needs. Metrics, Log and Now may be nil.
type Config struct {
	Workspaces Workspaces
	Counts     Counts
	Records    account.Records // has the journal
	Sinks      []Sink
	Source     string // of events: a URL or name of the installation
	Metrics    prometheus.Registerer
	Log        *slog.Logger
	Now        func() time.Time
}

// A Meter makes events and sends them. Call Run once.
type Meter struct {
	Config
	lease   *lease.Lease
	metrics *metrics
	retry   map[string]*backoff // by sink
}

// New returns a Meter.
func New(c Config) *Meter {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	m := &Meter{Config: c, lease: lease.New(c.Records, "billing", leaseFor, c.Now), metrics: newMetrics(c.Metrics, c.Sinks), retry: map[string]*backoff{}}
	for _, s := range c.Sinks {
		m.retry[s.Name()] = &backoff{}
	}
	return m
}

// Groups and names of records.
const (
	sumsGroup   = "billing-sums"    // what was told of each workspace, by its ID
	cursorGroup = "billing-cursor"  // when it was last done
	cursorName  = "hour"            // the only one in its group
	queueGroup  = "billing-queue-"  // and the name of a sink: what it hasn't taken yet
	failGroup   = "billing-failed-" // and the name of a sink: what was reported
)

const (
	every      = 20 * time.Second // between two looks at what is to be done
	leaseFor   = time.Minute
	settle     = time.Minute // after the full hour, since servers write counts some seconds late
	lookFor    = 10 * time.Minute
	reportOnce = time.Hour // between log lines about the same trouble
)

// Run makes and sends events until ctx ends.
func (m *Meter) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	defer func() { _ = m.lease.Release(ctx) }() // or it ends by itself
	var reported time.Time
	for {
		if err := m.Step(ctx); err != nil && ctx.Err() == nil && m.Now().Sub(reported) >= reportOnce {
			reported = m.Now()
			m.Log.Error("what workspaces used isn't told to those who bill it; trying again, and nothing is lost", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Step does what is due now, if this server has the lease. The error is the store's.
func (m *Meter) Step(ctx context.Context) error {
	mine, err := m.lease.Take(ctx)
	if !mine {
		return err
	}
	err = m.makeEvents(ctx)
	for _, s := range m.Sinks {
		err = errors.Join(err, m.deliver(ctx, s))
	}
	return err
}

// Package usage counts what is done and notes who asked for it, in memory, and adds
// both to the store in batches: no request writes to a store because of it.
//
// A [Recorder] is told of every request with [Recorder.Count] and [Recorder.CountKey],
// a [Journal] of those that are to be in an access log with [Journal.Note]. Run of each
// adds what has come together every interval, and Close what is left, so that an
// orderly stop loses nothing and a kill at most one interval. What is counted and
// noted, and what is done with it, is left to others.
package usage

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

// Config is how a [Recorder] is set up. Zero fields but Counters have defaults.
type Config struct {
	Counters workspace.Counters // where the counts are added. Required
	Every    time.Duration      // between additions; 0 is DefaultEvery
	Log      *slog.Logger       // nil is slog.Default
	Now      func() time.Time   // nil is time.Now
}

const (
	// DefaultEvery is the time between additions to the store, and so how much a
	// server that is killed forgets at most.
	DefaultEvery = 10 * time.Second

	// tallyRows bounds the rows of one tally: a store adds each in one transaction.
	tallyRows = 50

	// early is how many rows are added without waiting for the interval's end.
	early = 20_000

	// addTimeout is how long adding one tally may take.
	addTimeout = 10 * time.Second

	// retryFor is how long a tally may be added again and still counts once, with
	// some time to spare.
	retryFor = workspace.TallyKnown - time.Minute

	reportEvery = time.Minute // between log lines about a store that fails
)

// A Recorder counts. It is safe for concurrent use.
type Recorder struct {
	counters workspace.Counters
	every    time.Duration
	log      *slog.Logger
	now      func() time.Time
	full     chan struct{} // there are many rows: add them now

	mu    sync.Mutex // guards all below
	usage map[row]*workspace.Usage
	keys  map[keyRow]*workspace.KeyUse
	today int64 // days since 1970 that day is the name of
	day   string

	adding   sync.Mutex // guards all below; held while tallies are added
	pending  []tally    // cut, and not yet known to be in the store
	reported time.Time
}

type (
	row    struct{ workspace, day, operation, source string }
	keyRow struct{ workspace, id string }
)

// A tally that was cut. It is added unchanged until the store has it.
type tally struct {
	workspace.Tally
	first time.Time // when it was first tried; zero is not yet
}

// New returns a Recorder that has counted nothing.
func New(c Config) *Recorder {
	if c.Every <= 0 {
		c.Every = DefaultEvery
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Recorder{
		counters: c.Counters, every: c.Every, log: c.Log, now: c.Now, full: make(chan struct{}, 1),
		usage: map[row]*workspace.Usage{}, keys: map[keyRow]*workspace.KeyUse{}, today: -1,
	}
}

// Count adds delta to what was counted of the workspace, the operation and the source
// on this day (UTC). The operation is a word of a-z, 0-9 and _, such as "transform";
// the source is the key of a configured one, or empty. Of delta only the figures
// count. It asks no store, and costs no allocation where the row is known.
func (r *Recorder) Count(workspaceID, operation, source string, delta workspace.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := row{workspaceID, r.dayOf(r.now()), operation, source}
	u := r.usage[k]
	if u == nil {
		u = &workspace.Usage{WorkspaceID: workspaceID, Day: k.day, Operation: operation, Source: source}
		r.usage[k] = u
		r.wake()
	}
	u.Add(delta)
}

// CountKey counts one request that was sent with an API key, and whether it failed.
func (r *Recorder) CountKey(workspaceID, keyID string, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := keyRow{workspaceID, keyID}
	u := r.keys[k]
	if u == nil {
		u = &workspace.KeyUse{WorkspaceID: workspaceID, ID: keyID}
		r.keys[k] = u
		r.wake()
	}
	u.Requests++
	if failed {
		u.Errors++
	}
	u.LastUsedAt = r.now().UTC()
}

// dayOf names the day of t. r.mu is held.
func (r *Recorder) dayOf(t time.Time) string {
	if day := t.Unix() / (24 * 60 * 60); day != r.today {
		r.today, r.day = day, t.UTC().Format(time.DateOnly)
	}
	return r.day
}

// wake tells Run when many rows have come together. r.mu is held.
func (r *Recorder) wake() {
	if len(r.usage)+len(r.keys) < early {
		return
	}
	select {
	case r.full <- struct{}{}:
	default:
	}
}

// Run adds what was counted to the store every interval until the context ends.
// Failures are logged and tried again. Call it once; call Close after it has returned.
func (r *Recorder) Run(ctx context.Context) { run(ctx, r.every, r.full, r.Flush) }

// Close adds what is left, trying again until the context ends: then the error says
// what the store said. Nothing may be counted after it.
func (r *Recorder) Close(ctx context.Context) error {
	if err := drain(ctx, r.Flush); err != nil {
		return fmt.Errorf("what was counted last could not be added to the store: %w", err)
	}
	return nil
}

// Flush adds what was counted until now to the store. After an error what wasn't
// added stays for the next call, and counts once although the store may have taken it.
// In an outage that lasts longer than [workspace.TallyKnown] the counts of the one
// interval that were under way when it began may be counted twice.
func (r *Recorder) Flush(ctx context.Context) error {
	r.adding.Lock()
	defer r.adding.Unlock()
	// What could not be added goes first. The rest stays in the maps meanwhile, where
	// an outage doesn't make it grow with time.
	if err := r.add(ctx); err != nil {
		return err
	}
	r.cut()
	return r.add(ctx)
}

// cut makes tallies of what was counted. r.adding is held.
func (r *Recorder) cut() {
	r.mu.Lock()
	usage, keys := r.usage, r.keys
	r.usage, r.keys = map[row]*workspace.Usage{}, map[keyRow]*workspace.KeyUse{}
	r.mu.Unlock()
	var t tally
	flush := func(least int) {
		if len(t.Usage)+len(t.Keys) >= least {
			t.ID = rand.Text()
			r.pending, t = append(r.pending, t), tally{}
		}
	}
	for _, u := range usage {
		t.Usage = append(t.Usage, *u)
		flush(tallyRows)
	}
	for _, k := range keys {
		t.Keys = append(t.Keys, *k)
		flush(tallyRows)
	}
	flush(1)
}

// add adds the pending tallies, up to the first that fails. r.adding is held.
func (r *Recorder) add(ctx context.Context) error {
	for len(r.pending) > 0 {
		t := &r.pending[0]
		switch now := r.now(); {
		case t.first.IsZero():
			t.first = now
		case now.Sub(t.first) > retryFor:
			t.ID, t.first = rand.Text(), now
		}
		adding, cancel := context.WithTimeout(ctx, addTimeout)
		err := r.counters.AddTally(adding, t.Tally)
		cancel()
		if err != nil {
			r.complain(ctx, err)
			return err
		}
		r.pending = r.pending[1:]
	}
	r.pending = nil
	return nil
}

// complain logs that the store fails, once in reportEvery. r.adding is held.
func (r *Recorder) complain(ctx context.Context, err error) {
	if now := r.now(); ctx.Err() == nil && (r.reported.IsZero() || now.Sub(r.reported) >= reportEvery) {
		r.reported = now
		r.log.Error("what was counted can't be added to the store; trying again", "err", err)
	}
}

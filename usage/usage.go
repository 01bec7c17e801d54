// Package usage counts requests and their errors, and writes the access log. It collects all
// in memory and writes it to the store in batches, so that no request has to write to the
// store.
//
// For most uses, call [New], [Recorder.Run] in a goroutine, and [Recorder.Count] and
// [Recorder.CountKey] for each request. For the access log call [NewJournal], [Journal.Run]
// and [Journal.Note]. For errors of images call [NewErrors], [Errors.Run] and [Errors.Note].
// Call Close of all at the end: an orderly stop then loses nothing. A kill loses one interval
// at most.
//
// The caller chooses what to count and what to log.
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

// Config has the settings of a [Recorder]. Only Counters is required.
type Config struct {
	Counters workspace.Counters // where counts are added
	Every    time.Duration      // interval of Flush; 0 is DefaultEvery
	Log      *slog.Logger       // nil is slog.Default
	Now      func() time.Time   // nil is time.Now
}

const (
	// DefaultEvery is the time between two writes to the store. A kill loses this much at
	// most.
	DefaultEvery = 10 * time.Second

	// tallyRows bounds the rows of one tally, since a store adds a tally in one transaction.
	tallyRows = 50

	// early is the number of rows that start a Flush before the end of the interval.
	early = 20_000

	// addTimeout is the timeout of adding one tally.
	addTimeout = 10 * time.Second

	// retryFor is how long a tally may be added again and still counts once. It is shorter
	// than the store's memory, to be safe.
	retryFor = workspace.TallyKnown - time.Minute

	// mostNamed bounds the rows whose countries and keys are known. Each takes some 200 bytes.
	mostNamed = 100_000

	reportEvery = time.Minute // between log lines about a store that fails
)

// A Recorder counts. It is safe for concurrent use.
type Recorder struct {
	counters workspace.Counters
	every    time.Duration
	log      *slog.Logger
	now      func() time.Time
	full     chan struct{} // signals that there are many rows

	mu    sync.Mutex // guards the five fields below
	usage map[row]*workspace.Usage
	keys  map[keyRow]*workspace.KeyUse
	today int64 // the current day, in days since 1970
	day   string
	named map[row]*names // countries and keys of today's rows

	adding   sync.Mutex // guards the fields below; held while tallies are added
	pending  []tally    // tallies that may not be in the store yet
	reported time.Time
}

type (
	row    struct{ workspace, day, operation, source string }
	keyRow struct{ workspace, id string }
)

// A tally is a batch of counts. It stays unchanged until the store has it.
type tally struct {
	workspace.Tally
	first time.Time // time of the first attempt; zero before it
}

// New returns a Recorder without counts. Call Run in a goroutine, and Close at the end.
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
		usage: map[row]*workspace.Usage{}, named: map[row]*names{}, keys: map[keyRow]*workspace.KeyUse{}, today: -1,
	}
}

// A By says whose request is counted. Each part may be empty, where it isn't known.
type By struct {
	Country string // two letters, as DE
	Key     string // ID of the API key
}

// Count adds delta to the counts of the workspace, the operation and the source on this day
// (UTC). The operation must be a word of a-z, 0-9 and _, such as "transform". The source
// must be the key of a configured source, or empty. Count uses only the figures of delta. It
// doesn't ask the store, and allocates only for new rows.
func (r *Recorder) Count(workspaceID, operation, source string, by By, delta workspace.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := row{workspaceID, r.dayOf(r.now()), operation, source}
	u := r.usage[k]
	if u == nil {
		u = &workspace.Usage{WorkspaceID: workspaceID, Day: k.day, Operation: operation, Source: source}
		r.usage[k] = u
		r.wake()
	}
	delta.Countries, delta.Keys = nil, nil
	u.Add(delta)
	if part := (workspace.Part{Requests: delta.Requests, Units: delta.Units}); by != (By{}) && part != (workspace.Part{}) {
		r.countPart(k, u, by, part)
	}
}

// countPart adds a part to a row. The caller holds mu.
func (r *Recorder) countPart(k row, u *workspace.Usage, by By, part workspace.Part) {
	n := r.named[k]
	if n == nil {
		if n = full; len(r.named) < mostNamed {
			n = &names{}
			r.named[k] = n
		}
	}
	if by.Country != "" {
		addPart(&u.Countries, n.country(by.Country), part)
	}
	if by.Key != "" {
		addPart(&u.Keys, n.key(by.Key), part)
	}
}

func addPart(to *map[string]workspace.Part, name string, part workspace.Part) {
	if *to == nil {
		*to = map[string]workspace.Part{}
	}
	have := (*to)[name]
	(*to)[name] = workspace.Part{Requests: have.Requests + part.Requests, Units: have.Units + part.Units}
}

// CountKey counts a request with an API key, and whether it failed.
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

// dayOf returns the name of the day of t. The caller holds mu.
func (r *Recorder) dayOf(t time.Time) string {
	if day := t.Unix() / (24 * 60 * 60); day != r.today {
		r.today, r.day = day, t.UTC().Format(time.DateOnly)
		clear(r.named)
	}
	return r.day
}

// wake makes Run flush where there are many rows. The caller holds mu.
func (r *Recorder) wake() {
	if len(r.usage)+len(r.keys) < early {
		return
	}
	select {
	case r.full <- struct{}{}:
	default:
	}
}

// Run calls Flush every interval, until the context ends. It logs failures and tries again.
// Call it once, and Close after it has returned.
func (r *Recorder) Run(ctx context.Context) { run(ctx, r.every, r.full, r.Flush) }

// Close calls Flush until it succeeds or the context ends. The error wraps that of the
// store. Nothing may be counted afterwards.
func (r *Recorder) Close(ctx context.Context) error {
	if err := drain(ctx, r.Flush); err != nil {
		return fmt.Errorf("the last counts could not be added to the store: %w", err)
	}
	return nil
}

// Flush adds the counts so far to the store. After an error the rest stays for the next
// call. It counts once, even where the store took it before the error. After an outage
// longer than [workspace.TallyKnown], the tallies that were sent at its beginning may count
// twice.
func (r *Recorder) Flush(ctx context.Context) error {
	r.adding.Lock()
	defer r.adding.Unlock()
	// Tallies that could not be added go first. Until then new counts stay in the maps, which
	// don't grow with the length of an outage.
	if err := r.add(ctx); err != nil {
		return err
	}
	r.cut()
	return r.add(ctx)
}

// cut moves the counts into tallies. The caller holds adding.
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

// add adds the pending tallies, up to the first that fails. The caller holds adding.
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

// complain logs that the store fails, at most once in reportEvery. The caller holds adding.
func (r *Recorder) complain(ctx context.Context, err error) {
	if now := r.now(); ctx.Err() == nil && (r.reported.IsZero() || now.Sub(r.reported) >= reportEvery) {
		r.reported = now
		r.log.Error("counts can't be added to the store; trying again", "err", err)
	}
}

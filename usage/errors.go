package usage

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tintype/tintype/workspace"
)

// ErrorsConfig has the settings of [Errors]. Only Store is required.
type ErrorsConfig struct {
	Store workspace.ImageErrors // where reports are put
	Every time.Duration         // interval of writes; 0 is DefaultErrorsEvery
	Log   *slog.Logger          // nil is slog.Default
	Now   func() time.Time      // nil is time.Now

	// Patience is for a store whose writes cost money: a report with a new kind of error, or a
	// quarter more errors, is written after an interval, and others after this time. 0 writes
	// all after an interval.
	Patience time.Duration
}

const (
	// DefaultErrorsEvery is the time between two writes to the store. A kill loses this much at
	// most.
	DefaultErrorsEvery = time.Minute

	mostErrorRows = 16_384 // in memory, of all workspaces
	reportBatch   = 25     // reports of one PutErrors

	// The first requests of a row, and then one a second, are looked at for a sample. So a
	// flood of errors costs no work for each.
	sampledFirst = 16
	sampledEvery = time.Second
)

// Errors counts the errors of images by workspace, day, source, status and code, and keeps
// some samples of each. It writes them to the store, at most once in an interval, as one
// report for each workspace and day that has changed. It is safe for concurrent use.
//
// Rows of a workspace and day stay in memory until the day is over, since a report replaces
// the one before. Their number is bounded: where there are too many, those of the workspaces
// that had no error for the longest time are forgotten once they are stored. What such a
// workspace counts later is another report.
type Errors struct {
	store    workspace.ImageErrors
	every    time.Duration
	patience time.Duration
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex // guards the fields below
	days    map[errorDay]*dayErrors
	rows    int   // of all days
	leftOut int64 // errors that found no room since the last Flush
	lost    int64 // and before

	putting  sync.Mutex // guards reported; held while reports are put
	reported time.Time
}

type (
	errorDay struct {
		workspace string
		day       int64 // since 1970
	}
	errorKind struct {
		source, code string
		status       int
	}
)

// dayErrors are the errors of a workspace on a day.
type dayErrors struct {
	part    string // random, since no other report may have it
	kinds   map[errorKind]*kindErrors
	last    time.Time
	changed bool // since they were stored
	fresh   bool // they have a kind that isn't stored
	count   int64
	stored  struct { // the last report
		at    time.Time
		count int64
	}
}

// kindErrors are errors of one kind.
type kindErrors struct {
	count       int64
	first, last time.Time
	looked      time.Time               // when a request was last looked at for a sample
	samples     []workspace.ErrorSample // the newest last
}

// NewErrors returns Errors without counts. Call Run in a goroutine, and Close at the end.
func NewErrors(c ErrorsConfig) *Errors {
	if c.Every <= 0 {
		c.Every = DefaultErrorsEvery
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Errors{store: c.Store, every: c.Every, patience: c.Patience, log: c.Log, now: c.Now, days: map[errorDay]*dayErrors{}}
}

// Note counts a request that was answered with an error. The source must be the key of a
// configured source, or empty. sample returns the path and the origin to keep, without
// secrets, or an empty path. Note calls it for some of the requests, and doesn't keep it. It
// doesn't ask the store, and allocates only for new rows and samples.
func (e *Errors) Note(workspaceID, source string, status int, code string, sample func() (path, origin string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	kind, other := e.kind(errorDay{workspaceID, now.Unix() / (24 * 60 * 60)}, errorKind{source, code, status}, now)
	if kind == nil {
		e.leftOut++
		return
	}
	if kind.count++; kind.first.IsZero() {
		kind.first = now
	}
	kind.last = now
	if other || kind.count > sampledFirst && now.Sub(kind.looked) < sampledEvery {
		return
	}
	kind.looked = now
	if path, origin := sample(); path != "" && len(path) <= workspace.MaxErrorPath && len(origin) <= workspace.MaxErrorOrigin {
		kind.keep(workspace.ErrorSample{Path: path, Origin: origin, SeenAt: now})
	}
}

// kind returns the row of a kind of errors, or the one of all others that found no room, or
// nil where not even that one has room. The caller holds mu.
func (e *Errors) kind(of errorDay, is errorKind, now time.Time) (kind *kindErrors, other bool) {
	d := e.days[of]
	if d == nil {
		if e.rows >= mostErrorRows {
			return nil, false
		}
		d = &dayErrors{part: rand.Text(), kinds: map[errorKind]*kindErrors{}}
		e.days[of] = d
	}
	kind = d.kinds[is]
	if kind == nil && (len(d.kinds) >= workspace.MaxErrorRows-1 || e.rows >= mostErrorRows) {
		is, other = errorKind{code: workspace.OtherErrors}, true
		kind = d.kinds[is]
	}
	if kind == nil {
		kind = &kindErrors{}
		d.kinds[is], d.fresh = kind, true
		e.rows++ // the row of the others is at most one more for each day
	}
	d.changed, d.last = true, now
	d.count++
	return kind, other
}

// keep keeps a sample instead of an older one.
func (k *kindErrors) keep(s workspace.ErrorSample) {
	k.samples = slices.DeleteFunc(k.samples, func(have workspace.ErrorSample) bool { return have.Path == s.Path && have.Origin == s.Origin })
	if len(k.samples) >= workspace.MaxErrorSamples {
		k.samples = slices.Delete(k.samples, 0, 1)
	}
	k.samples = append(k.samples, s)
}

// Run stores what is due every interval, until the context ends. It logs failures and tries
// again. Call it once, and Close after it has returned.
func (e *Errors) Run(ctx context.Context) {
	run(ctx, e.every, nil, func(ctx context.Context) error { return e.flush(ctx, false) })
}

// Close calls Flush until it succeeds or the context ends. The error wraps that of the store.
func (e *Errors) Close(ctx context.Context) error {
	if err := drain(ctx, e.Flush); err != nil {
		return fmt.Errorf("the last errors of images could not be written: %w", err)
	}
	return nil
}

// Flush stores all that has changed. After an error the rest stays for the next call.
func (e *Errors) Flush(ctx context.Context) error { return e.flush(ctx, true) }

// flush is Flush, or stores only what is due.
func (e *Errors) flush(ctx context.Context, all bool) error {
	e.putting.Lock()
	defer e.putting.Unlock()
	for batch := range slices.Chunk(e.changed(all), reportBatch) {
		reports := make([]workspace.ErrorReport, len(batch))
		for i, of := range batch {
			reports[i] = e.report(of)
		}
		putting, cancel := context.WithTimeout(ctx, addTimeout)
		err := e.store.PutErrors(putting, reports...)
		cancel()
		if err != nil {
			e.changedAgain(batch)
			if now := e.now(); ctx.Err() == nil && (e.reported.IsZero() || now.Sub(e.reported) >= reportEvery) {
				e.reported = now
				e.log.Error("errors of images can't be written to the store; trying again", "err", err)
			}
			return err
		}
	}
	e.forget()
	return nil
}

// changed returns the days that have changed since they were stored, or those that are due.
// All are due where memory gets full, and where the day is over.
func (e *Errors) changed(all bool) (list []errorDay) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	all = all || e.rows >= mostErrorRows*3/4
	for of, d := range e.days {
		if d.changed && (all || of.day < now.Unix()/(24*60*60) || d.due(now, e.patience)) {
			list = append(list, of)
		}
	}
	return list
}

func (d *dayErrors) due(now time.Time, patience time.Duration) bool {
	return d.fresh || now.Sub(d.stored.at) >= patience || d.count-d.stored.count >= d.stored.count/4
}

func (e *Errors) changedAgain(days []errorDay) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, of := range days {
		e.days[of].changed, e.days[of].fresh = true, true
	}
}

// report returns what is to be stored of a day. Only Flush forgets days, so it is there.
func (e *Errors) report(of errorDay) workspace.ErrorReport {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.days[of]
	d.changed, d.fresh = false, false
	d.stored.at, d.stored.count = e.now(), d.count
	day := time.Unix(of.day*24*60*60, 0).UTC().Format(time.DateOnly)
	r := workspace.ErrorReport{WorkspaceID: of.workspace, Day: day, Part: d.part}
	for is, k := range d.kinds {
		row := workspace.ErrorCount{Day: day, Source: is.source, Status: is.status, Code: is.code, Count: k.count, FirstSeen: k.first.UTC(), LastSeen: k.last.UTC()}
		for _, s := range slices.Backward(k.samples) {
			s.SeenAt = s.SeenAt.UTC()
			row.Samples = append(row.Samples, s)
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// forget forgets days that are over, and where there are many rows those that had no error
// for the longest time, until half of the room is free.
func (e *Errors) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leftOut > 0 {
		e.log.Warn("errors of images were left out, since too many workspaces have some", "errors", e.leftOut)
		e.lost, e.leftOut = e.lost+e.leftOut, 0
	}
	today := e.now().Unix() / (24 * 60 * 60)
	var stored []errorDay
	for of, d := range e.days {
		switch {
		case d.changed:
		case of.day < today:
			e.drop(of)
		default:
			stored = append(stored, of)
		}
	}
	if e.rows < mostErrorRows*3/4 {
		return
	}
	slices.SortFunc(stored, func(a, b errorDay) int {
		return cmp.Or(e.days[a].last.Compare(e.days[b].last), cmp.Compare(a.workspace, b.workspace))
	})
	for _, of := range stored {
		if e.rows <= mostErrorRows/2 {
			return
		}
		e.drop(of)
	}
}

func (e *Errors) drop(of errorDay) {
	e.rows -= len(e.days[of].kinds)
	delete(e.days, of)
}

// Waiting returns how many workspaces have errors that aren't in the store yet, and how many errors
// have been left out since there were too many.
func (e *Errors) Waiting() (workspaces int, leftOut int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range e.days {
		if d.changed {
			workspaces++
		}
	}
	return workspaces, e.lost + e.leftOut
}

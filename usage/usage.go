// Package usage counts requests and their errors, and writes the access log. It collects all
// in memory and writes it to the store in batches, so that no request has to write to the
// store.
//
// For most uses, call [New], [Recorder.Run] in a goroutine, and [Recorder.Count] and
// [Recorder.CountKey] for each request. For the access log call [NewJournal], [Journal.Run]
// and [Journal.Note]. For errors of images call [NewErrors], [Errors.Run] and [Errors.Note].
// Call Close of all at the end: an orderly stop then loses nothing. A kill loses one interval
// at most. [RunFolds] is for stores that add counts up later.
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
	Every    time.Duration      // interval of writes; 0 is DefaultEvery
	Log      *slog.Logger       // nil is slog.Default
	Now      func() time.Time   // nil is time.Now

	// Patience is for a store whose writes cost money: counts of many rows are written after a
	// minute, of few after this time, and all of them when an hour is over, since bills go by
	// hours. Until then they are on disk, in Folder, which a kill doesn't lose. Without a Folder,
	// or while it can't be written, and with 0, all is written after an interval.
	Patience time.Duration
	Folder   string
}

const (
	// DefaultEvery is the time between two writes to the store, or to the disk. A kill loses this
	// much at most.
	DefaultEvery = 10 * time.Second

	// tallyBytes bounds a tally, since a store adds it in one step, or keeps it in one item. A
	// row has less than rowBytes and, for each country and key, partBytes.
	tallyBytes = 800_000
	rowBytes   = 300
	partBytes  = 60

	// early is the number of rows that start a write before the end of the interval.
	early = 20_000

	// Counts of so many rows fill some kilobytes, for which stores charge as for a part of one.
	// They wait for busyFor only.
	busyRows = 25
	busyFor  = time.Minute

	// addTimeout is the timeout of adding one tally.
	addTimeout = 10 * time.Second

	// mostNamed bounds the rows whose countries and keys are known. Each takes some 200 bytes.
	mostNamed = 100_000

	reportEvery = time.Minute // between log lines about a store that fails
)

// A Recorder counts. It is safe for concurrent use.
type Recorder struct {
	counters workspace.Counters
	every    time.Duration
	patience time.Duration
	log      *slog.Logger
	now      func() time.Time
	full     chan struct{} // signals that there are many rows

	mu     sync.Mutex // guards the fields below
	fresh  counts     // of this interval
	kept   counts     // of earlier ones, on disk
	moving counts     // those that are on their way from one to the other, or into tallies
	since  time.Time  // when the oldest of kept came; zero where there are none
	unsent []tally    // tallies that may not be in the store yet
	today  int64      // the current day, in days since 1970
	day    string
	named  map[row]*names // countries and keys of today's rows

	adding   sync.Mutex // guards the fields below, and is held by who changes kept and unsent
	id       string     // of this process's tallies
	seq      int64      // of the next one
	diary    diary
	torn     bool // the diary lacks counts, since the disk failed
	began    bool // leftovers were read
	reported time.Time
}

// counts are rows of usage, and of keys.
type counts struct {
	usage map[row]*workspace.Usage
	keys  map[keyRow]*workspace.KeyUse
}

func newCounts() counts {
	return counts{map[row]*workspace.Usage{}, map[keyRow]*workspace.KeyUse{}}
}

func (c counts) rows() int { return len(c.usage) + len(c.keys) }

// tally returns the rows, sorted.
func (c counts) tally() (t workspace.Tally) {
	for _, u := range c.usage {
		t.Usage = append(t.Usage, *u)
	}
	for _, k := range c.keys {
		t.Keys = append(t.Keys, *k)
	}
	return t.Merged()
}

// add adds the rows of a tally.
func (c counts) add(t workspace.Tally) {
	for _, u := range t.Usage {
		k := row{u.WorkspaceID, u.Day, u.Operation, u.Source}
		if have := c.usage[k]; have != nil {
			have.Add(u)
		} else {
			u = u.Clone()
			c.usage[k] = &u
		}
	}
	for _, u := range t.Keys {
		k := keyRow{u.WorkspaceID, u.ID}
		have := c.keys[k]
		if have == nil {
			have = &workspace.KeyUse{WorkspaceID: u.WorkspaceID, ID: u.ID}
			c.keys[k] = have
		}
		have.Requests += u.Requests
		have.Errors += u.Errors
		if u.LastUsedAt.After(have.LastUsedAt) {
			have.LastUsedAt = u.LastUsedAt
		}
	}
}

type (
	row    struct{ workspace, day, operation, source string }
	keyRow struct{ workspace, id string }
)

// A tally is a batch of counts. It stays unchanged until the store has it.
type tally struct {
	workspace.Tally
	page *page // that has it; nil where more tallies of that page follow
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
	r := &Recorder{
		counters: c.Counters, every: c.Every, patience: c.Patience, log: c.Log, now: c.Now, full: make(chan struct{}, 1),
		fresh: newCounts(), kept: newCounts(), named: map[row]*names{}, today: -1, id: rand.Text(), seq: 1,
	}
	if c.Patience > 0 {
		r.diary.folder = c.Folder
	}
	return r
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
	u := r.fresh.usage[k]
	if u == nil {
		u = &workspace.Usage{WorkspaceID: workspaceID, Day: k.day, Operation: operation, Source: source}
		r.fresh.usage[k] = u
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
	u := r.fresh.keys[k]
	if u == nil {
		u = &workspace.KeyUse{WorkspaceID: workspaceID, ID: keyID}
		r.fresh.keys[k] = u
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
	if r.fresh.rows() < early {
		return
	}
	select {
	case r.full <- struct{}{}:
	default:
	}
}

// Run writes what is due every interval, until the context ends: to the disk, and to the store.
// It logs failures and tries again. Call it once, and Close after it has returned.
func (r *Recorder) Run(ctx context.Context) {
	r.begin(ctx)
	run(ctx, r.every, r.full, func(ctx context.Context) error { return r.flush(ctx, false) })
}

// begin sends what processes that were killed have left on disk.
func (r *Recorder) begin(ctx context.Context) {
	r.adding.Lock()
	defer r.adding.Unlock()
	r.takeLeftovers()
	_ = r.send(ctx) // it complains
}

// Close calls Flush until it succeeds or the context ends. The error wraps that of the
// store; what is on disk is then sent by the next process. Nothing may be counted afterwards.
func (r *Recorder) Close(ctx context.Context) error {
	if err := drain(ctx, r.Flush); err != nil {
		return fmt.Errorf("the last counts could not be added to the store: %w", err)
	}
	return nil
}

// Flush adds the counts so far to the store. After an error the rest stays for the next
// call. It counts once, even where the store took it before the error.
func (r *Recorder) Flush(ctx context.Context) error { return r.flush(ctx, true) }

// flush is Flush, or sends only what is due.
func (r *Recorder) flush(ctx context.Context, all bool) error {
	r.adding.Lock()
	defer r.adding.Unlock()
	r.takeLeftovers()
	r.keep()
	// Tallies that could not be sent go first. Until then new counts stay in the maps, which
	// don't grow with the length of an outage.
	if err := r.send(ctx); err != nil {
		return err
	}
	if all || r.due() {
		r.cut()
	}
	return r.send(ctx)
}

// takeLeftovers makes tallies of what processes that were killed have left on disk. It does so
// once. The caller holds adding.
func (r *Recorder) takeLeftovers() {
	if r.began {
		return
	}
	r.began = true
	list, err := r.diary.leftovers()
	if err != nil {
		r.log.Error("counts that are left on disk can't be read", "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range list {
		// Whether the store had it is no longer known there.
		if r.now().Sub(l.at) > workspace.TallyKnown {
			r.log.Error("counts that are left on disk are too old to be sent", "file", l.path, "rows", len(l.Usage)+len(l.Keys))
			l.drop()
			continue
		}
		r.unsent = append(r.unsent, split(l.Tally, l.page)...)
	}
}

// keep writes the counts of the interval to the disk.
func (r *Recorder) keep() {
	r.mu.Lock()
	fresh := r.fresh
	if fresh.rows() == 0 {
		r.mu.Unlock()
		return
	}
	r.fresh, r.moving = newCounts(), fresh
	r.mu.Unlock()
	t := fresh.tally() // without the lock, since requests wait for it
	r.mu.Lock()
	if r.since.IsZero() {
		r.since = r.now().Add(-r.every) // of the oldest
	}
	r.kept.add(t)
	r.moving = counts{}
	r.mu.Unlock()
	if r.torn {
		return
	}
	t.ID, t.Seq = r.id, r.seq
	if err := r.diary.add(t); err != nil {
		r.torn = true
		r.diary.turn().drop() // a part would count for the whole
		r.log.Error("counts can't be written to the disk; they are sent to the store at once, and a kill loses those that wait for it", "err", err)
	}
}

// due reports whether what is kept is to be sent.
func (r *Recorder) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		return false
	}
	now, rows := r.now(), r.kept.rows()
	age := now.Sub(r.since)
	return r.patience == 0 || r.diary.folder == "" || r.torn || rows >= early || age >= r.patience || rows >= busyRows && age >= busyFor ||
		age < 0 || !now.Truncate(time.Hour).Equal(r.since.Truncate(time.Hour))
}

// cut makes tallies of what is kept. The caller holds adding.
func (r *Recorder) cut() {
	page := r.diary.turn()
	r.torn = false
	r.mu.Lock()
	kept := r.kept
	r.kept, r.moving, r.since = newCounts(), kept, time.Time{}
	r.mu.Unlock()
	t := kept.tally()
	t.ID, t.Seq = r.id, r.seq
	list := split(t, page)
	r.seq += int64(len(list))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsent, r.moving = append(r.unsent, list...), counts{}
}

// split makes tallies that aren't too large of one, the same each time. The last one has the page.
func split(all workspace.Tally, p *page) (list []tally) {
	all = all.Merged()
	t, size := workspace.Tally{}, 0
	flush := func() {
		t.ID, t.Seq = all.ID, all.Seq+int64(len(list))
		list = append(list, tally{t, nil})
		t, size = workspace.Tally{}, 0
	}
	for _, u := range all.Usage {
		t.Usage = append(t.Usage, u)
		if size += rowBytes + partBytes*(len(u.Countries)+len(u.Keys)); size >= tallyBytes {
			flush()
		}
	}
	for _, k := range all.Keys {
		t.Keys = append(t.Keys, k)
		if size += rowBytes; size >= tallyBytes {
			flush()
		}
	}
	if size > 0 {
		flush()
	}
	if len(list) == 0 {
		p.drop()
		return nil
	}
	list[len(list)-1].page = p
	return list
}

// send sends tallies, up to the first that fails. The caller holds adding.
func (r *Recorder) send(ctx context.Context) error {
	for {
		r.mu.Lock()
		if len(r.unsent) == 0 {
			r.unsent = nil
			r.mu.Unlock()
			return nil
		}
		t := r.unsent[0]
		r.mu.Unlock()
		adding, cancel := context.WithTimeout(ctx, addTimeout)
		err := r.counters.AddTally(adding, t.Tally)
		cancel()
		if err != nil {
			r.complain(ctx, err)
			return err
		}
		t.page.drop()
		r.mu.Lock()
		r.unsent = r.unsent[1:]
		r.mu.Unlock()
	}
}

// complain logs that the store fails, at most once in reportEvery. The caller holds adding.
func (r *Recorder) complain(ctx context.Context, err error) {
	if now := r.now(); ctx.Err() == nil && (r.reported.IsZero() || now.Sub(r.reported) >= reportEvery) {
		r.reported = now
		r.log.Error("counts can't be added to the store; trying again", "err", err)
	}
}

// Unsent returns the counts of a workspace that may not be in the store yet, of the days from one
// to another. Who shows counts adds them to those of the store, which are read first. For a moment
// a count may be in both, so nothing is billed by them.
func (r *Recorder) Unsent(workspaceID, from, to string) (list []workspace.Usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	add := func(u workspace.Usage) {
		if u.WorkspaceID == workspaceID && from <= u.Day && u.Day <= to {
			list = append(list, u)
		}
	}
	for _, t := range r.unsent {
		for _, u := range t.Usage {
			add(u)
		}
	}
	for _, c := range []counts{r.moving, r.kept, r.fresh} {
		for _, u := range c.usage {
			add(*u)
		}
	}
	return workspace.Tally{Usage: list}.Merged().Usage
}

// Waiting returns how many rows of counts may not be in the store yet, those on disk too.
func (r *Recorder) Waiting() (rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.unsent {
		rows += len(t.Usage) + len(t.Keys)
	}
	return rows + r.moving.rows() + r.kept.rows() + r.fresh.rows()
}

package usage

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tintype/tintype/workspace"
)

// JournalConfig has the settings of a [Journal]. Only Entries is required.
type JournalConfig struct {
	Entries workspace.AuditLog // where entries are appended
	Every   time.Duration      // interval of Flush; 0 is DefaultEvery
	Log     *slog.Logger       // nil is slog.Default
	Now     func() time.Time   // nil is time.Now
}

const (
	journalSize  = 20_000 // entries in memory; further ones are left out
	journalBatch = 100    // entries of one AppendAudit
	noted        = 16_384 // kinds of lines that NoteHourly and CountHourly remember, each
)

// A Journal is an access log that is written in batches. It is safe for concurrent use.
type Journal struct {
	log     *slog.Logger
	store   workspace.AuditLog
	every   time.Duration
	now     func() time.Time
	full    chan struct{}
	mu      sync.Mutex // guards entries, leftOut, lost, hourly and counted
	entries []workspace.AuditEntry
	leftOut int // entries that were left out since the last Flush
	lost    int // and before
	hourly  *lru.Cache[note, time.Time]
	counted *lru.Cache[note, *repeats]

	adding   sync.Mutex // guards pending and reported; held while entries are appended
	pending  []workspace.AuditEntry
	sending  atomic.Int64 // len(pending)
	reported time.Time
}

// A note has the fields that entries of one hourly line have in common.
type note struct {
	workspace, actor, action, ip string
	status                       int
}

// repeats are entries that were counted after the first one of their kind.
type repeats struct {
	since time.Time            // of the first one
	last  workspace.AuditEntry // the latest of them; its Count is how many
}

// NewJournal returns an empty Journal. Call Run in a goroutine, and Close at the end.
func NewJournal(c JournalConfig) *Journal {
	if c.Every <= 0 {
		c.Every = DefaultEvery
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	hourly, err := lru.New[note, time.Time](noted)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	j := &Journal{store: c.Entries, every: c.Every, log: c.Log, now: c.Now, full: make(chan struct{}, 1), hourly: hourly}
	j.counted, err = lru.NewWithEvict(noted, func(_ note, r *repeats) {
		if r.last.Count > 0 {
			j.note(r.last)
		}
	})
	if err != nil {
		panic(err)
	}
	return j
}

// Note adds an entry to the access log of its WorkspaceID. It doesn't ask the store.
func (j *Journal) Note(e workspace.AuditEntry) {
	e = e.Cut()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note(e)
}

// NoteHourly is Note for events that are too frequent for a line each. Of entries with the
// same workspace, actor, action, status and address it adds one an hour.
func (j *Journal) NoteHourly(e workspace.AuditEntry) {
	e = e.Cut()
	k := kindOf(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	if last, ok := j.hourly.Get(k); ok && now.Sub(last) < time.Hour {
		return
	}
	j.hourly.Add(k, now)
	j.note(e)
}

// CountHourly is Note for refusals, of which a client that tries again makes any number. Of
// entries with the same workspace, actor, action, status and address it adds the first, and an
// hour later one that counts the others. A kill loses that count.
func (j *Journal) CountHourly(e workspace.AuditEntry) {
	e = e.Cut()
	k := kindOf(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Time.IsZero() {
		e.Time = j.now()
	}
	r, ok := j.counted.Get(k)
	if ok && e.Time.Sub(r.since) >= time.Hour {
		j.counted.Remove(k)
		ok = false
	}
	if !ok {
		j.counted.Add(k, &repeats{since: e.Time})
		j.note(e)
		return
	}
	e.Count = r.last.Count + 1
	r.last = e
}

// endHour adds the counts of hours that are over, or of all.
func (j *Journal) endHour(all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	for _, k := range j.counted.Keys() {
		if r, ok := j.counted.Peek(k); ok && (all || now.Sub(r.since) >= time.Hour) {
			j.counted.Remove(k)
		}
	}
}

func kindOf(e workspace.AuditEntry) note {
	return note{e.WorkspaceID, e.Actor, e.Action, e.IP, e.Status}
}

// note is Note for a caller that holds mu.
func (j *Journal) note(e workspace.AuditEntry) {
	if len(j.entries) >= journalSize {
		j.leftOut++
		return
	}
	e.Trail = workspace.TrailAccess
	if e.Time.IsZero() {
		e.Time = j.now()
	}
	j.entries = append(j.entries, e)
	if len(j.entries) == journalSize/2 {
		select {
		case j.full <- struct{}{}:
		default:
		}
	}
}

// Run calls Flush every interval, until the context ends. It logs failures and tries again.
// Call it once, and Close after it has returned.
func (j *Journal) Run(ctx context.Context) { run(ctx, j.every, j.full, j.Flush) }

// Close calls Flush until it succeeds or the context ends. The error wraps that of the store.
func (j *Journal) Close(ctx context.Context) error {
	j.endHour(true)
	if err := drain(ctx, j.Flush); err != nil {
		return fmt.Errorf("the last lines of the access log could not be written: %w", err)
	}
	return nil
}

// Flush appends the entries so far to the store. After an error the rest stays for the next
// call, and some entries may then be in the log twice.
func (j *Journal) Flush(ctx context.Context) error {
	j.endHour(false)
	j.adding.Lock()
	defer j.adding.Unlock()
	for {
		for len(j.pending) > 0 {
			n := min(len(j.pending), journalBatch)
			adding, cancel := context.WithTimeout(ctx, addTimeout)
			err := j.store.AppendAudit(adding, j.pending[:n]...)
			cancel()
			if err != nil {
				if now := j.now(); ctx.Err() == nil && (j.reported.IsZero() || now.Sub(j.reported) >= reportEvery) {
					j.reported = now
					j.log.Error("the access log can't be written; trying again", "err", err)
				}
				return err
			}
			j.pending = j.pending[n:]
			j.sending.Store(int64(len(j.pending)))
		}
		j.mu.Lock()
		j.pending, j.entries = j.entries, nil
		j.sending.Store(int64(len(j.pending)))
		leftOut := j.leftOut
		j.lost, j.leftOut = j.lost+leftOut, 0
		j.mu.Unlock()
		if leftOut > 0 {
			j.log.Warn("lines were left out of the access log, since the store is too slow", "lines", leftOut)
		}
		if len(j.pending) == 0 {
			j.pending = nil
			return nil
		}
	}
}

// Waiting returns how many entries aren't in the store yet, and how many have been left out since
// there were too many.
func (j *Journal) Waiting() (entries, leftOut int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries) + int(j.sending.Load()), j.lost + j.leftOut
}

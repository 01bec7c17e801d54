package workspace

import (
	"context"
	"slices"
	"strings"
)

const (
	// MaxPurges is how many purges the log of a workspace holds.
	MaxPurges = 100

	// MaxPurgeBytes bounds the texts of all purges in a log together.
	MaxPurgeBytes = 32 << 10
)

// A PurgeKind is what a purge is aimed at.
type PurgeKind string

// The kinds of purges.
const (
	PurgeAll    PurgeKind = "all"    // the workspace
	PurgeSource PurgeKind = "source" // all of Source
	PurgePrefix PurgeKind = "prefix" // object keys of Source that begin with Value
	PurgePath   PurgeKind = "path"   // the object key Value of Source, in all variants
	PurgeURL    PurgeKind = "url"    // one variant of Source; Value is what the caller knows it by
	PurgeMark   PurgeKind = "mark"   // variants with the mark Value
)

// A Purge says that what was made from originals fetched before it is not to be
// served any more.
type Purge struct {
	Sequence int64     `json:"sequence"`
	Kind     PurgeKind `json:"kind"`
	Source   string    `json:"source,omitempty"` // key of the source; empty for originals by full URL, all and mark
	Value    string    `json:"value,omitempty"`
}

// A PurgeLog is what a workspace has purged. It is bounded: where there are too many
// purges they are widened, which purges more than was asked for, and never less.
type PurgeLog struct {
	Sequence int64   `json:"sequence"` // of the last purge there was; 0 is none
	Purges   []Purge `json:"purges"`   // the oldest first
}

// Purges keeps purge logs. It is safe for concurrent use. Errors wrap this package's,
// or are the context's.
type Purges interface {
	// AddPurge adds a purge to the workspace's log, with the next sequence, and
	// returns the log.
	AddPurge(ctx context.Context, namespace, workspaceID string, p Purge, audit ...AuditEntry) (PurgeLog, error)
	// PurgeLog returns the log of the workspace; one that has purged nothing has an
	// empty one.
	PurgeLog(ctx context.Context, workspaceID string) (PurgeLog, error)
}

// Add returns the log with one purge more. Stores call it.
func (l PurgeLog) Add(p Purge) PurgeLog {
	p.Sequence = l.Sequence + 1
	n := PurgeLog{Sequence: p.Sequence, Purges: slices.Clone(l.Purges)}
	n.put(p)
	for n.full() {
		n.widen()
	}
	return n
}

// put adds p and takes out what it covers.
func (l *PurgeLog) put(p Purge) {
	l.Purges = append(slices.DeleteFunc(l.Purges, func(old Purge) bool { return p.covers(old) }), p)
}

// covers reports whether p, which is the later one, purges all that old does.
func (p Purge) covers(old Purge) bool {
	switch p.Kind {
	case PurgeAll:
		return true
	case PurgeSource:
		return old.Source == p.Source && old.Kind != PurgeAll && old.Kind != PurgeMark
	case PurgePrefix:
		return old.Source == p.Source && (old.Kind == PurgePrefix || old.Kind == PurgePath) && strings.HasPrefix(old.Value, p.Value)
	}
	return p.Kind == old.Kind && p.Source == old.Source && p.Value == old.Value
}

func (l *PurgeLog) full() bool {
	size := 0
	for _, p := range l.Purges {
		size += len(p.Source) + len(p.Value)
	}
	return len(l.Purges) > MaxPurges || size > MaxPurgeBytes
}

// widen makes the purges of the source that has most of them one purge of that
// source; where no source has two, one purge of the workspace. The new one is as
// late as the latest of what it stands for.
func (l *PurgeLog) widen() {
	count, most := map[string]int{}, 0
	for _, p := range l.Purges {
		if p.Kind != PurgeAll && p.Kind != PurgeMark {
			count[p.Source]++
			most = max(most, count[p.Source])
		}
	}
	wide := Purge{Kind: PurgeAll}
	for _, p := range l.Purges { // in their order, so that every store does the same
		if p.Kind != PurgeAll && p.Kind != PurgeMark && most > 1 && count[p.Source] == most {
			wide = Purge{Kind: PurgeSource, Source: p.Source}
			break
		}
	}
	for _, p := range l.Purges {
		if wide.covers(p) {
			wide.Sequence = max(wide.Sequence, p.Sequence)
		}
	}
	l.put(wide)
	slices.SortStableFunc(l.Purges, func(a, b Purge) int { return int(a.Sequence - b.Sequence) })
}

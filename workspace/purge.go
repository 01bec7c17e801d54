package workspace

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tintype/tintype/origin"
)

const (
	// MaxPurgedPaths is how many purges of a path or a URL the log of a workspace tells
	// apart, besides the latest ones in PurgeLog.Purges: those of a week, where a workspace
	// purges 50,000 different ones a day.
	MaxPurgedPaths = 3 << 17

	// MaxPurgedPrefixes is how many prefixes it tells apart, of 128 KiB together.
	MaxPurgedPrefixes = 4096
	maxPrefixBytes    = 128 << 10

	// MaxPurgedNames is how many sources and marks it tells apart. A workspace has 100 of
	// each at a time.
	MaxPurgedNames = 1024

	// PurgeSlices is into how many slices the paths and URLs of a workspace are divided, by
	// their hashes. Where there are too many purges of paths, those of a slice become one
	// purge of the slice.
	PurgeSlices = 1 << 10

	// MaxRecentPurges is how many purges a log holds as they were asked for, until they
	// are taken into its base; maxRecentBytes bounds their texts together.
	MaxRecentPurges = 1024
	maxRecentBytes  = 256 << 10
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

// PurgeSlice is what purges of paths and URLs are widened to. Nobody can ask for it.
const PurgeSlice PurgeKind = "slice"

// A Purge says that what was made from originals fetched before it is not to be
// served any more.
type Purge struct {
	Sequence int64     `json:"sequence"`
	Kind     PurgeKind `json:"kind"`
	Source   string    `json:"source,omitempty"` // key of the source; empty for originals by full URL, all and mark
	Value    string    `json:"value,omitempty"`
}

// CheckValue returns why no URL can name an original that a purge of a path or a prefix is
// aimed at, or nil. The error wraps [origin.ErrInvalidPath].
func (p Purge) CheckValue() error {
	if p.Kind != PurgePath && p.Kind != PurgePrefix {
		return nil
	}
	err := origin.CheckPath(p.Value)
	if err != nil && p.Kind == PurgePrefix {
		return origin.CheckPath(p.Value + "x") // an original that begins so
	}
	return err
}

// A PurgeLog is what a workspace has purged. It never changes: Add returns another. It is
// bounded: where there are too many purges they are widened, step by step, which purges
// more than was asked for, and never less. [PurgeIndex] answers what it says of an image.
//
// Which log comes from which purges depends on their order only, so that stores may keep
// purges one by one, and every server that adds them has the same log.
type PurgeLog struct {
	Sequence int64      `json:"sequence"`       // of the last purge there was; 0 is none
	Purges   []Purge    `json:"purges"`         // those that Base doesn't have, the oldest first
	Base     *PurgeBase `json:"base,omitempty"` // nil is none
}

// Widened says that several purges are kept as one that purges more.
type Widened struct {
	Kind   PurgeKind `json:"kind" enum:"slice,prefix,source,all" doc:"What is purged now. slice: a part of all the workspace's paths, told apart by their hashes."`
	Source string    `json:"source,omitempty" doc:"Key of the source, for prefix and source."`
	Value  string    `json:"value,omitempty" doc:"The prefix, or how many slices of how many, such as 3/1024. Empty for a prefix: further ones, more than are listed. Of a long one the beginning, and …"`
	Purges int       `json:"purges" doc:"How many purges are kept as this one."`
}

// Purges keeps purge logs. It is safe for concurrent use. Errors wrap this package's,
// or are the context's.
type Purges interface {
	// AddPurge adds a purge to the workspace's log, with the next sequence, and returns
	// the log. What had to be widened for it is told, in the first audit entry too. What
	// is in known, which is an earlier log of the workspace or empty, need not be read.
	AddPurge(ctx context.Context, namespace, workspaceID string, known PurgeLog, p Purge, audit ...AuditEntry) (PurgeLog, []Widened, error)
	// PurgeLog returns the log of the workspace; one that has purged nothing has an
	// empty one. What is in known need not be read.
	PurgeLog(ctx context.Context, workspaceID string, known PurgeLog) (PurgeLog, error)
}

// Add returns the log with further purges, each with the next sequence, and what was
// widened. Stores call it.
func (l PurgeLog) Add(purges ...Purge) (PurgeLog, []Widened) {
	n := PurgeLog{Sequence: l.Sequence, Purges: append(make([]Purge, 0, len(l.Purges)+len(purges)), l.Purges...), Base: l.Base}
	size := 0
	for _, p := range n.Purges {
		size += len(p.Source) + len(p.Value)
	}
	var widened []Widened
	for _, p := range purges {
		n.Sequence++
		p.Sequence = n.Sequence
		n.Purges = append(n.Purges, p)
		size += len(p.Source) + len(p.Value)
		if len(n.Purges) >= MaxRecentPurges || size > maxRecentBytes {
			var w []Widened
			n.Base, w = n.Base.with(n.Purges)
			n.Purges, size, widened = nil, 0, append(widened, w...)
		}
	}
	return n, widened
}

// Tell adds what was widened to the first of the entries that go with a purge. Stores
// call it.
func Tell(widened []Widened, audit []AuditEntry) []AuditEntry {
	if len(widened) == 0 || len(audit) == 0 {
		return audit
	}
	audit = slices.Clone(audit)
	after := map[string]json.RawMessage{}
	if json.Unmarshal(audit[0].After, &after) != nil || after == nil { // none, or no object
		after = map[string]json.RawMessage{}
	}
	after["widened"] = encode(widened)
	audit[0].After = encode(after)
	return audit
}

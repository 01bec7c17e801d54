package workspace

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tintype/tintype/origin"
)

const (
	// MaxPurgedPaths is the maximum number of purges of single paths and URLs in a log,
	// besides the latest ones in PurgeLog.Purges. It is enough for a week with 50,000
	// different ones a day.
	MaxPurgedPaths = 3 << 17

	// MaxPurgedPrefixes is the maximum number of prefixes in a log, with 128 KiB in total.
	MaxPurgedPrefixes = 4096
	maxPrefixBytes    = 128 << 10

	// MaxPurgedNames is the maximum number of sources and marks in a log. A workspace can
	// have 100 of each at a time.
	MaxPurgedNames = 1024

	// PurgeSlices is the number of slices of a workspace's paths, and that of its single URLs.
	// The hash of a path decides its slice. If there are too many purges of paths and URLs, one
	// purge of a slice replaces all of the slice's purges.
	PurgeSlices = 1 << 10

	// MaxRecentPurges is the maximum number of purges that a log keeps as requested, before
	// they go into its base. maxRecentBytes bounds their texts.
	MaxRecentPurges = 1024
	maxRecentBytes  = 256 << 10

	// MaxPurgesText is the maximum number of bytes of sources and values in one write of
	// purges: as JSON, they and an audit entry that names them must each fit into an item of
	// DynamoDB.
	MaxPurgesText = 60 << 10
)

// A PurgeKind is the kind of thing that a purge names.
type PurgeKind string

// The kinds of purges.
const (
	PurgeAll    PurgeKind = "all"    // the workspace
	PurgeSource PurgeKind = "source" // all of Source
	PurgePrefix PurgeKind = "prefix" // object keys of Source that begin with Value
	PurgePath   PurgeKind = "path"   // the object key Value of Source, in all variants
	PurgeURL    PurgeKind = "url"    // one variant of Source; Value is the caller's name for it
	PurgeMark   PurgeKind = "mark"   // variants with the mark Value
)

// PurgeSlice replaces purges of paths and URLs. Requests can't name it.
const PurgeSlice PurgeKind = "slice"

// A Purge forbids serving the variants that it names, if they were made from originals
// fetched before it.
type Purge struct {
	Sequence int64     `json:"sequence"`
	Kind     PurgeKind `json:"kind"`
	Source   string    `json:"source,omitempty"` // key of the source; empty for originals by full URL, all and mark
	Value    string    `json:"value,omitempty"`
}

// CheckValue returns an error if no URL can name an original with the path or the prefix of
// the purge. The error wraps [origin.ErrInvalidPath].
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

// A PurgeLog holds the purges of a workspace. It never changes: Add returns another log. It
// is bounded: if there are too many purges, wider ones replace them step by step. A log may
// then purge more than was requested, but never less. [PurgeIndex] finds the last purge of
// an image.
//
// A log depends only on the order of its purges. Stores can therefore keep single purges,
// and every server that adds them gets the same log.
type PurgeLog struct {
	Sequence int64      `json:"sequence"`       // of the last purge; 0 is none
	Purges   []Purge    `json:"purges"`         // the purges that are not in Base, the oldest first
	Base     *PurgeBase `json:"base,omitempty"` // nil is empty
}

// Widened says that one wider purge has replaced several purges.
type Widened struct {
	Kind   PurgeKind `json:"kind" enum:"slice,prefix,source,all" doc:"Kind of the wider purge. slice: a part of all the workspace's paths, or of its single URLs, by their hashes."`
	Source string    `json:"source,omitempty" doc:"Key of the source, for prefix and source."`
	Value  string    `json:"value,omitempty" doc:"The prefix, cut with … if it is long. For slices their number of the total, such as 3/1024. Empty with the kind prefix: the sum of all prefixes that are not listed."`
	Purges int       `json:"purges" doc:"How many purges were replaced."`
}

// Purges keeps purge logs. It is safe for concurrent use. Errors wrap this package's,
// or are the context's.
type Purges interface {
	// AddPurges adds purges to the workspace's log in one write, with the next sequences, and
	// returns the log and the purges that they widened. The first audit entry names these too.
	// Their texts have at most MaxPurgesText bytes together, see [PurgePortions]. known is an
	// earlier log of the workspace, or empty. The store need not read what is in known.
	AddPurges(ctx context.Context, namespace, workspaceID string, known PurgeLog, purges []Purge, audit ...AuditEntry) (PurgeLog, []Widened, error)
	// PurgeLog returns the log of the workspace. Without purges it is empty. The store need
	// not read what is in known, an earlier log.
	PurgeLog(ctx context.Context, workspaceID string, known PurgeLog) (PurgeLog, error)
}

// Add returns the log with more purges, each with the next sequence, and the purges that it
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

// PurgePortions divides purges into as few portions as can be written at once.
func PurgePortions(purges []Purge) (portions [][]Purge) {
	from, size := 0, 0
	for i, p := range purges {
		n := len(p.Source) + len(p.Value)
		if size += n; size > MaxPurgesText && i > from {
			portions, from, size = append(portions, purges[from:i]), i, n
		}
	}
	if from < len(purges) {
		portions = append(portions, purges[from:])
	}
	return portions
}

// EncodePurges returns purges as stores write them in one row or item: an object, or a list
// where there are several.
func EncodePurges(purges []Purge) (string, error) {
	var b strings.Builder
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false) // it would make texts six times as long
	err := w.Encode(purges)
	if len(purges) == 1 {
		b.Reset()
		err = w.Encode(purges[0])
	}
	return strings.TrimSuffix(b.String(), "\n"), err
}

// DecodePurges is the inverse of [EncodePurges].
func DecodePurges(data []byte) (purges []Purge, err error) {
	if len(data) > 0 && data[0] == '[' {
		err = json.Unmarshal(data, &purges)
		return purges, err
	}
	var p Purge
	err = json.Unmarshal(data, &p)
	return []Purge{p}, err
}

// Tell adds the widened purges to the first audit entry of a purge. Stores call it.
func Tell(widened []Widened, audit []AuditEntry) []AuditEntry {
	if len(widened) == 0 || len(audit) == 0 {
		return audit
	}
	audit = slices.Clone(audit)
	after := map[string]json.RawMessage{}
	if json.Unmarshal(audit[0].After, &after) != nil || after == nil { // empty, or not an object
		after = map[string]json.RawMessage{}
	}
	after["widened"] = encode(widened)
	audit[0].After = encode(after)
	return audit
}

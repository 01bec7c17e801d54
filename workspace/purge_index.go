package workspace

import (
	"maps"
	"slices"
	"strings"
	"unsafe"
)

// A PurgeIndex finds the last purge of a log that concerns an image, as its sequence; 0 is
// none. The result for an image changes only with a purge that concerns it, also after
// widening. A PurgeIndex is safe for concurrent use. A nil one is the index of an empty
// log.
type PurgeIndex struct {
	last, all      int64
	sources, marks map[string]int64
	hashes         PurgeHashes
	recent         map[uint32]int64 // by hash; later than those in hashes
	pathSlices     map[int]int64
	urlSlices      map[int]int64
	prefixes       []indexedPrefix // sorted by source and value
}

type indexedPrefix struct {
	source, value string
	sequence      int64 // of the last purge of this prefix or of a shorter one
	shorter       int   // index of the next shorter prefix of this one; -1 is none
}

// NewPurgeIndex returns the index of a log.
func NewPurgeIndex(l PurgeLog) *PurgeIndex {
	x := &PurgeIndex{last: l.Sequence}
	if l.Sequence == 0 {
		return x
	}
	base := l.Base
	if base == nil {
		base = &PurgeBase{}
	}
	x.all, x.hashes, x.pathSlices, x.urlSlices = base.All, base.Hashes, base.PathSlices, base.URLSlices
	x.sources, x.marks, x.recent = map[string]int64{}, map[string]int64{}, map[uint32]int64{}
	maps.Copy(x.sources, base.Sources)
	maps.Copy(x.marks, base.Marks)
	prefixes := slices.Clone(base.Prefixes)
	for _, p := range l.Purges { // later purges replace earlier ones
		switch p.Kind {
		case PurgeSource:
			x.sources[p.Source] = p.Sequence
		case PurgePrefix:
			prefixes = append(prefixes, p)
		case PurgePath:
			x.recent[hashOfPath(p.Source, p.Value)] = p.Sequence
		case PurgeURL:
			x.recent[hashOfURL(p.Value)] = p.Sequence
		case PurgeMark:
			x.marks[p.Value] = p.Sequence
		default: // PurgeAll, and unknown kinds of later versions
			x.all = p.Sequence
		}
	}
	x.addPrefixes(prefixes)
	return x
}

func (x *PurgeIndex) addPrefixes(prefixes []Purge) {
	slices.SortStableFunc(prefixes, comparePrefixes)
	x.prefixes = make([]indexedPrefix, 0, len(prefixes))
	shorter := -1
	for _, p := range prefixes {
		for shorter >= 0 && !(x.prefixes[shorter].source == p.Source && strings.HasPrefix(p.Value, x.prefixes[shorter].value)) {
			shorter = x.prefixes[shorter].shorter
		}
		sequence := p.Sequence
		if shorter >= 0 {
			sequence = max(sequence, x.prefixes[shorter].sequence)
		}
		x.prefixes = append(x.prefixes, indexedPrefix{p.Source, p.Value, sequence, shorter})
		shorter = len(x.prefixes) - 1
	}
}

// Last returns the last purge of the log.
func (x *PurgeIndex) Last() int64 {
	if x == nil {
		return 0
	}
	return x.last
}

// Everything returns the last purge of everything. If it equals Last, no other method can
// return a later purge.
func (x *PurgeIndex) Everything() int64 {
	if x == nil {
		return 0
	}
	return x.all
}

// Original returns the last purge that concerns an original under one of its names: of
// everything, of its source, of a prefix of its path, or of its path. The source of a full
// URL is empty.
func (x *PurgeIndex) Original(source, path string) int64 {
	if x == nil || x.last == x.all {
		return x.Everything()
	}
	last := max(x.all, x.sources[source], x.hash(hashOfPath(source, path), x.pathSlices))
	if len(x.prefixes) == 0 {
		return last
	}
	// The longest prefix of path is the last element that doesn't sort after path, or one of
	// the shorter prefixes of that element.
	i, exact := slices.BinarySearchFunc(x.prefixes, prefixName{source, path}, func(p indexedPrefix, to prefixName) int {
		if p.source != to.source {
			return strings.Compare(p.source, to.source)
		}
		return strings.Compare(p.value, to.value)
	})
	for exact && i+1 < len(x.prefixes) && x.prefixes[i+1].source == source && x.prefixes[i+1].value == path {
		i++
	}
	if !exact {
		i--
	}
	for i >= 0 && !(x.prefixes[i].source == source && strings.HasPrefix(path, x.prefixes[i].value)) {
		i = x.prefixes[i].shorter
	}
	if i >= 0 {
		last = max(last, x.prefixes[i].sequence)
	}
	return last
}

// URL returns the last purge of a single variant. value is the Value of a purge of kind url.
func (x *PurgeIndex) URL(value string) int64 {
	if x == nil || x.last == x.all {
		return x.Everything()
	}
	return max(x.all, x.hash(hashOfURL(value), x.urlSlices))
}

// Mark returns the last purge of the variants with a mark.
func (x *PurgeIndex) Mark(name string) int64 {
	if x == nil {
		return 0
	}
	return max(x.all, x.marks[name])
}

func (x *PurgeIndex) hash(hash uint32, widened map[int]int64) int64 {
	last := widened[sliceOf(hash)]
	if recent, ok := x.recent[hash]; ok {
		return max(last, recent)
	}
	return max(last, x.hashes.search(hash))
}

// Footprint estimates how many bytes of memory the index takes beside its log.
func (x *PurgeIndex) Footprint() int64 {
	if x == nil {
		return 0
	}
	n := block(unsafe.Sizeof(*x))
	if x.last == 0 {
		return n
	}
	return n + TableSize(len(x.sources), 24) + TableSize(len(x.marks), 24) + TableSize(len(x.recent), 16) + block(uintptr(cap(x.prefixes))*unsafe.Sizeof(indexedPrefix{}))
}

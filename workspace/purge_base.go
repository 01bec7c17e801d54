package workspace

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A PurgeBase is a bounded summary of purges. It keeps only hashes of paths and URLs. Two
// with the same hash are purged together. The chance of that is 1 in 4 billion, and the
// only harm is a cache miss. A PurgeBase never changes.
type PurgeBase struct {
	All      int64            `json:"all,omitempty"`      // sequence of the last purge of everything
	Sources  map[string]int64 `json:"sources,omitempty"`  // sequences, by key
	Marks    map[string]int64 `json:"marks,omitempty"`    // by name
	Prefixes []Purge          `json:"prefixes,omitempty"` // sorted by source and value
	Hashes   PurgeHashes      `json:"hashes,omitzero"`

	// Sequences by number of the slice. An image that is found by its path is not found by its
	// URL, so each purge of a slice empties only one part of 1,024.
	PathSlices map[int]int64 `json:"path_slices,omitempty"`
	URLSlices  map[int]int64 `json:"url_slices,omitempty"`
}

// hashOfPath and hashOfURL identify a path and a URL. Stores keep these hashes, so they must
// not change.
func hashOfPath(source, path string) uint32 { return purgeHash('p', source, path) }
func hashOfURL(value string) uint32         { return purgeHash('u', "", value) }

// purgeHash is FNV-1a with 64 bits, and one more mixing step, since its upper bits are weak.
func purgeHash(kind byte, source, value string) uint32 {
	const prime = 1099511628211
	h := (uint64(14695981039346656037) ^ uint64(kind)) * prime
	for i := range len(source) {
		h = (h ^ uint64(source[i])) * prime
	}
	h *= prime // a zero byte as separator; no source key contains one
	for i := range len(value) {
		h = (h ^ uint64(value[i])) * prime
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	return uint32((h ^ h>>33) >> 32)
}

// with returns the base with more purges, the oldest first, and the purges that it widened.
// A nil base is empty.
func (b *PurgeBase) with(purges []Purge) (*PurgeBase, []Widened) {
	n := everything(0)
	var hashes PurgeHashes
	prefixes, fresh := map[prefixName]int64{}, map[uint32]freshPurge{}
	if b != nil {
		n.All, hashes = b.All, b.Hashes
		maps.Copy(n.Sources, b.Sources)
		maps.Copy(n.Marks, b.Marks)
		maps.Copy(n.PathSlices, b.PathSlices)
		maps.Copy(n.URLSlices, b.URLSlices)
		for _, p := range b.Prefixes {
			prefixes[prefixName{p.Source, p.Value}] = p.Sequence
		}
	}
	for _, p := range purges {
		switch p.Kind {
		case PurgeSource:
			n.Sources[p.Source] = p.Sequence
		case PurgeMark:
			n.Marks[p.Value] = p.Sequence
		case PurgePrefix:
			prefixes[prefixName{p.Source, p.Value}] = p.Sequence
		case PurgePath:
			h := hashOfPath(p.Source, p.Value)
			fresh[h] = freshPurge{p.Sequence, fresh[h].kinds | ofPath}
		case PurgeURL:
			h := hashOfURL(p.Value)
			fresh[h] = freshPurge{p.Sequence, fresh[h].kinds | ofURL}
		default: // PurgeAll, and unknown kinds of later versions
			n = everything(p.Sequence)
			hashes = PurgeHashes{}
			clear(prefixes)
			clear(fresh)
		}
	}
	for name, sequence := range prefixes {
		if sequence > n.Sources[name.source] {
			n.Prefixes = append(n.Prefixes, Purge{Sequence: sequence, Kind: PurgePrefix, Source: name.source, Value: name.value})
		}
	}
	slices.SortFunc(n.Prefixes, comparePrefixes)
	n.Hashes = hashes.with(fresh)

	widened := n.foldHashes()
	widened = append(widened, n.foldPrefixes()...)
	if kept := len(n.Sources) + len(n.Marks); kept > MaxPurgedNames {
		last := n.All
		for _, m := range []map[string]int64{n.Sources, n.Marks} {
			for _, sequence := range m {
				last = max(last, sequence)
			}
		}
		// Prefixes, slices and hashes stay, since they may be later.
		n.All, n.Sources, n.Marks = last, map[string]int64{}, map[string]int64{}
		widened = append(widened, Widened{Kind: PurgeAll, Purges: kept})
	}
	for _, m := range []*map[string]int64{&n.Sources, &n.Marks} {
		if len(*m) == 0 {
			*m = nil // as JSON decodes it
		}
	}
	for _, m := range []*map[int]int64{&n.PathSlices, &n.URLSlices} {
		if len(*m) == 0 {
			*m = nil
		}
	}
	return n, widened
}

func everything(sequence int64) *PurgeBase {
	return &PurgeBase{All: sequence, Sources: map[string]int64{}, Marks: map[string]int64{}, PathSlices: map[int]int64{}, URLSlices: map[int]int64{}}
}

type prefixName struct{ source, value string }

func comparePrefixes(a, b Purge) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Value, b.Value))
}

// foldHashes replaces the purges of the fullest slices by a purge of the slice, until at
// most MaxPurgedPaths are left. Where all are of paths, or all of URLs, each purge above that
// number makes one in MaxPurgedPaths of the other images miss once.
func (b *PurgeBase) foldHashes() []Widened {
	excess := len(b.Hashes.list) - MaxPurgedPaths
	if excess <= 0 {
		return nil
	}
	type group struct {
		kindSlice
		purges int
	}
	var order []group
	for i := range PurgeSlices {
		count := [ofEither + 1]int{}
		for _, h := range b.Hashes.slice(i) {
			count[h.kinds()]++
		}
		for kinds, n := range count {
			if n > 0 {
				order = append(order, group{kindSlice{i, hashKinds(kinds)}, n})
			}
		}
	}
	slices.SortStableFunc(order, func(a, c group) int { return c.purges - a.purges })
	folded, emptied, purges := map[kindSlice]bool{}, 0, 0
	for _, s := range order {
		if purges >= excess {
			break
		}
		folded[s.kindSlice] = true
		purges += s.purges
		last := int64(0)
		for _, h := range b.Hashes.slice(s.slice) {
			if h.kinds() == s.kinds {
				last = max(last, h.sequence())
			}
		}
		if s.kinds&ofPath != 0 {
			b.PathSlices[s.slice] = max(b.PathSlices[s.slice], last)
			emptied++
		}
		if s.kinds&ofURL != 0 {
			b.URLSlices[s.slice] = max(b.URLSlices[s.slice], last)
			emptied++
		}
	}
	b.Hashes = b.Hashes.without(folded)
	return []Widened{{Kind: PurgeSlice, Value: fmt.Sprintf("%d/%d", emptied, PurgeSlices), Purges: purges}}
}

// foldPrefixes merges prefixes until there are few enough. It merges the two neighbours with
// the longest common prefix.
func (b *PurgeBase) foldPrefixes() []Widened {
	size := 0
	for _, p := range b.Prefixes {
		size += len(p.Source) + len(p.Value)
	}
	stoodFor := map[prefixName]int{}
	take := func(p Purge) (n int) {
		n = max(1, stoodFor[prefixName{p.Source, p.Value}])
		delete(stoodFor, prefixName{p.Source, p.Value})
		size -= len(p.Source) + len(p.Value)
		return n
	}
	for len(b.Prefixes) > MaxPurgedPrefixes || size > maxPrefixBytes {
		at, count := b.closest()
		wide := b.Prefixes[at]
		purges := take(wide)
		if count == 2 {
			next := b.Prefixes[at+1]
			purges += take(next)
			wide.Value = common(wide.Value, next.Value)
			wide.Sequence = max(wide.Sequence, next.Sequence)
		} else {
			wide.Value = common(wide.Value, wide.Value[:len(wide.Value)/2])
		}
		b.Prefixes = slices.Delete(b.Prefixes, at, at+count)
		name := prefixName{wide.Source, wide.Value}
		if wide.Value == "" {
			b.Sources[wide.Source] = max(b.Sources[wide.Source], wide.Sequence)
			stoodFor[name] += purges
			continue
		}
		i, there := slices.BinarySearchFunc(b.Prefixes, wide, comparePrefixes)
		if there {
			purges += take(b.Prefixes[i])
			wide.Sequence = max(wide.Sequence, b.Prefixes[i].Sequence)
			b.Prefixes[i] = wide
		} else {
			b.Prefixes = slices.Insert(b.Prefixes, i, wide)
		}
		size += len(wide.Source) + len(wide.Value)
		stoodFor[name] = purges
	}
	return tellPrefixes(stoodFor)
}

// closest finds the two neighbours of one source with the longest common prefix. If no
// source has two, it finds the longest prefix.
func (b *PurgeBase) closest() (at, count int) {
	most, longest := -1, 0
	for i, p := range b.Prefixes {
		if len(p.Value) > len(b.Prefixes[longest].Value) {
			longest = i
		}
		if i+1 == len(b.Prefixes) || b.Prefixes[i+1].Source != p.Source {
			continue
		}
		if n := len(common(p.Value, b.Prefixes[i+1].Value)); n > most {
			at, most = i, n
		}
	}
	if most < 0 {
		return longest, 1
	}
	return at, 2
}

// common returns the longest common prefix of both texts, in whole characters.
func common(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}

const (
	maxToldPrefixes = 16  // prefixes that Widened lists by name
	maxToldBytes    = 256 // of one prefix
)

func tellPrefixes(stoodFor map[prefixName]int) (list []Widened) {
	for name, purges := range stoodFor {
		w := Widened{Kind: PurgePrefix, Source: name.source, Value: name.value, Purges: purges}
		if name.value == "" {
			w.Kind = PurgeSource
		}
		if len(w.Value) > maxToldBytes {
			w.Value = common(w.Value, w.Value[:maxToldBytes]) + "…"
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b Widened) int {
		return cmp.Or(strings.Compare(string(b.Kind), string(a.Kind)), strings.Compare(a.Source, b.Source), strings.Compare(a.Value, b.Value))
	})
	if len(list) <= maxToldPrefixes {
		return list
	}
	more := Widened{Kind: PurgePrefix}
	for _, w := range list[maxToldPrefixes:] {
		more.Purges += w.Purges
	}
	return append(list[:maxToldPrefixes], more)
}

// A storedBase is a PurgeBase as JSON. Slices are for versions that don't tell the slices of
// paths from those of URLs: they purge both. What they write has no other slices, and is read
// as both.
type storedBase struct {
	*plainBase
	Slices map[int]int64   `json:"slices,omitempty"`
	Hashes json.RawMessage `json:"hashes,omitempty"`
}

type plainBase PurgeBase

// MarshalJSON implements json.Marshaler.
func (b *PurgeBase) MarshalJSON() ([]byte, error) {
	stored := storedBase{plainBase: (*plainBase)(b), Slices: map[int]int64{}}
	for _, m := range []map[int]int64{b.PathSlices, b.URLSlices} {
		for i, sequence := range m {
			stored.Slices[i] = max(stored.Slices[i], sequence)
		}
	}
	if b.Hashes.list != nil {
		var err error
		if stored.Hashes, err = json.Marshal(b.Hashes); err != nil {
			return nil, err
		}
	}
	return json.Marshal(stored)
}

// UnmarshalJSON implements json.Unmarshaler. Earlier versions used hashes of 24 bits. Such
// purges are read as purges of their slices.
func (b *PurgeBase) UnmarshalJSON(text []byte) error {
	*b = PurgeBase{}
	stored := storedBase{plainBase: (*plainBase)(b)}
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	if len(b.PathSlices)+len(b.URLSlices) == 0 && len(stored.Slices) > 0 {
		b.PathSlices, b.URLSlices = stored.Slices, maps.Clone(stored.Slices)
	}
	if len(stored.Hashes) == 0 {
		return nil
	}
	if stored.Hashes[0] != '"' {
		return json.Unmarshal(stored.Hashes, &b.Hashes)
	}
	var data []byte
	if err := json.Unmarshal(stored.Hashes, &data); err != nil {
		return err
	}
	for _, m := range []*map[int]int64{&b.PathSlices, &b.URLSlices} {
		if *m == nil {
			*m = map[int]int64{}
		}
	}
	const sliceBits = 14 // bits of a hash within its slice
	hash := uint64(0)
	for in := bytes.NewReader(data); in.Len() > 0; {
		step, err := binary.ReadUvarint(in)
		if err != nil {
			return errPurgeHashes
		}
		sequence, err := binary.ReadUvarint(in)
		if hash += step; err != nil || hash>>sliceBits >= PurgeSlices || sequence > maxHashSequence {
			return errPurgeHashes
		}
		slice := int(hash >> sliceBits)
		b.PathSlices[slice] = max(b.PathSlices[slice], int64(sequence))
		b.URLSlices[slice] = max(b.URLSlices[slice], int64(sequence))
	}
	return nil
}

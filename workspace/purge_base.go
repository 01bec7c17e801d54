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
	Slices   map[int]int64    `json:"slices,omitempty"`   // by number of the slice
	Hashes   PurgeHashes      `json:"hashes,omitzero"`
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
	n := &PurgeBase{Sources: map[string]int64{}, Marks: map[string]int64{}, Slices: map[int]int64{}}
	var hashes PurgeHashes
	prefixes, fresh := map[prefixName]int64{}, map[uint32]int64{}
	if b != nil {
		n.All, hashes = b.All, b.Hashes
		maps.Copy(n.Sources, b.Sources)
		maps.Copy(n.Marks, b.Marks)
		maps.Copy(n.Slices, b.Slices)
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
			fresh[hashOfPath(p.Source, p.Value)] = p.Sequence
		case PurgeURL:
			fresh[hashOfURL(p.Value)] = p.Sequence
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
	if len(n.Slices) == 0 {
		n.Slices = nil
	}
	return n, widened
}

func everything(sequence int64) *PurgeBase {
	return &PurgeBase{All: sequence, Sources: map[string]int64{}, Marks: map[string]int64{}, Slices: map[int]int64{}}
}

type prefixName struct{ source, value string }

func comparePrefixes(a, b Purge) int {
	return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Value, b.Value))
}

// foldHashes replaces the purges of the fullest slices by a purge of the slice, until at
// most MaxPurgedPaths are left. Each purge above that number makes one in MaxPurgedPaths
// of the other images miss once.
func (b *PurgeBase) foldHashes() []Widened {
	excess := len(b.Hashes.list) - MaxPurgedPaths
	if excess <= 0 {
		return nil
	}
	order := make([]int, PurgeSlices)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, c int) int { return len(b.Hashes.slice(c)) - len(b.Hashes.slice(a)) })
	folded, purges := map[int]bool{}, 0
	for _, i := range order {
		if purges >= excess {
			break
		}
		folded[i] = true
		purges += len(b.Hashes.slice(i))
		for _, h := range b.Hashes.slice(i) {
			b.Slices[i] = max(b.Slices[i], h.sequence())
		}
	}
	b.Hashes = b.Hashes.without(folded)
	return []Widened{{Kind: PurgeSlice, Value: fmt.Sprintf("%d/%d", len(folded), PurgeSlices), Purges: purges}}
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

// UnmarshalJSON implements json.Unmarshaler. Earlier versions used hashes of 24 bits. Such
// purges are read as purges of their slices.
func (b *PurgeBase) UnmarshalJSON(text []byte) error {
	type plain PurgeBase
	*b = PurgeBase{}
	stored := struct {
		*plain
		Hashes json.RawMessage `json:"hashes"`
	}{plain: (*plain)(b)}
	if err := json.Unmarshal(text, &stored); err != nil || len(stored.Hashes) == 0 {
		return err
	}
	if stored.Hashes[0] != '"' {
		return json.Unmarshal(stored.Hashes, &b.Hashes)
	}
	var data []byte
	if err := json.Unmarshal(stored.Hashes, &data); err != nil {
		return err
	}
	if b.Slices == nil {
		b.Slices = map[int]int64{}
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
		b.Slices[slice] = max(b.Slices[slice], int64(sequence))
	}
	return nil
}

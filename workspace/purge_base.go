package workspace

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// A PurgeBase is a bounded summary of purges. Of paths and URLs it keeps hashes only. Two
// that share a hash are purged together, which is no harm: a purge concerns another image
// with a chance of 1 in 16 million. It never changes.
type PurgeBase struct {
	All      int64            `json:"all,omitempty"`      // sequence of the last purge of everything
	Sources  map[string]int64 `json:"sources,omitempty"`  // sequences, by key
	Marks    map[string]int64 `json:"marks,omitempty"`    // by name
	Prefixes []Purge          `json:"prefixes,omitempty"` // by source and value, in order
	Slices   map[int]int64    `json:"slices,omitempty"`   // by number
	Hashes   PurgeHashes      `json:"hashes,omitempty"`
}

// PurgeHashes are purges of paths and URLs, in the order of their hashes, each hash once.
type PurgeHashes []hashPurge

// A hashPurge is a hash of 24 bits in front of a sequence of 40 bits, which a thousand
// purges a second would use up in 34 years.
type hashPurge uint64

const (
	hashBits     = 24
	sequenceBits = 64 - hashBits
)

func (h hashPurge) hash() uint32    { return uint32(h >> sequenceBits) }
func (h hashPurge) sequence() int64 { return int64(h & (1<<sequenceBits - 1)) }

func newHashPurge(hash uint32, sequence int64) hashPurge {
	return hashPurge(hash)<<sequenceBits | hashPurge(sequence)
}

// hashOfPath and hashOfURL are what a path and a URL are told apart by. They are stored.
func hashOfPath(source, path string) uint32 { return purgeHash('p', source, path) }
func hashOfURL(value string) uint32         { return purgeHash('u', "", value) }

// purgeHash is FNV-1a of 64 bits, mixed once more since its upper bits are weak.
func purgeHash(kind byte, source, value string) uint32 {
	const prime = 1099511628211
	h := (uint64(14695981039346656037) ^ uint64(kind)) * prime
	for i := range len(source) {
		h = (h ^ uint64(source[i])) * prime
	}
	h *= prime // a zero byte, which no key of a source has
	for i := range len(value) {
		h = (h ^ uint64(value[i])) * prime
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	return uint32((h ^ h>>33) >> sequenceBits)
}

func sliceOf(hash uint32) int { return int(hash / (1 << hashBits / PurgeSlices)) }

// search finds the sequence of a hash; 0 is none.
func (l PurgeHashes) search(hash uint32) int64 {
	i, _ := slices.BinarySearch(l, newHashPurge(hash, 0))
	if i < len(l) && l[i].hash() == hash {
		return l[i].sequence()
	}
	return 0
}

// with returns the base with further purges, the oldest first, and what was widened for
// them. A nil base is empty.
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
		default: // all of it, and what a later version may have thought of
			n = everything(p.Sequence)
			hashes = nil
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
		// The other purges stay: they may be later.
		n.All, n.Sources, n.Marks = last, map[string]int64{}, map[string]int64{}
		widened = append(widened, Widened{Kind: PurgeAll, Purges: kept})
	}
	for _, m := range []*map[string]int64{&n.Sources, &n.Marks} {
		if len(*m) == 0 {
			*m = nil // as it is read again
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

// with returns the list with later purges.
func (l PurgeHashes) with(fresh map[uint32]int64) PurgeHashes {
	if len(fresh) == 0 {
		return l
	}
	later := make(PurgeHashes, 0, len(fresh))
	for hash, sequence := range fresh {
		later = append(later, newHashPurge(hash, sequence))
	}
	slices.Sort(later)
	n := make(PurgeHashes, 0, len(l)+len(later))
	for _, h := range l {
		for len(later) > 0 && later[0].hash() < h.hash() {
			n, later = append(n, later[0]), later[1:]
		}
		if len(later) == 0 || later[0].hash() != h.hash() {
			n = append(n, h)
		}
	}
	return append(n, later...)
}

// foldHashes makes the purges of the fullest slices one purge each, until no more than
// MaxPurgedPaths are left. So a purge beyond that many makes one other image in
// MaxPurgedPaths miss once.
func (b *PurgeBase) foldHashes() []Widened {
	excess := len(b.Hashes) - MaxPurgedPaths
	if excess <= 0 {
		return nil
	}
	var counts [PurgeSlices]int
	for _, h := range b.Hashes {
		counts[sliceOf(h.hash())]++
	}
	order := make([]int, PurgeSlices)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, c int) int { return counts[c] - counts[a] })
	folded, purges := map[int]bool{}, 0
	for _, i := range order {
		if purges >= excess {
			break
		}
		folded[i] = true
		purges += counts[i]
	}
	kept := make(PurgeHashes, 0, len(b.Hashes)-purges)
	for _, h := range b.Hashes {
		if i := sliceOf(h.hash()); folded[i] {
			b.Slices[i] = max(b.Slices[i], h.sequence())
		} else {
			kept = append(kept, h)
		}
	}
	b.Hashes = kept
	return []Widened{{Kind: PurgeSlice, Value: fmt.Sprintf("%d/%d", len(folded), PurgeSlices), Purges: purges}}
}

// foldPrefixes makes two prefixes one, the two neighbours that have most in common, until
// there are few enough.
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

// closest finds the two neighbours of one source whose prefixes have most in common, or
// where no source has two, the longest prefix.
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

// common is what both texts begin with, in whole characters.
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
	maxToldPrefixes = 16  // that Widened lists by name
	maxToldBytes    = 256 // of one
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

var errPurgeHashes = errors.New("purge log: its hashes can't be read")

// MarshalJSON implements json.Marshaler: the steps from hash to hash and the sequences,
// in some five bytes a purge.
func (l PurgeHashes) MarshalJSON() ([]byte, error) {
	data := make([]byte, 0, 6*len(l))
	last := uint32(0)
	for _, h := range l {
		data = binary.AppendUvarint(data, uint64(h.hash()-last))
		data = binary.AppendUvarint(data, uint64(h.sequence()))
		last = h.hash()
	}
	return json.Marshal(data)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *PurgeHashes) UnmarshalJSON(text []byte) error {
	var data []byte
	if err := json.Unmarshal(text, &data); err != nil {
		return err
	}
	*l = make(PurgeHashes, 0, len(data)/5)
	hash := uint64(0)
	for in := bytes.NewReader(data); in.Len() > 0; {
		step, err := binary.ReadUvarint(in)
		if err != nil {
			return errPurgeHashes
		}
		sequence, err := binary.ReadUvarint(in)
		if hash += step; err != nil || hash >= 1<<hashBits || sequence >= 1<<sequenceBits || step == 0 && len(*l) > 0 {
			return errPurgeHashes
		}
		*l = append(*l, newHashPurge(uint32(hash), int64(sequence)))
	}
	return nil
}

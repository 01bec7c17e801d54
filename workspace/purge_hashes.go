package workspace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// PurgeHashes are purges of paths and URLs, sorted by slice and hash, each hash once. They
// take eight bytes for each purge. They never change.
type PurgeHashes struct {
	starts []uint32 // start of each slice in list, and the end of the last one; nil if list is empty
	list   []hashPurge
}

// A hashPurge has the lower 22 bits of a hash, since the slice is the upper 10, then a
// sequence of 40 bits, and two bits for its kinds. A thousand purges a second would use the
// sequences up in 34 years.
type hashPurge uint64

// A hashKinds says what the hash of a purge may be of.
type hashKinds uint8

const (
	ofPath   hashKinds = 1
	ofURL    hashKinds = 2
	ofEither           = ofPath | ofURL // written by an earlier version, or both have the hash
)

// A freshPurge is a purge that is not in the hashes yet.
type freshPurge struct {
	sequence int64
	kinds    hashKinds
}

// A kindSlice is the purges of one kind in a slice.
type kindSlice struct {
	slice int
	kinds hashKinds
}

const (
	kindBits        = 2
	restBits        = 32 - 10 // 1<<10 is PurgeSlices
	sequenceBits    = 40
	maxHashSequence = 1<<sequenceBits - 1
)

func sliceOf(hash uint32) int { return int(hash >> restBits) }

func newHashPurge(hash uint32, p freshPurge) hashPurge {
	return hashPurge(hash&(1<<restBits-1))<<(sequenceBits+kindBits) | hashPurge(p.sequence)<<kindBits | hashPurge(p.kinds)
}

func (h hashPurge) rest() uint32          { return uint32(h >> (sequenceBits + kindBits)) }
func (h hashPurge) hash(slice int) uint32 { return uint32(slice)<<restBits | h.rest() }
func (h hashPurge) sequence() int64       { return int64(h >> kindBits & maxHashSequence) }
func (h hashPurge) kinds() hashKinds      { return hashKinds(h & (1<<kindBits - 1)) }

// slice returns the purges of a slice.
func (l PurgeHashes) slice(i int) []hashPurge {
	if l.starts == nil {
		return nil
	}
	return l.list[l.starts[i]:l.starts[i+1]]
}

// search returns the sequence of a hash, or 0.
func (l PurgeHashes) search(hash uint32) int64 {
	in, from := l.slice(sliceOf(hash)), newHashPurge(hash, freshPurge{})
	i, _ := slices.BinarySearch(in, from)
	if i < len(in) && in[i].rest() == from.rest() {
		return in[i].sequence()
	}
	return 0
}

// with returns the hashes with later purges.
func (l PurgeHashes) with(fresh map[uint32]freshPurge) PurgeHashes {
	if len(fresh) == 0 {
		return l
	}
	later := slices.Sorted(maps.Keys(fresh))
	n := newPurgeHashes(len(l.list) + len(later))
	for i := range PurgeSlices {
		for _, h := range l.slice(i) {
			for len(later) > 0 && later[0] < h.hash(i) {
				n.list, later = append(n.list, newHashPurge(later[0], fresh[later[0]])), later[1:]
			}
			if len(later) > 0 && later[0] == h.hash(i) {
				p := fresh[later[0]]
				h, later = newHashPurge(later[0], freshPurge{p.sequence, p.kinds | h.kinds()}), later[1:]
			}
			n.list = append(n.list, h)
		}
		for len(later) > 0 && sliceOf(later[0]) == i {
			n.list, later = append(n.list, newHashPurge(later[0], fresh[later[0]])), later[1:]
		}
		n.endSlice()
	}
	return n
}

// without returns the hashes without some kinds in some slices.
func (l PurgeHashes) without(some map[kindSlice]bool) PurgeHashes {
	n := newPurgeHashes(len(l.list))
	for i := range PurgeSlices {
		gone := [ofEither + 1]bool{}
		for kinds := range gone {
			gone[kinds] = some[kindSlice{i, hashKinds(kinds)}]
		}
		for _, h := range l.slice(i) {
			if !gone[h.kinds()] {
				n.list = append(n.list, h)
			}
		}
		n.endSlice()
	}
	if len(n.list) == 0 {
		return PurgeHashes{}
	}
	return n
}

func newPurgeHashes(size int) PurgeHashes {
	return PurgeHashes{starts: make([]uint32, 1, PurgeSlices+1), list: make([]hashPurge, 0, size)}
}

func (l *PurgeHashes) endSlice() { l.starts = append(l.starts, uint32(len(l.list))) }

// Equal reports whether both are the same purges.
func (l PurgeHashes) Equal(other PurgeHashes) bool {
	return slices.Equal(l.starts, other.starts) && slices.Equal(l.list, other.list)
}

var errPurgeHashes = errors.New("purge log: its hashes can't be read")

// codedHashes is the JSON of PurgeHashes. It begins with the number of purges and the last
// sequence. Then each slice has its number of purges, and for each purge the difference to
// the previous hash, and to the last sequence. That is about five bytes for each purge.
// Kinds has the lengths of runs of purges of the same kinds, times 4, and these kinds. An
// earlier version reads and writes hashes without it.
//
// It is an object, because earlier versions wrote other hashes as a string. They fail to
// read an object. Otherwise they would serve purged variants.
type codedHashes struct {
	Coded []byte `json:"coded"`
	Kinds []byte `json:"kinds,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (l PurgeHashes) MarshalJSON() ([]byte, error) {
	var last int64
	for _, h := range l.list {
		last = max(last, h.sequence())
	}
	data := binary.AppendUvarint(make([]byte, 0, 6*len(l.list)+2*PurgeSlices), uint64(len(l.list)))
	data = binary.AppendUvarint(data, uint64(last))
	for i := range PurgeSlices {
		before := uint32(0)
		data = binary.AppendUvarint(data, uint64(len(l.slice(i))))
		for _, h := range l.slice(i) {
			data = binary.AppendUvarint(data, uint64(h.rest()-before))
			data = binary.AppendUvarint(data, uint64(last-h.sequence()))
			before = h.rest()
		}
	}
	return json.Marshal(codedHashes{data, l.codedKinds()})
}

func (l PurgeHashes) codedKinds() (data []byte) {
	run := uint64(0)
	for i, h := range l.list {
		if run++; i+1 == len(l.list) || l.list[i+1].kinds() != h.kinds() {
			data, run = binary.AppendUvarint(data, run<<kindBits|uint64(h.kinds())), 0
		}
	}
	return data
}

// readKinds sets the kinds of all purges.
func (l PurgeHashes) readKinds(data []byte) error {
	list := l.list
	for in := bytes.NewReader(data); in.Len() > 0; {
		n, err := binary.ReadUvarint(in)
		run, kinds := n>>kindBits, hashPurge(n&(1<<kindBits-1))
		if err != nil || run > uint64(len(list)) || kinds == 0 {
			return errPurgeHashes
		}
		for i := range list[:run] {
			list[i] = list[i]&^(1<<kindBits-1) | kinds
		}
		list = list[run:]
	}
	if len(data) > 0 && len(list) > 0 {
		return errPurgeHashes
	}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *PurgeHashes) UnmarshalJSON(text []byte) error {
	var coded codedHashes
	if err := json.Unmarshal(text, &coded); err != nil {
		return err
	}
	in := bytes.NewReader(coded.Coded)
	failed := false
	number := func(most uint64) uint64 {
		n, err := binary.ReadUvarint(in)
		failed = failed || err != nil || n > most
		return n
	}
	size := number(uint64(in.Len()))
	last := number(maxHashSequence)
	if failed || size == 0 {
		return errPurgeHashes
	}
	n := newPurgeHashes(int(size))
	for i := range PurgeSlices {
		rest := uint64(0)
		for count := number(size); count > 0 && !failed; count-- {
			step := number(1<<restBits - 1)
			sequence := last - number(last)
			rest += step
			if rest >= 1<<restBits || step == 0 && len(n.list) > int(n.starts[i]) {
				failed = true
			}
			n.list = append(n.list, newHashPurge(uint32(rest), freshPurge{int64(sequence), ofEither}))
		}
		n.endSlice()
	}
	if failed || in.Len() > 0 || len(n.list) != int(size) {
		return errPurgeHashes
	}
	*l = n
	return n.readKinds(coded.Kinds)
}

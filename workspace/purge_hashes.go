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

// A hashPurge has the lower 22 bits of a hash, since the slice is the upper 10, and then a
// sequence of 40 bits. A thousand purges a second would use these up in 34 years.
type hashPurge uint64

const (
	restBits        = 32 - 10 // 1<<10 is PurgeSlices
	sequenceBits    = 40
	maxHashSequence = 1<<sequenceBits - 1
)

func sliceOf(hash uint32) int { return int(hash >> restBits) }

func newHashPurge(hash uint32, sequence int64) hashPurge {
	return hashPurge(hash&(1<<restBits-1))<<sequenceBits | hashPurge(sequence)
}

func (h hashPurge) rest() uint32          { return uint32(h >> sequenceBits) }
func (h hashPurge) hash(slice int) uint32 { return uint32(slice)<<restBits | h.rest() }
func (h hashPurge) sequence() int64       { return int64(h & maxHashSequence) }

// slice returns the purges of a slice.
func (l PurgeHashes) slice(i int) []hashPurge {
	if l.starts == nil {
		return nil
	}
	return l.list[l.starts[i]:l.starts[i+1]]
}

// search returns the sequence of a hash, or 0.
func (l PurgeHashes) search(hash uint32) int64 {
	in, from := l.slice(sliceOf(hash)), newHashPurge(hash, 0)
	i, _ := slices.BinarySearch(in, from)
	if i < len(in) && in[i].rest() == from.rest() {
		return in[i].sequence()
	}
	return 0
}

// with returns the hashes with later purges.
func (l PurgeHashes) with(fresh map[uint32]int64) PurgeHashes {
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
			if len(later) == 0 || later[0] != h.hash(i) {
				n.list = append(n.list, h)
			}
		}
		for len(later) > 0 && sliceOf(later[0]) == i {
			n.list, later = append(n.list, newHashPurge(later[0], fresh[later[0]])), later[1:]
		}
		n.endSlice()
	}
	return n
}

// without returns the hashes without some slices.
func (l PurgeHashes) without(some map[int]bool) PurgeHashes {
	n := newPurgeHashes(len(l.list))
	for i := range PurgeSlices {
		if !some[i] {
			n.list = append(n.list, l.slice(i)...)
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
//
// It is an object, because earlier versions wrote other hashes as a string. They fail to
// read an object. Otherwise they would serve purged variants.
type codedHashes struct {
	Coded []byte `json:"coded"`
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
	return json.Marshal(codedHashes{data})
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
			n.list = append(n.list, newHashPurge(uint32(rest), int64(sequence)))
		}
		n.endSlice()
	}
	if failed || in.Len() > 0 || len(n.list) != int(size) {
		return errPurgeHashes
	}
	*l = n
	return nil
}

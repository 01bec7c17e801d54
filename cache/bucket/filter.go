package bucket

import "math/bits"

// A print is the first 40 bits of a key: enough to tell a variant from a billion others, but for one
// lookup in a thousand.
type print uint64

const printBits = 40

// A filter remembers prints in 14 bits each. It may say that it has a print that nobody has added
// (one of about 300 times), and never that it hasn't one that it holds. Where its bound is reached, it
// forgets those that were added first. It isn't safe for concurrent use.
//
// It is a list of split block Bloom filters, as in Parquet: a lookup reads one cache line of each. The
// next part is as large as all before it, up to an eighth of the bound, so that a small bucket takes
// little memory.
type filter struct {
	most  int // bytes
	parts []filterPart
}

type filterPart struct {
	blocks [][blockWords]uint64
	n      int // prints
}

const (
	blockWords   = 8
	blockBytes   = blockWords * 8
	bitsForPrint = 14
	leastPart    = 16 << 10 // bytes
	mostParts    = 8        // of the largest size
)

func newFilter(most int64) *filter { return &filter{most: int(max(most, leastPart))} }

// capacity is how many prints fit into a number of bytes.
func capacity(bytes int) int { return bytes * 8 / bitsForPrint }

// size returns the bytes that the filter takes.
func (f *filter) size() (bytes int) {
	for _, p := range f.parts {
		bytes += len(p.blocks) * blockBytes
	}
	return bytes
}

// len returns about how many prints the filter holds.
func (f *filter) len() (n int) {
	for _, p := range f.parts {
		n += p.n
	}
	return n
}

func (f *filter) has(p print) bool {
	block, masks := place(p)
	for _, part := range f.parts {
		if part.has(block, masks) {
			return true
		}
	}
	return false
}

// add adds a print, and reports whether the filter hadn't got it.
func (f *filter) add(p print) bool {
	if f.has(p) {
		return false
	}
	last := len(f.parts) - 1
	if last < 0 || f.parts[last].n >= capacity(len(f.parts[last].blocks)*blockBytes) {
		f.grow()
		last = len(f.parts) - 1
	}
	block, masks := place(p)
	f.parts[last].add(block, masks)
	return true
}

// grow adds a part, and drops the oldest ones that it leaves no room for.
func (f *filter) grow() {
	bytes := f.size()
	next := min(max(bytes, leastPart), max(f.most/mostParts, leastPart))
	for len(f.parts) > 0 && bytes+next > f.most {
		bytes -= len(f.parts[0].blocks) * blockBytes
		f.parts = f.parts[1:]
	}
	f.parts = append(f.parts[:len(f.parts):len(f.parts)], filterPart{blocks: make([][blockWords]uint64, next/blockBytes)})
}

// place returns where a print is in a part, as a share of 2^32, and its bit in each word of the block.
func place(p print) (block uint32, masks [blockWords]uint64) {
	h := mix(uint64(p))
	low := uint32(h)
	for i, salt := range salts {
		masks[i] = 1 << (low * salt >> 26)
	}
	return uint32(h >> 32), masks
}

// salts are odd numbers, those of Parquet's filters.
var salts = [blockWords]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

func (p *filterPart) block(at uint32) *[blockWords]uint64 {
	high, _ := bits.Mul64(uint64(at)<<32, uint64(len(p.blocks)))
	return &p.blocks[high]
}

func (p *filterPart) has(at uint32, masks [blockWords]uint64) bool {
	for i, word := range p.block(at) {
		if word&masks[i] == 0 {
			return false
		}
	}
	return true
}

func (p *filterPart) add(at uint32, masks [blockWords]uint64) {
	block := p.block(at)
	for i := range block {
		block[i] |= masks[i]
	}
	p.n++
}

// mix spreads the bits of a number (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

package bucket

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"

	"github.com/tintype/tintype/cache"
)

// A list is what a server has written: prints of keys, in an object beside the entries. It is a
// line that names the format, the number of prints, the prints in rising order, each as the difference
// to the one before, and a CRC-32C of all that. Numbers are uvarints (four bytes a print in a full
// list), the checksum is big-endian.
const listMagic = "tintype puts 1\n"

// mostInList is the number of prints of a full list. Its object takes 260 kB.
const mostInList = 64 << 10

// mostListBytes is the size of the largest list that is read.
const mostListBytes = len(listMagic) + binary.MaxVarintLen64 + 6*mostInList + 4

var (
	errList    = errors.New("the list of what a server has written is damaged")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

func printOf(key cache.Key) print { return print(binary.BigEndian.Uint64(key[:8]) >> (64 - printBits)) }

// encodeList returns the bytes of a list. It sorts the prints, and drops doubles.
func encodeList(prints []print) []byte {
	slices.Sort(prints)
	prints = slices.Compact(prints)
	b := append(make([]byte, 0, len(listMagic)+4*len(prints)+16), listMagic...)
	b = binary.AppendUvarint(b, uint64(len(prints)))
	var last print
	for _, p := range prints {
		b = binary.AppendUvarint(b, uint64(p-last))
		last = p
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeList reads what encodeList writes, and nothing else.
func decodeList(b []byte) ([]print, error) {
	if len(b) < len(listMagic)+4 || len(b) > mostListBytes || string(b[:len(listMagic)]) != listMagic {
		return nil, errList
	}
	b, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, errList
	}
	b = b[len(listMagic):]
	n, b, ok := uvarint(b)
	if !ok || n > mostInList || n > uint64(len(b)) {
		return nil, errList
	}
	prints := make([]print, 0, n)
	var last uint64
	for i := range n {
		var d uint64
		if d, b, ok = uvarint(b); !ok || d == 0 && i > 0 || d >= 1<<printBits || last+d >= 1<<printBits {
			return nil, errList
		}
		last += d
		prints = append(prints, print(last))
	}
	if len(b) > 0 {
		return nil, errList
	}
	return prints, nil
}

// uvarint reads a number that is written as shortly as it can be.
func uvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || size > 1 && b[size-1] == 0 {
		return 0, nil, false
	}
	return n, b[size:], true
}

package bucket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

func TestList(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000, mostInList} {
		var prints []print
		for i := range n {
			prints = append(prints, printAt(i))
		}
		b := encodeList(slices.Concat(prints, prints[:n/2])) // doubles are dropped
		got, err := decodeList(b)
		slices.Sort(prints)
		if err != nil || !slices.Equal(got, prints) {
			t.Errorf("%d prints: %v, %d came back", n, err, len(got))
		}
		if n == mostInList {
			t.Logf("%d bytes, %.1f a print", len(b), float64(len(b))/float64(n))
			if len(b) > mostListBytes {
				t.Errorf("%d bytes", len(b))
			}
		}
	}
}

// sealed is a list with a good checksum, whatever is in it.
func sealed(numbers ...uint64) []byte {
	b := []byte(listMagic)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func TestListRefused(t *testing.T) {
	good := sealed(2, 5, 7)
	if _, err := decodeList(good); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": []byte(listMagic), "other format": append([]byte("tintype puts 2\n"), good[len(listMagic):]...),
		"torn": good[:len(good)-1], "changed": append(append([]byte{}, good[:len(good)-5]...), append([]byte{8}, good[len(good)-4:]...)...),
		"fewer than it says": sealed(3, 5, 7), "more than it says": sealed(1, 5, 7), "double": sealed(2, 5, 0),
		"beyond 40 bits": sealed(2, 1, 1<<40-1), "far beyond": sealed(1, 1<<63), "too many": sealed(mostInList + 1),
		"long number": func() []byte {
			b := append([]byte(listMagic), 1, 0x85, 0)
			return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		}(),
	} {
		if got, err := decodeList(b); !errors.Is(err, errList) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// FuzzList: what is read is written as it was.
func FuzzList(f *testing.F) {
	f.Add([]byte{})
	f.Add(sealed(0)[len(listMagic) : len(sealed(0))-4])
	f.Add([]byte{2, 5, 7})
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, numbers []byte) {
		_, _ = decodeList(numbers)
		b := append([]byte(listMagic), numbers...)
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		prints, err := decodeList(b)
		if err != nil {
			return
		}
		if !slices.IsSorted(prints) {
			t.Error("not in order")
		}
		if again := encodeList(prints); !bytes.Equal(again, b) {
			t.Errorf("%q is written as %q", b, again)
		}
	})
}

package cache

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode corrects the checksum of its inputs, since a fuzzer would never find it. An
// input that Decode accepts must be equal to the encoding of its entry.
func FuzzDecode(f *testing.F) {
	key := diskKey(1)
	for _, e := range []*Entry{{}, diskEntry(1), {Body: []byte("x"), OriginHashes: [][32]byte{{1}, {2}}}, {Body: []byte("x"), OriginHashes: [][32]byte{{1}}, Unaware: true},
		{Body: []byte("x"), Redirects: []Redirect{{0, "https://a.test/x"}, {4, "https://b.test/"}}, LastPurge: 17}, {Body: []byte("x"), Redirects: []Redirect{{0, "https://a.test/x"}}}, {Body: []byte("x"), Width: -1, ExpiresAt: time.Unix(-1, 999999999)}} {
		head, err := EncodeHead(key, e)
		if err != nil {
			f.Fatal(err)
		}
		file := append(head, e.Body...)
		got, err := Decode(file, key)
		if err != nil {
			f.Fatal(err)
		}
		if diff := cmp.Diff(e.Body, got.Body); diff != "" && len(e.Body)+len(got.Body) > 0 {
			f.Fatalf("body (-want +got):\n%s", diff)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, size := range []int64{0, int64(len(file)), 1 << 40} {
			_, _, _ = DecodeHead(file, key, size) // whatever it is, it's read or refused
		}
		if len(file) >= sumEnd {
			binary.BigEndian.PutUint32(file[sumStart:], crc32.Checksum(file[sumEnd:], castagnoli))
		}
		e, err := Decode(file, key)
		if err != nil {
			return
		}
		begin := int64(len(file) - len(e.Body))
		bodiless := *e
		bodiless.Body = nil
		if of, at, err := DecodeHead(file[:begin], key, int64(len(file))); err != nil || at != begin || !cmp.Equal(of, &bodiless) {
			t.Fatalf("the head alone: %v, its body at %d of %d", err, at, len(file))
		}
		if _, _, err := DecodeHead(file[:begin-1], key, int64(len(file))); err == nil {
			t.Fatal("half a head was read")
		}
		head, err := EncodeHead(key, e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(append(head, e.Body...), key)
		if err != nil {
			t.Fatalf("not what is written of it: %v", err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("written and read again (-want +got):\n%s", diff)
		}
		// Times have more than one spelling, since nanoseconds may exceed a second.
		if len(file) != len(head)+len(e.Body) || !bytes.HasSuffix(file, e.Body) {
			t.Fatalf("a file of %d bytes is one of %d", len(file), len(head)+len(e.Body))
		}
	})
}

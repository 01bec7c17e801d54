package header

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
)

// packed is so many zeros, compressed.
func packed(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for zeros := make([]byte, 1<<20); n > 0; n -= len(zeros) {
		if _, err := w.Write(zeros[:min(n, len(zeros))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMetadataBounds(t *testing.T) {
	png := func(chunks ...[]byte) []byte {
		return pngChunks(append(append([][]byte{pngIHDR(7, 3, 8, 2, 0)}, chunks...), pngChunk("IDAT", 1), pngChunk("IEND"))...)
	}
	named := func(kind, name string, stream []byte) []byte {
		return pngChunk(kind, append([]byte(name), stream...)...)
	}
	bomb := packed(t, 256<<20)
	webp := func(kind string, n int) []byte {
		return webpFile(webpVP8X(0x28, 40, 30), webpChunk(kind, make([]byte, n)...), webpVP8(40, 30))
	}
	jpegICC := func(n int) []byte {
		piece := jpegSegment(0xe2, append([]byte(iccPrefix), make([]byte, 60_000)...)...)
		return slices.Concat(jpegStart, slices.Repeat(piece, n/60_000), jpegFrame(0xc0, 8, 8, 8, 3), jpegScan(3), jpegEnd)
	}
	// A tag that holds n bytes at offset 8, as many times as there are tags.
	tiff := func(tag uint16, n, tags int) []byte {
		page := tiffPage(4, 4)
		for i := range tags {
			page[tag+uint16(i)] = 8
		}
		b := append(tiffFile(binary.LittleEndian, page), make([]byte, n)...)
		for i, own := range tagsInOrder(page) {
			if own < tag {
				continue
			}
			entry := b[10+12*i:]
			binary.LittleEndian.PutUint16(entry[2:], 7)
			binary.LittleEndian.PutUint32(entry[4:], uint32(n))
		}
		return b
	}
	for _, test := range []struct {
		name string
		file []byte
		want error
	}{
		{"png with a profile", png(named("iCCP", "p\x00\x00", packed(t, 3<<20))), nil},
		{"png with a profile of 256 MB", png(named("iCCP", "p\x00\x00", bomb)), transform.ErrTooLarge},
		{"png with a broken profile", png(named("iCCP", "p\x00\x00", []byte("not zlib"))), nil},
		{"png with a profile that is cut off", png(named("iCCP", "p\x00\x00", packed(t, 1<<20)[:500])), nil},
		{"png with an empty profile", png(pngChunk("iCCP")), nil},
		{"png with a text", png(named("zTXt", "Comment\x00\x00", packed(t, 1<<20))), nil},
		{"png with a text of 256 MB", png(named("zTXt", "Comment\x00\x00", bomb)), transform.ErrTooLarge},
		{"png with an international text of 256 MB", png(named("iTXt", "a\x00\x01\x00en\x00b\x00", bomb)), transform.ErrTooLarge},
		{"png with a plain international text", png(named("iTXt", "a\x00\x00\x00en\x00b\x00", bomb)), nil},
		{"png with 100 texts of 1 MB", png(slices.Repeat([][]byte{named("zTXt", "a\x00\x00", packed(t, 1<<20))}, 100)...), transform.ErrTooLarge},
		{"png with 500,000 texts", png(slices.Repeat([][]byte{named("zTXt", "a\x00\x00", packed(t, 1))}, 500_000)...), transform.ErrTooLarge},
		{"png with much EXIF", png(pngChunk("eXIf", make([]byte, 2<<20)...)), transform.ErrTooLarge},
		{"webp with a profile", webp("ICCP", 3<<20), nil},
		{"webp with a large profile", webp("ICCP", 5<<20), transform.ErrTooLarge},
		{"webp with much EXIF", webp("EXIF", 2<<20), transform.ErrTooLarge},
		{"webp with much XMP", webp("XMP ", 8<<20), nil},
		{"jpeg with a profile", jpegICC(3 << 20), nil},
		{"jpeg with a large profile", jpegICC(5 << 20), transform.ErrTooLarge},
		{"tiff with a profile", tiff(tagICC, 3<<20, 1), nil},
		{"tiff with a large profile", tiff(tagICC, 5<<20, 1), transform.ErrTooLarge},
		{"tiff with 60,000 tags over one another", tiff(50_000, 1<<20, 10_000), transform.ErrCorrupt},
		{"avif with a large profile", heifFile(heifImage{codec: "av01", w: 40, h: 30, profile: 5 << 20}), transform.ErrTooLarge},
		{"avif with a profile", heifFile(heifImage{codec: "av01", w: 40, h: 30, profile: 3 << 20}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var err error
			took := cputime.Best(cputime.Enough, func() { _, err = Read(test.file) })
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if took > cputime.Enough {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Pictures coded in another size than the file says.
func TestCodedSizes(t *testing.T) {
	av1 := func(w, h int, still bool) []byte {
		var bits bitWriter
		bits.put(3, 0)
		if still {
			bits.put(1, 1)
			bits.put(1, 1)
			bits.put(5, 8)
		} else {
			bits.put(1, 0)
			bits.put(1, 0)
			bits.put(1, 1) // timing
			bits.put(32, 1)
			bits.put(32, 30)
			bits.put(1, 1)
			bits.ue(1)
			bits.put(1, 1) // decoder model
			bits.put(5, 9)
			bits.put(32, 1)
			bits.put(10, 0)
			bits.put(1, 1) // delay
			bits.put(5, 1) // 2 points
			for range 2 {
				bits.put(12, 0)
				bits.put(5, 9)
				bits.put(1, 0)
				bits.put(1, 1)
				bits.put(21, 0)
				bits.put(1, 1)
				bits.put(4, 0)
			}
		}
		bits.put(4, 15)
		bits.put(4, 15)
		bits.put(16, uint64(w-1))
		bits.put(16, uint64(h-1))
		return append([]byte{0x0a, byte(len(bits.b))}, bits.b...)
	}
	hevc := func(w, h, sublayers int) []byte {
		var bits bitWriter
		bits.put(16, hevcSPS<<9|1)
		bits.put(4, 0)
		bits.put(3, uint64(sublayers))
		bits.put(1, 1)
		bits.put(32, 0x01600000)
		bits.put(32, 0x03000003)
		bits.put(32, 0x005d0000) // two of these bytes only keep start codes away
		bits.put(16, 0x0099)
		if sublayers > 0 {
			bits.put(16, 0xc000)
			bits.put(32, 0)
			bits.put(32, 0)
			bits.put(32, 0)
		}
		bits.ue(0)
		bits.ue(1)
		bits.ue(uint64(w))
		bits.ue(uint64(h))
		bits.put(8, 0x80)
		return bits.b
	}
	unit := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	array := func(b []byte) []byte {
		return slices.Concat([]byte{1, hevcSPS, 0, 1}, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
	}
	image := heifImage{codec: "av01", w: 300, h: 200}
	apple := heifImage{codec: "hvc1", w: 300, h: 200}
	with := func(m heifImage, config, data []byte) []byte {
		m.config, m.data = config, data
		return heifFile(m)
	}
	frame := []byte{0x12, 0, 0x32, 1, 0xff} // temporal delimiter, frame
	for _, test := range []struct {
		name string
		file []byte
		want error
	}{
		{"avif", with(image, av1(300, 200, true), slices.Concat(av1(300, 200, true), frame)), nil},
		{"avif with a video's header", with(image, nil, slices.Concat(frame, av1(300, 200, false))), nil},
		{"avif in whole blocks", with(image, nil, av1(304, 200, true)), nil},
		{"avif larger than it says", with(image, nil, av1(30_000, 200, true)), transform.ErrCorrupt},
		{"avif larger than it says behind a frame", with(image, nil, slices.Concat(av1(300, 200, true), frame, av1(300, 20_000, false))), transform.ErrCorrupt},
		{"avif larger than it says to the end", with(image, nil, append([]byte{0x08}, av1(30_000, 200, true)[2:]...)), transform.ErrCorrupt},
		{"avif larger in its description", with(image, av1(65536, 65536, true), nil), transform.ErrCorrupt},
		{"avif smaller than it says", with(image, nil, av1(30, 20, true)), transform.ErrCorrupt},
		{"heic", with(apple, array(hevc(304, 200, 0)), unit([]byte{0x26, 1, 0xaf})), nil},
		{"heic of sublayers", with(apple, array(hevc(304, 200, 1)), nil), nil},
		{"heic larger than it says", with(apple, array(hevc(16384, 8192, 0)), nil), transform.ErrCorrupt},
		{"heic larger than it says among its data", with(apple, array(hevc(304, 200, 0)), slices.Concat(unit([]byte{0x26, 1, 0xaf}), unit(hevc(16384, 8192, 0)))), transform.ErrCorrupt},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(test.file)
			if !errors.Is(err, test.want) || test.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, test.want)
			}
			if test.want != nil && !strings.Contains(err.Error(), "coded as") {
				t.Errorf("error %v for another reason", err)
			}
		})
	}
}

// bitWriter writes numbers, highest bit first.
type bitWriter struct {
	b    []byte
	bits int
}

func (w *bitWriter) put(n int, v uint64) {
	for k := range n {
		if w.bits%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.bits/8] |= byte(v>>(n-1-k)&1) << (7 - w.bits%8)
		w.bits++
	}
}

func (w *bitWriter) ue(v uint64) {
	n := 0
	for v+1 >= 2<<n {
		n++
	}
	w.put(n, 0)
	w.put(n+1, v+1)
}

package header

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

// named is an RGB profile with a description of version 2 or 4.
func named(version int, text string) []byte {
	b := make([]byte, profileTable)
	copy(b[16:], "RGB XYZ ")
	copy(b[36:], "acsp")
	var tag []byte
	if version == 2 {
		tag = binary.BigEndian.AppendUint32([]byte("desc\x00\x00\x00\x00"), uint32(len(text)+1))
		tag = append(append(tag, text...), 0)
	} else {
		tag = binary.BigEndian.AppendUint32([]byte("mluc\x00\x00\x00\x00"), 2)
		tag = binary.BigEndian.AppendUint32(tag, 12)
		german := "Farben"
		for _, e := range []struct {
			language string
			n, at    int
		}{{"deDE", 2 * len(german), 40}, {"enUS", 2 * len([]rune(text)), 40 + 2*len(german)}} {
			tag = append(tag, e.language...)
			tag = binary.BigEndian.AppendUint32(tag, uint32(e.n))
			tag = binary.BigEndian.AppendUint32(tag, uint32(e.at))
		}
		for _, r := range german + text {
			tag = binary.BigEndian.AppendUint16(tag, uint16(r))
		}
	}
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(b, "desc"...)
	b = binary.BigEndian.AppendUint32(b, profileTable+4+profileEntry)
	b = binary.BigEndian.AppendUint32(b, uint32(len(tag)))
	return append(b, tag...)
}

func TestDescribe(t *testing.T) {
	deflated := func(b []byte) []byte {
		var out bytes.Buffer
		w := zlib.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}
	withICC := func(file []byte, parts ...[]byte) []byte {
		for i, part := range slices.Backward(parts) {
			segment := append([]byte(iccPrefix), byte(i+1), byte(len(parts)))
			file = slices.Concat(file[:2], jpegSegment(0xe2, append(segment, part...)...), file[2:])
		}
		return file
	}
	png := func(depth, colour byte, chunks ...[]byte) []byte {
		return pngChunks(slices.Concat(pngIHDR(7, 3, depth, colour, 1), slices.Concat(chunks...), pngChunk("IDAT", 1, 2, 3), pngChunk("IEND")))
	}
	p3 := named(4, "Display P3")
	tenBits, err := os.ReadFile("../vips/testdata/ten-bits.avif")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		file []byte
		want Details
	}{
		{"jpeg", jpegFile(0xc0, 8, 8, 3), Details{"srgb", 8, false, ""}},
		{"progressive jpeg", jpegFile(0xc2, 8, 8, 3), Details{"srgb", 8, true, ""}},
		{"jpeg with a scan for each channel", jpegScans(0xc0, 3), Details{"srgb", 8, false, ""}},
		{"grey jpeg", jpegFile(0xc0, 8, 8, 1), Details{"gray", 8, false, ""}},
		{"cmyk jpeg", jpegFile(0xc0, 8, 8, 4), Details{"cmyk", 8, false, ""}},
		{"jpeg with a profile", withICC(jpegFile(0xc0, 8, 8, 3), named(2, "sRGB IEC61966-2.1")), Details{"srgb", 8, false, "sRGB IEC61966-2.1"}},
		{"jpeg with a profile in two segments", withICC(jpegFile(0xc0, 8, 8, 3), p3[:100], p3[100:]), Details{"srgb", 8, false, "Display P3"}},
		{"jpeg with half a profile", withICC(jpegFile(0xc0, 8, 8, 3), p3[:100]), Details{"srgb", 8, false, ""}},
		{"png", png(8, 2), Details{"srgb", 8, true, ""}},
		{"deep grey png", png(16, 4), Details{"gray", 16, true, ""}},
		{"palette png", png(2, 3), Details{"srgb", 8, true, ""}},
		{"png that says sRGB", png(8, 6, pngChunk("sRGB", 0)), Details{"srgb", 8, true, "sRGB"}},
		{"png with a profile", png(8, 6, pngChunk("iCCP", append([]byte("x\x00\x00"), deflated(p3)...)...)), Details{"srgb", 8, true, "Display P3"}},
		{"png with coded colours", png(16, 6, pngChunk("sRGB", 0), pngChunk("cICP", 9, 16, 0, 1)), Details{"srgb", 16, true, "BT.2020 PQ"}},
		{"avif of ten bits", tenBits, Details{"srgb", 10, false, "sRGB"}},
		{"control characters", withICC(jpegFile(0xc0, 8, 8, 3), named(4, "a\x1b[0m\u0085b")), Details{"srgb", 8, false, "a[0mb"}},
	} {
		h, err := Read(c.file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := Describe(c.file, h); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// checkDetails checks what can be said of the details of any file.
func checkDetails(t *testing.T, b []byte, h transform.Header) {
	t.Helper()
	d := Describe(b, h)
	if !slices.Contains([]string{"srgb", "gray", "cmyk", "lab"}, d.ColorSpace) || d.Bits < 0 || d.Bits > 64 || cleanName(d.Profile) != d.Profile {
		t.Errorf("%+v", d)
	}
}

func FuzzProfileName(f *testing.F) {
	f.Add(named(2, "sRGB"))
	f.Add(named(4, "Display P3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if name := profileName(b); cleanName(name) != name {
			t.Errorf("%q", name)
		}
	})
}

package header

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	imagecolor "image/color"
	"image/png"
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

func pngChunk(kind string, data ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func pngIHDR(w, h uint32, depth, colour, interlace byte) []byte {
	data := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return pngChunk("IHDR", append(data, depth, colour, 0, 0, interlace)...)
}

func pngChunks(chunks ...[]byte) []byte {
	return append([]byte(pngSignature), slices.Concat(chunks...)...)
}

func pngFile(w, h uint32, depth, colour, interlace byte) []byte {
	return pngChunks(pngIHDR(w, h, depth, colour, interlace), pngChunk("IDAT", 1, 2, 3), pngChunk("IEND"))
}

func pngCases(t testing.TB) []headerCase {
	encode := func(m image.Image) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	rect := image.Rect(0, 0, 7, 3)
	palette := imagecolor.Palette{imagecolor.Black, imagecolor.Transparent}
	header := func(bands, bits int) transform.Header {
		return transform.Header{Format: transform.PNG, Width: 7, Height: 3, Orientation: 1, Frames: 1, Bands: bands, Bits: bits, Alpha: bands == 2 || bands == 4}
	}
	interlaced, turned := header(4, 8), header(3, 8)
	interlaced.Interlaced = true
	turned.Orientation = 8

	ihdr, idat, iend := pngIHDR(7, 3, 8, 2, 0), pngChunk("IDAT", 1), pngChunk("IEND")
	badCRC := slices.Clone(ihdr)
	badCRC[len(badCRC)-1]++
	hdr := header(3, 16)
	hdr.Coding = transform.Coding{Primaries: 9, Transfer: 16}
	cases := []headerCase{
		{name: "png by Go, RGB", file: encode(opaque(rect)), want: header(3, 8)},
		{name: "png by Go, RGBA", file: encode(image.NewNRGBA(rect)), want: header(4, 8)},
		{name: "png by Go, RGBA of 16 bits", file: encode(image.NewNRGBA64(rect)), want: header(4, 16)},
		{name: "png by Go, grey", file: encode(image.NewGray(rect)), want: header(1, 8)},
		{name: "png by Go, grey of 16 bits", file: encode(image.NewGray16(rect)), want: header(1, 16)},
		{name: "png by Go, palette", file: encode(image.NewPaletted(rect, palette[:1])), want: header(3, 8)},
		{name: "png by Go, palette with alpha", file: encode(image.NewPaletted(rect, palette)), want: header(4, 8)},
		{name: "png of HDR", file: pngChunks(pngIHDR(7, 3, 16, 2, 0), pngChunk("cICP", 9, 16, 0, 1), pngChunk("IDAT", 1, 2, 3), pngChunk("IEND")), want: hdr},
		{name: "png of HDR, said too late", file: pngChunks(pngIHDR(7, 3, 16, 2, 0), pngChunk("IDAT", 1, 2, 3), pngChunk("cICP", 9, 16, 0, 1), pngChunk("IEND")), want: header(3, 16)},
		{name: "png of grey and alpha", file: pngFile(7, 3, 8, 4, 0), want: header(2, 8)},
		{name: "interlaced png", file: pngFile(7, 3, 8, 6, 1), want: interlaced},
		{name: "animated png", file: pngChunks(ihdr, pngChunk("acTL", 0, 0, 0, 9, 0, 0, 0, 0), idat, pngChunk("fdAT", 0, 0, 0, 1), iend), want: header(3, 8)},
		{name: "turned png", file: pngChunks(ihdr, pngChunk("eXIf", exifBlock(binary.BigEndian, 8)...), idat, iend), want: turned},
		{name: "png with trailing bytes", file: append(pngFile(7, 3, 8, 2, 0), "more"...), want: header(3, 8)},

		{name: "png that starts with pixels", file: pngChunks(idat, ihdr, iend), err: transform.ErrCorrupt},
		{name: "png with a broken header", file: pngChunks(badCRC, idat, iend), err: transform.ErrCorrupt},
		{name: "png without pixels", file: pngChunks(ihdr, iend), err: transform.ErrCorrupt},
		{name: "png with a short header", file: pngChunks(pngChunk("IHDR", 0, 0, 0, 1), idat, iend), err: transform.ErrCorrupt},
		{name: "png with a chunk of 2³²−1 bytes", file: pngChunks(ihdr, []byte("\xff\xff\xff\xffIDAT12345678")), err: transform.ErrCorrupt},
		{name: "png with a chunk past the end", file: pngChunks(ihdr, []byte("\x00\x00\x00\x09IDAT12345678")), err: transform.ErrTruncated},
		{name: "png without an end", file: pngChunks(ihdr, idat), err: transform.ErrTruncated},
	}
	for _, bad := range []struct {
		name          string
		w, h          uint32
		depth, colour byte
		interlace     byte
	}{
		{"no width", 0, 3, 8, 2, 0}, {"no height", 7, 0, 8, 2, 0}, {"width 2³¹", 1 << 31, 1, 8, 2, 0},
		{"RGB of 4 bits", 7, 3, 4, 2, 0}, {"palette of 16 bits", 7, 3, 16, 3, 0}, {"colour type 1", 7, 3, 8, 1, 0},
		{"colour type 7", 7, 3, 8, 7, 0}, {"grey of 3 bits", 7, 3, 3, 0, 0}, {"grey of 255 bits", 7, 3, 255, 0, 0}, {"interlace 2", 7, 3, 8, 2, 2},
	} {
		cases = append(cases, headerCase{name: "png with " + bad.name, file: pngFile(bad.w, bad.h, bad.depth, bad.colour, bad.interlace), err: transform.ErrCorrupt})
	}
	return cases
}

func opaque(r image.Rectangle) image.Image {
	m := image.NewNRGBA(r)
	for i := range m.Pix {
		m.Pix[i] = 0xff
	}
	return m
}

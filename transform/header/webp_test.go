package header

import (
	"encoding/binary"
	"slices"

	"github.com/tintype/tintype/transform"
)

func webpChunk(kind string, data ...byte) []byte {
	b := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
	b = append(b, data...)
	if len(data)%2 != 0 {
		b = append(b, 0)
	}
	return b
}

func webpFile(chunks ...[]byte) []byte {
	return webpChunk("RIFF", append([]byte("WEBP"), slices.Concat(chunks...)...)...)
}

func webpVP8(w, h uint16) []byte {
	return webpChunk("VP8 ", 0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w>>8), byte(h), byte(h>>8), 1, 2)
}

func webpVP8L(w, h int, alpha bool) []byte {
	v := uint32(w-1) | uint32(h-1)<<14
	if alpha {
		v |= 1 << 28
	}
	return webpChunk("VP8L", append(binary.LittleEndian.AppendUint32([]byte{0x2f}, v), 7)...)
}

func webpUint24(v ...int) (b []byte) {
	for _, n := range v {
		b = append(b, byte(n), byte(n>>8), byte(n>>16))
	}
	return b
}

func webpVP8X(flags byte, w, h int) []byte {
	return webpChunk("VP8X", append([]byte{flags, 0, 0, 0}, webpUint24(w-1, h-1)...)...)
}

func webpANMF(x, y, w, h int, chunks ...[]byte) []byte {
	data := append(webpUint24(x/2, y/2, w-1, h-1, 50), 0)
	return webpChunk("ANMF", append(data, slices.Concat(chunks...)...)...)
}

func webpAnimation(w, h, frames int) []byte {
	return webpFile(webpVP8X(0x02, w, h), webpChunk("ANIM", 0, 0, 0, 0, 0, 0),
		slices.Repeat(webpANMF(0, 0, w, h, webpVP8(uint16(w), uint16(h))), frames))
}

func webpCases() []headerCase {
	header := transform.Header{Format: transform.WebP, Width: 40, Height: 30, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	alpha, animated, turned := header, header, header
	alpha.Alpha, alpha.Bands = true, 4
	animated.Frames = 3
	turned.Orientation = 5

	vp8 := webpVP8(40, 30)
	alph := webpChunk("ALPH", 0, 1, 2)
	exif := exifBlock(binary.LittleEndian, 5)
	brokenVP8 := slices.Clone(vp8)
	brokenVP8[11] = 0
	long := webpFile(vp8)
	long[4]++
	return []headerCase{
		{name: "webp", file: webpFile(vp8), want: header},
		{name: "webp with scaling hints", file: webpFile(webpVP8(40|1<<14, 30|2<<14)), want: header},
		{name: "lossless webp", file: webpFile(webpVP8L(40, 30, false)), want: header},
		{name: "lossless webp with alpha", file: webpFile(webpVP8L(40, 30, true)), want: alpha},
		{name: "extended webp", file: webpFile(webpVP8X(0, 40, 30), vp8), want: header},
		{name: "extended webp with alpha", file: webpFile(webpVP8X(0x10, 40, 30), alph, vp8), want: alpha},
		{name: "turned webp", file: webpFile(webpVP8X(0x08, 40, 30), vp8, webpChunk("EXIF", exif...)), want: turned},
		{name: "turned webp with a prefix", file: webpFile(webpVP8X(0x08, 40, 30), vp8, webpChunk("EXIF", append([]byte(exifPrefix), exif...)...)), want: turned},
		{name: "animated webp", file: webpAnimation(40, 30, 3), want: animated},
		{name: "animated webp of one frame", file: webpFile(webpVP8X(0x02, 40, 30), webpANMF(10, 10, 30, 20, alph, webpVP8L(30, 20, true))), want: header},

		{name: "webp frame over the right edge", file: webpFile(webpVP8X(0x02, 40, 30), webpANMF(2, 0, 40, 30, vp8)), err: transform.ErrCorrupt},
		{name: "webp frame over the bottom", file: webpFile(webpVP8X(0x02, 40, 30), webpANMF(0, 2, 40, 30, vp8)), err: transform.ErrCorrupt},
		{name: "webp frame without a picture", file: webpFile(webpVP8X(0x02, 40, 30), webpANMF(0, 0, 40, 30, alph)), err: transform.ErrCorrupt},
		{name: "webp frame that is too short", file: webpFile(webpVP8X(0x02, 40, 30), webpChunk("ANMF", 0)), err: transform.ErrCorrupt},
		{name: "webp frame shorter than its picture", file: webpFile(webpVP8X(0x02, 40, 30), webpANMF(0, 0, 40, 30, vp8[:12])), err: transform.ErrCorrupt},
		{name: "webp animation with a still", file: webpFile(webpVP8X(0x02, 40, 30), vp8), err: transform.ErrCorrupt},
		{name: "webp canvas of another size", file: webpFile(webpVP8X(0, 41, 30), vp8), err: transform.ErrCorrupt},
		{name: "webp with a broken picture", file: webpFile(brokenVP8), err: transform.ErrCorrupt},
		{name: "webp without width", file: webpFile(webpVP8(0, 30)), err: transform.ErrCorrupt},
		{name: "webp with a short header", file: webpFile(webpChunk("VP8X", 0)), err: transform.ErrCorrupt},
		{name: "webp that starts with metadata", file: webpFile(webpChunk("EXIF", 0), vp8), err: transform.ErrCorrupt},
		{name: "webp without a picture", file: webpFile(webpVP8X(0, 40, 30)), err: transform.ErrTruncated},
		{name: "webp without chunks", file: webpFile(), err: transform.ErrTruncated},
		{name: "webp shorter than it says", file: long, err: transform.ErrTruncated},
	}
}

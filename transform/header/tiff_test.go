package header

import (
	"encoding/binary"
	"slices"

	"github.com/tintype/tintype/transform"
)

// A tiffTags maps tags to their one number.
type tiffTags map[uint16]uint32

// tiffPage is an RGB page of one strip of 8 bytes at offset 0, with further tags
// and their numbers in turn.
func tiffPage(w, h uint32, more ...uint32) tiffTags {
	page := tiffTags{
		tagWidth: w, tagHeight: h, tagBits: 8, tagPhotometric: 2, tagSamples: 3,
		tagStripOffsets: 0, tagStripByteCounts: 8,
	}
	for pair := range slices.Chunk(more, 2) {
		page[uint16(pair[0])] = pair[1]
	}
	return page
}

func tiffFile(order binary.ByteOrder, pages ...tiffTags) []byte {
	b := []byte("II*\x00\x00\x00\x00\x00")
	if order == binary.BigEndian {
		b = []byte("MM\x00*\x00\x00\x00\x00")
	}
	link := 4
	for _, page := range pages {
		order.PutUint32(b[link:], uint32(len(b)))
		b, _ = binary.Append(b, order, uint16(len(page)))
		for _, tag := range tagsInOrder(page) {
			b, _ = binary.Append(b, order, []uint16{tag, tiffLong})
			b, _ = binary.Append(b, order, []uint32{1, page[tag]})
		}
		link = len(b)
		b, _ = binary.Append(b, order, uint32(0))
	}
	return b
}

func tagsInOrder(page tiffTags) []uint16 {
	var tags []uint16
	for tag := range page {
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags
}

func tiffPages(n int) []byte {
	return tiffFile(binary.LittleEndian, slices.Repeat([]tiffTags{tiffPage(4, 4)}, n)...)
}

// tiffLoop has a third page that the second follows.
func tiffLoop() []byte {
	b := tiffPages(3)
	first := binary.LittleEndian.Uint32(b[4:])
	size := (uint32(len(b)) - first) / 3
	binary.LittleEndian.PutUint32(b[len(b)-4:], first+size)
	return b
}

func tiffCases() []headerCase {
	header := transform.Header{Format: transform.TIFF, Width: 40, Height: 30, Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	with := func(change func(*transform.Header)) transform.Header {
		h := header
		change(&h)
		return h
	}
	one := func(more ...uint32) []byte { return tiffFile(binary.LittleEndian, tiffPage(40, 30, more...)) }
	noStrips := tiffPage(40, 30)
	delete(noStrips, tagStripOffsets)
	noDirectory := one()
	noDirectory[4] = 0
	far := one()
	binary.LittleEndian.PutUint32(far[4:], 1<<31)

	noTables := tiffStrips(40, 30, 8, 8)
	noTables = noTables[:len(noTables)-1]
	return []headerCase{
		{name: "tiff, little-endian", file: one(), want: header},
		{name: "tiff, big-endian", file: tiffFile(binary.BigEndian, tiffPage(40, 30)), want: header},
		{name: "tiff with tables of strips", file: tiffStrips(40, 30, 8, 8), want: header},
		{name: "turned tiff", file: one(tagOrientation, 6), want: with(func(h *transform.Header) { h.Orientation = 6 })},
		{name: "tiff with an impossible orientation", file: one(tagOrientation, 60), want: header},
		{name: "tiff with alpha", file: one(tagSamples, 4), want: with(func(h *transform.Header) { h.Bands, h.Alpha = 4, true })},
		{name: "cmyk tiff", file: one(tagSamples, 4, tagPhotometric, 5), want: with(func(h *transform.Header) { h.Bands = 4 })},
		{name: "cmyk tiff with alpha", file: one(tagSamples, 5, tagPhotometric, 5), want: with(func(h *transform.Header) { h.Bands, h.Alpha = 5, true })},
		{name: "grey tiff of 16 bits", file: one(tagSamples, 1, tagPhotometric, 1, tagBits, 16), want: with(func(h *transform.Header) { h.Bands, h.Bits = 1, 16 })},
		{name: "tiff of floating point", file: one(tagBits, 32, tagSampleFormat, 3), want: with(func(h *transform.Header) { h.Bits = 32 })},
		{name: "tiff of floating point with alpha", file: one(tagSamples, 4, tagBits, 32, tagSampleFormat, 3, tagExtraSamples, 2), want: with(func(h *transform.Header) { h.Bits, h.Bands, h.Alpha = 32, 4, true })},
		{name: "tiff of floating point with premultiplied alpha", file: one(tagSamples, 4, tagBits, 32, tagSampleFormat, 3, tagExtraSamples, 1), err: transform.ErrUnsupported},
		{name: "tiff of undefined numbers", file: one(tagSampleFormat, 4), want: header},
		{name: "tiff of signed numbers", file: one(tagBits, 16, tagSampleFormat, 2), err: transform.ErrUnsupported},
		{name: "tiff of complex numbers", file: one(tagBits, 32, tagSampleFormat, 6), err: transform.ErrUnsupported},
		{name: "tiff of 32 bits", file: one(tagBits, 32), err: transform.ErrUnsupported},
		{name: "grey tiff of floating point", file: one(tagSamples, 1, tagPhotometric, 1, tagBits, 32, tagSampleFormat, 3), err: transform.ErrUnsupported},
		{name: "tiff of 64-bit floating point", file: one(tagBits, 64, tagSampleFormat, 3), err: transform.ErrUnsupported},
		{name: "tiff of 16-bit floating point", file: one(tagBits, 16, tagSampleFormat, 3), err: transform.ErrUnsupported},
		{name: "palette tiff", file: one(tagSamples, 1, tagPhotometric, 3), want: header},
		{name: "tiff of 3 pages", file: tiffFile(binary.LittleEndian, tiffPage(40, 30), tiffPage(2, 2), tiffPage(9, 9)), want: with(func(h *transform.Header) { h.Frames = 3 })},

		{name: "tiff without width", file: one(tagWidth, 0), err: transform.ErrCorrupt},
		{name: "tiff of width 2³¹", file: one(tagWidth, 1<<31), err: transform.ErrCorrupt},
		{name: "tiff of 6 bands", file: one(tagSamples, 6), err: transform.ErrCorrupt},
		{name: "tiff of 0 bands", file: one(tagSamples, 0), err: transform.ErrCorrupt},
		{name: "tiff of 0 bits", file: one(tagBits, 0), err: transform.ErrCorrupt},
		{name: "tiff without strips", file: tiffFile(binary.LittleEndian, noStrips), err: transform.ErrCorrupt},
		{name: "tiff without a directory", file: noDirectory, err: transform.ErrCorrupt},
		{name: "tiff with its directory past the end", file: far, err: transform.ErrTruncated},
		{name: "tiff with a strip past the end", file: one(tagStripOffsets, 200), err: transform.ErrTruncated},
		{name: "tiff with the last strip past the end", file: tiffStrips(40, 30, 8, 1000), err: transform.ErrTruncated},
		{name: "tiff with a tile past the end", file: one(tagTileOffsets, 8, tagTileByteCounts, 0xffffffff), err: transform.ErrTruncated},
		{name: "tiff with tables past the end", file: noTables, err: transform.ErrTruncated},
	}
}

// tiffStrips has strips of 4 bytes at these offsets, in tables of their own.
func tiffStrips(w, h uint32, offsets ...uint32) []byte {
	b := tiffFile(binary.BigEndian, tiffPage(w, h))
	page := tiffPage(w, h)
	for i, tag := range tagsInOrder(page) {
		entry := b[10+12*i:]
		if tag == tagStripOffsets || tag == tagStripByteCounts {
			binary.BigEndian.PutUint32(entry[4:], uint32(len(offsets)))
			binary.BigEndian.PutUint32(entry[8:], uint32(len(b)))
			for _, offset := range offsets {
				if tag == tagStripByteCounts {
					offset = 4
				}
				b = binary.BigEndian.AppendUint32(b, offset)
			}
		}
	}
	return b
}

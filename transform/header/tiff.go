package header

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/tintype/tintype/transform"
)

// TIFF tags and types (TIFF 6.0 §8).
const (
	tagWidth           = 256
	tagHeight          = 257
	tagBits            = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamples         = 277
	tagStripByteCounts = 279
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagICC             = 34675

	tiffShort = 3
	tiffLong  = 4

	photometricRGB = 2
)

const (
	maxTIFFPages = 1001 // pages that are counted; every limit is lower
	maxTIFFBands = 5    // more bands corrupt memory in libvips before 8.18.3
	maxTileEdge  = 8192 // pixels; a tile may be this large even in a small picture
)

// tiffCompressions are the allowed compressions: none, CCITT's three, LZW, JPEG, Deflate
// (under two numbers) and PackBits. Others are rare, and their decoders are little tested.
var tiffCompressions = []uint32{1, 2, 3, 4, 5, 7, 8, 32946, 32773}

// tiffHeader reads the first directory of a TIFF and counts the others.
func tiffHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Frames: 1}
	t, first, ok := newTIFF(b)
	if !ok {
		return h, truncated("the TIFF ends within its header")
	}
	if first < 8 {
		return h, corrupt("the TIFF has no directory")
	}
	dir, ok := t.directory(first)
	if !ok {
		return h, truncated("the TIFF ends within its directory")
	}
	if err := setTIFF(&h, t, dir); err != nil {
		return h, err
	}
	seen := [maxTIFFPages]uint32{first}
	values := 0
	for h.Frames < maxTIFFPages {
		// Values that overlap are small in the file, but a decoder copies each of them.
		if values += t.valueBytes(dir); values > 2*len(b) {
			return h, corrupt("the TIFF has tags that share their values")
		}
		if len(dir.after) < 4 {
			return h, truncated("the TIFF ends within a directory")
		}
		next := t.order.Uint32(dir.after)
		if next == 0 {
			break
		}
		if slices.Contains(seen[:h.Frames], next) {
			return h, corrupt("the TIFF's directories go round in a circle")
		}
		if dir, ok = t.directory(next); !ok {
			return h, truncated("the TIFF ends within a directory")
		}
		seen[h.Frames] = next
		h.Frames++
	}
	return h, nil
}

func setTIFF(h *transform.Header, t tiff, dir tiffDirectory) error {
	width, _ := t.number(dir, tagWidth)
	height, _ := t.number(dir, tagHeight)
	if width == 0 || height == 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return corrupt("the TIFF is %d×%d pixels", width, height)
	}
	h.Width, h.Height = int(width), int(height)

	samples, ok := t.number(dir, tagSamples)
	if !ok {
		samples = 1
	}
	if samples == 0 || samples > maxTIFFBands {
		return corrupt("the TIFF has %d channels; at most %d are read", samples, maxTIFFBands)
	}
	colours := uint32(1)
	switch photometric, _ := t.number(dir, tagPhotometric); photometric {
	case photometricRGB, 6, 8: // YCbCr, CIE L*a*b*
		colours = 3
	case 3: // palette
		h.Bands = 2
	case 5: // CMYK
		colours = 4
	}
	h.Bands += int(samples)
	h.Alpha = samples > colours

	h.Bits = 1
	if bits, ok := t.number(dir, tagBits); ok {
		if bits == 0 || bits > 64 {
			return corrupt("the TIFF has %d bits a channel", bits)
		}
		h.Bits = int(bits)
	}
	if err := t.checkSamples(dir, h.Bits); err != nil {
		return err
	}
	if c, ok := t.number(dir, tagCompression); ok && !slices.Contains(tiffCompressions, c) {
		return unsupported("a TIFF compressed by method %d; save it with LZW or Deflate", c)
	}
	if n := t.size(dir, tagICC); n > 0 {
		if err := checkICC(n); err != nil {
			return err
		}
	}
	if o, _ := t.number(dir, tagOrientation); o >= 1 && o <= 8 {
		h.Orientation = int(o)
	}

	for _, tag := range [...]uint16{tagTileWidth, tagTileHeight} {
		if edge, ok := t.number(dir, tag); ok && edge > max(width, height, maxTileEdge) {
			return corrupt("the TIFF has tiles larger than the picture")
		}
	}
	if offsets, ok := t.entry(dir, tagTileOffsets); ok {
		return t.checkData(dir, offsets, tagTileByteCounts)
	}
	if offsets, ok := t.entry(dir, tagStripOffsets); ok {
		return t.checkData(dir, offsets, tagStripByteCounts)
	}
	return corrupt("the TIFF holds no pixels")
}

// checkSamples refuses kinds of numbers whose colours aren't defined. Decoders read them,
// but black and white depend on the program that wrote them.
func (t tiff) checkSamples(dir tiffDirectory, bits int) error {
	const unsigned, floating, undefined = 1, 3, 4 // TIFF 6.0 §19
	const premultiplied = 1                       // §18
	kind, ok := t.number(dir, tagSampleFormat)
	if !ok || kind == undefined {
		kind = unsigned
	}
	photometric, _ := t.number(dir, tagPhotometric)
	extra, _ := t.number(dir, tagExtraSamples)
	switch {
	case kind == unsigned && bits <= 16:
		return nil
	case kind == floating && bits == 32 && photometric == photometricRGB && extra != premultiplied: // libvips before 8.15 divides by another scale of alpha
		return nil
	case kind == unsigned:
		return unsupported("a TIFF of %d bits a channel; save it with 8 or 16", bits)
	case kind == floating:
		return unsupported("a TIFF of floating-point numbers other than RGB of 32 bits without premultiplied alpha; save it with 8 or 16 bits a channel")
	}
	return unsupported("a TIFF of signed or complex numbers; save it with 8 or 16 bits a channel, unsigned")
}

// checkData checks that all strips or tiles lie within the file.
func (t tiff) checkData(dir tiffDirectory, offsets tiffEntry, lengths uint16) error {
	counts, hasCounts := t.entry(dir, lengths)
	if !offsets.whole || hasCounts && !counts.whole {
		return truncated("the TIFF ends within its directory")
	}
	for i := range offsets.count {
		end := uint64(t.at(offsets, i))
		if hasCounts && i < counts.count {
			end += uint64(t.at(counts, i))
		}
		if end > uint64(len(t.b)) {
			return truncated("the TIFF ends within its pixels")
		}
	}
	return nil
}

// A tiff reads the directories of a TIFF file or an EXIF block.
type tiff struct {
	b     []byte
	order binary.ByteOrder
}

// newTIFF returns a reader of b and the offset of the first directory.
func newTIFF(b []byte) (t tiff, first uint32, ok bool) {
	switch {
	case len(b) < 8:
		return tiff{}, 0, false
	case hasPrefix(b, "II*\x00"):
		t = tiff{b, binary.LittleEndian}
	case hasPrefix(b, "MM\x00*"):
		t = tiff{b, binary.BigEndian}
	default:
		return tiff{}, 0, false
	}
	return t, t.order.Uint32(b[4:]), true
}

type tiffDirectory struct {
	entries []byte // 12 bytes each
	after   []byte // the offset of the next directory, 4 bytes; fewer at the end of the data
}

func (t tiff) directory(offset uint32) (tiffDirectory, bool) {
	if uint64(offset)+2 > uint64(len(t.b)) {
		return tiffDirectory{}, false
	}
	rest := t.b[offset:]
	n := 12 * int(t.order.Uint16(rest))
	rest = rest[2:]
	if len(rest) < n {
		return tiffDirectory{}, false
	}
	return tiffDirectory{rest[:n], rest[n:min(n+4, len(rest))]}, true
}

// tiffTypeSizes are the bytes of a value by type (TIFF 6.0 §2).
var tiffTypeSizes = [...]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

// valueBytes returns the length of all values outside of a directory.
func (t tiff) valueBytes(dir tiffDirectory) (sum int) {
	for e := dir.entries; len(e) >= 12; e = e[12:] {
		if n := t.entrySize(e); n > 4 {
			sum += n
		}
	}
	return sum
}

// size returns the length of a tag's value, or 0 without the tag.
func (t tiff) size(dir tiffDirectory, tag uint16) int {
	for e := dir.entries; len(e) >= 12; e = e[12:] {
		if t.order.Uint16(e) == tag {
			return t.entrySize(e)
		}
	}
	return 0
}

// entrySize returns the length of an entry's value, or 0 where it lies beyond the end.
// Decoders ignore such a value.
func (t tiff) entrySize(e []byte) int {
	kind, count := int(t.order.Uint16(e[2:])), int(t.order.Uint32(e[4:]))
	if kind >= len(tiffTypeSizes) {
		return 0
	}
	n := count * tiffTypeSizes[kind]
	if n > len(t.b) {
		return 0
	}
	return n
}

// A tiffEntry has the numbers of a tag.
type tiffEntry struct {
	kind   uint16
	count  int
	values []byte
	whole  bool // values holds all count numbers
}

// entry finds a tag with short or long numbers.
func (t tiff) entry(dir tiffDirectory, tag uint16) (tiffEntry, bool) {
	for e := dir.entries; len(e) >= 12; e = e[12:] {
		if t.order.Uint16(e) != tag {
			continue
		}
		kind, count := t.order.Uint16(e[2:]), t.order.Uint32(e[4:])
		var length uint64
		switch kind {
		case tiffShort:
			length = 2 * uint64(count)
		case tiffLong:
			length = 4 * uint64(count)
		}
		if length == 0 {
			return tiffEntry{}, false
		}
		if length <= 4 {
			return tiffEntry{kind, int(count), e[8:12], true}, true
		}
		offset := uint64(t.order.Uint32(e[8:]))
		if offset+length > uint64(len(t.b)) {
			return tiffEntry{kind: kind}, true
		}
		return tiffEntry{kind, int(count), t.b[offset : offset+length], true}, true
	}
	return tiffEntry{}, false
}

// at returns number i of e. i must be below e.count.
func (t tiff) at(e tiffEntry, i int) uint32 {
	if e.kind == tiffShort {
		return uint32(t.order.Uint16(e.values[2*i:]))
	}
	return t.order.Uint32(e.values[4*i:])
}

// number returns the first number of a tag.
func (t tiff) number(dir tiffDirectory, tag uint16) (uint32, bool) {
	e, ok := t.entry(dir, tag)
	if !ok || e.count == 0 {
		return 0, false
	}
	return t.at(e, 0), true
}

const exifPrefix = "Exif\x00\x00"

// exifOrientation reads the orientation of an EXIF block, with or without its prefix. It
// returns 1 where the orientation is missing or malformed, since the picture is still
// usable.
func exifOrientation(b []byte) int {
	if hasPrefix(b, exifPrefix) {
		b = b[len(exifPrefix):]
	}
	t, first, ok := newTIFF(b)
	if !ok {
		return 1
	}
	dir, ok := t.directory(first)
	if !ok {
		return 1
	}
	if o, ok := t.number(dir, tagOrientation); ok && o >= 1 && o <= 8 {
		return int(o)
	}
	return 1
}

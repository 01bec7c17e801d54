package header

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/tintype/tintype/transform"
)

const (
	jxlContainer = "\x00\x00\x00\x0cJXL \r\n\x87\n"
	jxlSignature = "\xff\x0a"

	// maxJXLChannels bounds the extra channels. libvips decodes pictures with at most one,
	// usually alpha.
	maxJXLChannels = 8

	// maxJXLHead bounds the headers of a codestream, in bytes: maxJXLChannels channels with
	// the longest names.
	maxJXLHead = 16 << 10
)

// jxlHeader reads the image headers of a JPEG XL codestream (ISO/IEC 18181-1 §D), bare or
// in the boxes of ISO/IEC 18181-2. The size is the size after rotation, which decoders
// apply. So Orientation is 1. In an animation it reads the still picture. It can't tell
// whether a bare codestream is cut off after its headers, since only decoding finds the end
// of a frame.
func jxlHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Frames: 1}
	stream := b
	if !hasPrefix(b, jxlSignature) {
		var err error
		if stream, err = jxlCodestream(b); err != nil {
			return h, err
		}
	}
	if len(stream) > 2 && !hasPrefix(stream, jxlSignature) {
		return h, corrupt("the JXL holds no codestream")
	}
	r := jxlBits{b: stream[min(2, len(stream)):]}
	if _, err := setJXL(&h, &r); err != nil {
		return h, err
	}
	if (r.i+7)/8 >= len(r.b) { // the start of a frame is missing
		return h, truncated("the JXL ends within its header")
	}
	if h.Width > math.MaxInt32 || h.Height > math.MaxInt32 {
		return h, tooLarge("the JXL is %d×%d pixels", h.Width, h.Height)
	}
	return h, nil
}

// jxlCodestream returns the start of the codestream in the boxes of a file.
func jxlCodestream(b []byte) ([]byte, error) {
	var stream []byte
	found, last := false, false
	for rest := b[len(jxlContainer):]; len(rest) > 0; {
		if len(rest) < 8 {
			return nil, truncated("the JXL ends within a box")
		}
		bx, after, ok := nextBox(rest)
		if !ok {
			return nil, truncated("the JXL ends within a box")
		}
		rest = after
		switch string(bx.kind) {
		case "jxlc":
			if found {
				return nil, corrupt("the JXL holds two codestreams")
			}
			found, last = true, true
			stream = bx.data
		case "jxlp":
			if last || len(bx.data) < 4 {
				return nil, corrupt("the JXL holds a part of a codestream that is out of place")
			}
			found, last = true, bx.data[0]&0x80 != 0
			stream = append(stream, bx.data[4:min(len(bx.data), 4+maxJXLHead-len(stream))]...)
		}
	}
	if !last {
		return nil, truncated("the JXL ends within its codestream")
	}
	return stream[:min(len(stream), maxJXLHead)], nil
}

// DeepJXL returns a JPEG XL that decodes to 16 bits, where 8 bits would show steps in dark
// colours. libjxl returns colours in linear light for a file in XYB with a profile, and
// libvips uses the number of bits in the file. So DeepJXL returns a copy of b with 12 bits
// instead of 8. With XYB this number is only a hint. It returns other files unchanged.
func DeepJXL(b []byte) []byte {
	stream := b
	if !hasPrefix(b, jxlSignature) {
		var err error
		if stream, err = jxlCodestream(b); err != nil {
			return b
		}
	}
	var h transform.Header
	r := jxlBits{b: stream[min(2, len(stream)):]}
	depth, err := setJXL(&h, &r)
	if err != nil || depth == 0 {
		return b
	}
	// The second bit of the selector of 8, 10, 12 or other bits.
	bit := 8*len(jxlSignature) + depth + 1
	b = slices.Clone(b)
	if at := jxlByte(b, bit/8); at != nil {
		*at |= 1 << (bit % 8)
	}
	return b
}

// JXLMetadata returns the EXIF block and the XMP packet of a JPEG XL (ISO/IEC 18181-2 §9). Each is
// nil if the file has none. A bare codestream has no metadata. It doesn't unpack boxes that
// Brotli compresses.
func JXLMetadata(b []byte) (exif, xmp []byte) {
	if !hasPrefix(b, jxlContainer) {
		return nil, nil
	}
	for rest, ok := b[len(jxlContainer):], true; ok && len(rest) >= 8; {
		var bx box
		if bx, rest, ok = nextBox(rest); !ok {
			break
		}
		switch kind := string(bx.kind); {
		case kind == "xml " && xmp == nil:
			xmp = bx.data
		case kind == "Exif" && exif == nil && len(bx.data) >= 4:
			// The block begins after this number of bytes.
			if at := uint64(binary.BigEndian.Uint32(bx.data)); at <= uint64(len(bx.data)-4) {
				exif = bx.data[4+at:]
			}
		}
	}
	return exif, xmp
}

// jxlByte returns byte i of a file's codestream.
func jxlByte(b []byte, i int) *byte {
	if hasPrefix(b, jxlSignature) {
		return &b[i]
	}
	for rest, ok := b[len(jxlContainer):], true; ok && len(rest) >= 8; {
		var bx box
		if bx, rest, ok = nextBox(rest); !ok {
			break
		}
		part := bx.data
		switch string(bx.kind) {
		case "jxlc":
		case "jxlp":
			part = part[4:] // jxlCodestream has checked the length
		default:
			continue
		}
		if i < len(part) {
			return &part[i]
		}
		i -= len(part)
	}
	return nil
}

// setJXL reads the SizeHeader, and the ImageMetadata up to the colour space. deep is the
// bit of r that DeepJXL changes, or 0.
func setJXL(h *transform.Header, r *jxlBits) (deep int, err error) {
	width, height := r.size()
	h.Width, h.Height = int(width), int(height)
	h.Bands, h.Bits = 3, 8
	if r.bool() { // all defaults
		return 0, nil
	}
	if r.bool() { // extra fields
		if r.uint(3) >= 4 { // orientation − 1
			h.Width, h.Height = h.Height, h.Width
		}
		if r.bool() {
			r.size() // intrinsic size
		}
		if r.bool() {
			r.previewSize()
		}
		if r.bool() { // animation: ticks, loops, time codes
			r.u32(jxlU32{0, 100}, jxlU32{0, 1000}, jxlU32{10, 1}, jxlU32{30, 1})
			r.u32(jxlU32{0, 1}, jxlU32{0, 1001}, jxlU32{8, 1}, jxlU32{10, 1})
			r.u32(jxlU32{0, 0}, jxlU32{3, 0}, jxlU32{16, 0}, jxlU32{32, 0})
			r.bool()
		}
	}
	depth := r.i + 1 // after the bit for floating point
	h.Bits = r.depth()
	r.bool() // 16-bit buffers are sufficient
	channels := r.u32(jxlU32{0, 0}, jxlU32{0, 1}, jxlU32{4, 2}, jxlU32{12, 1})
	if channels > maxJXLChannels {
		return 0, tooLarge("the JXL has %d extra channels; at most %d are read", channels, maxJXLChannels)
	}
	black := false
	for range channels {
		kind, premultiplied := r.extra()
		black = black || kind == jxlBlack
		if kind == jxlAlpha && !h.Alpha {
			h.Alpha, h.Premultiplied = true, premultiplied
			h.Bands++
		}
	}
	xyb := r.bool()
	grey, coarse := r.colours(xyb)
	if grey {
		h.Bands -= 2
	}
	switch {
	case (r.i+7)/8 > len(r.b): // the values past the end are meaningless
	case black:
		return 0, unsupported("a JPEG XL in CMYK; save it in RGB")
	case channels > 1:
		return 0, unsupported("a JPEG XL of %d channels besides its colours, such as spot colours or depth; save it with alpha alone", channels)
	case xyb && coarse && h.Bits == 8:
		h.Bits = 12
		return depth, nil
	}
	return 0, nil
}

// A jxlBits reads the fields of a codestream (§B), lowest bit first. Past the end it reads
// zeros.
type jxlBits struct {
	b []byte
	i int // in bits
}

func (r *jxlBits) uint(n int) (v uint64) {
	for k := range n {
		if at := (r.i + k) / 8; at < len(r.b) {
			v |= uint64(r.b[at]>>((r.i+k)%8)&1) << k
		}
	}
	r.i += n
	return v
}

func (r *jxlBits) bool() bool { return r.uint(1) != 0 }

// A jxlU32 is one of the four encodings of a number: a number of bits, and a number to add.
type jxlU32 struct {
	bits int
	plus uint64
}

func (r *jxlBits) u32(ways ...jxlU32) uint64 {
	way := ways[r.uint(2)]
	return way.plus + r.uint(way.bits)
}

func (r *jxlBits) enum() uint64 {
	return r.u32(jxlU32{0, 0}, jxlU32{0, 1}, jxlU32{4, 2}, jxlU32{6, 18})
}

// size reads a SizeHeader.
func (r *jxlBits) size() (width, height uint64) {
	small := r.bool()
	side := func() uint64 {
		if small {
			return 8 * (1 + r.uint(5))
		}
		return r.u32(jxlU32{9, 1}, jxlU32{13, 1}, jxlU32{18, 1}, jxlU32{30, 1})
	}
	height = side()
	return r.widthOf(height, side), height
}

// previewSize skips a PreviewHeader.
func (r *jxlBits) previewSize() {
	small := r.bool()
	side := func() uint64 {
		if small {
			return r.u32(jxlU32{0, 16}, jxlU32{0, 32}, jxlU32{5, 1}, jxlU32{9, 33})
		}
		return r.u32(jxlU32{6, 1}, jxlU32{8, 65}, jxlU32{10, 321}, jxlU32{12, 1345})
	}
	r.widthOf(side(), side)
}

// widthOf reads a width, as a ratio to the height or as a number.
func (r *jxlBits) widthOf(height uint64, side func() uint64) uint64 {
	switch r.uint(3) {
	case 1:
		return height
	case 2:
		return height * 12 / 10
	case 3:
		return height * 4 / 3
	case 4:
		return height * 3 / 2
	case 5:
		return height * 16 / 9
	case 6:
		return height * 5 / 4
	case 7:
		return height * 2
	}
	return side()
}

// depth reads a BitDepth.
func (r *jxlBits) depth() int {
	if !r.bool() {
		return int(r.u32(jxlU32{0, 8}, jxlU32{0, 10}, jxlU32{0, 12}, jxlU32{6, 1}))
	}
	bits := r.u32(jxlU32{0, 32}, jxlU32{0, 16}, jxlU32{0, 24}, jxlU32{6, 1})
	r.uint(4) // bits of the exponent
	return int(bits)
}

const jxlAlpha, jxlSpot, jxlBlack, jxlFilter = 0, 2, 4, 5

// extra reads an ExtraChannelInfo.
func (r *jxlBits) extra() (kind uint64, premultiplied bool) {
	if r.bool() {
		return jxlAlpha, false // the default
	}
	kind = r.enum()
	r.depth()
	r.u32(jxlU32{0, 0}, jxlU32{0, 3}, jxlU32{0, 4}, jxlU32{3, 1})                    // dimension shift
	r.i += 8 * int(r.u32(jxlU32{0, 0}, jxlU32{4, 0}, jxlU32{5, 16}, jxlU32{10, 48})) // length of the name
	switch kind {
	case jxlAlpha:
		premultiplied = r.bool()
	case jxlSpot:
		r.i += 4 * 16 // spot colour
	case jxlFilter:
		r.u32(jxlU32{0, 1}, jxlU32{2, 0}, jxlU32{4, 3}, jxlU32{8, 19})
	}
	return kind, premultiplied
}

// colours reads a ColourEncoding. coarse reports whether a picture in XYB decodes to linear
// light.
func (r *jxlBits) colours(xyb bool) (grey, coarse bool) {
	const isGrey, isXYB, custom, linear = 1, 2, 2, 8
	if r.bool() {
		return false, false // sRGB
	}
	profile := r.bool()
	space := r.enum()
	grey = space == isGrey
	if profile || space == isXYB {
		return grey, profile
	}
	if r.enum() == custom { // white
		r.points(1)
	}
	if !grey && r.enum() == custom { // primaries
		r.points(3)
	}
	if r.bool() {
		coarse = r.uint(24) > 7e6 // the gamma times ten million, from 1/1.4 on
	} else {
		coarse = r.enum() == linear
	}
	r.enum() // rendering intent
	return grey, coarse
}

// points skips n CustomXY.
func (r *jxlBits) points(n int) {
	for range 2 * n {
		r.u32(jxlU32{19, 0}, jxlU32{19, 524288}, jxlU32{20, 1048576}, jxlU32{21, 2097152})
	}
}

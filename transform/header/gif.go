package header

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/tintype/tintype/transform"
)

// gifHeader reads the blocks of a GIF (GIF89a specification) and counts its frames. It
// computes the canvas as libnsgif does: it ignores screen sizes that old tools wrote for
// every picture, and the first frame may enlarge the canvas.
func gifHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Bands: 3, Bits: 8}
	if len(b) < 13 {
		return h, truncated("the GIF ends within its header")
	}
	if gifIsText(b) {
		return h, unsupported("it begins like a GIF, but is text")
	}
	h.Width, h.Height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	if gifScreenIgnored(h.Width, h.Height) {
		h.Width, h.Height = 1, 1
	}
	i := 13 + gifPalette(b[10])
	for {
		if i >= len(b) {
			// Many GIFs lack only their trailer. A GIF that ends within a block is cut
			// off.
			if i == len(b) && h.Frames > 0 {
				return h, nil
			}
			return h, truncated("the GIF ends within a block")
		}
		switch b[i] {
		case 0x21: // extension
			if len(b)-i < 3 {
				return h, truncated("the GIF ends within an extension")
			}
			// The lowest flag of a graphic control extension means that it has a
			// transparent colour.
			if b[i+1] == 0xf9 && len(b)-i >= 4 && b[i+3]&1 != 0 && !h.Alpha {
				h.Alpha = true
				h.Bands = 4
			}
			i = afterSubBlocks(b, i+2)
		case 0x2c: // image
			if len(b)-i < 11 {
				return h, truncated("the GIF ends within a frame")
			}
			if err := addGIFFrame(&h, b[i+1:i+10]); err != nil {
				return h, err
			}
			end := afterSubBlocks(b, i+10+gifPalette(b[i+9])+1)
			if end > len(b) {
				return h, truncated("the GIF ends within a frame")
			}
			h.Frames++
			i = end
		case 0x3b: // trailer
			if h.Frames == 0 {
				return h, corrupt("the GIF holds no frame")
			}
			return h, nil
		default:
			if h.Frames == 0 {
				return h, corrupt("the GIF holds no frame that can be found")
			}
			return h, nil // decoders stop at an unknown block
		}
	}
}

// gifIsText reports whether only text follows a GIF's header, as in a script or a page that
// begins like a GIF. A frame can't be text, since it ends with a zero.
func gifIsText(b []byte) bool {
	text := b[13:]
	isControl := func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\f' && r != '\r' }
	return len(text) > 0 && gifPalette(b[10]) == 0 && !bytes.ContainsFunc(text, isControl) && utf8.Valid(text)
}

// addGIFFrame reads an image descriptor without its first byte.
func addGIFFrame(h *transform.Header, d []byte) error {
	left, top := int(binary.LittleEndian.Uint16(d)), int(binary.LittleEndian.Uint16(d[2:]))
	width, height := int(binary.LittleEndian.Uint16(d[4:])), int(binary.LittleEndian.Uint16(d[6:]))
	if h.Frames == 0 {
		h.Width, h.Height = max(h.Width, left+width), max(h.Height, top+height)
	}
	// Decoders clip later frames to the canvas, but unpack their whole rows.
	if width > 2*h.Width || height > 2*h.Height {
		return corrupt("a GIF frame of %d×%d pixels is far larger than its canvas of %d×%d", width, height, h.Width, h.Height)
	}
	h.Interlaced = h.Interlaced || d[8]&0x40 != 0
	return nil
}

// gifScreenIgnored reports whether libnsgif ignores a screen size, since it is a common
// size of monitors. The first frame then decides.
func gifScreenIgnored(w, h int) bool {
	switch [2]int{w, h} {
	case [2]int{640, 480}, [2]int{640, 512}, [2]int{800, 600}, [2]int{1024, 768}, [2]int{1280, 1024}, [2]int{1600, 1200}:
		return true
	}
	return w == 0 || h == 0 || w > 2048 || h > 2048
}

// gifPalette returns the length of the colour table for these flags, in bytes.
func gifPalette(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 * (2 << (flags & 7))
}

// afterSubBlocks returns the index after the sub-blocks at i and their terminator. It is
// greater than len(b) where the terminator is missing.
func afterSubBlocks(b []byte, i int) int {
	for i < len(b) {
		n := int(b[i])
		i += n + 1
		if n == 0 {
			return i
		}
	}
	return len(b) + 1
}

package header

import (
	"encoding/binary"

	"github.com/tintype/tintype/transform"
)

// webpHeader reads a WebP (RFC 9649 §2): a single picture, or an extended file with a
// canvas and maybe frames.
func webpHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Frames: 1, Bands: 3, Bits: 8}
	size := uint64(binary.LittleEndian.Uint32(b[4:])) + 8
	if size > uint64(len(b)) {
		return h, truncated("the WebP is shorter than its header says")
	}
	chunks := riffChunks{b[12:max(size, 12)]}
	first, data, err := chunks.next()
	if err != nil {
		return h, err
	}
	switch string(first) {
	case "VP8 ", "VP8L":
		p, err := webpPictureOf(first, data)
		if err != nil {
			return h, err
		}
		h.Width, h.Height = p.width, p.height
		setAlpha(&h, p.alpha)
		return h, nil
	case "VP8X":
		return h, setWebPExtended(&h, data, chunks)
	}
	return h, corrupt("the WebP holds no picture")
}

func setAlpha(h *transform.Header, alpha bool) {
	if alpha && !h.Alpha {
		h.Alpha = true
		h.Bands++
	}
}

// setWebPExtended reads the VP8X chunk and the chunks after it.
func setWebPExtended(h *transform.Header, vp8x []byte, chunks riffChunks) error {
	if len(vp8x) < 10 {
		return corrupt("the WebP header is too short")
	}
	animated := vp8x[0]&0x02 != 0
	setAlpha(h, vp8x[0]&0x10 != 0)
	h.Width, h.Height = uint24(vp8x[4:])+1, uint24(vp8x[7:])+1
	pictures := 0
	seenExif := false
	for len(chunks.rest) >= 8 {
		kind, data, err := chunks.next()
		if err != nil {
			return err
		}
		switch string(kind) {
		case "VP8 ", "VP8L":
			p, err := webpPictureOf(kind, data)
			if err != nil {
				return err
			}
			if animated {
				return corrupt("a WebP animation has a picture outside its frames")
			}
			if p.width != h.Width || p.height != h.Height {
				return corrupt("the WebP picture is not as large as its canvas")
			}
			pictures++
		case "ANMF":
			if !animated {
				continue // as libwebp does
			}
			if err := checkWebPFrame(data, h.Width, h.Height); err != nil {
				return err
			}
			pictures++
		case "ICCP":
			if err := checkICC(len(data)); err != nil {
				return err
			}
		case "EXIF":
			if err := checkEXIF(len(data)); err != nil {
				return err
			}
			if !seenExif {
				seenExif = true
				h.Orientation = exifOrientation(data)
			}
		}
	}
	if pictures == 0 {
		return truncated("the WebP holds no picture")
	}
	if animated {
		h.Frames = pictures
	}
	return nil
}

// checkWebPFrame checks that a frame lies on the canvas and that its picture has the size
// of the frame, since decoders unpack the size of the picture.
func checkWebPFrame(frame []byte, canvasWidth, canvasHeight int) error {
	if len(frame) < 16 {
		return corrupt("a WebP frame is too short")
	}
	left, top := 2*uint24(frame), 2*uint24(frame[3:])
	width, height := uint24(frame[6:])+1, uint24(frame[9:])+1
	if left+width > canvasWidth || top+height > canvasHeight {
		return corrupt("a WebP frame lies outside the canvas")
	}
	chunks := riffChunks{frame[16:]}
	for len(chunks.rest) >= 8 {
		kind, data, err := chunks.next()
		if err != nil {
			return corrupt("a WebP frame is shorter than what it holds")
		}
		if string(kind) != "VP8 " && string(kind) != "VP8L" {
			continue
		}
		p, err := webpPictureOf(kind, data)
		if err != nil {
			return err
		}
		if p.width != width || p.height != height {
			return corrupt("a WebP frame is not as large as it says")
		}
		return nil
	}
	return corrupt("a WebP frame holds no picture")
}

type webpPicture struct {
	width, height int
	alpha         bool
}

// webpPictureOf reads the header of a lossy (RFC 6386 §9.1) or lossless (RFC 9649 §3.4)
// picture.
func webpPictureOf(kind, data []byte) (webpPicture, error) {
	switch {
	case string(kind) == "VP8 " && len(data) >= 10 && data[0]&1 == 0 && string(data[3:6]) == "\x9d\x01\x2a":
		p := webpPicture{
			width:  int(binary.LittleEndian.Uint16(data[6:]) & 0x3fff),
			height: int(binary.LittleEndian.Uint16(data[8:]) & 0x3fff),
		}
		if p.width != 0 && p.height != 0 {
			return p, nil
		}
	case string(kind) == "VP8L" && len(data) >= 5 && data[0] == 0x2f && data[4]>>5 == 0:
		v := binary.LittleEndian.Uint32(data[1:])
		return webpPicture{width: int(v&0x3fff) + 1, height: int(v>>14&0x3fff) + 1, alpha: v>>28&1 != 0}, nil
	}
	return webpPicture{}, corrupt("the start of a WebP picture is broken")
}

// riffChunks reads a sequence of chunks.
type riffChunks struct{ rest []byte }

// next returns the next chunk's name and data.
func (c *riffChunks) next() (kind, data []byte, err error) {
	if len(c.rest) < 8 {
		return nil, nil, truncated("the WebP ends within a chunk")
	}
	n := uint64(binary.LittleEndian.Uint32(c.rest[4:]))
	if n > uint64(len(c.rest)-8) {
		return nil, nil, truncated("the WebP ends within a chunk")
	}
	kind, data = c.rest[:4], c.rest[8:8+n]
	c.rest = c.rest[min(8+n+n&1, uint64(len(c.rest))):]
	return kind, data, nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

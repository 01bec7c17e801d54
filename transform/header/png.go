package header

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/tintype/tintype/transform"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngHeader reads the chunks of a PNG (W3C PNG, third edition, §5). For an animated PNG it
// reads the still picture, which every decoder shows.
func pngHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Frames: 1}
	pixels := false
	var unpacked unpacker
	for i := len(pngSignature); ; {
		if len(b)-i < 12 {
			return h, truncated("the PNG has no end chunk")
		}
		n := binary.BigEndian.Uint32(b[i:])
		if n > math.MaxInt32 {
			return h, corrupt("a PNG chunk has an impossible length")
		}
		if int64(n) > int64(len(b)-i-12) {
			return h, truncated("the PNG ends within a chunk")
		}
		kind := string(b[i+4 : i+8])
		data := b[i+8 : i+8+int(n)]
		if h.Width == 0 {
			if kind != "IHDR" || crc32.ChecksumIEEE(b[i+4:i+8+int(n)]) != binary.BigEndian.Uint32(b[i+8+int(n):]) {
				return h, corrupt("the PNG does not start with a sound header")
			}
			if err := setPNG(&h, data); err != nil {
				return h, err
			}
		}
		if err := unpacked.checkPNG(kind, data); err != nil {
			return h, err
		}
		switch kind {
		case "tRNS":
			if !h.Alpha && !pixels {
				h.Alpha = true
				h.Bands++
			}
		case "eXIf":
			h.Orientation = exifOrientation(data)
		case "cICP":
			if len(data) == 4 && !pixels {
				h.Coding = codingOf(uint64(data[0]), uint64(data[1])) // it precedes a profile
			}
		case "IDAT":
			pixels = true
		case "IEND":
			if !pixels {
				return h, corrupt("the PNG holds no pixels")
			}
			return h, nil
		}
		i += 12 + int(n)
	}
}

// setPNG reads an IHDR chunk (§11.2.1).
func setPNG(h *transform.Header, data []byte) error {
	if len(data) != 13 {
		return corrupt("the PNG header has the wrong length")
	}
	width, height := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	if width == 0 || height == 0 || width > math.MaxInt32 || height > math.MaxInt32 {
		return corrupt("the PNG is %d×%d pixels", width, height)
	}
	depth, colour := data[8], data[9]
	var depths uint32 // bit d is set where depth d is allowed
	switch colour {
	case 0: // grey
		h.Bands, depths = 1, 1<<1|1<<2|1<<4|1<<8|1<<16
	case 2: // RGB
		h.Bands, depths = 3, 1<<8|1<<16
	case 3: // palette
		h.Bands, depths = 3, 1<<1|1<<2|1<<4|1<<8
	case 4: // grey and alpha
		h.Bands, depths = 2, 1<<8|1<<16
	case 6: // RGB and alpha
		h.Bands, depths = 4, 1<<8|1<<16
	}
	if depth > 16 || depths&(1<<depth) == 0 || data[10] != 0 || data[11] != 0 || data[12] > 1 {
		return corrupt("the PNG header names a pixel layout that does not exist")
	}
	h.Width, h.Height = int(width), int(height)
	h.Bits = int(depth)
	if colour == 3 {
		h.Bits = 8
	}
	h.Alpha = colour == 4 || colour == 6
	h.Interlaced = data[12] == 1
	return nil
}

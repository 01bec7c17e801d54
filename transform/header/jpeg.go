package header

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/tintype/tintype/transform"
)

// These constants bound the scans of a progressive JPEG. Each scan is a pass over the whole
// picture, so a small file with thousands of scans would take minutes. Encoders write about
// ten.
const (
	maxScans   = 100
	maxScanned = 1000e6 // pixels × scans, beyond freeScans
	freeScans  = 16     // scans that are always allowed
)

const iccPrefix = "ICC_PROFILE\x00"

// jpegHeader reads the segments of a JPEG (ITU-T T.81 annex B) up to the EOI marker. It
// ignores data after it, such as further pictures or a video.
func jpegHeader(b []byte) (transform.Header, error) {
	h := transform.Header{Orientation: 1, Frames: 1, Bits: 8}
	seenExif := false
	scans, profile := 0, 0
	for i := 2; ; {
		i = nextMarker(b, i)
		if i+2 > len(b) {
			return h, truncated("the JPEG has no end marker")
		}
		marker := b[i+1]
		i += 2
		switch marker {
		case 0x01: // TEM has no segment
			continue
		case 0xd8:
			return h, corrupt("a second JPEG starts within the first")
		case 0xd9: // EOI
			if h.Width == 0 || scans == 0 {
				return h, corrupt("the JPEG holds no picture")
			}
			return h, nil
		}
		if len(b)-i < 2 {
			return h, truncated("the JPEG ends within a segment")
		}
		n := int(binary.BigEndian.Uint16(b[i:]))
		if n < 2 {
			return h, corrupt("a JPEG segment has no length")
		}
		if n > len(b)-i {
			return h, truncated("the JPEG ends within a segment")
		}
		segment := b[i+2 : i+n]
		i += n

		switch marker {
		case 0xc0, 0xc1, 0xc2, 0xc9, 0xca: // baseline, extended, progressive; arithmetic-coded extended, progressive
			if h.Width != 0 {
				return h, corrupt("the JPEG has two frame headers")
			}
			if err := setJPEGFrame(&h, segment); err != nil {
				return h, err
			}
			h.Interlaced = marker == 0xc2 || marker == 0xca
		case 0xc3, 0xc5, 0xc6, 0xc7, 0xcb, 0xcd, 0xce, 0xcf, 0xde, 0xdf:
			return h, unsupported("a lossless or hierarchical JPEG; save it as baseline or progressive")
		case 0xda: // SOS
			if h.Width == 0 || len(segment) == 0 {
				return h, corrupt("a JPEG scan has no header")
			}
			if int(segment[0]) < h.Bands {
				h.Interlaced = true // the decoder holds all scans
			}
			if scans++; scans > maxScans || scans > freeScans && h.Width*h.Height*scans > maxScanned {
				return h, tooLarge("the JPEG has %d scans or more; save it with fewer", scans)
			}
		case 0xe1: // APP1
			if !seenExif && hasPrefix(segment, exifPrefix) {
				seenExif = true
				h.Orientation = exifOrientation(segment)
			}
		case 0xe2: // APP2
			if hasPrefix(segment, iccPrefix) {
				profile += len(segment)
				if err := checkICC(profile); err != nil {
					return h, err
				}
			}
		}
	}
}

// setJPEGFrame reads a frame header (T.81 §B.2.2).
func setJPEGFrame(h *transform.Header, segment []byte) error {
	if len(segment) < 6 {
		return corrupt("the JPEG frame header is too short")
	}
	if segment[0] != 8 {
		return unsupported("a JPEG of %d bits a channel; save it with 8", segment[0])
	}
	height, width := binary.BigEndian.Uint16(segment[1:]), binary.BigEndian.Uint16(segment[3:])
	if width == 0 || height == 0 {
		return corrupt("the JPEG is %d×%d pixels", width, height)
	}
	channels := int(segment[5])
	if len(segment) != 6+3*channels {
		return corrupt("the JPEG frame header has the wrong length")
	}
	if channels != 1 && channels != 3 && channels != 4 {
		return unsupported("a JPEG of %d channels", channels)
	}
	for i := 6; i < len(segment); i += 3 {
		if x, y := segment[i+1]>>4, segment[i+1]&15; x < 1 || x > 4 || y < 1 || y > 4 {
			return corrupt("a JPEG channel has impossible sampling")
		}
	}
	h.Width, h.Height, h.Bands = int(width), int(height), channels
	return nil
}

// nextMarker returns the index of the first 0xFF at or after i that starts a marker, or
// len(b). It skips stuffed zeros, restart markers and fill bytes. Most of the time of
// reading a JPEG is spent here. bytes.IndexByte finds the next 0xFF. Then a loop checks the
// bytes nearby, since a file full of 0xFF must not cost a call for each.
func nextMarker(b []byte, i int) int {
	const ones = 0x0101010101010101
	const near = 32
	if i+1 < len(b) && startsMarker(b, i) {
		return i
	}
	for {
		n := bytes.IndexByte(b[min(i, len(b)):], 0xff)
		if n < 0 {
			return len(b)
		}
		i += n
		if i+near >= len(b) {
			break
		}
		for end := i + near; i < end; i += 8 {
			here, next := binary.LittleEndian.Uint64(b[i:]), binary.LittleEndian.Uint64(b[i+1:])
			pass := zeroBytes(next) | zeroBytes(^next) | zeroBytes(next&(0xf8*ones)^(0xd0*ones))
			if found := zeroBytes(^here) &^ pass; found != 0 {
				return i + bits.TrailingZeros64(found)/8
			}
		}
	}
	for ; i+1 < len(b); i++ {
		if startsMarker(b, i) {
			return i
		}
	}
	return len(b)
}

func startsMarker(b []byte, i int) bool {
	next := b[i+1]
	return b[i] == 0xff && next != 0 && next != 0xff && next&0xf8 != 0xd0
}

// zeroBytes returns the top bits of exactly those bytes of x that are zero.
func zeroBytes(x uint64) uint64 {
	const low7 = 0x7f7f7f7f7f7f7f7f
	return ^(x&low7 + low7 | x | low7)
}

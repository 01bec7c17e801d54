package header

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/tintype/tintype/transform"
)

// Strip returns an original without the metadata that m doesn't keep, and with the same
// pixels. It supports JPEG, PNG, GIF and WebP. It removes data after the picture. With
// MetadataKeep it returns the original unchanged, in any format.
//
// ok is false where
//
//   - the pixels need the removed data (colours other than sRGB's),
//   - the file has more pictures than the one that is shown (an animated PNG, the pages of a
//     TIFF),
//   - m keeps a part of the metadata, or
//   - b doesn't match h.
//
// The result may share memory with b.
func Strip(b []byte, h transform.Header, m transform.Metadata) (out []byte, ok bool) {
	if h.Format == transform.TIFF && h.Frames > 1 || h.Format == transform.JPEG && h.Bands == 4 || Sniff(b) != h.Format {
		return nil, false
	}
	s := stripper{original: b, header: h, exif: m == transform.MetadataCopyright}
	switch h.Format {
	case transform.JPEG:
		ok = s.jpeg()
	case transform.PNG:
		ok = s.png()
	case transform.GIF:
		ok = s.gif()
	case transform.WebP:
		ok = s.webp()
	default:
		ok = m == transform.MetadataKeep && h.Format != ""
	}
	switch {
	case !ok:
		return nil, false
	case m == transform.MetadataKeep:
		return b, true
	case s.profiled:
		return nil, false
	}
	return s.out, true
}

// A stripper copies a file without some of its parts.
type stripper struct {
	original []byte
	header   transform.Header
	exif     bool // fail where EXIF would be removed

	out      []byte
	copied   int  // bytes of original that are copied to out or dropped
	profiled bool // the colours aren't sRGB's
}

// drop drops the bytes of the original between from and to.
func (s *stripper) drop(from, to int) {
	s.out = append(s.out, s.original[s.copied:from]...)
	s.copied = to
}

// end drops the rest.
func (s *stripper) end(at int) bool {
	s.out = append(s.out, s.original[s.copied:at]...)
	s.copied = len(s.original)
	return true
}

// profile handles an ICC profile. It ignores an invalid one, or one for another number of
// channels.
func (s *stripper) profile(icc []byte, channels int) {
	p, ok := ParseColorProfile(icc)
	s.profiled = s.profiled || ok && p.Channels == channels && !p.SRGB
}

// jpeg keeps the segments that a decoder needs, with those of JFIF and Adobe, which define
// the channels.
func (s *stripper) jpeg() bool {
	b := s.original
	var icc [][]byte // by their number, from 1
	var jfif, adobe, scan bool
	for i := 2; ; {
		at := nextMarker(b, i)
		if at+2 > len(b) || at != i && !scan && len(bytes.Trim(b[i:at], "\xff")) > 0 {
			return false
		}
		marker := b[at+1]
		switch {
		case marker == 0xd9: // EOI
			profile := bytes.Join(icc, nil)
			s.profile(profile, s.header.Bands)
			return s.end(at + 2)
		case marker < 0xc0 || marker >= 0xf0 && marker != 0xfe || len(b)-at < 4:
			return false
		}
		end := at + 2 + int(binary.BigEndian.Uint16(b[at+2:]))
		if end < at+4 || end > len(b) {
			return false
		}
		i = end
		data := b[at+4 : end]
		switch {
		case marker == 0xda:
			scan = true
		case marker == 0xc9, marker == 0xca: // arithmetic coding, which not all browsers read
			return false
		case marker < 0xe0:
		case marker == 0xe0 && hasPrefix(data, "JFIF\x00") && len(data) >= 14 && !jfif:
			jfif = true
			if len(data) > 14 || data[12] != 0 || data[13] != 0 { // a thumbnail
				s.drop(at, end)
				s.out = append(s.out, 0xff, 0xe0, 0, 16)
				s.out = append(s.out, data[:12]...)
				s.out = append(s.out, 0, 0)
			}
		case marker == 0xee && hasPrefix(data, "Adobe"):
			if len(data) != 12 || adobe {
				return false
			}
			adobe = true
		default:
			if marker == 0xe1 && hasPrefix(data, exifPrefix) && s.exif {
				return false
			}
			if marker == 0xe2 && hasPrefix(data, "ICC_PROFILE\x00") {
				if len(data) < 14 || int(data[12]) != len(icc)+1 {
					return false
				}
				icc = append(icc, data[14:])
			}
			s.drop(at, end)
		}
	}
}

// png keeps the chunks that affect pixels.
func (s *stripper) png() bool {
	b := s.original
	var srgb, gamma bool
	for i := len(pngSignature); len(b)-i >= 12; {
		n := binary.BigEndian.Uint32(b[i:])
		if uint64(n) > uint64(len(b)-i-12) {
			return false
		}
		end := i + 12 + int(n)
		data := b[i+8 : end-4]
		switch kind := string(b[i+4 : i+8]); kind {
		case "IHDR", "PLTE", "tRNS", "IDAT":
		case "sRGB":
			srgb = true
		case "IEND":
			s.profiled = s.profiled || gamma && !srgb
			return s.end(end)
		case "acTL", "fcTL", "fdAT":
			return false
		case "gAMA":
			// Nearly all files with this chunk have the reciprocal of 2.2, as sRGB.
			gamma = gamma || len(data) != 4 || binary.BigEndian.Uint32(data) != 45455
			s.drop(i, end)
		case "iCCP":
			icc, ok := pngProfile(data)
			if !ok {
				return false
			}
			colours := s.header.Bands
			if s.header.Alpha {
				colours--
			}
			s.profile(icc, colours)
			s.drop(i, end)
		case "cICP", "mDCV", "cLLI", "mDCv", "cLLi":
			s.profiled = true
		case "eXIf":
			if s.exif {
				return false
			}
			s.drop(i, end)
		default:
			if kind[0]&0x20 == 0 { // an unknown critical chunk
				return false
			}
			s.drop(i, end)
		}
		i = end
	}
	return false
}

// pngProfile inflates the profile of an iCCP chunk. It refuses one of more than 4 MiB.
func pngProfile(data []byte) (icc []byte, ok bool) {
	const most = 4 << 20
	_, packed, ok := bytes.Cut(data, []byte{0})
	if !ok || len(packed) < 1 || packed[0] != 0 {
		return nil, false
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil, false
	}
	icc, err = io.ReadAll(io.LimitReader(r, most+1))
	return icc, err == nil && len(icc) <= most
}

// gif keeps the frames, and the extensions that control them.
func (s *stripper) gif() bool {
	b := s.original
	if len(b) < 13 || int(binary.LittleEndian.Uint16(b[6:])) != s.header.Width || int(binary.LittleEndian.Uint16(b[8:])) != s.header.Height {
		return false
	}
	for i := 13 + gifPalette(b[10]); i < len(b); {
		at := i
		switch b[i] {
		case 0x3b:
			return s.end(i + 1)
		case 0x2c:
			if len(b)-i < 11 {
				return false
			}
			i = afterSubBlocks(b, i+10+gifPalette(b[i+9])+1)
		case 0x21:
			if len(b)-i < 3 || b[i+1] == 0x01 { // plain text is drawn
				return false
			}
			i = afterSubBlocks(b, i+2)
			loops := b[at+1] == 0xff && (hasPrefix(b[at+2:], "\x0bNETSCAPE2.0") || hasPrefix(b[at+2:], "\x0bANIMEXTS1.0"))
			if b[at+1] != 0xf9 && !loops && i <= len(b) {
				s.drop(at, i)
			}
		default:
			return false
		}
		if i > len(b) {
			return false
		}
	}
	return false
}

// webp keeps the pictures, and the flags of the header that concern them.
func (s *stripper) webp() bool {
	b := s.original
	size := uint64(binary.LittleEndian.Uint32(b[4:])) + 8
	if size < 12 || size > uint64(len(b)) {
		return false
	}
	flags := -1 // their index in out
	for chunks := (riffChunks{b[12:size]}); len(chunks.rest) > 0; {
		at := int(size) - len(chunks.rest)
		kind, data, err := chunks.next()
		if err != nil {
			return false
		}
		end := int(size) - len(chunks.rest)
		switch string(kind) {
		case "VP8 ", "VP8L", "ALPH", "ANIM", "ANMF":
			continue
		case "VP8X":
			if flags >= 0 || at != 12 || len(data) < 1 {
				return false
			}
			flags = 20
			continue
		case "ICCP":
			s.profile(data, 3)
		case "EXIF":
			if s.exif {
				return false
			}
		}
		s.drop(at, end)
	}
	s.end(int(size))
	if flags >= 0 {
		const icc, exif, xmp = 0x20, 0x08, 0x04 // RFC 9649 §2.7
		s.out[flags] &^= icc | exif | xmp
	}
	binary.LittleEndian.PutUint32(s.out[4:], uint32(len(s.out)-8))
	return true
}

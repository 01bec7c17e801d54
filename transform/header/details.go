package header

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/tintype/tintype/transform"
)

// Details describe the pixels of a file, beyond its header.
type Details struct {
	ColorSpace  string // srgb (any RGB), gray, cmyk or lab
	Bits        int    // of each channel; 0 if the file doesn't say
	Progressive bool   // progressive JPEG, interlaced PNG or GIF
	Profile     string // name of the colour profile; empty without one
}

// maxNamed bounds how many bytes of a profile are searched for its name.
const maxNamed = 1 << 20

// Describe reads the details of a file whose header is h. It decodes no pixels. It leaves
// out damaged parts. It is safe for concurrent use.
func Describe(b []byte, h transform.Header) Details {
	d := Details{ColorSpace: "srgb", Bits: h.Bits, Progressive: h.Interlaced}
	colours := h.Bands
	if h.Alpha {
		colours--
	}
	switch colours {
	case 1:
		d.ColorSpace = "gray"
	case 4:
		d.ColorSpace = "cmyk"
	}
	var profile []byte
	switch h.Format {
	case transform.JPEG:
		profile, d.Progressive = describeJPEG(b)
	case transform.PNG:
		profile, d.Profile = describePNG(b)
	case transform.WebP:
		profile = describeWebP(b)
	case transform.AVIF, transform.HEIC:
		profile, d.Profile = describeHEIF(b)
	case transform.TIFF:
		profile, d.ColorSpace = describeTIFF(b, d.ColorSpace)
	case transform.GIF, transform.SVG:
		d.ColorSpace, d.Bits = "srgb", 8
	case transform.JXL:
		d.Bits = jxlBitsOf(b, h.Bits)
	}
	if name := profileName(profile); name != "" {
		d.Profile = name
	}
	return d
}

// describeJPEG finds the profile, which can have several segments, and whether the picture
// is progressive.
func describeJPEG(b []byte) (profile []byte, progressive bool) {
	var parts [256][]byte
	for i := 2; i+4 <= len(b) && b[i] == 0xff; {
		marker := b[i+1]
		switch marker {
		case 0xff: // a fill byte
			i++
			continue
		case 0x01: // TEM has no segment
			i += 2
			continue
		}
		n := int(binary.BigEndian.Uint16(b[i+2:]))
		if n < 2 || n > len(b)-i-2 || marker == 0xda {
			break
		}
		segment := b[i+4 : i+2+n]
		switch {
		case marker == 0xc2 || marker == 0xca:
			progressive = true
		case marker == 0xe2 && hasPrefix(segment, iccPrefix) && len(segment) > len(iccPrefix)+2:
			parts[segment[len(iccPrefix)]] = segment[len(iccPrefix)+2:]
		}
		i += 2 + n
	}
	for _, part := range parts {
		profile = append(profile, part[:min(len(part), maxNamed-len(profile))]...)
	}
	return profile, progressive
}

// describePNG finds the profile, or other colour information (PNG §11.3.2).
func describePNG(b []byte) (profile []byte, name string) {
	for i := len(pngSignature); i+12 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[i:]))
		if n < 0 || n > len(b)-i-12 {
			break
		}
		data := b[i+8 : i+8+n]
		switch string(b[i+4 : i+8]) {
		case "iCCP":
			if z, err := zlib.NewReader(bytes.NewReader(afterNulAndMethod(data))); err == nil {
				profile, _ = io.ReadAll(io.LimitReader(z, maxNamed)) // a damaged end is cut off
			}
		case "sRGB":
			name = "sRGB"
		case "cICP":
			if len(data) == 4 {
				if coded := codedColors(uint64(data[0]), uint64(data[1])); coded != "" {
					return nil, coded // it takes precedence over the others
				}
			}
		case "IDAT":
			return profile, name
		}
		i += 12 + n
	}
	return profile, name
}

func describeWebP(b []byte) []byte {
	chunks := riffChunks{b[min(12, len(b)):]}
	for {
		kind, data, err := chunks.next()
		if err != nil || string(kind) == "ANMF" {
			return nil
		}
		if string(kind) == "ICCP" {
			return data
		}
	}
}

// describeHEIF finds the first profile, or else the first coded colours (ISO/IEC 14496-12
// §12.1.5). All tiles of a picture have the same.
func describeHEIF(b []byte) (profile []byte, name string) {
	for _, meta := range children(b, "meta") {
		_, meta, ok := fullBox(meta)
		if !ok {
			continue
		}
		for _, iprp := range children(meta, "iprp") {
			for _, ipco := range children(iprp, "ipco") {
				for _, colr := range children(ipco, "colr") {
					r := reader{colr, true}
					switch kind := string(r.take(4)); kind {
					case "prof", "rICC":
						if profile == nil {
							profile = r.rest
						}
					case "nclx":
						if primaries, transfer := r.uint(2), r.uint(2); r.ok && name == "" {
							name = codedColors(primaries, transfer)
						}
					}
				}
			}
		}
	}
	return profile, name
}

// children returns the data of all boxes of one kind.
func children(b []byte, kind string) (list [][]byte) {
	for len(b) >= 8 {
		bx, rest, ok := nextBox(b)
		if !ok {
			break
		}
		if bx.is(kind) {
			list = append(list, bx.data)
		}
		b = rest
	}
	return list
}

func describeTIFF(b []byte, space string) (profile []byte, _ string) {
	t, first, ok := newTIFF(b)
	if !ok {
		return nil, space
	}
	dir, ok := t.directory(first)
	if !ok {
		return nil, space
	}
	switch photometric, _ := t.number(dir, tagPhotometric); photometric {
	case 0, 1: // white is zero, black is zero
		space = "gray"
	case 5:
		space = "cmyk"
	case 8:
		space = "lab"
	default:
		space = "srgb"
	}
	for e := dir.entries; len(e) >= 12; e = e[12:] {
		if t.order.Uint16(e) != tagICC {
			continue
		}
		n, at := t.entrySize(e), uint64(t.order.Uint32(e[8:]))
		if n > 4 && at+uint64(n) <= uint64(len(b)) {
			profile = b[at : at+uint64(n)]
		}
	}
	return profile, space
}

// jxlBitsOf returns the number of bits in the file. [Read] uses more if 8 bits would show
// steps.
func jxlBitsOf(b []byte, bits int) int {
	if bits == 12 && &b[0] != &DeepJXL(b)[0] {
		return 8
	}
	return bits
}

// profileName returns the description of an ICC profile (ICC.1:2022 §9.2.41), or "".
func profileName(b []byte) string {
	if _, ok := ParseColorProfile(b); !ok {
		return ""
	}
	tag := profileTags(b)["desc"]
	if len(tag) < 12 {
		return ""
	}
	switch string(tag[:4]) {
	case "desc": // version 2
		n := binary.BigEndian.Uint32(tag[8:])
		text := tag[12:]
		text = text[:min(uint64(n), uint64(len(text)))]
		text, _, _ = bytes.Cut(text, []byte{0})
		return cleanName(string(text))
	case "mluc": // version 4
		return multiLocalized(tag)
	}
	return ""
}

// multiLocalized returns the English text of a multiLocalizedUnicodeType (§10.15), or else
// its first text.
func multiLocalized(tag []byte) string {
	if len(tag) < 16 {
		return ""
	}
	records, size := binary.BigEndian.Uint32(tag[8:]), uint64(binary.BigEndian.Uint32(tag[12:]))
	first := ""
	for i := range min(uint64(records), 100) {
		at := 16 + i*size
		if size < 12 || at+12 > uint64(len(tag)) {
			break
		}
		e := tag[at:]
		n, from := uint64(binary.BigEndian.Uint32(e[4:])), uint64(binary.BigEndian.Uint32(e[8:]))
		if from+n > uint64(len(tag)) {
			continue
		}
		units := make([]uint16, 0, min(n, 2*longestName)/2)
		for at := from; at+1 < from+n && len(units) < longestName; at += 2 {
			units = append(units, binary.BigEndian.Uint16(tag[at:]))
		}
		name := cleanName(string(utf16.Decode(units)))
		if string(e[:2]) == "en" && name != "" {
			return name
		}
		if first == "" {
			first = name
		}
	}
	return first
}

const longestName = 100 // characters

// cleanName returns a name that can be shown.
func cleanName(s string) string {
	runes := slices.DeleteFunc([]rune(strings.ToValidUTF8(s, "")), func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffd })
	return strings.TrimSpace(string(runes[:min(len(runes), longestName)]))
}

package header

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/tintype/tintype/transform"
)

// Sniff returns the format of an image by its first bytes, or "". It doesn't check the
// rest: see [Read]. It decompresses nothing, so it doesn't recognise a compressed SVG
// (svgz).
func Sniff(b []byte) transform.Format {
	switch {
	case hasPrefix(b, "\xff\xd8\xff"):
		return transform.JPEG
	case hasPrefix(b, pngSignature):
		return transform.PNG
	case hasPrefix(b, "GIF87a"), hasPrefix(b, "GIF89a"):
		return transform.GIF
	case hasPrefix(b, "RIFF") && len(b) >= 12 && string(b[8:12]) == "WEBP":
		return transform.WebP
	case hasPrefix(b, "II*\x00"), hasPrefix(b, "MM\x00*"): // BigTIFF has + instead of *
		return transform.TIFF
	case hasPrefix(b, "\xff\x0a"), hasPrefix(b, "\x00\x00\x00\x0cJXL \r\n\x87\n"):
		return transform.JXL
	case len(b) >= 16 && string(b[4:8]) == "ftyp":
		return sniffBrands(b)
	case startsSVG(b):
		return transform.SVG
	}
	return ""
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// sniffBrands tells AVIF from HEIC by the brands of a file type box (ISO/IEC 14496-12
// §4.3). For the general brands mif1 and msf1, the first specific compatible brand decides.
func sniffBrands(b []byte) transform.Format {
	if f := brandFormat(b[8:12]); f != "" {
		return f
	}
	if major := string(b[8:12]); major != "mif1" && major != "msf1" {
		return ""
	}
	end := min(uint64(binary.BigEndian.Uint32(b)), uint64(len(b)), 1024)
	for i := uint64(16); i+4 <= end; i += 4 {
		if f := brandFormat(b[i : i+4]); f != "" {
			return f
		}
	}
	return ""
}

func brandFormat(brand []byte) transform.Format {
	switch string(brand) {
	case "avif", "avis":
		return transform.AVIF
	case "heic", "heix", "heim", "heis", "hevc", "hevx":
		return transform.HEIC
	}
	return ""
}

// startsSVG reports whether the root element of an XML document is svg. It reads only the
// first 4 KiB.
func startsSVG(b []byte) bool {
	b = b[:min(len(b), 4096)]
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		var ok bool
		switch {
		case hasPrefix(b, "<?"):
			_, b, ok = bytes.Cut(b, []byte("?>"))
		case hasPrefix(b, "<!--"):
			_, b, ok = bytes.Cut(b[len("<!--"):], []byte("-->"))
		case hasPrefix(b, "<!DOCTYPE"):
			b, ok = afterDoctype(b)
		default:
			return hasPrefix(b, "<svg") && len(b) > 4 && strings.IndexByte(" \t\r\n/>", b[4]) >= 0
		}
		if !ok {
			return false
		}
	}
}

// afterDoctype returns the rest after a document type declaration, whose internal subset
// and quoted strings may contain ">".
func afterDoctype(b []byte) ([]byte, bool) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"', '\'':
			n := bytes.IndexByte(b[i+1:], b[i])
			if n < 0 {
				return nil, false
			}
			i += n + 1
		case '[':
			depth++
		case ']':
			depth--
		case '>':
			if depth <= 0 {
				return b[i+1:], true
			}
		}
	}
	return nil, false
}

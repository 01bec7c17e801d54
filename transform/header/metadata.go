package header

import (
	"bytes"
	"compress/zlib"
	"io"
)

// What is not pixels is bounded too: decoders unpack and parse it whether it is
// wanted or not. What is over a bound is refused, since nothing in front of the
// decoder could take it out without copying the original; what is merely broken
// costs an original nothing, since decoders do without it. XMP has no bound of its
// own: it is never parsed, and copied only where the output is to keep it.
const (
	maxICC  = 4 << 20 // bytes; printers' profiles come to 2–3 MB
	maxEXIF = 1 << 20 // bytes; JPEG has room for 64 KiB
	maxText = 1 << 20 // bytes of a text of a PNG, unpacked

	// What all compressed metadata of an original may come to, and in how many
	// pieces: this bounds the time to find out.
	maxUnpacked = 8 << 20
	maxPacked   = 1000
)

func checkICC(n int) error {
	if n > maxICC {
		return tooLarge("its colour profile is over %d MiB", maxICC>>20)
	}
	return nil
}

func checkEXIF(n int) error {
	if n > maxEXIF {
		return tooLarge("its EXIF is over %d MiB", maxEXIF>>20)
	}
	return nil
}

// An unpacker counts what compressed metadata comes to.
type unpacker struct {
	streams, total int
	zlib           io.ReadCloser // nil before the first
}

// check unpacks a zlib stream (RFC 1950) to nowhere and refuses one that comes to
// more than most bytes. One that is broken is as large as what can be read of it.
func (u *unpacker) check(stream []byte, most int, what string) error {
	if u.streams++; u.streams > maxPacked {
		return tooLarge("it has more than %d compressed texts", maxPacked)
	}
	most = min(most, maxUnpacked-u.total)
	in := bytes.NewReader(stream)
	var err error
	if u.zlib == nil {
		if u.zlib, err = zlib.NewReader(in); err != nil {
			u.zlib = nil
		}
	} else {
		err = u.zlib.(zlib.Resetter).Reset(in, nil)
	}
	if err != nil {
		return nil
	}
	n, _ := io.CopyN(io.Discard, u.zlib, int64(most)+1)
	u.total += int(n)
	if n > int64(most) {
		return tooLarge("its %s unpacks to more than %d KiB", what, most>>10)
	}
	return nil
}

// checkPNG looks into a chunk that holds metadata (PNG §11.3).
func (u *unpacker) checkPNG(kind string, data []byte) error {
	switch kind {
	case "eXIf":
		return checkEXIF(len(data))
	case "iCCP":
		return u.check(afterNulAndMethod(data), maxICC, "colour profile")
	case "zTXt":
		return u.check(afterNulAndMethod(data), maxText, "text")
	case "iTXt":
		_, rest, _ := bytes.Cut(data, []byte{0})
		if len(rest) < 2 || rest[0] == 0 { // not compressed
			return nil
		}
		rest = rest[2:]
		for range 2 { // language, translated keyword
			_, rest, _ = bytes.Cut(rest, []byte{0})
		}
		return u.check(rest, maxText, "text")
	}
	return nil
}

// afterNulAndMethod returns what follows a name, its NUL, and the byte that says
// how the rest is compressed.
func afterNulAndMethod(b []byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte{0})
	return rest[min(1, len(rest)):]
}

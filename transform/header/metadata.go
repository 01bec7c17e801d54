package header

import (
	"bytes"
	"compress/zlib"
	"io"
)

// These constants bound metadata, since decoders always unpack and parse it. An original
// beyond a bound is refused, since removing the metadata would mean copying the original.
// Damaged metadata is allowed, since decoders ignore it. XMP has no bound, since it is never
// parsed, and is copied only where the output keeps it.
const (
	maxICC  = 4 << 20 // bytes; profiles of printers have 2–3 MB
	maxEXIF = 1 << 20 // bytes; JPEG has room for 64 KiB
	maxText = 1 << 20 // unpacked bytes of a text of a PNG

	// Bounds of all compressed metadata of an original: its unpacked bytes and its pieces.
	// They bound the time of this check.
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

// An unpacker measures compressed metadata.
type unpacker struct {
	streams, total int
	zlib           io.ReadCloser // nil before first use
}

// check unpacks a zlib stream (RFC 1950), discards the result, and refuses a stream of more
// than most bytes. Of a damaged stream only the readable part counts.
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

// checkPNG checks a chunk of metadata (PNG §11.3).
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

// afterNulAndMethod returns the rest after a name, its NUL, and the byte of the compression
// method.
func afterNulAndMethod(b []byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte{0})
	return rest[min(1, len(rest)):]
}

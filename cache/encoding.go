package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// A stored entry is a header, then hashes of 32 bytes, then four strings whose lengths the
// header has, then a line where it is partial, then one with its quality where that was found, then lines about redirects, then the body.
// Entries of the version that is unaware of redirects have no such lines. An entry that is shorter than its header says is
// corrupt, and so is a longer one of that version.

// magic ends in the version of the format, plus the number of hashes. Entries of another
// version are misses, and the disk cache's scan removes them.
const (
	magic        = "tintype\x21"
	magicUnaware = "tintype\x01"
)

// header is stored big-endian and without padding, in this order.
type header struct {
	Magic [8]byte
	Sum   uint32 // CRC-32C of everything after this field
	Key   Key    // an entry under another key's name is a miss

	StoredAt, RevalidateAt, ExpiresAt encodedTime
	Width, Height, Frames             int64

	ContentTypeLen, ETagLen, OriginETagLen, OriginLastModifiedLen uint32
	BodyLen                                                       uint64
}

// encodedTime holds every time.Time to the nanosecond, the zero time included.
type encodedTime struct {
	Sec  int64 // Unix time
	Nsec uint32
}

const sumStart, sumEnd = len(magic), len(magic) + 4 // offsets of the field Sum

var (
	headerSize = binary.Size(header{})
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Errors of Decode.
var (
	ErrOtherVersion = errors.New("cache entry is of another version")
	ErrCorrupt      = errors.New("cache entry is corrupt")
)

// EncodeHead returns the bytes that a tier stores in front of an entry's body. They hold
// the other fields except Code and Message, the key, and a checksum of the whole. Decode
// reads them.
func EncodeHead(key Key, e *Entry) ([]byte, error) {
	h := header{
		Key:          key,
		StoredAt:     toEncodedTime(e.StoredAt),
		RevalidateAt: toEncodedTime(e.RevalidateAt),
		ExpiresAt:    toEncodedTime(e.ExpiresAt),
		Width:        int64(e.Width), Height: int64(e.Height), Frames: int64(e.Frames),
		ContentTypeLen: uint32(len(e.ContentType)), ETagLen: uint32(len(e.ETag)),
		OriginETagLen: uint32(len(e.OriginETag)), OriginLastModifiedLen: uint32(len(e.OriginLastModified)),
		BodyLen: uint64(len(e.Body)),
	}
	copy(h.Magic[:], magic)
	if e.Unaware {
		copy(h.Magic[:], magicUnaware)
	}
	h.Magic[len(magic)-1] += byte(len(e.OriginHashes))
	head, err := binary.Append(make([]byte, 0, EncodedSize(e)-int64(len(e.Body))), binary.BigEndian, &h)
	if err != nil {
		return nil, err
	}
	for _, hash := range e.OriginHashes {
		head = append(head, hash[:]...)
	}
	head = append(head, e.ContentType...)
	head = append(head, e.ETag...)
	head = append(head, e.OriginETag...)
	head = append(head, e.OriginLastModified...)
	head = append(head, encodePartial(e)...)
	head = append(head, encodeQuality(e)...)
	head = append(head, encodeRedirects(e)...)
	sum := crc32.Update(crc32.Checksum(head[sumEnd:], castagnoli), castagnoli, e.Body)
	binary.BigEndian.PutUint32(head[sumStart:], sum)
	return head, nil
}

// EncodedSize returns the length of a stored entry, in bytes.
func EncodedSize(e *Entry) int64 {
	return int64(headerSize) + 32*int64(len(e.OriginHashes)) + int64(len(e.ContentType)+len(e.ETag)+
		len(e.OriginETag)+len(e.OriginLastModified)+len(encodePartial(e))+len(encodeQuality(e))+len(encodeRedirects(e))) + int64(len(e.Body))
}

// partialLine is none of those about redirects.
const partialLine = "partial\n"

func encodePartial(e *Entry) string {
	if e.Partial {
		return partialLine
	}
	return ""
}

// qualityLine begins the line with the quality that was found. None about redirects begins
// like it.
const qualityLine = "quality "

func encodeQuality(e *Entry) string {
	if e.Quality <= 0 {
		return ""
	}
	return qualityLine + strconv.Itoa(e.Quality) + "\n"
}

// decodeQuality returns the lines behind that of the quality.
func decodeQuality(lines string, e *Entry) (rest string, ok bool) {
	after, found := strings.CutPrefix(lines, qualityLine)
	if !found {
		return lines, true
	}
	n, rest, ended := strings.Cut(after, "\n")
	q, err := strconv.Atoi(n)
	if !ended || err != nil || q <= 0 || strconv.Itoa(q) != n {
		return "", false
	}
	e.Quality = q
	return rest, true
}

// encodeRedirects returns a line for each redirect: the index of the original, a space, and
// the URL. Before them is a line with LastPurge, where that isn't 0.
func encodeRedirects(e *Entry) (lines string) {
	if len(e.Redirects) > 0 && e.LastPurge > 0 {
		lines = strconv.FormatInt(e.LastPurge, 10) + "\n"
	}
	for _, r := range e.Redirects {
		lines += strconv.Itoa(r.Original) + " " + r.URL + "\n"
	}
	return lines
}

func decodeRedirects(lines string, e *Entry) (ok bool) {
	if first, rest, _ := strings.Cut(lines, "\n"); rest != "" && !strings.Contains(first, " ") {
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil || n <= 0 || strconv.FormatInt(n, 10) != first {
			return false
		}
		e.LastPurge, lines = n, rest
	}
	for line := range strings.Lines(lines) {
		n, url, found := strings.Cut(line, " ")
		url, ended := strings.CutSuffix(url, "\n")
		original, err := strconv.Atoi(n)
		if !found || !ended || err != nil || strconv.Itoa(original) != n {
			return false
		}
		e.Redirects = append(e.Redirects, Redirect{original, url})
	}
	return true
}

// parseHeader reads the header of a stored entry of size bytes, and checks it. The checksum
// needs the rest of the entry, so Decode verifies it.
func parseHeader(head []byte, key Key, size int64) (h header, err error) {
	if len(head) < headerSize {
		return h, ErrCorrupt
	}
	if string(head[:len(magic)-1]) != magic[:len(magic)-1] {
		return h, ErrCorrupt
	}
	if hashesIn(head) > MaxHashes {
		return h, ErrOtherVersion
	}
	h.decode(head)
	rest := 32*uint64(hashesIn(head)) + uint64(h.ContentTypeLen) + uint64(h.ETagLen) + uint64(h.OriginETagLen) + uint64(h.OriginLastModifiedLen)
	if h.Key != key || size < 0 || h.BodyLen > uint64(size) || uint64(headerSize)+rest+h.BodyLen > uint64(size) ||
		isUnaware(head) && uint64(headerSize)+rest+h.BodyLen < uint64(size) {
		return h, ErrCorrupt
	}
	return h, nil
}

// decode reads the fields one by one: binary.Decode would need reflection for each hit.
func (h *header) decode(b []byte) {
	b = b[copy(h.Magic[:], b):]
	h.Sum, b = binary.BigEndian.Uint32(b), b[4:]
	b = b[copy(h.Key[:], b):]
	for _, t := range []*encodedTime{&h.StoredAt, &h.RevalidateAt, &h.ExpiresAt} {
		t.Sec, t.Nsec, b = int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:]), b[12:]
	}
	for _, n := range []*int64{&h.Width, &h.Height, &h.Frames} {
		*n, b = int64(binary.BigEndian.Uint64(b)), b[8:]
	}
	for _, n := range []*uint32{&h.ContentTypeLen, &h.ETagLen, &h.OriginETagLen, &h.OriginLastModifiedLen} {
		*n, b = binary.BigEndian.Uint32(b), b[4:]
	}
	h.BodyLen = binary.BigEndian.Uint64(b)
}

// hashesIn returns the number of hashes in a stored entry of a known version. It is above
// MaxHashes for other versions.
func hashesIn(head []byte) int {
	if isUnaware(head) {
		return int(head[len(magic)-1] - magicUnaware[len(magic)-1])
	}
	return int(head[len(magic)-1] - magic[len(magic)-1])
}

// isUnaware reports whether a stored entry is of the version that is unaware of redirects.
func isUnaware(head []byte) bool {
	n := head[len(magic)-1] - magicUnaware[len(magic)-1]
	return n <= MaxHashes
}

// Decode returns the entry that was stored under key. stored are the bytes of EncodeHead
// and the body; the entry's Body is a part of them. The error is ErrCorrupt or
// ErrOtherVersion.
func Decode(stored []byte, key Key) (*Entry, error) { return decode(stored, key, false) }

// decode is Decode. It doesn't verify the checksum of what is verified already.
func decode(stored []byte, key Key, verified bool) (*Entry, error) {
	h, err := parseHeader(stored, key, int64(len(stored)))
	if err != nil {
		return nil, err
	}
	if !verified && crc32.Checksum(stored[sumEnd:], castagnoli) != h.Sum {
		return nil, ErrCorrupt
	}
	bodyStart := uint64(len(stored)) - h.BodyLen
	e, err := h.entry(stored[:bodyStart])
	if err != nil {
		return nil, err
	}
	e.Body = stored[bodyStart:len(stored):len(stored)]
	return e, nil
}

// DecodeHead returns an entry without its body, and where in the stored bytes the body begins. head is
// what they begin with, size is their number. The error is ErrCorrupt, also where head ends before the
// body begins, or ErrOtherVersion. The checksum is of the whole, so it isn't verified.
func DecodeHead(head []byte, key Key, size int64) (e *Entry, bodyStart int64, err error) {
	h, err := parseHeader(head, key, size)
	if err != nil {
		return nil, 0, err
	}
	bodyStart = size - int64(h.BodyLen)
	if bodyStart > int64(len(head)) {
		return nil, 0, ErrCorrupt
	}
	e, err = h.entry(head[:bodyStart])
	return e, bodyStart, err
}

// entry returns the entry without its body, of all that is stored before it.
func (h *header) entry(head []byte) (*Entry, error) {
	var hashes [][32]byte
	begin := headerSize
	for range hashesIn(head) {
		hashes = append(hashes, [32]byte(head[begin:]))
		begin += 32
	}
	texts := string(head[begin:])
	next := func(n uint32) (text string) {
		text, texts = texts[:n], texts[n:]
		return text
	}
	e := &Entry{
		ContentType:        next(h.ContentTypeLen),
		ETag:               next(h.ETagLen),
		OriginETag:         next(h.OriginETagLen),
		OriginLastModified: next(h.OriginLastModifiedLen),
		OriginHashes:       hashes,
		Unaware:            isUnaware(head),
		Width:              int(h.Width), Height: int(h.Height), Frames: int(h.Frames),
		StoredAt:     h.StoredAt.time(),
		RevalidateAt: h.RevalidateAt.time(),
		ExpiresAt:    h.ExpiresAt.time(),
	}
	texts, e.Partial = strings.CutPrefix(texts, partialLine)
	texts, ok := decodeQuality(texts, e)
	if !ok || !decodeRedirects(texts, e) {
		return nil, ErrCorrupt
	}
	return e, nil
}

func toEncodedTime(t time.Time) encodedTime {
	return encodedTime{t.Unix(), uint32(t.Nanosecond())}
}

func (t encodedTime) time() time.Time {
	return time.Unix(t.Sec, int64(t.Nsec)).UTC()
}

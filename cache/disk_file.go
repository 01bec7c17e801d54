package cache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// A file of the disk cache is a fileHeader, the four strings that it gives the
// lengths of, and the body. Nothing else: a file that is longer or shorter than
// its header says is torn.

// fileMagic ends in the version of the format. Files of another version are
// misses, and the scan removes them.
const fileMagic = "tintype\x01"

// fileHeader is stored big-endian and unpadded, in this order.
type fileHeader struct {
	Magic [8]byte
	Sum   uint32 // CRC-32C of everything after this field
	Key   Key    // so that a file under another's name is a miss

	StoredAt, RevalidateAt, ExpiresAt fileTime
	Width, Height, Frames             int64

	ContentTypeLen, ETagLen, OriginETagLen, OriginLastModifiedLen uint32
	BodyLen                                                       uint64
}

// fileTime holds every time.Time, the zero one too, to the nanosecond.
type fileTime struct {
	Sec  int64 // Unix time
	Nsec uint32
}

const sumStart, sumEnd = len(fileMagic), len(fileMagic) + 4 // of the field Sum

var (
	fileHeaderSize = binary.Size(fileHeader{})
	castagnoli     = crc32.MakeTable(crc32.Castagnoli)
)

var (
	errOtherVersion = errors.New("cache file is of another version")
	errCorrupt      = errors.New("cache file is corrupt")
)

// fileHead is what comes before the body in the file of an entry.
func fileHead(key Key, e *Entry) ([]byte, error) {
	h := fileHeader{
		Key:          key,
		StoredAt:     toFileTime(e.StoredAt),
		RevalidateAt: toFileTime(e.RevalidateAt),
		ExpiresAt:    toFileTime(e.ExpiresAt),
		Width:        int64(e.Width), Height: int64(e.Height), Frames: int64(e.Frames),
		ContentTypeLen: uint32(len(e.ContentType)), ETagLen: uint32(len(e.ETag)),
		OriginETagLen: uint32(len(e.OriginETag)), OriginLastModifiedLen: uint32(len(e.OriginLastModified)),
		BodyLen: uint64(len(e.Body)),
	}
	copy(h.Magic[:], fileMagic)
	head, err := binary.Append(make([]byte, 0, fileSize(e)-int64(len(e.Body))), binary.BigEndian, &h)
	if err != nil {
		return nil, err
	}
	head = append(head, e.ContentType...)
	head = append(head, e.ETag...)
	head = append(head, e.OriginETag...)
	head = append(head, e.OriginLastModified...)
	sum := crc32.Update(crc32.Checksum(head[sumEnd:], castagnoli), castagnoli, e.Body)
	binary.BigEndian.PutUint32(head[sumStart:], sum)
	return head, nil
}

// fileSize is the length of an entry's file, in bytes.
func fileSize(e *Entry) int64 {
	return int64(fileHeaderSize) + int64(len(e.ContentType)+len(e.ETag)+
		len(e.OriginETag)+len(e.OriginLastModified)) + int64(len(e.Body))
}

// parseFileHeader reads the header at the start of a file of size bytes, and
// checks all that can be checked without the rest.
func parseFileHeader(head []byte, key Key, size int64) (h fileHeader, err error) {
	if len(head) < fileHeaderSize {
		return h, errCorrupt
	}
	if magic := head[:len(fileMagic)]; string(magic) != fileMagic {
		if string(magic[:len(magic)-1]) == fileMagic[:len(fileMagic)-1] {
			return h, errOtherVersion
		}
		return h, errCorrupt
	}
	if _, err := binary.Decode(head, binary.BigEndian, &h); err != nil {
		return h, errCorrupt
	}
	rest := uint64(h.ContentTypeLen) + uint64(h.ETagLen) + uint64(h.OriginETagLen) + uint64(h.OriginLastModifiedLen)
	if h.Key != key || size < 0 || h.BodyLen > uint64(size) || uint64(fileHeaderSize)+rest+h.BodyLen != uint64(size) {
		return h, errCorrupt
	}
	return h, nil
}

// parseFile reads a whole file. The entry's body is a part of file.
func parseFile(file []byte, key Key) (*Entry, error) {
	h, err := parseFileHeader(file, key, int64(len(file)))
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(file[sumEnd:], castagnoli) != h.Sum {
		return nil, errCorrupt
	}
	bodyStart := uint64(len(file)) - h.BodyLen
	texts := string(file[fileHeaderSize:bodyStart])
	next := func(n uint32) (text string) {
		text, texts = texts[:n], texts[n:]
		return text
	}
	return &Entry{
		ContentType:        next(h.ContentTypeLen),
		ETag:               next(h.ETagLen),
		OriginETag:         next(h.OriginETagLen),
		OriginLastModified: next(h.OriginLastModifiedLen),
		Width:              int(h.Width), Height: int(h.Height), Frames: int(h.Frames),
		StoredAt:     h.StoredAt.time(),
		RevalidateAt: h.RevalidateAt.time(),
		ExpiresAt:    h.ExpiresAt.time(),
		Body:         file[bodyStart:len(file):len(file)],
	}, nil
}

func toFileTime(t time.Time) fileTime {
	return fileTime{t.Unix(), uint32(t.Nanosecond())}
}

func (t fileTime) time() time.Time {
	return time.Unix(t.Sec, int64(t.Nsec)).UTC()
}

package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite/vfs"
)

// SQLite can't read a database in WAL mode if it can't make a -shm file (full disk) or a
// -wal file (read-only disk). A snapshot can. It reads the database from its file and its
// write-ahead log, page by page, and writes nothing.
//
// A snapshot is valid while nobody changes these files. After a change, every read fails,
// so that no read mixes old and new data.

// Formats of the files: https://www.sqlite.org/fileformat2.html (§1.3, §4).
const (
	dbHeaderSize    = 100
	walHeaderSize   = 32
	walFrameSize    = 24 // header of a frame; the page follows
	walMagic        = 0x377f0682
	walVersion      = 3007000
	formatVersionAt = 18 // two bytes: 2 is WAL, 1 is rollback
	rollbackFormat  = 1
)

var errChanged = errors.New("the database was changed by another process")

// openSnapshot opens the database at path only for reading.
func openSnapshot(path string) (*handles, error) {
	s := &snapshot{path: path}
	for attempts := 0; ; attempts++ {
		err := s.load()
		if err == nil {
			break
		}
		if attempts >= 3 || !errors.Is(err, errChanged) {
			return nil, fmt.Errorf("opening it for reading: %w", err)
		}
	}
	name, fsys, err := vfs.New(s)
	if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Opaque: snapshotName, RawQuery: url.Values{
		"vfs": {name}, "immutable": {"1"}, "_pragma": {"query_only(1)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, errors.Join(err, fsys.Close())
	}
	db.SetMaxOpenConns(readers)
	h := &handles{read: db, stale: s.stale, close: func() error { return errors.Join(db.Close(), fsys.Close()) }}
	ctx, cancel := context.WithTimeout(context.Background(), busyTimeout)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// snapshotName is the only file in the file system of a snapshot.
const snapshotName = "snapshot"

// A snapshot is a file system for package vfs with one file, the database. It doesn't
// change after load.
type snapshot struct {
	path          string
	page          int64 // bytes
	pages         int64
	mainAt, walAt stamp
	frames        map[int64]int64 // page number, from 1 → offset of its newest frame in the WAL
}

// A stamp tells whether a file was written to. The stamp of a missing file is zero.
type stamp struct {
	size int64
	time time.Time
}

func stampOf(f *os.File) (stamp, error) {
	if f == nil {
		return stamp{}, nil
	}
	info, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

func (s stamp) is(other stamp) bool { return s.size == other.size && s.time.Equal(other.time) }

// stale reports whether the files have changed, so that reads fail.
func (s *snapshot) stale() bool {
	f, err := s.files()
	if err != nil {
		return true
	}
	defer f.Close()
	return f.unchanged() != nil
}

// load reads the headers and the index of the WAL.
func (s *snapshot) load() error {
	f, err := s.files()
	if err != nil {
		return err
	}
	defer f.Close()
	if s.mainAt, err = stampOf(f.main); err != nil {
		return err
	}
	if s.walAt, err = stampOf(f.wal); err != nil {
		return err
	}
	var head [dbHeaderSize]byte
	if _, err := io.ReadFull(f.main, head[:]); err != nil {
		return fmt.Errorf("it is not a database: %w", err)
	}
	if s.page = int64(binary.BigEndian.Uint16(head[16:])); s.page == 1 {
		s.page = 64 << 10
	}
	if string(head[:16]) != "SQLite format 3\x00" || s.page < 512 || s.page&(s.page-1) != 0 {
		return errors.New("it is not a database")
	}
	s.pages = s.mainAt.size / s.page
	s.frames = map[int64]int64{}
	if f.wal != nil {
		if err := s.loadWAL(f.wal); err != nil {
			return err
		}
	}
	return f.unchanged()
}

// loadWAL finds the newest frame of each page among the committed transactions.
func (s *snapshot) loadWAL(wal *os.File) error {
	r := bufio.NewReaderSize(io.NewSectionReader(wal, 0, s.walAt.size), 256<<10)
	var head [walHeaderSize]byte
	if n, err := io.ReadFull(r, head[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil // the WAL is empty or has no complete header
	} else if err != nil {
		return fmt.Errorf("%d bytes into the WAL: %w", n, err)
	}
	magic := binary.BigEndian.Uint32(head[:])
	sum := walSum{order: binary.ByteOrder(binary.LittleEndian)}
	if magic&1 != 0 {
		sum.order = binary.BigEndian
	}
	sum.add(head[:24])
	if magic&^1 != walMagic || binary.BigEndian.Uint32(head[4:]) != walVersion ||
		int64(binary.BigEndian.Uint32(head[8:])) != s.page || !sum.is(head[24:]) {
		return nil // SQLite ignores such a log too
	}
	salts := [8]byte(head[16:24]) // the same in all frames
	frame := make([]byte, walFrameSize+s.page)
	written := map[int64]int64{} // frames of a transaction that is not committed yet
	for at := int64(walHeaderSize); ; at += int64(len(frame)) {
		if _, err := io.ReadFull(r, frame); err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("%d bytes into the WAL: %w", at, err)
		}
		sum.add(frame[:8])
		sum.add(frame[walFrameSize:])
		page := int64(binary.BigEndian.Uint32(frame))
		if page == 0 || [8]byte(frame[8:16]) != salts || !sum.is(frame[16:24]) {
			return nil // the rest is incomplete, or from an earlier log
		}
		written[page] = at
		if pages := int64(binary.BigEndian.Uint32(frame[4:])); pages != 0 { // a commit
			s.pages = pages
			for page, at := range written {
				s.frames[page] = at
			}
			clear(written)
		}
	}
}

// A walSum is the running checksum of a WAL.
type walSum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (s *walSum) add(data []byte) {
	for i := 0; i < len(data); i += 8 {
		s.a += s.order.Uint32(data[i:]) + s.b
		s.b += s.order.Uint32(data[i+4:]) + s.a
	}
}

func (s *walSum) is(stored []byte) bool {
	return binary.BigEndian.Uint32(stored) == s.a && binary.BigEndian.Uint32(stored[4:]) == s.b
}

// Open implements [fs.FS].
func (s *snapshot) Open(name string) (fs.File, error) {
	if name != snapshotName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return s.files()
}

// files opens the database file and the WAL.
func (s *snapshot) files() (*snapshotFile, error) {
	main, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	wal, err := os.Open(s.path + "-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, main.Close())
	}
	return &snapshotFile{snapshot: s, main: main, wal: wal}, nil
}

// A snapshotFile is the open database. Only one goroutine at a time may use it.
type snapshotFile struct {
	*snapshot
	main, wal *os.File // wal may be nil
	at        int64
}

// unchanged returns errChanged if one of the files has changed.
func (f *snapshotFile) unchanged() error {
	main, err := stampOf(f.main)
	if err != nil {
		return err
	}
	wal, err := stampOf(f.wal)
	if err != nil {
		return err
	}
	if !main.is(f.mainAt) || !wal.is(f.walAt) {
		return errChanged
	}
	if f.wal == nil {
		if _, err := os.Lstat(f.path + "-wal"); err == nil {
			return f.newWAL()
		}
	}
	return nil
}

// newWAL returns errChanged if a WAL has appeared that isn't empty. An attempt to open the
// database leaves an empty one, which changes nothing.
func (f *snapshotFile) newWAL() error {
	if info, err := os.Stat(f.path + "-wal"); err != nil || info.Size() > 0 {
		return errors.Join(errChanged, err)
	}
	return nil
}

// Read implements [io.Reader].
func (f *snapshotFile) Read(b []byte) (n int, err error) {
	for n < len(b) {
		page, within := f.at/f.page+1, f.at%f.page
		if page > f.pages {
			err = io.EOF
			break
		}
		part := b[n:]
		part = part[:min(int64(len(part)), f.page-within)]
		if at, ok := f.frames[page]; ok {
			_, err = f.wal.ReadAt(part, at+walFrameSize+within)
		} else {
			_, err = f.main.ReadAt(part, f.at)
		}
		if err != nil {
			return 0, err
		}
		for i := range part { // present the database as one without a WAL
			if at := f.at + int64(i); at > formatVersionAt+1 {
				break
			} else if at >= formatVersionAt {
				part[i] = rollbackFormat
			}
		}
		n += len(part)
		f.at += int64(len(part))
	}
	if changed := f.unchanged(); changed != nil {
		return 0, changed
	}
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek implements [io.Seeker].
func (f *snapshotFile) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.path, Err: fs.ErrInvalid}
	}
	f.at = offset
	return offset, nil
}

// Stat implements [fs.File].
func (f *snapshotFile) Stat() (fs.FileInfo, error) {
	info, err := f.main.Stat()
	return snapshotInfo{info, f.pages * f.page}, err
}

type snapshotInfo struct {
	fs.FileInfo
	size int64
}

func (i snapshotInfo) Name() string { return filepath.Base(snapshotName) }
func (i snapshotInfo) Size() int64  { return i.size }

// Close implements [fs.File].
func (f *snapshotFile) Close() error {
	err := f.main.Close()
	if f.wal != nil {
		err = errors.Join(err, f.wal.Close())
	}
	return err
}

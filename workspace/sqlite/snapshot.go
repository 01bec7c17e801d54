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

// SQLite itself can't read a database in WAL mode where it can't make its -shm file,
// as on a full disk, or a -wal file, as on one that is read-only. A snapshot can: it is
// the database as its file and its write-ahead log have it now, read page by page and
// without writing anything.
//
// It is right for as long as nobody changes those files. A change makes every further
// read fail, so that nothing is ever read that is half old and half new.

// The formats of the files: https://www.sqlite.org/fileformat2.html (§1.3, §4).
const (
	dbHeaderSize    = 100
	walHeaderSize   = 32
	walFrameSize    = 24 // of the header of a frame, which a page follows
	walMagic        = 0x377f0682
	walVersion      = 3007000
	formatVersionAt = 18 // two bytes: 2 is WAL, 1 is none
	rollbackFormat  = 1
)

var errChanged = errors.New("the database was changed by another process")

// openSnapshot opens the database in the file at path for reading only.
func openSnapshot(path string) (*handles, error) {
	s := &snapshot{path: path}
	for attempts := 0; ; attempts++ {
		err := s.load()
		if err == nil {
			break
		}
		if attempts >= 3 || !errors.Is(err, errChanged) {
			return nil, fmt.Errorf("reading it as it is: %w", err)
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

// snapshotName is the one file in the file system that a snapshot is.
const snapshotName = "snapshot"

// A snapshot is a file system of one file, the database, for package vfs. It isn't
// changed once it is loaded.
type snapshot struct {
	path          string
	page          int64 // bytes
	pages         int64
	mainAt, walAt stamp
	frames        map[int64]int64 // from the number of a page, from 1, to where its newest frame begins in the WAL
}

// A stamp tells whether a file was written to. A file that is missing has the zero stamp.
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

// stale reports whether reads fail, since the files were changed.
func (s *snapshot) stale() bool {
	f, err := s.files()
	if err != nil {
		return true
	}
	defer f.Close()
	return f.unchanged() != nil
}

// load reads what there is.
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
		return fmt.Errorf("no database is in it: %w", err)
	}
	if s.page = int64(binary.BigEndian.Uint16(head[16:])); s.page == 1 {
		s.page = 64 << 10
	}
	if string(head[:16]) != "SQLite format 3\x00" || s.page < 512 || s.page&(s.page-1) != 0 {
		return errors.New("no database is in it")
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

// loadWAL finds the newest frame of each page in the transactions that were committed.
func (s *snapshot) loadWAL(wal *os.File) error {
	r := bufio.NewReaderSize(io.NewSectionReader(wal, 0, s.walAt.size), 256<<10)
	var head [walHeaderSize]byte
	if n, err := io.ReadFull(r, head[:]); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil // nothing was written to it, or not even a header
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
		return nil // as SQLite takes it: a log of nothing
	}
	salts := [8]byte(head[16:24]) // of all frames
	frame := make([]byte, walFrameSize+s.page)
	written := map[int64]int64{} // in a transaction whose commit has not come yet
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
			return nil // the rest is torn, or of an earlier log
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

// A walSum is the checksum of a WAL so far.
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

// files opens the two files.
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

// A snapshotFile is the database, open. One goroutine at a time uses it.
type snapshotFile struct {
	*snapshot
	main, wal *os.File // wal may be nil
	at        int64
}

// unchanged returns errChanged unless both files are as they were.
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

// newWAL is unchanged where a WAL has come that wasn't there. One without a byte, which an
// attempt to open the database leaves, changes nothing.
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
		for i := range part { // as if it had no WAL
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

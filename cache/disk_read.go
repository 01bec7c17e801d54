package cache

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A file is one of an entry that is open for reading. A hit opens one and reads it whole, so it
// goes without os.File, which would ask the poller to watch it and need a finalizer.
type file struct {
	fd   int
	stat unix.Stat_t
}

// openFile opens a file and finds out what it is. Close it at the end. It waits for nothing, as
// opening a pipe would for somebody who writes into it.
func openFile(path string) (f file, err error) {
	f.fd, err = retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) })
	if err != nil {
		return file{fd: -1}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if err := f.find(); err != nil {
		f.close()
		return file{fd: -1}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return f, nil
}

// find finds out what the file is now.
func (f *file) find() error {
	_, err := retry(func() (int, error) { return 0, unix.Fstat(f.fd, &f.stat) })
	return err
}

func (f *file) close() { _ = unix.Close(f.fd) } // it was only read

// regular reports whether it is a file, and no folder, pipe or device.
func (f *file) regular() bool { return f.stat.Mode&unix.S_IFMT == unix.S_IFREG }

func (f *file) size() int64 { return f.stat.Size }

func (f *file) modified() time.Time { return time.Unix(f.stat.Mtim.Unix()) }

// state is another number once anybody has written to the file, or has put another one in its
// place: the system sets the time of a change, and nobody else can. It is 0, and says nothing,
// within a second of a change, since another one could have the same time.
func (f *file) state(now time.Time) uint64 {
	changed := time.Unix(f.stat.Ctim.Unix())
	if now.Sub(changed) < time.Second {
		return 0
	}
	var hash maphash.Hash
	hash.SetSeed(stateSeed)
	maphash.WriteComparable(&hash, [4]int64{int64(f.stat.Ino), int64(f.stat.Dev), f.stat.Size, changed.UnixNano()})
	return max(hash.Sum64(), 1)
}

var stateSeed = maphash.MakeSeed()

// isAt reports whether the file is still the one under a path.
func (f *file) isAt(path string) bool {
	var now unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Lstat(path, &now) })
	return err == nil && now.Dev == f.stat.Dev && now.Ino == f.stat.Ino
}

// read reads the file from an offset on until b is full or the file ends.
func (f *file) read(b []byte, from int64) (n int, err error) {
	for n < len(b) {
		m, err := retry(func() (int, error) { return unix.Pread(f.fd, b[n:], from+int64(n)) })
		if err != nil {
			return n, os.NewSyscallError("read", err)
		}
		if m <= 0 {
			break
		}
		n += m
	}
	return n, nil
}

// retry calls a system call again where a signal has interrupted it.
func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}

// read returns the entry in the key's file, NoRoom, or nil. The checksum was verified when the
// file had this state.
func (d *Disk) read(ctx context.Context, key Key, now time.Time, verified uint64) *Entry {
	if to := lendOf(ctx); to != nil {
		if e := d.lend(to, key, now, verified); e != nil {
			return e
		}
	}
	var room [128]byte
	path := string(d.appendPath(room[:0], key))
	f, err := openFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			d.forget(key)
		} else {
			d.failed(err)
		}
		return nil
	}
	defer f.close()
	if !f.regular() {
		d.discard(key, &f, ErrCorrupt)
		return nil
	}
	if f.size() > d.maxBytes/8 {
		d.discard(key, &f, nil) // from a time with a larger MaxBytes
		return nil
	}
	if f.size() >= largeRead {
		if d.reserve != nil {
			release, ok := d.reserve(ctx, f.size())
			if !ok {
				return NoRoom
			}
			defer release()
		}
		d.reading <- struct{}{}
		defer func() { <-d.reading }()
	}
	stored := make([]byte, f.size())
	n, err := f.read(stored, 0)
	if err != nil {
		d.failed(err)
		return nil
	}
	state := f.state(now)
	e, err := decode(stored[:n], key, state != 0 && state == verified && int64(n) == f.size())
	if err != nil {
		d.discard(key, &f, err)
		return nil
	}
	if e.Expired(now) {
		d.discard(key, &f, nil)
		return nil
	}

	d.mu.Lock()
	// After the scan, a file that isn't known has just been removed by another goroutine.
	if !d.files.touch(key) && d.scanning {
		d.files.add(key, f.size())
	}
	if state != verified {
		d.files.verify(key, state)
	}
	d.mu.Unlock()
	if now.Sub(f.modified()) >= touchEvery {
		if err := os.Chtimes(path, time.Time{}, now); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EROFS) {
			d.failed(err)
		}
	}
	return e
}

func (d *Disk) path(key Key) string { return string(d.appendPath(nil, key)) }

func (d *Disk) appendPath(b []byte, key Key) []byte {
	b = append(append(b, d.dir...), '/')
	b = append(hex.AppendEncode(b, key[:1]), '/')
	b = append(hex.AppendEncode(b, key[1:2]), '/')
	return hex.AppendEncode(b, key[:])
}

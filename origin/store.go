package origin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A store holds the bytes of one body. A small body is in a buffer of Go's heap. A growing
// body moves to a memory mapping, or to a file on disk. The store takes the bytes that it
// needs before it grows. Only one goroutine at a time may use it.
type store struct {
	in   *intake
	size int64 // bytes of the body so far
	most int64 // the most bytes that may come
	long bool  // the body is announced to be longer than heapBody

	memory, disk int64 // bytes taken

	buffer []byte   // a small body; with file, the bytes of the next write
	region []byte   // a body in a mapping of most bytes, which fills up as the bytes come
	file   *os.File // a body on disk
	mapped []byte   // the mapping of file, when the body is whole
}

// keepFree is the free space of a file system that is left to others, in bytes.
const keepFree = 256 << 20

// space returns the memory for the next bytes. The caller must call wrote with the number
// of bytes that came.
func (s *store) space(ctx context.Context) ([]byte, error) {
	for {
		switch {
		case s.file != nil:
			if s.size < s.disk {
				return s.buffer[:min(copyBy, s.disk-s.size)], nil
			}
		case s.region != nil:
			if s.size < s.memory {
				return s.region[s.size:min(s.memory, int64(len(s.region)), s.size+readBy)], nil
			}
		case s.size < int64(cap(s.buffer)):
			return s.buffer[s.size:cap(s.buffer)], nil
		}
		if err := s.grow(ctx); err != nil {
			return nil, err
		}
	}
}

// wrote adds n bytes that are in the memory of space.
func (s *store) wrote(ctx context.Context, n int) error {
	if s.file != nil {
		if err := s.write(ctx, s.file, s.buffer[:n], s.size); err != nil {
			if ctx.Err() != nil || s.in.isEnded() {
				return err
			}
			s.in.bodies.diskFailed(err)
			return s.leaveDisk(ctx, n)
		}
	}
	if s.size += int64(n); s.size > largeBody {
		// A fast origin keeps this goroutine busy, and there may be hundreds of them. Requests
		// that take microseconds go first.
		runtime.Gosched()
	}
	return nil
}

// write writes to a file. Only a few writes run at a time: each blocks a thread, and many
// would take the processors from goroutines that answer requests.
func (s *store) write(ctx context.Context, f *os.File, data []byte, at int64) error {
	select {
	case s.in.bodies.writing <- struct{}{}:
	case <-s.in.ended:
		return errNoRoom
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.in.bodies.writing }()
	_, err := f.WriteAt(data, at)
	return err
}

// grow makes room for more bytes. A small body grows in memory, and so does every body
// while memory is ample. Else the body goes to disk, and without a disk it waits for memory.
func (s *store) grow(ctx context.Context) error {
	large := s.size >= largeBody
	switch {
	case s.file != nil:
		if s.in.bodies.diskHas(growBy) && s.take(onDisk, growBy) {
			return nil
		}
		if err := s.in.take(ctx, onDisk, growBy); err != nil {
			return err
		}
		s.disk += growBy
		return nil
	case s.buffer == nil && s.region == nil:
		return s.growMemory(ctx, true)
	case (!large || s.in.ample(growBy)) && s.growMemory(ctx, false) == nil:
		return nil
	}
	if err := s.goToDisk(ctx); !errors.Is(err, errNoDisk) {
		return err
	}
	return s.growMemory(ctx, true)
}

// take takes bytes of a pool, and reports whether there was room.
func (s *store) take(kind int, n int64) bool {
	if !s.in.tryTake(kind, n) {
		return false
	}
	if kind == onDisk {
		s.disk += n
	} else {
		s.memory += n
	}
	return true
}

// takeMemory takes memory. With wait it waits for room.
func (s *store) takeMemory(ctx context.Context, n int64, wait bool) error {
	if s.take(inMemory, n) {
		return nil
	}
	if !wait {
		return errNoRoom
	}
	if err := s.in.take(ctx, inMemory, n); err != nil {
		return err
	}
	s.memory += n
	return nil
}

func (s *store) giveMemory(n int64) {
	s.memory -= n
	s.in.give(inMemory, n)
}

func (s *store) giveDisk(n int64) {
	s.disk -= n
	s.in.give(onDisk, n)
}

// growMemory makes room in memory: in the buffer while the body may stay small, else in the
// mapping. With wait it waits for room.
func (s *store) growMemory(ctx context.Context, wait bool) error {
	if s.size < heapBody && !s.long {
		return s.growBuffer(ctx, wait)
	}
	return s.growRegion(ctx, wait)
}

func (s *store) growBuffer(ctx context.Context, wait bool) error {
	old := int64(cap(s.buffer))
	next := min(max(4*old, firstBuffer), heapBody, max(s.most, 1))
	if err := s.takeMemory(ctx, next, wait); err != nil {
		return err
	}
	larger := make([]byte, next)
	copy(larger, s.buffer[:s.size])
	s.buffer = larger
	s.giveMemory(old)
	return nil
}

func (s *store) growRegion(ctx context.Context, wait bool) error {
	by := min(max(s.size, firstBuffer), growBy) // so a body takes twice its bytes at most
	if s.region != nil {
		return s.takeMemory(ctx, by, wait)
	}
	if err := s.takeMemory(ctx, s.size+by, wait); err != nil {
		return err
	}
	region, err := mapMemory(s.most)
	if err != nil {
		s.giveMemory(s.size + by)
		return errNoRoom
	}
	copy(region, s.buffer[:s.size])
	s.region = region
	s.giveMemory(int64(cap(s.buffer)))
	s.buffer = nil
	return nil
}

// errNoDisk says that a body must stay in memory.
var errNoDisk = errors.New("no disk")

// goToDisk moves the body from memory to a file.
func (s *store) goToDisk(ctx context.Context) error {
	b := s.in.bodies
	n := s.size + growBy
	if !b.diskHas(n) {
		return errNoDisk
	}
	if !s.take(onDisk, n) {
		if err := s.in.take(ctx, onDisk, n); err != nil {
			return err
		}
		s.disk += n
	}
	file, err := namelessFile(b.config.Dir)
	if err == nil {
		from := s.region
		if from == nil {
			from = s.buffer
		}
		err = s.write(ctx, file, from[:s.size], 0)
	}
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		s.giveDisk(n)
		if ctx.Err() != nil || s.in.isEnded() {
			return err
		}
		b.diskFailed(err)
		return errNoDisk
	}
	b.count(&b.counts.Spilled)
	s.file = file
	s.dropRegion()
	s.buffer = make([]byte, copyBy)
	if s.memory > copyBy {
		s.giveMemory(s.memory - copyBy)
	}
	return nil
}

// leaveDisk moves the body from a file that can't be written to into memory, with the n
// bytes of the write that failed.
func (s *store) leaveDisk(ctx context.Context, n int) error {
	need := s.size + int64(n) + growBy
	if err := s.takeMemory(ctx, need, true); err != nil {
		return err
	}
	region, err := mapMemory(max(s.most, need))
	if err != nil {
		return errNoRoom
	}
	if _, err := s.file.ReadAt(region[:s.size], 0); err != nil {
		unmap(region)
		return unavailable("this server could not store it")
	}
	s.size += int64(copy(region[s.size:], s.buffer[:n]))
	s.region = region
	_ = s.file.Close()
	s.file, s.buffer = nil, nil
	s.giveMemory(copyBy)
	s.giveDisk(s.disk)
	return nil
}

// finish returns the bytes of a whole body, and frees the room that was taken for more.
func (s *store) finish() ([]byte, error) {
	switch {
	case s.file != nil:
		mapped, err := unix.Mmap(int(s.file.Fd()), 0, int(s.size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return nil, errNoRoom
		}
		_ = s.file.Close() // the mapping keeps the file
		s.mapped, s.file, s.buffer = mapped, nil, nil
		s.giveMemory(s.memory)
		s.giveDisk(s.disk - s.size)
		return mapped, nil
	case s.region != nil:
		s.giveMemory(s.memory - s.size)
		return s.region[:s.size:s.size], nil
	}
	if empty := int64(cap(s.buffer)) - s.size; empty >= int64(cap(s.buffer))/5 {
		exact := make([]byte, s.size)
		copy(exact, s.buffer)
		s.buffer = exact
	}
	s.giveMemory(s.memory - int64(cap(s.buffer)))
	return s.buffer[:s.size], nil
}

// drop frees the bytes. Nobody may read them afterwards.
func (s *store) drop() {
	if s.file != nil {
		_ = s.file.Close()
	}
	if s.mapped != nil {
		unmap(s.mapped)
	}
	s.dropRegion()
	s.file, s.mapped, s.buffer = nil, nil, nil
}

func (s *store) dropRegion() {
	if s.region != nil {
		unmap(s.region)
		s.region = nil
	}
}

// mapMemory maps memory without a file. It takes only the pages that are written to.
func mapMemory(n int64) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapLazily)
	if err == nil {
		smallPages(b)
	}
	return b, err
}

func unmap(b []byte) { _ = unix.Munmap(b) } // it can't fail for a mapping

// namelessFile makes a file without a name in a folder. It disappears when it is closed and
// no longer mapped.
func namelessFile(dir string) (*os.File, error) {
	if f, err := tempFile(dir); err == nil {
		return f, nil
	}
	f, err := os.CreateTemp(dir, leftBody)
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// leftBody matches files that a killed process left behind. It was killed after it made a
// file and before it removed the name.
const leftBody = ".body-*"

// diskHas reports whether the disk has room for n bytes now. It doesn't look at the pool.
func (b *Bodies) diskHas(n int64) bool {
	b.mu.Lock()
	off := b.pools[onDisk].limit == 0 || time.Now().Before(b.diskOff)
	b.mu.Unlock()
	if off {
		return false
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(b.config.Dir, &fs); err != nil {
		b.diskFailed(err)
		return false
	}
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < n+keepFree {
		b.diskFailed(fmt.Errorf("%d MiB are free, and %d are left for others", free>>20, keepFree>>20))
		return false
	}
	return true
}

// diskFailed keeps bodies in memory for a while.
func (b *Bodies) diskFailed(err error) {
	const pause = 10 * time.Second
	b.mu.Lock()
	tell := b.config.Log != nil && time.Now().After(b.diskOff)
	b.diskOff = time.Now().Add(pause)
	b.counts.DiskFailures++
	b.mu.Unlock()
	if tell {
		b.config.Log.Warn("large originals can't be written to disk: they stay in memory, and fewer are read at the same time", "folder", b.config.Dir, "error", err.Error())
	}
}

func (b *Bodies) count(n *int64) {
	b.mu.Lock()
	*n++
	b.mu.Unlock()
}

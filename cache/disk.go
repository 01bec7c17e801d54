package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// DiskConfig says where and how large a disk cache is. Dir and MaxBytes are required.
type DiskConfig struct {
	// Dir is the cache's own folder, which is made if it is missing. Two processes can't
	// share a folder.
	Dir string
	// MaxBytes bounds the sum of the files, each rounded up to blocks of 4 KiB. Their
	// folders, 65,792 at most, come on top. Entries larger than an eighth of it aren't kept.
	MaxBytes int64
	// QueueBytes bounds the entries that wait to be written, in bytes. When the queue is
	// full, entries are dropped. 0 is 64 MiB.
	QueueBytes int64
	// Reserve is asked before a file of 64 KiB or more is read. Nil reads every file.
	Reserve Reserve
	// Log receives failures, once a minute at most. Nil logs nothing.
	Log *slog.Logger

	room func() (free, total int64) // for tests; nil asks the folder's disk
}

const (
	defaultQueueBytes = 64 << 20
	// touchEvery is how old a file's mtime is before a hit renews it. After a restart the
	// times of last use are this exact.
	touchEvery = time.Minute
	logEvery   = time.Minute

	// largeRead is the size in bytes from which a file is read by one of the readers.
	largeRead = 64 << 10
	readers   = 16

	tempDir  = ".tmp"
	lockName = ".lock"
)

// Disk keeps each entry in a file, which survives the process. Put returns at once, and a
// goroutine writes the file later. Until then Get answers from memory.
//
// A file has a checksum, and gets its name by a rename. So Get never returns a part of an
// entry, whenever the process or the machine stops: a torn file is a miss, and is deleted. The
// checksum is verified again once the file has changed, and of a file that is in use once a minute.
// Get opens files by their names and needs no index. So a new Disk answers at once, while
// a scan in the background finds the files for eviction. Files that Get has lent ([Lend]) stay
// open for the next hit.
//
// Errors and expired entries aren't kept. Disk is safe for concurrent use.
type Disk struct {
	dir        string
	maxBytes   int64
	queueBytes int64
	log        *slog.Logger
	reserve    Reserve
	room       func() (free, total int64) // bytes of the disk; 0 is unknown
	open       *openFiles

	// reading has one element for every large file that is being read. More readers at a time
	// would only take more memory.
	reading chan struct{}

	// names are locks by the key's last byte. A rename or a removal of a file, and the change
	// of files that belongs to it, happen under one of them. Lock it before mu.
	names [64]sync.Mutex

	mu       sync.Mutex // guards all fields below; never held during a system call
	pending  map[Key]*diskWrite
	queue    []*diskWrite  // the oldest first; superseded writes have no entry
	queued   int64         // bytes of queue and of the write that runs
	wake     sync.Cond     // signals that the queue has grown, or the cache closes; its lock is mu
	idle     chan struct{} // closed when queued is 0; nil when nobody waits
	files    *recency
	scanning bool
	closed   bool
	aborted  bool  // Close has given up the queue
	stats    Stats // without Bytes and Entries, which files has
	loggedAt time.Time
	unlogged int // failures since loggedAt

	closing chan struct{} // closed by Close
	scanned chan struct{} // closed when the scan has ended
	stopped chan struct{} // closed when all goroutines have ended and the folder is unlocked
}

var _ Cache = (*Disk)(nil)

// A diskWrite is an entry on its way to its file.
type diskWrite struct {
	key   Key
	entry *Entry // nil after a later Put or Delete has superseded the write
	size  int64  // its share of queued
}

// OpenDisk opens the cache in a folder, or makes one. The error is ErrInUse where another
// process has the folder open. A cache on a full or read-only disk still serves its
// entries. Call Close at the end.
func OpenDisk(c DiskConfig) (*Disk, error) {
	if c.MaxBytes <= 0 {
		return nil, fmt.Errorf("disk cache: MaxBytes is %d, and must be positive", c.MaxBytes)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("disk cache: %w", err)
	}
	d := &Disk{
		dir:        dir,
		maxBytes:   c.MaxBytes,
		queueBytes: c.QueueBytes,
		log:        c.Log,
		room:       c.room,
		reserve:    c.Reserve,
		pending:    make(map[Key]*diskWrite),
		files:      newRecency(),
		open:       newOpenFiles(),
		scanning:   true,
		reading:    make(chan struct{}, readers),
		closing:    make(chan struct{}),
		scanned:    make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	d.wake.L = &d.mu
	if d.queueBytes <= 0 {
		d.queueBytes = defaultQueueBytes
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.room == nil {
		d.room = func() (free, total int64) { return diskRoom(dir) }
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("disk cache: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("disk cache in %s: %w", dir, err)
	}
	// A killed process leaves one temporary file at most.
	if err := os.RemoveAll(filepath.Join(dir, tempDir)); err != nil {
		d.failed(err) // the entries can still be served
	}
	go func() {
		var running sync.WaitGroup
		running.Go(d.writeQueue)
		running.Go(d.scan)
		running.Wait()
		lock.Close()
		close(d.stopped)
	}()
	return d, nil
}

// Get returns the entry and "disk", or nil.
func (d *Disk) Get(ctx context.Context, key Key) (*Entry, string) {
	now := time.Now()
	e := d.get(ctx, key, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	if e == nil {
		d.stats.Misses++
		return nil, ""
	}
	d.stats.Hits++
	return e, "disk"
}

func (d *Disk) get(ctx context.Context, key Key, now time.Time) *Entry {
	d.mu.Lock()
	w, closed, verified := d.pending[key], d.closed, d.files.verified(key)
	var e *Entry
	if w != nil {
		e = w.entry
	}
	d.mu.Unlock()
	switch {
	case closed:
		return nil
	case e == nil:
		return d.read(ctx, key, now, verified)
	case e.Expired(now):
		return nil
	}
	return e
}

// Put queues the entry to be written. An entry that can't be kept, or that finds the queue
// full, becomes a Delete.
func (d *Disk) Put(ctx context.Context, key Key, e *Entry) {
	if e.Code != "" || e.Expired(time.Now()) {
		d.Delete(ctx, key)
		return
	}
	// The caller may change its Entry afterwards. The body is shared.
	kept := *e
	w := &diskWrite{key: key, entry: &kept, size: memorySize(&kept)}

	d.mu.Lock()
	fits := EncodedSize(e) <= d.maxBytes/8 && d.queued+w.size <= d.queueBytes
	if !fits || d.closed {
		d.stats.Dropped++
		d.mu.Unlock()
		d.Delete(ctx, key)
		return
	}
	d.supersede(key)
	d.pending[key] = w
	d.queue = append(d.queue, w)
	d.queued += w.size
	d.wake.Signal()
	d.mu.Unlock()
}

// Delete removes the entry, from the queue too.
func (d *Disk) Delete(_ context.Context, key Key) {
	name := d.name(key)
	name.Lock()
	defer name.Unlock()
	d.mu.Lock()
	closed := d.closed
	if !closed {
		d.supersede(key)
	}
	d.mu.Unlock()
	if !closed {
		d.remove(key)
	}
}

// Drain waits until all writes so far have ended, or returns the error of ctx.
func (d *Disk) Drain(ctx context.Context) error {
	d.mu.Lock()
	if d.queued == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes the queue and unlocks the folder. When ctx ends first, the rest of the queue
// is dropped, and the error is that of ctx. The folder is then unlocked after the write that
// runs. All lookups of a closed Disk miss.
func (d *Disk) Close(ctx context.Context) error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.closing)
		d.wake.Signal()
	}
	d.mu.Unlock()
	d.open.close()
	select {
	case <-d.stopped:
		return nil
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aborted = true
	return fmt.Errorf("disk cache: closed with %d entries not written: %w", len(d.pending), ctx.Err())
}

// Stats returns the counts so far. Bytes and Entries are too low until the scan that
// OpenDisk started has ended.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Bytes, s.Entries = d.files.bytes, int64(d.files.len())
	return s
}

// supersede cancels the write that is pending for key. The caller holds mu.
func (d *Disk) supersede(key Key) {
	if w := d.pending[key]; w != nil {
		w.entry = nil
		delete(d.pending, key)
	}
}

// remove removes the key's file, also from files. The caller holds the lock of its name.
func (d *Disk) remove(key Key) {
	d.mu.Lock()
	d.files.remove(key)
	d.mu.Unlock()
	d.open.forget(key, nil) // its room on the disk is free once it is closed
	if err := os.Remove(d.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.failed(err)
	}
}

// discard removes an open file, unless a new one has taken its place, which has another inode
// as long as this one is open. why is the fault of the file, or nil.
func (d *Disk) discard(key Key, f *file, why error) {
	name := d.name(key)
	name.Lock()
	defer name.Unlock()
	if !f.isAt(d.path(key)) {
		return
	}
	if errors.Is(why, ErrCorrupt) {
		d.mu.Lock()
		d.stats.Corrupt++
		d.mu.Unlock()
	}
	d.remove(key)
}

// forget removes a file from files that somebody else has removed from the disk.
func (d *Disk) forget(key Key) {
	d.mu.Lock()
	_, known := d.files.byKey[key]
	d.mu.Unlock()
	if !known {
		return
	}
	name := d.name(key)
	name.Lock()
	defer name.Unlock()
	if _, err := os.Lstat(d.path(key)); errors.Is(err, fs.ErrNotExist) {
		d.mu.Lock()
		d.files.remove(key)
		d.mu.Unlock()
		d.open.forget(key, nil)
	}
}

// evict removes files, those that were used longest ago first, until the rest is within the
// bound.
func (d *Disk) evict() { d.evictTo(d.maxBytes) }

// evictTo is evict with another bound.
func (d *Disk) evictTo(bytes int64) {
	for {
		d.mu.Lock()
		key, ok := d.files.oldest()
		ok = ok && d.files.bytes > bytes
		if ok {
			d.stats.Evictions++
		}
		d.mu.Unlock()
		if !ok {
			return
		}
		name := d.name(key)
		name.Lock()
		d.remove(key)
		name.Unlock()
	}
}

// failed counts an error of the file system, and logs it once a minute at most.
func (d *Disk) failed(err error) {
	now := time.Now()
	d.mu.Lock()
	d.stats.Failures++
	d.unlogged++
	failures := d.unlogged
	quiet := now.Sub(d.loggedAt) < logEvery
	if !quiet {
		d.loggedAt, d.unlogged = now, 0
	}
	d.mu.Unlock()
	if !quiet {
		d.log.Warn("disk cache is failing; variants that it loses are made again", "err", err, "failures", failures)
	}
}

// name returns the lock of the key's file name.
func (d *Disk) name(key Key) *sync.Mutex {
	return &d.names[int(key[len(key)-1])%len(d.names)]
}

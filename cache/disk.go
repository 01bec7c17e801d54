package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// DiskConfig says where and how large a disk cache is.
type DiskConfig struct {
	// Dir is the cache's own folder; it is made if it is missing. Two processes
	// cannot share one.
	Dir string
	// MaxBytes bounds the files, each counted in whole blocks of 4 KiB. The folders
	// that they lie in, 65,792 at most, come on top. An entry larger than an eighth
	// is not kept.
	MaxBytes int64
	// QueueBytes bounds the entries that wait to be written; more are dropped.
	// 0 is 64 MiB.
	QueueBytes int64
	// Log is told of failures, once a minute at most. Nil is silence.
	Log *slog.Logger

	room func() (free, total int64) // for tests; nil is that of the folder's disk
}

const (
	defaultQueueBytes = 64 << 20
	// touchEvery is how old an entry's mtime gets before a hit renews it: the order
	// of last use after a restart is right to within that.
	touchEvery = time.Minute
	// logEvery is how often failures are logged.
	logEvery = time.Minute

	// largeRead is from how many bytes a file takes one of the readers' places.
	largeRead = 64 << 10
	readers   = 16

	tempDir  = ".tmp"
	lockName = ".lock"
)

// Disk keeps entries in files, one each, that outlive the process. Put returns
// at once and a goroutine writes behind it; until then Get answers from memory.
//
// A file is checksummed and appears under its name by rename, so that nothing is
// served but what was put, whenever the process or the machine stops; what is
// torn is a miss, and deleted. Get opens files by name and needs no index: a new
// Disk answers at once, while a scan in the background learns what there is to
// evict.
//
// Errors and expired entries are not kept. It is safe for concurrent use.
type Disk struct {
	dir        string
	maxBytes   int64
	queueBytes int64
	log        *slog.Logger
	room       func() (free, total int64) // of the disk, in bytes; 0 is not known

	// reading holds one for every large file that is being read: more at a time would
	// only take more memory.
	reading chan struct{}

	// names serialises what changes a name in the file system (rename, remove)
	// with the bookkeeping that goes with it, by the key's last byte. Taken before mu.
	names [64]sync.Mutex

	mu       sync.Mutex // guards all below; never held over a system call
	pending  map[Key]*diskWrite
	queue    []*diskWrite  // the oldest first; superseded ones have no entry
	queued   int64         // bytes of queue and of the write under way
	wake     sync.Cond     // of mu: the queue has grown, or the cache closes
	idle     chan struct{} // closed once queued is 0; nil when nobody waits
	files    *recency
	scanning bool
	closed   bool
	aborted  bool  // Close gave up on the queue
	stats    Stats // Bytes and Entries are taken from files
	loggedAt time.Time
	unlogged int // failures since then

	closing chan struct{} // closed by Close
	scanned chan struct{} // closed once the scan has ended
	stopped chan struct{} // closed once all goroutines have ended and the folder is unlocked
}

var _ Cache = (*Disk)(nil)

// A diskWrite is an entry on its way to its file.
type diskWrite struct {
	key   Key
	entry *Entry // nil once a later Put or Delete has superseded it
	size  int64  // as queued counts it
}

// OpenDisk opens or makes the cache in a folder. The error is ErrInUse where
// another process has it open. A cache that is on a full or read-only disk serves what
// it holds.
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
		pending:    make(map[Key]*diskWrite),
		files:      newRecency(),
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
	// What a killed process was writing. It is one file at most.
	if err := os.RemoveAll(filepath.Join(dir, tempDir)); err != nil {
		d.failed(err) // what is there can be served nevertheless
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
func (d *Disk) Get(_ context.Context, key Key) (*Entry, string) {
	now := time.Now()
	e := d.get(key, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	if e == nil {
		d.stats.Misses++
		return nil, ""
	}
	d.stats.Hits++
	return e, "disk"
}

func (d *Disk) get(key Key, now time.Time) *Entry {
	d.mu.Lock()
	w, closed := d.pending[key], d.closed
	var e *Entry
	if w != nil {
		e = w.entry
	}
	d.mu.Unlock()
	switch {
	case closed:
		return nil
	case e == nil:
		return d.read(key, now)
	case e.Expired(now):
		return nil
	}
	return e
}

// read returns the entry in the key's file, or nil.
func (d *Disk) read(key Key, now time.Time) *Entry {
	path := d.path(key)
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			d.forget(key)
		} else {
			d.failed(err)
		}
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		d.failed(err)
		return nil
	}
	if info.Size() > d.maxBytes/8 {
		d.discard(key, info, nil) // kept under a larger bound
		return nil
	}
	file, n, err := d.readFile(f, info.Size())
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		d.failed(err)
		return nil
	}
	e, err := Decode(file[:n], key)
	if err != nil {
		d.discard(key, info, err)
		return nil
	}
	if e.Expired(now) {
		d.discard(key, info, nil)
		return nil
	}

	d.mu.Lock()
	// Once the scan is through, a file that isn't known has just been removed.
	if !d.files.touch(key) && d.scanning {
		d.files.add(key, info.Size())
	}
	d.mu.Unlock()
	if now.Sub(info.ModTime()) >= touchEvery {
		if err := os.Chtimes(path, time.Time{}, now); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EROFS) {
			d.failed(err)
		}
	}
	return e
}

// readFile reads a file of size bytes. n is how many there were.
func (d *Disk) readFile(f *os.File, size int64) (file []byte, n int, err error) {
	if size >= largeRead {
		d.reading <- struct{}{}
		defer func() { <-d.reading }()
	}
	file = make([]byte, size)
	n, err = io.ReadFull(f, file)
	return file, n, err
}

// Put queues the entry to be written. Where the queue is full, or the entry is
// none that is kept, Put is a Delete.
func (d *Disk) Put(ctx context.Context, key Key, e *Entry) {
	if e.Code != "" || e.Expired(time.Now()) {
		d.Delete(ctx, key)
		return
	}
	// The caller may go on to fill in its own Entry; the body is shared.
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

// Delete removes the entry, written or not.
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

// Drain returns once everything that was put has been written or lost, or with
// the error of ctx.
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

// Close writes what is queued and gives the folder up. When ctx ends first, the
// rest of the queue is lost and the error is that of ctx; the folder is then
// free as soon as the write under way has ended. A closed Disk has only misses.
func (d *Disk) Close(ctx context.Context) error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.closing)
		d.wake.Signal()
	}
	d.mu.Unlock()
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

// Stats returns the counts so far. Bytes and Entries grow until the scan that
// OpenDisk began is through.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Bytes, s.Entries = d.files.bytes, int64(d.files.len())
	return s
}

// supersede makes the write that is pending for key void. The caller holds mu.
func (d *Disk) supersede(key Key) {
	if w := d.pending[key]; w != nil {
		w.entry = nil
		delete(d.pending, key)
	}
}

// remove removes the key's file and forgets it. The caller holds its name.
func (d *Disk) remove(key Key) {
	d.mu.Lock()
	d.files.remove(key)
	d.mu.Unlock()
	if err := os.Remove(d.path(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.failed(err)
	}
}

// discard removes the file that info describes, unless another has taken its
// place. The caller has it open, so that no other can be taken for it. The error
// says what was wrong with it, if anything was.
func (d *Disk) discard(key Key, info fs.FileInfo, why error) {
	name := d.name(key)
	name.Lock()
	defer name.Unlock()
	now, err := os.Lstat(d.path(key))
	if err != nil || !os.SameFile(info, now) {
		return
	}
	if errors.Is(why, ErrCorrupt) {
		d.mu.Lock()
		d.stats.Corrupt++
		d.mu.Unlock()
	}
	d.remove(key)
}

// forget drops a file from the bookkeeping that somebody else has removed.
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
	}
}

// evict removes the files that were not used for longest until the rest is
// within the bound.
func (d *Disk) evict() { d.evictTo(d.maxBytes) }

// evictTo is evict for another bound.
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

// failed counts an error of the file system, and logs it if none was lately.
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
		d.log.Warn("disk cache is failing; what it loses is made anew", "err", err, "failures", failures)
	}
}

func (d *Disk) path(key Key) string {
	hex := key.String()
	return d.dir + "/" + hex[:2] + "/" + hex[2:4] + "/" + hex
}

// name is the lock on the key's file name.
func (d *Disk) name(key Key) *sync.Mutex {
	return &d.names[int(key[len(key)-1])%len(d.names)]
}

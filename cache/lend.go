package cache

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sys/unix"
)

// A Lend is for a lookup by somebody who can send a body from its file and doesn't need it in memory.
// Call Return once the body is sent. The zero value is ready. It isn't safe for concurrent use.
type Lend struct{ file *File }

// WithLend returns a context for one call of [Loader.Load]. A tier may then return an entry with a
// File, and without a Body.
func WithLend(ctx context.Context, to *Lend) context.Context { return &lendContext{ctx, to} }

// Return gives the file back, if there is one.
func (l *Lend) Return() {
	if l.file != nil {
		l.file.release()
		l.file = nil
	}
}

type lendContext struct {
	context.Context
	to *Lend // nil is none
}

type lendKey struct{}

// Value implements [context.Context].
func (c *lendContext) Value(key any) any {
	if key == (lendKey{}) {
		return c.to
	}
	return c.Context.Value(key)
}

// lendOf returns the Lend of a context, or nil.
func lendOf(ctx context.Context) *Lend {
	l, _ := ctx.Value(lendKey{}).(*Lend)
	return l
}

// A File has an entry's body. Requests share it, and it is open as long as one of them uses it.
type File struct {
	of    *Disk
	key   Key
	file  file
	entry Entry // the one whose body it has
	begin int64 // of the body
	size  int64 // of the body, in bytes
	users int   // guarded by openFiles.mu
}

// Size returns the number of bytes of the body.
func (f *File) Size() int64 { return f.size }

// At returns the descriptor of the file, and where a byte of the body is in it. Both are good until
// [Lend.Return].
func (f *File) At(off int64) (fd int, at int64) { return f.file.fd, f.begin + off }

// ReadAt implements [io.ReaderAt] for the body.
func (f *File) ReadAt(b []byte, off int64) (n int, err error) {
	n, err = f.file.read(b[:max(min(int64(len(b)), f.size-off), 0)], f.begin+off)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

// Failed says that the body couldn't be read. Whoever asks next reads the file anew, as if nobody had
// verified it.
func (f *File) Failed(err error) {
	f.of.failed(err)
	f.of.mu.Lock()
	f.of.files.verify(f.key, 0)
	f.of.mu.Unlock()
	f.of.open.forget(f.key, f)
}

func (f *File) release() {
	f.of.open.mu.Lock()
	defer f.of.open.mu.Unlock()
	f.drop()
}

// drop ends one use. The caller holds openFiles.mu.
func (f *File) drop() {
	if f.users--; f.users == 0 {
		f.file.close()
		f.of.open.open--
	}
}

const (
	mostKept = 512     // files that are kept for the next hit; as many again may be lent
	headRead = 2 << 10 // bytes that are read to find an entry's fields, which have some hundred
)

// openFiles are the files that were lent last: opening one and reading its fields takes a fifth of
// a hit on disk. Whether one has changed, the system is asked for each hit. It is safe for
// concurrent use.
type openFiles struct {
	most int // files that are kept

	mu     sync.Mutex // guards all fields below, and the users of files
	files  *simplelru.LRU[Key, *File]
	open   int  // files that are kept or lent
	sweeps bool // sweep is going to run
	closed bool
}

func newOpenFiles() *openFiles {
	o := &openFiles{most: mostKept}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		o.most = int(max(min(limit.Cur/16, mostKept), 1))
	}
	var err error
	if o.files, err = simplelru.NewLRU(o.most, func(_ Key, f *File) { f.drop() }); err != nil {
		panic(err) // only for a size below 1
	}
	return o
}

// enter counts one more file that is open. It returns false where there are too many.
func (o *openFiles) enter() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open >= 2*o.most {
		return false
	}
	o.open++
	return true
}

// get returns a file for one use, or nil.
func (o *openFiles) get(key Key) *File {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, ok := o.files.Get(key)
	if !ok {
		return nil
	}
	f.users++
	return f
}

// keep keeps a file for the next hit. The one that brings it goes on using it.
func (o *openFiles) keep(key Key, f *File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.files.Remove(key)
	f.users++
	o.files.Add(key, f)
	if !o.sweeps {
		o.sweepLater()
	}
}

// sweepLater sweeps in a while, and again while files are kept. The caller holds mu.
func (o *openFiles) sweepLater() {
	o.sweeps = true
	time.AfterFunc(touchEvery, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.sweep(time.Now())
		if o.sweeps = o.files.Len() > 0; o.sweeps {
			o.sweepLater()
		}
	})
}

// sweep forgets the files that the next hit reads, to renew the time of last use. Where somebody else
// has removed them from the disk, their room is free once they are closed. The caller holds mu.
func (o *openFiles) sweep(now time.Time) {
	for _, key := range o.files.Keys() {
		if f, _ := o.files.Peek(key); now.Sub(f.file.modified()) >= touchEvery {
			o.files.Remove(key)
		}
	}
}

// forget keeps a file no longer. If f isn't nil, it is that one or none.
func (o *openFiles) forget(key Key, f *File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if kept, ok := o.files.Peek(key); ok && (f == nil || f == kept) {
		o.files.Remove(key)
	}
}

// close keeps no files any more.
func (o *openFiles) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.files.Purge()
}

// lend returns the entry of the key's file without reading its body. It returns nil where the file
// must be read: nobody has verified its checksum in this state, its entry is stale or has expired, or it
// was touched a while ago.
func (d *Disk) lend(to *Lend, key Key, now time.Time, verified uint64) *Entry {
	if verified == 0 {
		return nil
	}
	f := d.open.get(key)
	kept := f != nil
	if !kept {
		if f = d.openLent(key); f == nil {
			return nil
		}
	}
	is := file{fd: f.file.fd}
	if is.find() != nil || is.state(now) != verified || now.Sub(is.modified()) >= touchEvery || f.entry.Stale(now) || f.entry.Expired(now) {
		d.open.forget(key, f)
		f.release()
		return nil
	}
	if !kept {
		d.open.keep(key, f)
	}
	to.Return()
	to.file = f
	d.mu.Lock()
	known := d.files.touch(key)
	d.mu.Unlock()
	if !known { // it has just been removed
		d.open.forget(key, f)
	}
	return &f.entry
}

// openLent opens a key's file for one use. It returns nil where that fails: whoever reads it then
// finds out why.
func (d *Disk) openLent(key Key) *File {
	if !d.open.enter() {
		return nil
	}
	f := &File{of: d, key: key, file: file{fd: -1}, users: 1}
	if err := d.openHead(f, key); err != nil {
		f.release()
		return nil
	}
	return f
}

func (d *Disk) openHead(f *File, key Key) (err error) {
	var room [128]byte
	if f.file, err = openFile(string(d.appendPath(room[:0], key))); err != nil {
		return err
	}
	size := f.file.size()
	if !f.file.regular() || size > d.maxBytes/8 {
		return ErrCorrupt
	}
	head := make([]byte, min(headRead, size))
	n, err := f.file.read(head, 0)
	if err != nil {
		return err
	}
	e, begin, err := DecodeHead(head[:n], key, size)
	if err != nil {
		return err
	}
	f.begin, f.size, f.entry = begin, size-begin, *e
	f.entry.File = f
	return nil
}

package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeQueue writes queued entries, until the cache is closed and the queue is empty. It
// runs once only, and nothing else makes temporary files.
func (d *Disk) writeQueue() {
	for {
		w, e := d.nextWrite()
		if w == nil {
			return
		}
		err := d.makeRoom(w, e)
		if err == nil {
			err = d.write(w, e)
		}
		if err != nil {
			d.failed(err)
		}
		d.evict()
		d.wrote(w, err)
	}
}

// nextWrite waits for a write that isn't superseded, and returns it with its entry. It
// returns nil at the end of the queue.
func (d *Disk) nextWrite() (*diskWrite, *Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for len(d.queue) == 0 && !d.closed {
			d.wake.Wait()
		}
		if len(d.queue) == 0 {
			return nil, nil
		}
		w := d.queue[0]
		d.queue[0] = nil
		d.queue = d.queue[1:]
		if d.aborted && w.entry != nil {
			d.stats.Dropped++
			d.supersede(w.key)
		}
		if w.entry != nil {
			return w, w.entry
		}
		d.done(w)
	}
}

// write writes the entry to its file, unless the write is superseded meanwhile.
func (d *Disk) write(w *diskWrite, e *Entry) error {
	temp, err := d.writeTemp(w.key, e)
	if err != nil {
		return err
	}
	name := d.name(w.key)
	name.Lock()
	defer name.Unlock()
	d.mu.Lock()
	superseded := w.entry == nil
	d.mu.Unlock()
	if superseded {
		return os.Remove(temp)
	}
	path := d.path(w.key)
	err = os.Rename(temp, path)
	// The first file of a folder makes the folder. The scan may remove an empty folder
	// between the two calls, so try more than once.
	for attempts := 0; errors.Is(err, fs.ErrNotExist) && attempts < 3; attempts++ {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.Rename(temp, path)
		}
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	d.open.forget(w.key, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files.add(w.key, EncodedSize(e))
	d.stats.Puts++
	return nil
}

// writeTemp writes the entry to a temporary file and returns its path. The file isn't
// synced: after a crash of the machine the checksum finds torn files.
func (d *Disk) writeTemp(key Key, e *Entry) (path string, err error) {
	head, err := EncodeHead(key, e)
	if err != nil {
		return "", err
	}
	path = filepath.Join(d.dir, tempDir, key.String())
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			f, err = os.OpenFile(path, flags, 0o600)
		}
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(head)
	if err == nil {
		_, err = f.Write(e.Body)
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		os.Remove(path)
		return "", err
	}
	return path, nil
}

// wrote ends a write. After a failure it removes the old file, which would be served
// otherwise.
func (d *Disk) wrote(w *diskWrite, err error) {
	if err != nil {
		name := d.name(w.key)
		name.Lock()
		defer name.Unlock()
		d.mu.Lock()
		superseded := w.entry == nil
		if !superseded {
			d.stats.Dropped++
		}
		d.mu.Unlock()
		if !superseded {
			d.remove(w.key)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending[w.key] == w {
		delete(d.pending, w.key)
	}
	d.done(w)
}

// done frees a write's share of the queue. The caller holds mu.
func (d *Disk) done(w *diskWrite) {
	d.queued -= w.size
	if d.queued == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

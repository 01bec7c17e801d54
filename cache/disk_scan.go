package cache

import (
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A foundFile is an entry's file that the scan has found.
type foundFile struct {
	key  Key
	size int64
	used time.Time
}

// scan finds the files and the times of their last use, removes those that can't be served,
// and evicts files over the bound. It doesn't touch files whose names aren't the cache's.
func (d *Disk) scan() {
	defer close(d.scanned)
	start := time.Now()
	found := d.findFiles()
	slices.SortFunc(found, func(a, b foundFile) int { return b.used.Compare(a.used) })
	// Small lots keep the time short that requests wait for the lock.
	for lot := range slices.Chunk(found, 1000) {
		d.mu.Lock()
		for _, f := range lot {
			d.files.addOldest(f.key, f.size)
		}
		d.mu.Unlock()
	}
	d.mu.Lock()
	d.scanning = false
	d.mu.Unlock()
	d.evict()
	s := d.Stats()
	d.log.Debug("disk cache scanned", "entries", s.Entries, "bytes", s.Bytes, "took", time.Since(start))
}

// findFiles returns all good files. When the cache closes, it returns those found so far.
func (d *Disk) findFiles() (found []foundFile) {
	for _, upper := range d.subfolders(d.dir) {
		for _, lower := range d.subfolders(upper) {
			select {
			case <-d.closing:
				return found
			default:
			}
			entries := d.list(lower)
			for _, entry := range entries {
				if f, ok := d.inspect(lower, entry); ok {
					found = append(found, f)
				}
			}
			if len(entries) == 0 {
				os.Remove(lower) // fails if the folder has a file by now
			}
		}
	}
	return found
}

// subfolders returns the paths of the folders in dir whose names are two hex digits.
func (d *Disk) subfolders(dir string) (paths []string) {
	for _, entry := range d.list(dir) {
		var b [1]byte
		if entry.IsDir() && decodeHex(b[:], entry.Name()) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths
}

func (d *Disk) list(dir string) []fs.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		d.failed(err)
	}
	return entries
}

// inspect reads a file's header, and removes the file if it is torn, has expired or is of
// another version. It doesn't verify the checksum, which Get does.
func (d *Disk) inspect(dir string, entry fs.DirEntry) (found foundFile, ok bool) {
	path := filepath.Join(dir, entry.Name())
	if !entry.Type().IsRegular() || !decodeHex(found.key[:], entry.Name()) || d.path(found.key) != path {
		return found, false
	}
	f, err := openFile(path)
	if err != nil {
		if !os.IsNotExist(err) {
			d.failed(err)
		}
		return found, false
	}
	defer f.close()
	head := make([]byte, headerSize)
	n, err := f.read(head, 0)
	if err != nil {
		d.failed(err)
		return found, false
	}
	h, err := parseHeader(head[:n], found.key, f.size())
	if err != nil {
		d.discard(found.key, &f, err)
		return found, false
	}
	if (&Entry{ExpiresAt: h.ExpiresAt.time()}).Expired(time.Now()) {
		d.discard(found.key, &f, nil)
		return found, false
	}
	found.size, found.used = f.size(), f.modified()
	return found, true
}

// decodeHex reads lower-case hex digits that fill b exactly.
func decodeHex(b []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(b)) {
		return false
	}
	_, err := hex.Decode(b, []byte(s))
	return err == nil && hex.EncodeToString(b) == s
}

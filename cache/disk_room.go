package cache

import (
	"fmt"
	"syscall"
)

// spareBytes is the room on the disk that the cache leaves to others, above all to the
// database beside it. On a small disk it is a twentieth of the disk.
const spareBytes = 64 << 20

// diskRoom returns the free bytes of the folder's disk, and the size of the disk. Both are 0
// where they are unknown.
func diskRoom(dir string) (free, total int64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize)
}

// spare returns the room to leave on a disk of total bytes.
func spare(total int64) int64 { return min(spareBytes, total/20) }

// DiskFull reports whether a [Disk] in the folder has no room for new entries, and how many
// bytes are free on the folder's disk.
func DiskFull(dir string) (full bool, free int64) {
	free, total := diskRoom(dir)
	return free < spare(total)/2, free
}

// makeRoom prepares for a write on a disk that is short of room. After an error the entry
// must not be written.
//
// Where more than half of the spare room is left, the cache itself has filled the disk: the
// oldest files make way for the new one. Where less is left, other programs fill the disk,
// and evictions would only make room for them. Then only an entry that replaces its
// own file is written, and the cache goes on serving its entries.
func (d *Disk) makeRoom(w *diskWrite, e *Entry) error {
	size := EncodedSize(e)
	free, total := d.room()
	switch left := free - size; {
	case total == 0 || left >= spare(total):
		return nil
	case left >= spare(total)/2:
		d.evictTo(d.Stats().Bytes - size)
		return nil
	}
	name := d.name(w.key)
	name.Lock()
	defer name.Unlock()
	d.mu.Lock()
	renews := w.entry != nil && d.files.size(w.key) >= size
	d.mu.Unlock()
	if renews {
		d.remove(w.key)
		return nil
	}
	return fmt.Errorf("the disk is full (%d MiB are free): what is cached is served, and nothing new is kept until there is room", free>>20)
}

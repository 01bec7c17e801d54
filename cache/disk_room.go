package cache

import (
	"fmt"
	"syscall"
)

// spareBytes is how much of the disk the cache leaves to others, above all to the database
// that lies beside it: this, or a twentieth of a disk that is small.
const spareBytes = 64 << 20

// diskRoom returns how much of the folder's disk is free, and how large that is, in bytes.
// 0 is not known.
func diskRoom(dir string) (free, total int64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize)
}

// spare is spareBytes of a disk of total bytes.
func spare(total int64) int64 { return min(spareBytes, total/20) }

// DiskFull reports whether a [Disk] in the folder writes nothing new, and how many bytes
// are free on the folder's disk.
func DiskFull(dir string) (full bool, free int64) {
	free, total := diskRoom(dir)
	return free < spare(total)/2, free
}

// makeRoom prepares for a write on a disk that is short of room. Where the cache itself
// has filled it, the oldest files make way for the new one. Where there is even less, it is
// others who fill the disk: then nothing is written but what is renewed, which takes the
// place of its own file. So what is there goes on being served. The error says that the
// entry is not to be written.
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

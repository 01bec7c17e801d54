package origin

import (
	"os"

	"golang.org/x/sys/unix"
)

const mapLazily = unix.MAP_NORESERVE

// smallPages makes a mapping take memory page by page. A huge page would take two megabytes
// at the first byte.
func smallPages(b []byte) {
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) // it fails on kernels without huge pages, which don't need it
}

// tempFile makes a file that never has a name.
func tempFile(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE|unix.O_EXCL, 0o600)
}

// OnDisk reports whether a folder is on a disk rather than in memory.
func OnDisk(dir string) bool {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return false
	}
	switch int64(fs.Type) {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return false
	}
	return true
}

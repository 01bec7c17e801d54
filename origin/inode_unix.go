//go:build unix

package origin

import (
	"io/fs"
	"syscall"
)

// inode returns the file's serial number. A file that replaces another has a new number,
// even with the same size and time.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}

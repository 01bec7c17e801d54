//go:build unix

package origin

import (
	"io/fs"
	"syscall"
)

// inode is the file's serial number: a file moved over another has a new one, even
// with the size and time of the old.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino)
	}
	return 0
}

//go:build !unix

package origin

import "io/fs"

// inode is zero where files have no serial number.
func inode(fs.FileInfo) uint64 { return 0 }

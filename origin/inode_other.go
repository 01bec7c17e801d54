//go:build !unix

package origin

import "io/fs"

// inode returns 0, since files have no serial number here.
func inode(fs.FileInfo) uint64 { return 0 }

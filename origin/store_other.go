//go:build !linux

package origin

import (
	"errors"
	"os"
)

const mapLazily = 0

func smallPages([]byte) {}

func tempFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// OnDisk reports whether a folder is on a disk rather than in memory.
func OnDisk(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

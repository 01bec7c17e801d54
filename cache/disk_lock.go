package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another process has the folder of a disk cache open.
var ErrInUse = errors.New("cache folder is in use by another process")

// lockFile locks the file for this process. The lock lasts until the file is closed or the
// process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil { // a file that can't be written can still be locked
		f, err = os.Open(path)
	}
	if err != nil { // where it can't be made either, lock the folder
		f, err = os.Open(filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

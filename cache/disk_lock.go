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

// lockFile takes the file for this process, until it is closed or the process
// ends in whatever way.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil { // it can't be written, but locked
		f, err = os.Open(path)
	}
	if err != nil { // it can't be made, but the folder can be locked in its place
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

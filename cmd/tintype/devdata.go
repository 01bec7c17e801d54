package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// devData begins the names of data folders of tintype dev. Each is locked while its process
// lives, however that ends.
const devData = "tintype-dev-"

var isDevData = regexp.MustCompile(`^` + devData + `[0-9]+$`)

// makeDevData makes a data folder in parent, and locks it. remove removes it and ends the lock.
func makeDevData(parent string) (folder string, remove func() error, err error) {
	for range 10 {
		if folder, err = os.MkdirTemp(parent, devData); err != nil {
			return "", nil, err
		}
		var lock *os.File
		if lock, err = os.Open(folder); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return "", nil, errors.Join(err, os.Remove(folder))
		}
		// Where the file system has no locks, nobody gets one to remove the folder either.
		_ = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if _, err = os.Lstat(folder); err == nil {
			return folder, func() error { return errors.Join(os.RemoveAll(folder), lock.Close()) }, nil
		}
		_ = lock.Close() // another process took it for left before it was locked
	}
	return "", nil, fmt.Errorf("no data folder: %w", err)
}

// removeLeftData removes the data folders of this user in parent whose processes were killed.
// It follows no links.
func removeLeftData(parent string) {
	entries, _ := os.ReadDir(parent) // what stays is for the next start
	for _, e := range entries {
		if e.IsDir() && isDevData.MatchString(e.Name()) {
			removeIfLeft(filepath.Join(parent, e.Name()))
		}
	}
}

func removeIfLeft(folder string) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	var s unix.Stat_t
	if unix.Fstat(fd, &s) != nil || int(s.Uid) != os.Geteuid() || unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	_ = os.RemoveAll(folder)
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// makeData makes the data folder where it is missing. It returns an error where the folder
// belongs to another user, as a volume of a container often does: everything else would fail
// later, each with an error of its own. A read-only disk is no error.
func (c *serveCmd) makeData() error {
	err := os.MkdirAll(c.Data, 0o700)
	if err == nil {
		if err = unix.Access(c.Data, unix.W_OK|unix.X_OK); !errors.Is(err, unix.EACCES) {
			return nil
		}
	} else if !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("--data: %w", err)
	}
	folder := c.Data // or the one above it that is there
	info, found := os.Stat(folder)
	for errors.Is(found, os.ErrNotExist) && folder != filepath.Dir(folder) {
		folder = filepath.Dir(folder)
		info, found = os.Stat(folder)
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if found == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != uid {
			return fmt.Errorf("--data: %s belongs to user %d, and this process is user %d, who may not write there: give it the folder (chown -R %d:%d), "+
				"or start it as user %d. In Kubernetes set fsGroup to %d", folder, owner.Uid, uid, uid, gid, owner.Uid, gid)
		}
	}
	return fmt.Errorf("--data: user %d may not write to %s: change its mode (chmod u+rwx), or name another folder", uid, folder)
}

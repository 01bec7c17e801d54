package worker

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func tgkill(s syscall.Signal) error { return unix.Tgkill(os.Getpid(), unix.Gettid(), s) }

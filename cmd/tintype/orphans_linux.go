package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// As the first process of a container, this process gets the children of processes that have
// ended, such as those that a purge command left. They stay as zombies until it waits for them.

// orphanPause is the time between two looks for orphans. Its own children are waited for by
// whoever started them, within much less.
const orphanPause = 10 * time.Second

// reapOrphans waits for orphans until ctx ends, where this is the first process.
func reapOrphans(ctx context.Context) {
	if os.Getpid() != 1 {
		return
	}
	look := time.NewTicker(orphanPause)
	defer look.Stop()
	var seen zombies
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			seen = seen.reap()
		}
	}
}

// zombies has the children of this process that have ended, and that nobody has waited for.
// Each has the time of its start beside its number, since numbers are used again.
type zombies map[int]string

// reap waits for the zombies that were there at the last look too. It returns those that have
// come since.
func (seen zombies) reap() zombies {
	now := zombies{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		end := bytes.LastIndexByte(stat, ')') // of the program's name, see proc_pid_stat(5)
		if err != nil || end < 0 {
			continue
		}
		const state, parent, start = 0, 1, 19
		fields := bytes.Fields(stat[end+1:])
		if len(fields) <= start || string(fields[state]) != "Z" || string(fields[parent]) != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if began := string(fields[start]); seen[pid] == began {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // after an error the next look tries again
		} else {
			now[pid] = began
		}
	}
	return now
}

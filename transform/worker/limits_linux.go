package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitSelf limits this process. The hard limits can't be raised later.
func limitSelf(s setup) error {
	for _, l := range []struct {
		what  string
		which int
		most  uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, s.OpenFiles},
		{"size of files", unix.RLIMIT_FSIZE, uint64(max(s.Output, 0))},
		// RLIMIT_DATA counts private writable memory. RLIMIT_AS would also count memory
		// that Go and glibc reserve without using it.
		{"memory", unix.RLIMIT_DATA, uint64(max(s.Memory, 0))},
	} {
		if l.most == 0 && l.which != unix.RLIMIT_CORE {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(l.which, &now); err != nil {
			return fmt.Errorf("limit %s: %w", l.what, err)
		}
		most := min(l.most, now.Max)
		if err := unix.Setrlimit(l.which, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %s: %w", l.what, err)
		}
	}
	return nil
}

// limitCPU limits the further processor time of a worker. It backs up the deadline, which
// fails where the pool's process doesn't run.
func limitCPU(pid int, d time.Duration) error {
	used, err := cpuTime(pid)
	if err != nil {
		return err
	}
	most := uint64(used/time.Second) + 1 + seconds(d)
	return unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}, nil)
}

// cpuTime returns the processor time that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	var used unix.Timespec
	// The clock id is that of clock_getcpuclockid(3).
	if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil {
		return 0, err
	}
	return time.Duration(used.Nano()), nil
}

// runnable reports whether a thread of a process runs, or waits for a processor or for
// memory. On a busy machine such a process may be silent without being stuck.
func runnable(pid int) bool {
	threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	return slices.ContainsFunc(threads, func(name string) bool {
		b, err := os.ReadFile(name)
		i := bytes.LastIndexByte(b, ')') // the end of the thread's name
		return err == nil && i >= 0 && len(b) > i+2 && (b[i+2] == 'R' || b[i+2] == 'D')
	})
}

// ending reports whether a process is on its way out, or has ended.
func ending(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	const flags, exiting = 6, 0x4 // of proc_pid_stat(5), counted from the state; PF_EXITING
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) <= flags {
		return false
	}
	n, err := strconv.ParseUint(fields[flags], 10, 64)
	return err == nil && n&exiting != 0
}

// privateMemory returns the private resident memory of a process in bytes, or 0 where it is
// unknown.
func privateMemory(pid int) int64 {
	pages := statm(pid)
	return (pages[1] - pages[2]) * int64(os.Getpagesize())
}

// boundedMemory returns the memory of a process that counts for RLIMIT_DATA in bytes, or 0
// where it is unknown. It includes memory that the process hasn't touched.
func boundedMemory(pid int) int64 { return statm(pid)[5] * int64(os.Getpagesize()) }

// statm returns the fields of proc_pid_statm(5) in pages: size, resident, shared, text,
// lib, data. It returns zeros where they are unknown.
func statm(pid int) (pages [6]int64) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return [6]int64{}
	}
	fields := strings.Fields(string(b))
	for i := range min(len(pages), len(fields)) {
		if pages[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return [6]int64{}
		}
	}
	return pages
}

// inherit prevents that workers inherit files which this process got from its parent. Go
// closes only files that it opened itself.
func inherit() {
	_ = unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
}

// program returns the path of this program. It stays right when the file is replaced.
func program() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// killFirst makes the kernel kill a worker before the server when memory is short.
func killFirst(pid int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("800"), 0) // after an error the kernel chooses by itself
}

// tie makes the worker die with the thread that starts it.
func tie(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

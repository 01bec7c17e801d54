package worker

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitSelf bounds this process for good: nothing that it may do later raises a
// hard limit.
func limitSelf(s setup) error {
	for _, l := range []struct {
		what  string
		which int
		most  uint64
	}{
		{"core dumps", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, s.OpenFiles},
		{"size of files", unix.RLIMIT_FSIZE, uint64(max(s.Output, 0))},
		// Private memory that can be written to. Address space would count what Go
		// and glibc reserve without using it.
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

// limitCPU bounds the processor time that a worker may use from now on. It backs up
// the deadline, which needs this process to get its turn.
func limitCPU(pid int, d time.Duration) error {
	var used unix.Timespec
	// The clock of a process's processor time: see clock_getcpuclockid(3).
	if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil {
		return err
	}
	most := uint64(used.Sec) + 1 + seconds(d)
	return unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}, nil)
}

// privateMemory is what a process holds for itself, in bytes; 0 where that isn't
// known.
func privateMemory(pid int) int64 {
	pages := statm(pid)
	return (pages[1] - pages[2]) * int64(os.Getpagesize())
}

// boundedMemory is how much of a process counts against the bound of its memory, in
// bytes: what it may write to, whether it has or not. 0 where that isn't known.
func boundedMemory(pid int) int64 { return statm(pid)[5] * int64(os.Getpagesize()) }

// statm is proc_pid_statm(5) in pages: size, resident, shared, text, lib, data. All are
// 0 where that isn't known.
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

// inherit makes sure that a worker gets no file of this process but those meant for
// it: Go closes its own, but not what this process was started with.
func inherit() {
	_ = unix.CloseRange(3, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
}

// program is this very program, also when another has taken its name since.
func program() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	return os.Executable()
}

// killFirst has the kernel take a worker rather than the server where memory runs out.
func killFirst(pid int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("800"), 0) // at worst it takes whom it likes
}

// tie makes the worker die with the thread that starts it.
func tie(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

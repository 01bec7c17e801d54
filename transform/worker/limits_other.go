//go:build !linux

package worker

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

func limitSelf(s setup) error {
	for _, l := range []struct {
		what  string
		which int
		most  uint64
	}{
		{"core dumps", syscall.RLIMIT_CORE, 0},
		{"open files", syscall.RLIMIT_NOFILE, s.OpenFiles},
		{"size of files", syscall.RLIMIT_FSIZE, uint64(max(s.Output, 0))},
	} {
		if err := syscall.Setrlimit(l.which, &syscall.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit %s: %w", l.what, err)
		}
	}
	return nil
}

func limitCPU(int, time.Duration) error { return nil }

func cpuTime(int) (time.Duration, error) { return 0, nil }

// runnable returns false, since it is unknown here.
func runnable(int) bool { return false }

// ending returns false, since it is unknown here.
func ending(int) bool { return false }

func privateMemory(int) int64 { return 0 }

func boundedMemory(int) int64 { return 0 }

// MachineMemory returns 0, since the memory is unknown here.
func MachineMemory() int64 { return 0 }

func inherit() {}

func program() (string, error) { return os.Executable() }

// killFirst does nothing, since only Linux has such a priority.
func killFirst(int) {}

// tie does nothing. A worker ends when its connection is closed.
func tie(*exec.Cmd) {}

// Cores returns how many processors this process may keep busy.
func Cores() int { return runtime.GOMAXPROCS(0) }

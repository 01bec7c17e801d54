package worker

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attack tries, from within a worker, all that an engine taken over by an image would.
// It answers with the attempts that succeeded; the pool's process id and the address
// of a server are given.
func attack(target string) string {
	pidText, file, _ := strings.Cut(target, " ")
	pid, _ := strconv.Atoi(pidText)
	open := func(flags int, name string) error {
		fd, err := unix.Open(name, flags, 0o600)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	call := func(nr uintptr, args ...uintptr) error {
		var a [6]uintptr
		copy(a[:], args)
		_, _, errno := unix.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 {
			return errno
		}
		return nil
	}
	word := make([]byte, 8)
	iov := []unix.Iovec{{Base: &word[0], Len: 8}}
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&word[0])), Len: 8}}
	attempts := map[string]func() error{
		"internet socket":   func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err },
		"internet 6 socket": func() error { _, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0); return err },
		"unix socket":       func() error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
		"netlink socket":    func() error { _, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0); return err },
		"socket pair":       func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
		"read passwd":       func() error { return open(unix.O_RDONLY, "/etc/passwd") },
		"read memory of the pool": func() error {
			return open(unix.O_RDONLY, "/proc/"+pidText+"/mem")
		},
		"read variables of the pool": func() error { return open(unix.O_RDONLY, "/proc/"+pidText+"/environ") },
		"list the root":              func() error { return open(unix.O_RDONLY|unix.O_DIRECTORY, "/") },
		"read a file of the pool":    func() error { return open(unix.O_RDONLY, file) },
		"write a file of the pool":   func() error { return open(unix.O_WRONLY, file) },
		"write fonts":                func() error { return open(unix.O_RDWR, "/usr/share/fonts") },
		"make a file":                func() error { return open(unix.O_CREAT|unix.O_WRONLY, file+".new") },
		"make a nameless file":       func() error { return open(unix.O_TMPFILE|unix.O_RDWR, "/tmp") },
		"remove a file":              func() error { return unix.Unlink(file) },
		"make a folder":              func() error { return unix.Mkdir(file+".d", 0o700) },
		"link a file":                func() error { return unix.Link(file, file+".link") },
		"rename a file":              func() error { return unix.Rename(file, file+".moved") },
		"change mode":                func() error { return unix.Chmod(file, 0o777) },
		"change folder":              func() error { return unix.Chdir("/") },
		"run a program":              func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
		"run an open program": func() error {
			empty := [1]byte{}
			return call(unix.SYS_EXECVEAT, 0, uintptr(unsafe.Pointer(&empty[0])), 0, 0, unix.AT_EMPTY_PATH)
		},
		"make a process":       func() error { return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) },
		"make a process, anew": func() error { return call(unix.SYS_CLONE3, 0, 0) },
		"make a namespace":     func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"trace the pool":       func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(pid)) },
		"read the pool":        func() error { _, err := unix.ProcessVMReadv(pid, iov, remote, 0); return err },
		"write the pool":       func() error { _, err := unix.ProcessVMWritev(pid, iov, remote, 0); return err },
		"ask the pool":         func() error { return unix.Kill(pid, 0) },
		"kill the pool":        func() error { return unix.Kill(pid, syscall.SIGURG) },
		"kill its thread":      func() error { return unix.Tgkill(pid, pid, syscall.SIGURG) },
		"hold the pool":        func() error { _, err := unix.PidfdOpen(pid, 0); return err },
		"raise a limit": func() error {
			return unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 10, Max: 1 << 10}, nil)
		},
		"limit the pool":         func() error { return unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: 1, Max: 1}, nil) },
		"make a memory file":     func() error { _, err := unix.MemfdCreate("x", 0); return err },
		"a ring":                 func() error { return call(unix.SYS_IO_URING_SETUP, 1, 0) },
		"a kernel program":       func() error { return call(unix.SYS_BPF, 0, 0, 0) },
		"a key":                  func() error { return call(unix.SYS_KEYCTL, 0, 0, 0, 0, 0) },
		"performance counters":   func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0) },
		"page faults":            func() error { return call(unix.SYS_USERFAULTFD, 0) },
		"be dumpable":            func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) },
		"another user":           func() error { return call(unix.SYS_SETUID, 0) },
		"mount":                  func() error { return unix.Mount("none", "/mnt", "tmpfs", 0, "") },
		"an ioctl on the socket": func() error { return call(unix.SYS_IOCTL, 4, unix.TIOCSTI, 0) },
	}
	if file == "" {
		attempts = map[string]func() error{"internet socket": attempts["internet socket"], "read passwd": attempts["read passwd"]}
	}
	var done []string
	for name, try := range attempts {
		// On threads old and new: the layers must hold for all.
		for range 2 {
			result := make(chan error)
			go func() {
				runtime.LockOSThread() // the thread ends with this
				result <- try()
			}()
			if err := <-result; err == nil {
				done = append(done, name)
			}
		}
	}
	sort.Strings(done)
	done = slices.Compact(done)
	return fmt.Sprint(len(attempts), " tried; done: ", strings.Join(done, ", "))
}

// TestSandbox tries from inside a worker what the layers are to prevent.
func TestSandbox(t *testing.T) {
	file := t.TempDir() + "/secret"
	if err := os.WriteFile(file, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startPool(t)
	p.mu.Lock()
	var state ready
	for w := range p.all {
		state = w.state
	}
	p.mu.Unlock()
	if _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		t.Skip("this kernel has no seccomp")
	}
	for _, layer := range []string{layerNoNewPrivs, layerSeccomp} {
		if !strings.Contains(strings.Join(state.Layers, " "), layer) {
			t.Errorf("%s is missing: %q", layer, state.Missing)
		}
	}
	image, err := p.Transform(t.Context(), jobOf("attack "+strconv.Itoa(os.Getpid())+" "+file))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimPrefix(string(image.Data), string(pngStart)); !strings.HasSuffix(got, "done: ") {
		t.Error(got)
	}
	p.wantWell(t)

	// The same test finds something where there is no sandbox.
	open := startPool(t, func(c *Config) { c.Sandbox = Off })
	image, err = open.Transform(t.Context(), jobOf("attack harmlessly"))
	if err != nil || !strings.Contains(string(image.Data), "internet socket, read passwd") {
		t.Errorf("without a sandbox: %v, %q", err, image.Data)
	}
}

// TestFilterIsWellFormed: every jump of the filters ends inside of them, at a call's
// number being compared or an answer, for whatever architecture this is.
func TestFilterIsWellFormed(t *testing.T) {
	for _, files := range []bool{false, true} {
		filter := compile(allowed(files))
		if len(filter) > 4096 { // BPF_MAXINSNS
			t.Errorf("%d instructions", len(filter))
		}
		for i, f := range filter {
			if f.Code != unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K {
				continue
			}
			for _, by := range []uint8{f.Jt, f.Jf} {
				if to := i + 1 + int(by); to >= len(filter) {
					t.Fatalf("instruction %d jumps to %d of %d", i, to, len(filter))
				}
			}
		}
		if last := filter[len(filter)-1]; last.K != unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM) {
			t.Errorf("the last answer is %#x", last.K)
		}
	}
}

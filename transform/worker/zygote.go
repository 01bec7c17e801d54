package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A zygote is a process of this program that has loaded what the engine needs, and forks
// workers. zygote.c of package vips is its other end, and says how it works.
type zygote struct {
	cmd    *exec.Cmd
	socket *os.File
	said   *tail
	forks  int
}

// A nursery starts zygotes and has them fork workers. It is safe for concurrent use.
type nursery struct {
	command   []string
	fontCache string
	launch    func(func() error) error
	log       *slog.Logger
	stale     atomic.Bool // the zygote must not fork again

	mu     sync.Mutex // guards all below; held while a zygote forks
	now    *zygote    // nil where there is none
	worked bool       // a zygote has forked
	off    bool       // zygotes don't work here
}

// forkTimeout is for a zygote that is warm, and takes milliseconds. One that takes longer hangs, and
// is replaced.
const forkTimeout = 3 * time.Second

// errNoZygote means that the process has to be started without a zygote.
var errNoZygote = errors.New("there is no zygote")

// fork has a zygote fork a worker, with these files as its socket, input, output and error
// output. It returns errNoZygote where that doesn't work here.
func (n *nursery) fork(files [4]*os.File, timeout time.Duration) (*os.Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stale.Swap(false) {
		n.endLocked()
	}
	for range 2 { // the zygote may have ended since it forked last
		if n.off {
			break
		}
		if n.now == nil {
			z, err := n.start()
			if errors.Is(err, errClosed) {
				return nil, err
			}
			if err != nil {
				n.fail(err, nil)
				break
			}
			n.now = z
		}
		z := n.now
		limit := timeout // the first one waits until libvips has started
		if z.forks > 0 {
			limit = min(timeout, forkTimeout)
		}
		pid, err := z.fork(files, limit)
		if err == nil {
			z.forks++
			n.worked = true
			return os.FindProcess(pid)
		}
		n.endLocked()
		if z.forks == 0 {
			n.fail(err, z)
			break
		}
	}
	return nil, errNoZygote
}

// fail notes that a zygote has failed before it forked. Where none ever did, none will.
func (n *nursery) fail(err error, z *zygote) {
	n.off = !n.worked
	attrs := []any{"error", err.Error()}
	if z != nil {
		attrs = append(attrs, "said", z.said.last())
	}
	n.log.Warn("a worker doesn't share memory, and takes longer to start", attrs...)
}

// works reports whether workers are forked.
func (n *nursery) works() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.off
}

// renew makes the next worker come from a new zygote. Workers of one zygote have the same
// layout of memory. After a crash another layout is due: otherwise an attacker could try
// addresses until one is right.
func (n *nursery) renew() { n.stale.Store(true) }

// close ends the zygote. It is called when no worker will start any more.
func (n *nursery) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.endLocked()
}

func (n *nursery) endLocked() {
	if n.now != nil {
		n.now.end()
		n.now = nil
	}
}

func (n *nursery) start() (*zygote, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := zygoteSocket()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	z := &zygote{socket: ours, said: &tail{log: n.log}}
	z.cmd = &exec.Cmd{
		Path: path, Args: append(slices.Clone(n.command[:len(n.command)-1]), "zygote"), Env: environment(os.Environ(), n.fontCache),
		ExtraFiles: []*os.File{theirs}, Stderr: z.said, WaitDelay: time.Second,
	}
	tie(z.cmd)
	if err := n.launch(z.cmd.Start); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	killFirst(z.cmd.Process.Pid)
	return z, nil
}

func zygoteSocket() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // a process that starts here would inherit both ends
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
		err = unix.SetNonblock(fds[0], true) // for deadlines
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "zygote socket"), os.NewFile(uintptr(fds[1]), "zygote socket"), nil
}

// fork returns the number of a new process with these files.
func (z *zygote) fork(files [4]*os.File, timeout time.Duration) (int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	raw, err := z.socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = unix.Sendmsg(int(fd), []byte{1}, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		return failed != unix.EAGAIN
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	if err := z.socket.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return 0, err
	}
	var b [4]byte
	if _, err := io.ReadFull(z.socket, b[:]); err != nil {
		return 0, err
	}
	pid := int32(binary.NativeEndian.Uint32(b[:]))
	if pid <= 0 {
		return 0, fmt.Errorf("fork: %w", syscall.Errno(-pid))
	}
	return int(pid), nil
}

// end ends the zygote. Its workers live on.
func (z *zygote) end() {
	_ = z.socket.Close()
	_ = z.cmd.Process.Kill()
	go func() { _ = z.cmd.Wait() }()
}

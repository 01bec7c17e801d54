package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxFiles is the largest number of files with one frame.
const maxFiles = 64

// A conn is one end of the socket pair between the pool and a worker.
type conn struct {
	*net.UnixConn
	takesFiles bool       // accept files; the pool's end accepts none
	files      []*os.File // received and not yet taken
	raw        syscall.RawConn
	writing    sync.Mutex // held while a frame is written
	frames     frames     // received

	waking sync.Mutex // guards all below
	wakes  time.Time  // the read deadline that is set; unknown where zero or past
	nudged bool       // nudge has ended a read, or will end the next
}

// socketPair returns the pool's end, and the worker's end as a file for the new process.
func socketPair() (*conn, *os.File, error) {
	syscall.ForkLock.RLock() // a process that starts here would inherit both ends
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker socket")
	ours, err := newConn(os.NewFile(uintptr(fds[0]), "pool socket"), false)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// newConn returns a conn on a socket. It closes f.
func newConn(f *os.File, takesFiles bool) (*conn, error) {
	c, err := net.FileConn(f)
	_ = f.Close() // FileConn duplicates it
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("socket: it is not a Unix one"), c.Close())
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), c.Close())
	}
	return &conn{UnixConn: u, raw: raw, takesFiles: takesFiles}, nil
}

// send writes a frame. It fails after the timeout where the peer doesn't read.
func (c *conn) send(k kind, content any, timeout time.Duration) error {
	b, err := frame(k, content)
	if err != nil {
		return err
	}
	return c.write(b, timeout)
}

// write writes the bytes of a frame, with files. With a timeout of 0 it tries once.
func (c *conn) write(b []byte, timeout time.Duration, files ...*os.File) error {
	var rights []byte
	if len(files) > 0 {
		if len(files) > maxFiles {
			return fmt.Errorf("%d files in one message", len(files))
		}
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	// The first attempt sets no deadline, since a timer wakes threads. A healthy peer has
	// read all earlier frames, so the buffer has room.
	var n int
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		for {
			n, failed = unix.SendmsgN(int(fd), b, rights, nil, unix.MSG_DONTWAIT)
			if failed != unix.EINTR {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return err
	case failed == nil && n == len(b):
		return nil
	case failed != nil && failed != unix.EAGAIN:
		return os.NewSyscallError("sendmsg", failed)
	case timeout == 0:
		return os.ErrDeadlineExceeded
	}
	n = max(n, 0)
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	defer c.SetWriteDeadline(time.Time{})
	if n == 0 {
		if n, _, err = c.WriteMsgUnix(b, rights, nil); err != nil {
			return err
		}
	}
	if n < len(b) {
		_, err = c.UnixConn.Write(b[n:])
	}
	return err
}

// receive reads the next frame, of at most most bytes. It returns [os.ErrDeadlineExceeded]
// at the given time, after nudge, and sometimes earlier. The caller can then call it again.
// The zero time means no deadline. Only one goroutine at a time may call it.
func (c *conn) receive(most int, until time.Time) (kind, []byte, error) {
	if k, payload, err := c.frames.taken(most); err != nil || k != 0 {
		return k, payload, err
	}
	if err := c.wakeAt(until); err != nil {
		return 0, nil, err
	}
	k, payload, err := c.frames.next(c, most)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.waking.Lock()
		c.nudged, c.wakes = false, time.Time{}
		c.waking.Unlock()
	}
	return k, payload, err
}

// wakeAt makes a read end at the given time or earlier. It keeps an earlier deadline that
// is already set, since to set a timer wakes threads.
func (c *conn) wakeAt(until time.Time) error {
	c.waking.Lock()
	defer c.waking.Unlock()
	if c.nudged {
		c.nudged, c.wakes = false, time.Time{}
		return os.ErrDeadlineExceeded
	}
	if c.wakes.Equal(until) || c.wakes.After(time.Now()) && c.wakes.Before(until) {
		return nil
	}
	c.wakes = until
	return c.SetReadDeadline(until)
}

// nudge ends the current receive, or else the next.
func (c *conn) nudge() {
	c.waking.Lock()
	defer c.waking.Unlock()
	c.nudged = true
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// Read implements io.Reader. It keeps files that come with the bytes.
func (c *conn) Read(p []byte) (int, error) {
	if !c.takesFiles {
		return c.UnixConn.Read(p) // the kernel closes files that a worker sends
	}
	rights := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, m, _, _, err := c.ReadMsgUnix(p, rights)
	if m > 0 {
		c.files = append(c.files, filesIn(rights[:m])...)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func filesIn(rights []byte) (files []*os.File) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "image"))
		}
	}
	return files
}

// takeFiles returns the received files.
func (c *conn) takeFiles() []*os.File {
	files := c.files
	c.files = nil
	return files
}

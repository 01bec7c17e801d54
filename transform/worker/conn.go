package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxFiles is how many files one frame may carry.
const maxFiles = 64

// A conn is one end of the socket pair between the pool and a worker.
type conn struct {
	*net.UnixConn
	takesFiles bool       // whether files that come with frames are kept; the pool's end takes none
	files      []*os.File // that came and have not been taken
	writing    sync.Mutex // held while a frame is written
}

// socketPair returns the pool's end, and the worker's as a file to hand down.
func socketPair() (*conn, *os.File, error) {
	syscall.ForkLock.RLock() // no process may start in between and inherit the ends
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

// newConn takes over the file.
func newConn(f *os.File, takesFiles bool) (*conn, error) {
	c, err := net.FileConn(f)
	_ = f.Close() // FileConn has made a copy
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("socket: it is not a Unix one"), c.Close())
	}
	return &conn{UnixConn: u, takesFiles: takesFiles}, nil
}

// send writes a frame. The timeout is that of a peer that doesn't read.
func (c *conn) send(k kind, content any, timeout time.Duration) error {
	b, err := frame(k, content)
	if err != nil {
		return err
	}
	return c.write(b, timeout)
}

// write writes what frame has made, with files.
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
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	n, _, err := c.WriteMsgUnix(b, rights, nil)
	if err == nil && n < len(b) {
		_, err = c.UnixConn.Write(b[n:])
	}
	return err
}

// Read implements io.Reader. Files that come with the bytes are put aside.
func (c *conn) Read(p []byte) (int, error) {
	if !c.takesFiles {
		return c.UnixConn.Read(p) // the kernel closes what a worker may send
	}
	rights := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, m, _, _, err := c.ReadMsgUnix(p, rights)
	if m > 0 {
		c.files = append(c.files, filesIn(rights[:m])...)
	}
	return n, err
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

// takeFiles hands out the files that have come.
func (c *conn) takeFiles() []*os.File {
	files := c.files
	c.files = nil
	return files
}

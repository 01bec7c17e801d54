package server

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/delivery"
)

// A sending is what sendfile sends over a connection. It is kept with the connection, so that a hit
// doesn't allocate it.
type sending struct {
	raw  syscall.RawConn // nil until it is needed
	try  func(fd uintptr) (done bool)
	head []byte // that comes first
	part *delivery.FilePart
	left int // bytes of part that are to be sent
	err  error
}

// SendsFiles implements [delivery.Gatherer].
func (k *connection) SendsFiles() bool {
	_, ok := k.Conn.(*net.TCPConn)
	return ok
}

var sendfile = unix.Sendfile // a variable for tests

// sendFile sends a head and n bytes of a part, and returns how many of the part were sent. The error is
// [errors.ErrUnsupported] where the rest must be read.
func (k *connection) sendFile(head []byte, part *delivery.FilePart, n int) (sent int, err error) {
	s := &k.sending
	if s.raw == nil {
		if s.raw, err = k.Conn.(*net.TCPConn).SyscallConn(); err != nil {
			return 0, err
		}
		s.try = s.send
	}
	s.head, s.part, s.left, s.err = head, part, n, nil
	err = errors.Join(s.raw.Write(s.try), s.err)
	sent = n - s.left
	s.head, s.part, s.err = nil, nil, nil
	return sent, err
}

// send sends as much as the socket takes. It returns false where that isn't all.
func (s *sending) send(fd uintptr) (done bool) {
	for s.err == nil && (len(s.head) > 0 || s.left > 0) {
		var n int
		var err error
		if len(s.head) > 0 {
			if n, err = unix.SendmsgN(int(fd), s.head, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL); err == nil {
				s.head = s.head[n:]
				continue
			}
		} else {
			file, at, _ := s.part.Left()
			n, err = sendfile(int(fd), file, &at, s.left)
			if n > 0 {
				s.part.Sent(int64(n))
				s.left -= n
				continue
			}
			if err == nil { // the file has become shorter
				err = io.ErrUnexpectedEOF
			}
		}
		switch err {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP:
			s.err = errors.ErrUnsupported
		default:
			s.err = os.NewSyscallError("sendfile", err)
		}
	}
	return true
}

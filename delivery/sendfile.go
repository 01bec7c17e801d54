package delivery

import (
	"errors"
	"io"
	"net/http"
	"syscall"

	"github.com/tintype/tintype/cache"
)

// sendFile answers with a part of the file that was lent.
func (w *Response) sendFile(r *http.Request, status int, f *cache.File, from, n int64) {
	w.part = FilePart{f, from, from + n}
	w.send(r, status, n, func() {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // else net/http reads the beginning of the body; if it fails, what follows does
		sent, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(&w.part)
		w.Bytes += sent
		if errors.Is(err, syscall.EIO) { // of the disk: no connection fails so
			w.Log.Cause = err
			f.Failed(err)
		}
	})
}

// A FilePart is what is still to be sent of a file.
type FilePart struct {
	file    *cache.File
	at, end int64 // of the file's body
}

// Left returns the descriptor of the file, where in it the next byte is, and how many are left.
func (p *FilePart) Left() (fd int, at, n int64) {
	fd, at = p.file.At(p.at)
	return fd, at, p.end - p.at
}

// Sent notes that so many bytes of it were sent.
func (p *FilePart) Sent(n int64) { p.at += n }

// Read implements [io.Reader].
func (p *FilePart) Read(b []byte) (n int, err error) {
	n, err = p.file.ReadAt(b[:min(int64(len(b)), p.end-p.at)], p.at)
	p.at += int64(n)
	if err == nil && p.at == p.end {
		err = io.EOF
	}
	return n, err
}

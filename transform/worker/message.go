package worker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// A kind is the type of a frame. A frame has its kind (one byte), the length of the payload
// (four bytes, little endian), and the payload: JSON, or gob for a task (task.go).
type kind byte

// Frames from the pool.
const (
	kindSetup  kind = iota + 1 // a setup; once, first
	kindJob                    // a task; the originals are in the input file, and the images of marks come as files
	kindCancel                 // the ticket of the job to cancel
	kindPing                   // a ticket to send back
)

// Frames from a worker.
const (
	kindReady kind = iota + 65 // a ready; once, first
	kindDone                   // a result
	kindPong                   // the ticket of a ping
	kindAt                     // the place that the job has reached
)

// Bounds of a frame, in bytes.
const (
	maxToWorker   = 1 << 20
	maxFromWorker = 64 << 10
)

var errFrame = errors.New("malformed message")

// headLength is the length of a frame's kind and length, in bytes.
const headLength = 5

// frames assembles frames from received bytes. The zero value is ready for use.
type frames struct{ part []byte }

// next returns the next frame, of at most most bytes. It reads from r until the frame is
// complete. After an error of r, the next call continues with the bytes so far. An end
// between two frames is io.EOF.
func (f *frames) next(r io.Reader, most int) (kind, []byte, error) {
	for {
		if k, payload, err := f.taken(most); err != nil || k != 0 {
			return k, payload, err
		}
		f.part = slices.Grow(f.part, 4096)
		n, err := r.Read(f.part[len(f.part):cap(f.part)])
		f.part = f.part[:len(f.part)+n]
		switch {
		case n > 0 || err == nil:
		case err == io.EOF && len(f.part) > 0:
			return 0, nil, fmt.Errorf("%w: it ends too early", errFrame)
		default:
			return 0, nil, err
		}
	}
}

// taken returns the next frame if it is complete, or kind 0.
func (f *frames) taken(most int) (kind, []byte, error) {
	if len(f.part) < headLength {
		return 0, nil, nil
	}
	k, length := kind(f.part[0]), binary.LittleEndian.Uint32(f.part[1:])
	switch {
	case k == 0:
		return 0, nil, fmt.Errorf("%w: of no kind", errFrame)
	case length > uint32(most):
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, length)
	}
	end := headLength + int(length)
	if len(f.part) < end {
		return 0, nil, nil
	}
	payload := bytes.Clone(f.part[headLength:end])
	f.part = append(f.part[:0], f.part[end:]...)
	return k, payload, nil
}

// frame encodes a frame with JSON.
func frame(k kind, content any) ([]byte, error) {
	payload, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	return framed(k, payload), nil
}

func framed(k kind, payload []byte) []byte {
	b := make([]byte, headLength, headLength+len(payload))
	b[0] = byte(k)
	binary.LittleEndian.PutUint32(b[1:], uint32(len(payload)))
	return append(b, payload...)
}

func parse[T any](payload []byte) (content T, err error) {
	if err := json.Unmarshal(payload, &content); err != nil {
		return content, fmt.Errorf("%w: %v", errFrame, err)
	}
	return content, nil
}

// A setup configures a worker before its first job.
type setup struct {
	Sandbox   Sandbox
	Memory    int64 // bound of its private memory, in bytes
	Output    int64 // largest variant, in bytes
	OpenFiles uint64
	Parent    int    // process id of the pool
	Tasks     []byte // types for a taskReader
}

// A ready is the state of a worker after its setup.
type ready struct {
	Failed  string   // why it can't work; "" where it is ready
	Layers  []string // active layers of the sandbox
	Missing []string // layers that this system lacks, with the reason
}

// A ticket is the number of a job or a ping. Numbers increase.
type ticket struct{ ID uint64 }

// A place is the image of a job that a worker works on: an encoded [transform.Place].
type place struct {
	ID       uint64
	Mark     int
	Original int `json:",omitempty"`
}

// A result is the end of a job.
type result struct {
	ID            uint64
	Size          int64 // bytes of the variant in the output file
	Format        transform.Format
	Width, Height int
	Frames        int
	Quality       int      `json:",omitempty"`
	Error         *failure // nil on success
}

// A failure is an encoded error of the engine.
type failure struct {
	Text     string
	Is       []string // names of the wrapped sentinels
	Option   string   // Name of a wrapped OptionError, or ""
	Reason   string   // its Reason
	Original int      `json:",omitempty"` // index of a wrapped OriginalError plus 1, or 0
}

// sentinels are the errors that a failure keeps.
var sentinels = []struct {
	name string
	err  error
}{
	{"mark", transform.ErrMark},
	{"truncated", transform.ErrTruncated},
	{"corrupt", transform.ErrCorrupt},
	{"unsupported", transform.ErrUnsupported},
	{"too large", transform.ErrTooLarge},
	{"output too large", transform.ErrOutputTooLarge},
	{"failed", transform.ErrFailed},
	{"canceled", errCanceled},
}

// errCanceled is the error of a job that the pool canceled.
var errCanceled = errors.New("the job was canceled")

const (
	maxText = 1000    // bytes of an error's text
	maxJSON = 1 << 20 // bytes of what a task without a picture makes
)

func toFailure(err error) *failure {
	f := &failure{Text: plain(err.Error())}
	if e, ok := errors.AsType[*transform.OriginalError](err); ok {
		f.Text, f.Original = plain(e.Err.Error()), e.Index+1
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			f.Is = append(f.Is, s.name)
		}
	}
	if e, ok := errors.AsType[*transform.OptionError](err); ok {
		f.Option, f.Reason = plain(e.Name), plain(e.Reason)
	}
	return f
}

// asError returns the error of a failure. Its text is one line.
func (f *failure) asError() error {
	e := &remoteError{text: plain(f.Text)}
	for _, s := range sentinels {
		for _, name := range f.Is {
			if name == s.name {
				e.wraps = append(e.wraps, s.err)
				break
			}
		}
	}
	if f.Option != "" {
		e.wraps = append(e.wraps, &transform.OptionError{Name: plain(f.Option), Reason: plain(f.Reason)})
	}
	if f.Original > 0 {
		return &transform.OriginalError{Index: f.Original - 1, Err: e}
	}
	return e
}

// A remoteError is an error of the engine in a worker.
type remoteError struct {
	text  string
	wraps []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.wraps }

// plain returns the text on one line and with a bounded length.
func plain(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// check returns an error where r can't be a result of the job. A worker that sends it is no
// longer in a sane state.
func (r *result) check(job *transform.Job, mostBytes int64) error {
	if r.Error != nil {
		return checkOriginal(r.Error.Original, job)
	}
	kept := job.MayKeep && len(job.Originals) == 1 && r.Format == job.Header().Format
	smaller := job.OrWebP && r.Format == transform.WebP
	switch {
	case r.Format != job.Format && !kept && !smaller:
		return fmt.Errorf("%w: a variant in %s", errFrame, plain(string(r.Format)))
	case r.Size <= 0 || r.Size > mostBytes || r.Format == transform.JSON && r.Size > maxJSON:
		return fmt.Errorf("%w: a variant of %d bytes", errFrame, r.Size)
	case r.Width <= 0 || r.Height <= 0 || r.Frames <= 0 ||
		r.Width > math.MaxInt32 || r.Height > math.MaxInt32 || r.Frames > math.MaxInt32:
		return fmt.Errorf("%w: a variant of %d×%d pixels in %d frames", errFrame, r.Width, r.Height, r.Frames)
	case r.Quality < 0 || r.Quality > 100:
		return fmt.Errorf("%w: a variant of quality %d", errFrame, r.Quality)
	}
	return nil
}

// beginsLike reports whether the bytes can be an image of the format, or are JSON. AVIF and
// HEIC share a container and count as one.
func beginsLike(b []byte, f transform.Format) bool {
	if f == transform.JSON {
		return json.Valid(b)
	}
	got := header.Sniff(b)
	return got == f || f == transform.HEIC && got == transform.AVIF || f == transform.AVIF && got == transform.HEIC
}

// checkOriginal returns an error where n isn't the number of an original of the job.
// Numbers begin at 1, and 0 means no original.
func checkOriginal(n int, job *transform.Job) error {
	if n < 0 || n > len(job.Originals) {
		return fmt.Errorf("%w: about no original of the job", errFrame)
	}
	return nil
}

// seconds returns a duration in whole seconds, rounded up.
func seconds(d time.Duration) uint64 {
	return uint64((d + time.Second - 1) / time.Second)
}

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

// A kind says what a frame is. A frame is its kind (one byte), the length of what
// follows (four bytes, little endian), and JSON, but for that of a job (task.go).
type kind byte

// What the pool sends.
const (
	kindSetup  kind = iota + 1 // setup; once, first
	kindJob                    // task; its originals are in the input file, and the images of its marks come as files
	kindCancel                 // ticket of the job to give up
	kindPing                   // ticket to answer with
)

// What a worker sends.
const (
	kindReady kind = iota + 65 // ready; once, first
	kindDone                   // result
	kindPong                   // ticket of the ping
	kindAt                     // place that the job has come to
)

// Bounds of a frame, in bytes.
const (
	maxToWorker   = 1 << 20
	maxFromWorker = 64 << 10
)

var errFrame = errors.New("malformed message")

// headLength is that of a frame's kind and length, in bytes.
const headLength = 5

// frames puts frames together from what comes. The zero frames is ready for use.
type frames struct{ part []byte }

// next returns the next frame, of at most so many bytes, for which it reads as much as
// it needs. What had come before an error of r is kept for the next call. An end
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

// taken returns the next frame if it is here already, and else 0, which is no kind.
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

// frame is what frames reads.
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

// A setup is what a worker needs to know before its first job.
type setup struct {
	Sandbox   Sandbox
	Memory    int64 // bytes of private memory that it may have
	Output    int64 // bytes of the largest variant
	OpenFiles uint64
	Parent    int    // process id of the pool
	Tasks     []byte // what a taskReader must know
}

// A ready is what a worker is once it is set up.
type ready struct {
	Failed  string   // why it can't work; empty is ready
	Layers  []string // of the sandbox, that are active
	Missing []string // layers that this system doesn't have, with the reason
}

// A ticket names a job or a ping, by numbers that go up.
type ticket struct{ ID uint64 }

// A place is the image of a job that a worker is at: a [transform.Place] on its way.
type place struct {
	ID       uint64
	Mark     int
	Original int `json:",omitempty"`
}

// A result is how a job ended.
type result struct {
	ID            uint64
	Size          int64 // bytes of the variant in the output file
	Format        transform.Format
	Width, Height int
	Frames        int
	Error         *failure // nil is success
}

// A failure is an engine's error on its way.
type failure struct {
	Text     string
	Is       []string // names of the sentinels that it wraps
	Option   string   // Name of an OptionError that it wraps; empty where it wraps none
	Reason   string   // Reason of this OptionError
	Original int      `json:",omitempty"` // that an OriginalError is about, counted from 1
}

// sentinels are the errors that keep their identity on the way.
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

// errCanceled is the error of a job that its worker was told to give up.
var errCanceled = errors.New("the job was canceled")

const maxText = 1000 // bytes of an error's text

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

// asError is the error that the failure tells of. Its text is a single line.
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

// plain is a text on one line and of bounded length, whatever a worker makes of it.
func plain(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// check says whether a result can be one of this job: what doesn't fit comes from a
// worker that is not itself any more.
func (r *result) check(job *transform.Job, mostBytes int64) error {
	if r.Error != nil {
		return checkOriginal(r.Error.Original, job)
	}
	kept := job.MayKeep && len(job.Originals) == 1 && r.Format == job.Header().Format
	switch {
	case r.Format != job.Format && !kept:
		return fmt.Errorf("%w: a variant in %s", errFrame, plain(string(r.Format)))
	case r.Size <= 0 || r.Size > mostBytes:
		return fmt.Errorf("%w: a variant of %d bytes", errFrame, r.Size)
	case r.Width <= 0 || r.Height <= 0 || r.Frames <= 0 ||
		r.Width > math.MaxInt32 || r.Height > math.MaxInt32 || r.Frames > math.MaxInt32:
		return fmt.Errorf("%w: a variant of %d×%d pixels in %d frames", errFrame, r.Width, r.Height, r.Frames)
	}
	return nil
}

// beginsLike reports whether the bytes can be an image of the format. Formats of
// one container count as one.
func beginsLike(b []byte, f transform.Format) bool {
	got := header.Sniff(b)
	return got == f || f == transform.HEIC && got == transform.AVIF || f == transform.AVIF && got == transform.HEIC
}

// checkOriginal says whether a worker can mean an original of the job by n, which is
// counted from 1. 0 is none.
func checkOriginal(n int, job *transform.Job) error {
	if n < 0 || n > len(job.Originals) {
		return fmt.Errorf("%w: about no original of the job", errFrame)
	}
	return nil
}

// seconds is a duration in whole seconds, rounded up.
func seconds(d time.Duration) uint64 {
	return uint64((d + time.Second - 1) / time.Second)
}

package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/transform"
)

// TestMain makes this test binary a worker where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if err := Serve(func() (transform.Engine, error) { return faulty{}, nil }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		syscall.Exit(0) // with the race detector, os.Exit sleeps for a second
	}
	os.Exit(m.Run())
}

// faulty is an engine that does what its originals say: `VERB REST`.
type faulty struct{}

var kept [][]byte // by keep

var pngStart = []byte("\x89PNG\r\n\x1a\n")

func (faulty) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if len(job.Originals) != 1 {
		return grid(ctx, job)
	}
	verb, rest, _ := strings.Cut(string(job.Originals[0].Body), " ")
	out := func(data string) (transform.Image, error) {
		return transform.Image{Data: slices.Concat(pngStart, []byte(data)), Format: transform.PNG, Width: 1, Height: 2, Frames: 3}, nil
	}
	switch verb {
	case "echo":
		for i, m := range job.Marks {
			transform.Notice(ctx, transform.Place{Mark: i + 1})
			mark := doing(job, string(m.Image))
			mark.Marks = nil
			if _, err := (faulty{}).Transform(ctx, mark); err != nil && !errors.Is(err, transform.ErrUnsupported) {
				return transform.Image{}, err
			}
			transform.Notice(ctx, transform.Place{})
			rest += "+" + string(m.Image)
		}
		return out(rest)
	case "marked": // by marks that are well, but is not itself
		if len(job.Marks) > 0 {
			transform.Notice(ctx, transform.Place{Mark: 1})
			transform.Notice(ctx, transform.Place{})
		}
		return faulty{}.Transform(ctx, doing(job, rest))
	case "good": // but for variants that are not small and plain
		if job.Options.Width > 0 && job.Options.Width <= 100 {
			return out(rest)
		}
		return faulty{}.Transform(ctx, doing(job, rest))
	case "nowhere":
		transform.Notice(ctx, transform.Place{Mark: len(job.Marks) + 1})
		return out(rest)
	case "env":
		return out(strings.Join(os.Environ(), "\n"))
	case "files":
		return out(openFiles())
	case "attack":
		return out(attack(rest))
	case "corrupt":
		return transform.Image{}, fmt.Errorf("%w: %s", transform.ErrTruncated, rest)
	case "option":
		return transform.Image{}, &transform.OptionError{Name: "w", Reason: rest}
	case "mark":
		return transform.Image{}, fmt.Errorf("%w: %w", transform.ErrMark, transform.ErrCorrupt)
	case "fault":
		return transform.Image{}, errors.New("vips: it went wrong")
	case "panic":
		panic("a bug")
	case "wait":
		<-ctx.Done()
		return transform.Image{}, ctx.Err()
	case "once": // waits the first time, and is done the second
		f, err := os.OpenFile(rest, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return out("again")
		}
		_ = f.Close()
		<-ctx.Done()
		return transform.Image{}, ctx.Err()
	case "loop":
		for n := uint64(1); n != 0; n |= 1 {
		}
	case "segv":
		*(*byte)(unsafe.Add(unsafe.Pointer(&rest), 1<<46)) = 1
	case "abort":
		raise(syscall.SIGABRT)
	case "stop":
		raise(syscall.SIGSTOP)
		<-ctx.Done()
	case "exit":
		os.Exit(3)
	case "keep": // megabytes, for good
		n, err := strconv.Atoi(rest)
		if err != nil {
			return transform.Image{}, err
		}
		kept = append(kept, make([]byte, n<<20))
		return out(rest)
	case "alloc":
		var hold [][]byte
		for {
			b := make([]byte, 64<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hold = append(hold, b)
			_ = hold[0]
		}
	case "close":
		for fd := 3; fd < 32; fd++ {
			var s unix.Stat_t
			if unix.Fstat(fd, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFSOCK {
				_ = unix.Close(fd)
			}
		}
		<-ctx.Done()
	case "garbage":
		for fd := 3; fd < 32; fd++ {
			_, _ = unix.Write(fd, []byte("\xff\xff\xff\xff\xff\xff\xff"+rest))
		}
		<-ctx.Done()
	case "html":
		return transform.Image{Data: []byte("<html>"), Format: transform.PNG, Width: 1, Height: 1, Frames: 1}, nil
	case "json":
		return transform.Image{Data: []byte(rest), Format: transform.JSON, Width: 1, Height: 1, Frames: 1}, nil
	case "format":
		return transform.Image{Data: []byte("\xff\xd8\xff"), Format: transform.JPEG, Width: 1, Height: 1, Frames: 1}, nil
	}
	return transform.Image{}, fmt.Errorf("%w: no such verb", transform.ErrUnsupported)
}

// grid does what each original of a job says, one after the other. It says which one it
// is at, unless the verb is preceded by "quiet".
func grid(ctx context.Context, job transform.Job) (transform.Image, error) {
	all := slices.Clone(pngStart)
	if d := job.Drawing; d != nil {
		all = append(all, string(job.Task)+" "+d.Hash...)
	}
	for i, o := range job.Originals {
		cell, body := job, string(o.Body)
		cell.Originals = []transform.Original{o}
		if rest, quiet := strings.CutPrefix(body, "quiet "); quiet {
			cell = doing(cell, rest)
		} else {
			transform.Notice(ctx, transform.Place{Original: i + 1})
		}
		image, err := faulty{}.Transform(ctx, cell)
		if err != nil {
			return image, &transform.OriginalError{Index: i, Err: err}
		}
		transform.Notice(ctx, transform.Place{})
		all = append(all, '/')
		all = append(all, bytes.TrimPrefix(image.Data, pngStart)...)
	}
	return transform.Image{Data: all, Format: transform.PNG, Width: 1, Height: 1, Frames: 1}, nil
}

// doing is a job with another first original.
func doing(job transform.Job, body string) transform.Job {
	job.Originals = slices.Clone(job.Originals)
	job.Originals[0].Body = []byte(body)
	return job
}

func raise(s syscall.Signal) {
	_ = unix.Kill(os.Getpid(), s) // refused within the sandbox
	_ = tgkill(s)
}

// openFiles lists what the process has open, as it is seen from inside.
func openFiles() string {
	var list []string
	for fd := range 256 {
		var s unix.Stat_t
		if unix.Fstat(fd, &s) == nil {
			list = append(list, fileID(&s))
		}
	}
	return strings.Join(list, " ")
}

func fileID(s *unix.Stat_t) string { return fmt.Sprintf("%d:%d", s.Dev, s.Ino) }

func isEcho(image transform.Image, want string) bool {
	return bytes.Equal(image.Data, slices.Concat(pngStart, []byte(want)))
}

//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/worker"
)

// testWorker is a worker whose engine fails on demand: for the option v=fault-KIND, or for an
// original of withFault. Only test binaries have it.
func testWorker() error {
	return worker.Serve(func() (transform.Engine, error) {
		engine, err := newWorkerEngine(slog.New(slog.DiscardHandler))
		return fragile{engine}, err
	})
}

type fragile struct{ transform.Engine }

func (f fragile) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	fault, ok := strings.CutPrefix(job.Options.Version, "fault-")
	if !ok {
		if len(job.Originals) == 0 { // a drawing
			return f.Engine.Transform(ctx, job)
		}
		if fault, ok = faultOf(job.Originals[0].Body); !ok {
			return f.Engine.Transform(ctx, job)
		}
	}
	switch kind, _, _ := strings.Cut(fault, "-"); kind {
	case "segv":
		heap := make([]byte, len(job.Originals[0].Body))
		*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(heap)), 1<<46)) = 1
	case "abort":
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), syscall.SIGABRT)
	case "loop":
		// It never ends and never looks at ctx, but leaves other tests most of the processor.
		// Those of transform/worker have a loop that takes all of it.
		for {
			for end := time.Now().Add(time.Millisecond); time.Now().Before(end); {
			}
			time.Sleep(20 * time.Millisecond)
		}
	case "alloc":
		var hold [][]byte
		for {
			hold = append(hold, make([]byte, 16<<20))
			for i := 0; i < 16<<20; i += 4096 {
				hold[len(hold)-1][i] = 1
			}
		}
	case "stop":
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), syscall.SIGSTOP)
		<-ctx.Done()
	case "close":
		eachSocket(func(fd int) { _ = unix.Close(fd) })
		<-ctx.Done()
	case "garbage":
		eachSocket(func(fd int) { _, _ = unix.Write(fd, []byte("\xff\xff\xff\xff\xffgarbage")) })
		<-ctx.Done()
	}
	return transform.Image{}, fmt.Errorf("no fault of kind %s", fault)
}

// faultComment begins the comment of a JPEG that breaks workers.
const faultComment = "breaks workers: "

// withFault returns a JPEG over which the engine fails with any options.
func withFault(jpeg []byte, fault string) []byte {
	text := faultComment + fault + "\n"
	comment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xfe}, uint16(len(text)+2)), text...)
	return slices.Concat(jpeg[:2], comment, jpeg[2:])
}

// faultOf returns the fault of a JPEG of withFault.
func faultOf(original []byte) (fault string, ok bool) {
	_, rest, ok := bytes.Cut(original[:min(len(original), 100)], []byte(faultComment))
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(text), ok
}

func eachSocket(do func(fd int)) {
	for fd := 3; fd < 64; fd++ {
		var s unix.Stat_t
		if unix.Fstat(fd, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFSOCK {
			do(fd)
		}
	}
}

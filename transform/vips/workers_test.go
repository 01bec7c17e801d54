//go:build cgo

package vips_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
	"github.com/tintype/tintype/transform/worker"
)

const (
	// workerCommand makes this test binary a worker.
	workerCommand = "worker"

	// hostileDeadline is that of a job over an image that may be hostile, and
	// hostileSlack how much later than that its caller may hear: the pool gives a
	// worker 250 ms to give up, notices within 2 s one that says nothing, and a busy
	// machine adds much to both.
	hostileDeadline = 10 * time.Second
	hostileSlack    = time.Minute

	// patience is how long a test waits for what must come.
	patience = 3 * time.Minute
)

func serveWorker() {
	err := worker.Serve(func() (transform.Engine, error) {
		if err := vips.Start(vips.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			return nil, err
		}
		vips.Warm(context.Background())
		return &watched{Engine: vips.New()}, nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A watched engine answers with a fault where the engine panics, or leaves
// something behind: neither is visible from outside of a worker.
type watched struct {
	*vips.Engine
	jobs int
	open int64
}

func (w *watched) Transform(ctx context.Context, job transform.Job) (out transform.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out, err = w.Engine.Transform(ctx, job)
	w.jobs++
	if n := govips.OpenImageRefs(); n > w.open {
		w.open = n
		return out, fmt.Errorf("%d images are left open", n)
	}
	// An animation whose pixels can't be had any more once it is being written as WebP
	// stays in memory whole, with its decoder: webpsave of libvips before 8.15.4 lets go
	// of its input only where all goes well (libvips #4107). Of mutants, which are small,
	// that is some 200 KB each, and rare. Anything else adds up with the jobs.
	const every, each = 500, 40 // jobs, and bytes for each besides 1 MiB
	if w.jobs%every == 0 {
		if held := heldByLibvips(); held > 1<<20+each*w.jobs {
			return out, fmt.Errorf("libvips holds %d bytes after %d jobs", held, w.jobs)
		}
	}
	return out, err
}

// heldByLibvips is how much, in bytes, it has not freed once nothing uses it.
func heldByLibvips() int {
	var stats govips.MemoryStats
	for range 10 { // finalisers free what they hold one after the other
		runtime.GC()
		if govips.ReadVipsMemStats(&stats); stats.Mem == 0 {
			break
		}
	}
	return int(stats.Mem)
}

// lossesOnly leaves out what decoders say of each image; the last of it is in the
// line about a worker that is lost.
type lossesOnly struct{ slog.Handler }

func (h lossesOnly) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != "a worker is lost" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// startWorkers starts a pool as the server's, but for that it never replaces a
// worker that is well: what one leaves behind adds up.
func startWorkers(t *testing.T) *worker.Pool {
	t.Helper()
	c := worker.Config{
		Command: []string{os.Args[0], workerCommand}, Workers: runtime.GOMAXPROCS(0), Queue: 100, Timeout: hostileDeadline,
		RecycleJobs: math.MaxInt, RecycleMemory: math.MaxInt64,
		Log: slog.New(lossesOnly{slog.NewTextHandler(t.Output(), nil)}),
	}
	p, err := worker.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	atFullStrength(t, p)
	return p
}

// atFullStrength waits until no job runs, and there is a worker for every job at a
// time and one to spare.
func atFullStrength(t *testing.T, p *worker.Pool) {
	t.Helper()
	workers := runtime.GOMAXPROCS(0) + 1
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s := p.Stats()
		if s.Idle == workers && s.Busy == 0 && s.Starting == 0 && s.Running == 0 && s.Used == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d workers are idle, %d busy, %d starting and %d jobs run with %d bytes; want %d idle and nothing else",
				s.Idle, s.Busy, s.Starting, s.Running, s.Used, workers)
		}
	}
}

// A holding is what this process has of what it could leak; counts are 0 where the
// system doesn't tell.
type holding struct{ files, children int }

func holds() (h holding) {
	files, _ := os.ReadDir("/proc/self/fd")
	h.files = len(files)
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, name := range lists {
		b, _ := os.ReadFile(name) // a thread that has ended
		h.children += len(strings.Fields(string(b)))
	}
	return h
}

// leaksNothing waits until this process has no more than it had.
func leaksNothing(t *testing.T, before holding) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		now := holds()
		if now.files <= before.files && now.children <= before.children {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d open files and %d child processes, had %d and %d", now.files, now.children, before.files, before.children)
			return
		}
	}
}

// An ending is what became of a job over an image that may be hostile.
type ending string

// Endings. Any other text is a fault: an error of no kind.
const (
	made         ending = "made"
	byHeader     ending = "refused by header"
	byDecoder    ending = "refused by decoder" // or by the engine around it
	workerDied   ending = "worker crashed"
	workerIsLate ending = "timed out"
)

// refusals are the errors that blame the image, with the word for each. A truncated
// image is a corrupt one too.
var refusals = []struct {
	err  error
	word string
}{
	{transform.ErrTruncated, "truncated"}, {transform.ErrCorrupt, "corrupt"}, {transform.ErrUnsupported, "unsupported"},
	{transform.ErrTooLarge, "too large"}, {transform.ErrOutputTooLarge, "output too large"},
}

func refusal(err error) string {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return ""
}

// put does what the server does with an original: judges its header, and hands it to
// a worker. name must be another for every job, lest the pool refuses what has
// brought a worker down before. why is more about the ending.
func put(t *testing.T, p *worker.Pool, name string, file []byte, query string, format transform.Format, limits transform.Limits) (image transform.Image, end ending, why string) {
	h, err := header.Read(file)
	if err == nil {
		err = limits.Check(h)
	}
	if err != nil {
		if refusal(err) == "" {
			return image, ending(err.Error()), ""
		}
		return image, byHeader, refusal(err)
	}
	start := time.Now()
	image, err = p.Transform(t.Context(), transform.Job{
		Originals: []transform.Original{{Body: file, Header: h, ID: name}}, Options: options(t, query), Format: format, Limits: limits,
		Owner: transform.Owner{Workspace: "hostile", Source: "images"},
	})
	if took := time.Since(start); took > hostileDeadline+hostileSlack {
		t.Errorf("%s: heard after %v, which is more than %v behind the deadline of %v", name, took.Round(time.Millisecond), hostileSlack, hostileDeadline)
	}
	switch {
	case err == nil:
		if _, err := header.Read(image.Data); err != nil {
			return image, ending("a broken output: " + err.Error()), ""
		}
		return image, made, ""
	case errors.Is(err, transform.ErrTimeout):
		return image, workerIsLate, ""
	case errors.Is(err, transform.ErrFailed):
		return image, workerDied, ""
	case refusal(err) != "":
		return image, byDecoder, refusal(err)
	}
	if _, ok := errors.AsType[*transform.OptionError](err); ok {
		return image, byDecoder, "option"
	}
	return image, ending(err.Error()), ""
}

// isFault reports whether an ending is one that no image may have.
func (e ending) isFault() bool {
	switch e {
	case made, byHeader, byDecoder, workerDied, workerIsLate:
		return false
	}
	return true
}

// isBad reports whether an ending is worth a look at the image.
func (e ending) isBad() bool { return e == workerDied || e == workerIsLate || e.isFault() }

// wantHonestDeaths fails where a worker was lost over a job for another reason than
// that the job's image broke it down: not by a machine short of memory or time, but
// by what it said or did.
func wantHonestDeaths(t *testing.T, p *worker.Pool) {
	t.Helper()
	for d, n := range p.Stats().Deaths {
		switch d.Reason {
		case "crash", "timeout", "killed", "unresponsive":
		default:
			t.Errorf("%d workers are lost for %q over %s", n, d.Reason, d.Format)
		}
	}
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tintype/tintype/transform"
)

// File descriptors that a worker inherits, besides the standard ones.
const (
	socketFD = 3
	inputFD  = 4
	outputFD = 5
)

// sendTimeout bounds the time in which the peer must read a message.
const sendTimeout = 5 * time.Second

// Serve is the main function of a worker process. It makes the engine, enters the sandbox
// and runs the jobs of the pool. It returns nil when the pool closes the connection or
// ends.
//
// start must load everything that the engine will need. Later the process can't use the
// network, start processes, or open files other than fonts and colour profiles.
func Serve(start func() (transform.Engine, error)) error {
	// Signals to the whole process group are for the pool, which then stops its workers.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	conn, err := newConn(os.NewFile(socketFD, "socket"), true)
	if err != nil {
		return fmt.Errorf("this command is for tintype itself: %w", err)
	}
	defer conn.Close()
	input, output := os.NewFile(inputFD, "original"), os.NewFile(outputFD, "variant")
	if input == nil || output == nil {
		return errors.New("this command is for tintype itself")
	}
	k, payload, err := conn.receive(maxToWorker, time.Time{})
	if err != nil {
		return err
	}
	s, err := parse[setup](payload)
	if k != kindSetup || err != nil {
		return fmt.Errorf("%w: no setup", errFrame)
	}
	tasks, err := newTaskReader(s.Tasks)
	if err != nil {
		return err
	}
	engine, state := prepare(s, start)
	if err := conn.send(kindReady, state, sendTimeout); err != nil || engine == nil {
		return err
	}
	w := &worker{conn: conn, tasks: tasks, engine: engine, input: input, output: output, end: exit}
	return w.serve()
}

// exit ends the process at once. It doesn't wait for a job that loops, and nothing needs to
// be saved. os.Exit would let the race detector, where there is one, sleep for a second.
func exit() { syscall.Exit(0) }

// prepare limits the process, makes the engine and enters the sandbox.
func prepare(s setup, start func() (transform.Engine, error)) (transform.Engine, ready) {
	if err := limitSelf(s); err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	engine, err := start()
	if err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	state := lockIn(s.Sandbox)
	debug.FreeOSMemory() // of the start
	return engine, state
}

// A worker is the state of a worker process. One goroutine reads messages and another runs
// jobs, so that the process can answer while the engine is busy.
type worker struct {
	conn   *conn
	tasks  *taskReader
	engine transform.Engine
	input  *os.File
	output *os.File
	end    func()

	busy atomic.Bool // a job runs

	// Used by the reading goroutine: the mapped input file, the current job, and the job after
	// which memory was given back.
	mapped mapping
	id     uint64
	cancel context.CancelFunc
	rested uint64
}

// A request is a received job with its images.
type request struct {
	ctx   context.Context
	id    uint64
	job   transform.Job
	marks []mapping // images of marks, mapped until the job ends
}

func (w *worker) serve() error {
	requests := make(chan request)
	go func() {
		for r := range requests {
			w.carryOut(r)
		}
	}()
	for {
		k, payload, err := w.conn.receive(maxToWorker, time.Time{})
		if errors.Is(err, io.EOF) {
			w.end()
			return nil
		}
		if err == nil {
			err = w.hear(k, payload, requests)
		}
		if err != nil {
			return err
		}
	}
}

// hear handles a message of the pool. It sends jobs to requests.
func (w *worker) hear(k kind, payload []byte, requests chan<- request) error {
	switch k {
	case kindPing:
		t, err := parse[ticket](payload)
		if err != nil {
			return err
		}
		err = w.conn.send(kindPong, t, sendTimeout)
		w.rest()
		return err
	case kindCancel:
		t, err := parse[ticket](payload)
		if err == nil && t.ID == w.id && w.cancel != nil {
			w.cancel()
		}
		return err
	case kindJob:
		r, err := w.request(payload)
		if err == nil {
			w.busy.Store(true)
			requests <- r
		}
		return err
	}
	return fmt.Errorf("%w: of kind %d", errFrame, k)
}

// request reads a job and opens its images. The previous job has ended.
func (w *worker) request(payload []byte) (request, error) {
	t, err := w.tasks.task(payload)
	if err != nil {
		return request{}, err
	}
	r := request{id: t.ID, job: t.Job}
	if r.marks, err = mapAll(w.conn.takeFiles(), t.marks()); err != nil {
		return r, err
	}
	for i, m := range r.marks {
		r.job.Marks[i].Image = m
	}
	if err := w.openOriginals(r.job.Originals, t.originals()); err != nil {
		return r, err
	}
	if w.cancel != nil {
		w.cancel()
	}
	w.id = t.ID
	r.ctx, w.cancel = context.WithCancel(context.Background())
	return r, nil
}

// openOriginals sets the bodies of originals with these lengths. [process.put] has written
// them into the input file. The pool overwrites them after the job has ended.
func (w *worker) openOriginals(originals []transform.Original, lengths []int) error {
	if len(lengths) == 0 {
		return nil
	}
	end := 0
	for i, n := range lengths {
		if n <= 0 {
			return fmt.Errorf("%w: an original of %d bytes", errFrame, n)
		}
		end = startOf(i, end) + n
	}
	if end > len(w.mapped) {
		w.mapped.close() // no job runs that could read it
		w.mapped = nil
		m, err := mapInput(w.input, end)
		if err != nil {
			return err
		}
		w.mapped = m
	}
	end = 0
	for i, n := range lengths {
		start := startOf(i, end)
		end = start + n
		originals[i].Body = w.mapped[start:end:end]
	}
	return checkLength(w.input, end)
}

// mapAll maps the files that came with a job.
func mapAll(files []*os.File, lengths []int) (held []mapping, err error) {
	if len(files) != len(lengths) {
		err = fmt.Errorf("%w: %d files for %d images", errFrame, len(files), len(lengths))
	}
	for i, f := range files {
		if err != nil {
			_ = f.Close()
			continue
		}
		var m mapping
		if m, err = mapFile(f, lengths[i]); err == nil {
			held = append(held, m)
		}
	}
	return held, err
}

// rest gives memory back to the system, once after the last job. The pool pings a process
// that has had no job for a while.
func (w *worker) rest() {
	if w.busy.Load() || w.rested == w.id {
		return
	}
	w.rested = w.id
	debug.FreeOSMemory()
	if e, ok := w.engine.(rester); ok {
		e.Rest(0)
	}
}

// carryOut runs a job and sends its result.
func (w *worker) carryOut(r request) {
	defer w.busy.Store(false)
	defer func() {
		for _, m := range r.marks {
			m.close()
		}
	}()
	if err := w.conn.send(kindDone, w.do(r), sendTimeout); err != nil {
		w.end()
	}
	if e, ok := w.engine.(rester); ok && Estimate(&r.job) > largeJob {
		e.Rest(keptMemory)
	}
}

// do runs a job in the engine, and writes the variant to the output file.
func (w *worker) do(r request) result {
	ctx := transform.WithNotice(r.ctx, func(at transform.Place) {
		_ = w.conn.send(kindAt, place{r.id, at.Mark, at.Original}, sendTimeout) // the next send fails too
	})
	image, err := w.transform(ctx, r.job)
	if err == nil {
		err = w.keep(image.Data)
	}
	if err != nil {
		return result{ID: r.id, Error: toFailure(err)}
	}
	return result{
		ID: r.id, Size: int64(len(image.Data)), Format: image.Format,
		Width: image.Width, Height: image.Height, Frames: image.Frames, Quality: image.Quality,
	}
}

// A rester is an engine that keeps memory between jobs and can free it, but for some bytes.
type rester interface{ Rest(keep int) }

const (
	// largeJob is the memory of a job, in bytes, beyond which the engine frees memory after it.
	largeJob = 32 << 20
	// keptMemory is what it keeps then, for the next ordinary image.
	keptMemory = 16 << 20
)

// transform calls the engine. It turns a panic into [transform.ErrFailed], and the error of
// a canceled job into errCanceled.
func (w *worker) transform(ctx context.Context, job transform.Job) (image transform.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("%w: the engine crashed", transform.ErrFailed)
		}
	}()
	image, err = w.engine.Transform(ctx, job)
	if ctx.Err() != nil {
		return image, errCanceled
	}
	return image, err
}

// keep writes the variant to the output file.
func (w *worker) keep(data []byte) error {
	_, err := w.output.WriteAt(data, 0)
	if err != nil {
		return fmt.Errorf("%w: the variant of %d bytes is too large", transform.ErrFailed, len(data))
	}
	return nil
}

package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/tintype/tintype/transform"
)

// Files that a worker is born with, besides the standard ones.
const (
	socketFD = 3
	inputFD  = 4
	outputFD = 5
)

// sendTimeout is how long either side may leave a message unread.
const sendTimeout = 5 * time.Second

// Serve is what a worker process does: it makes the engine, locks the process in,
// and carries out the jobs of the pool that started it until that goes away or
// says so by closing the connection, which is no error.
//
// start must load all that the engine will ever need: afterwards there is no
// network, no new process, and no file but fonts and colour profiles.
func Serve(start func() (transform.Engine, error)) error {
	// A signal meant for the whole group or service is the pool's to act on.
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

// exit ends the process without another word: nothing in it is worth saving, and
// code that loops for ever is not asked.
func exit() { os.Exit(0) }

// prepare brings the process into the state that jobs are done in.
func prepare(s setup, start func() (transform.Engine, error)) (transform.Engine, ready) {
	if err := limitSelf(s); err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	engine, err := start()
	if err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	state := lockIn(s.Sandbox)
	debug.FreeOSMemory() // what starting took
	return engine, state
}

// A worker is this process at work. One goroutine reads what the pool says, and one
// does the jobs: so that the process can answer while an engine is busy.
type worker struct {
	conn   *conn
	tasks  *taskReader
	engine transform.Engine
	input  *os.File
	output *os.File
	end    func()

	// For the reading goroutine: of the input file, and of the job that came last.
	mapped mapping
	id     uint64
	cancel context.CancelFunc
}

// A request is a job that has come, with its images.
type request struct {
	ctx   context.Context
	id    uint64
	job   transform.Job
	marks []mapping // of their images, which are the job's until it ends
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

// hear does what the pool says in a message. Jobs go to requests.
func (w *worker) hear(k kind, payload []byte, requests chan<- request) error {
	switch k {
	case kindPing:
		t, err := parse[ticket](payload)
		if err != nil {
			return err
		}
		return w.conn.send(kindPong, t, sendTimeout)
	case kindCancel:
		t, err := parse[ticket](payload)
		if err == nil && t.ID == w.id && w.cancel != nil {
			w.cancel()
		}
		return err
	case kindJob:
		r, err := w.request(payload)
		if err == nil {
			requests <- r
		}
		return err
	}
	return fmt.Errorf("%w: of kind %d", errFrame, k)
}

// request reads a job and opens its images. The job before it has ended.
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

// openOriginals sets the bodies of originals of these lengths: they are in the input
// file, as [process.put] lays them out. The pool changes them once it has had the
// answer.
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
		w.mapped.close() // nobody reads: jobs come one at a time
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

// carryOut does a job and tells how it ended.
func (w *worker) carryOut(r request) {
	defer func() {
		for _, m := range r.marks {
			m.close()
		}
	}()
	if err := w.conn.send(kindDone, w.do(r), sendTimeout); err != nil {
		w.end()
	}
	if e, ok := w.engine.(rester); ok && Estimate(&r.job) > largeJob {
		e.Rest()
	}
}

// do has the engine do a job, and puts the variant where the pool reads it.
func (w *worker) do(r request) result {
	ctx := transform.WithNotice(r.ctx, func(at transform.Place) {
		_ = w.conn.send(kindAt, place{r.id, at.Mark, at.Original}, sendTimeout) // what follows will fail too
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
		Width: image.Width, Height: image.Height, Frames: image.Frames,
	}
}

// A rester is an engine that holds memory for the next job, and may give it back.
type rester interface{ Rest() }

// largeJob is the memory, in bytes, beyond which a job leaves something behind that is
// worth giving back.
const largeJob = 32 << 20

// transform is the engine's, with what it leaves to be said about its errors.
func (w *worker) transform(ctx context.Context, job transform.Job) (image transform.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("%w: the engine broke down over it", transform.ErrFailed)
		}
	}()
	image, err = w.engine.Transform(ctx, job)
	if ctx.Err() != nil {
		return image, errCanceled
	}
	return image, err
}

// keep puts the variant where the pool reads it.
func (w *worker) keep(data []byte) error {
	_, err := w.output.WriteAt(data, 0)
	if err != nil {
		return fmt.Errorf("%w: its variant of %d bytes is larger than one may be", transform.ErrFailed, len(data))
	}
	return nil
}
